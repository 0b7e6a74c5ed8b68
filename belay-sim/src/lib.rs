//! Virtual MicroPython boards.

mod board;
mod error;
mod firmware;
mod port;
mod vm;
mod wire;

pub use board::{Board, Options};
pub use error::Error;
pub use port::Port;
