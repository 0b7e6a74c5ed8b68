//! What a session promises: one board, many callers, nothing hangs, nothing lost. On virtual boards.

mod adhoc;
mod bench;
mod cable;
mod callers;
mod holdings;
mod lifecycle;
mod losses;
mod rig;
mod stopping;
mod streams;
mod suspicions;
