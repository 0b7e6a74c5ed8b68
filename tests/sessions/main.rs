//! What a session promises: one board, many callers, nothing hangs, nothing lost. On virtual boards.

mod adhoc;
mod callers;
mod lifecycle;
mod rig;
mod soak;
mod stopping;
mod streams;
