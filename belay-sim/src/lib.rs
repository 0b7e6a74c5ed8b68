//! Virtual MicroPython boards.
//!
//! A board is the official WebAssembly build of MicroPython on a thread of its own, behind a line that loses what a real
//! one would lose. Test your board code without a board:
//!
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (_board, mut port) = belay_sim::open("pico")?;
//! port.write_all(b"\x03\x01print(6*7)\x04").await?;
//! let mut seen = Vec::new();
//! while !seen.ends_with(b"42\r\n\x04\x04>") {
//!     seen.push(port.read_u8().await?);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Where MicroPython comes from
//!
//! The file that the environment variable `BELAY_SIM_FIRMWARE` names; else the user's cache directory
//! (`belay/micropython-1.27.0.wasm`); else the `npm` client, which fetches the package
//! `@micropython/micropython-webassembly-pyscript` once into that cache. It is checked by its SHA-512, and it is never part
//! of a build.
//!
//! # Debug builds
//!
//! It is an interpreter inside an interpreter: in a debug build it is slow unless dependencies are optimised. A profile
//! counts only in the workspace that is being built, so write this into your own `Cargo.toml`:
//!
//! ```toml
//! [profile.dev.package."*"]
//! opt-level = 3
//! ```

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
