//! One file a verb.

pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod eval;
pub(crate) mod exec;
pub(crate) mod info;
pub(crate) mod latency;
pub(crate) mod reset;
pub(crate) mod sim;
pub(crate) mod trace;
