//! Virtual MicroPython boards.

mod board;
mod error;
mod files;
mod firmware;
mod line;
mod peripherals;
mod port;
mod spec;
mod vm;
mod wire;

pub use board::{Adc, Board, Options};
pub use error::Error;
pub use line::{Counters, Direction, Fault, FaultKind, Line, LineHandle, LineOptions, Noise, Unread, Way};
pub use port::Port;
pub use spec::{families, open};
