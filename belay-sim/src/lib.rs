//! Virtual MicroPython boards.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod board;
mod bridge;
mod error;
mod families;
mod files;
mod firmware;
mod line;
mod peripherals;
mod port;
#[cfg(unix)]
mod pty;
mod spec;
mod tcp;
mod vm;
mod wire;
mod wiring;

pub use board::{Board, Options};
pub use error::Error;
pub use families::{Feature, RawPaste, families};
pub use line::{Counters, Direction, Fault, FaultKind, Line, LineHandle, LineOptions, Noise, Unread, Way};
pub use port::Port;
#[cfg(unix)]
pub use pty::Pty;
pub use spec::open;
pub use tcp::Tcp;
pub use wiring::{Adc, I2c, Pin, Spi, Uart};
