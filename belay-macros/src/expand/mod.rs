//! From the model to tokens. Nothing can go wrong here: what is wrong was reported before, and a function without a
//! body becomes its signature alone.

pub(crate) mod device;
pub(crate) mod task;
