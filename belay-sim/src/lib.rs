//! Virtual MicroPython boards: the real interpreter, in process, behind a line that behaves like a serial line.
//!
//! A [`Board`] runs MicroPython's official WebAssembly build on a thread of its own, with a heap, an input buffer and
//! a garbage collector of a board's size, the modules that boards have (`machine`, `neopixel`, a file system, …), and the
//! REPLs that tools speak to: friendly, raw and raw-paste. What it is not like a board in stands
//! [below](#what-is-not-like-a-board).
//!
//! # Test your board code without a board
//!
//! Three lines start a Pico and connect to it; what a sensor reads is the test's to say, and what a pin did the test's to
//! see:
//!
//! ```
//! use belay_sim::{Board, Options};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let board = Board::start(&Options::for_family("pico").unwrap_or_default())?;
//! let mut port = board.connect();
//! board.adc(26).set(32_768);
//!
//! port.write_all(b"from machine import ADC, Pin\rPin(25, Pin.OUT).value(ADC(26).read_u16() > 30000)\r").await?;
//! let mut seen = Vec::new();
//! while seen.windows(4).filter(|end| end == b">>> ").count() < 3 {
//!     seen.push(port.read_u8().await?);
//! }
//! assert!(board.pin(25).level());
//! # Ok(())
//! # }
//! ```
//!
//! [`Port`] is `AsyncRead + AsyncWrite`, so whatever takes a serial port takes it: with Belay,
//! `Device::builder().connect("virtual", board.connect())`, or `Device::open("sim:pico")` when the test has no business
//! with the board's pins. [`open`] understands the rest of such a spec, families and options; a [`Line`] between the
//! two adds latency, a baud rate, small buffers, noise and faults on a script; [`Tcp`] and, on Unix, [`Pty`] let programs
//! in other processes in.
//!
//! # Where MicroPython comes from
//!
//! It is not part of this crate. The build is the npm package `@micropython/micropython-webassembly-pyscript`, version
//! 1.27.0, and it is looked for
//!
//! 1. in the file that the environment variable `BELAY_SIM_FIRMWARE` names,
//! 2. in the user's cache directory (`~/.cache/belay` on Linux),
//! 3. with the `npm` client, once, into that directory.
//!
//! Its SHA-512 is checked each time. Without any of the three, [`Board::start`] fails with an error that names them.
//!
//! # What it costs
//!
//! | | release | debug, with the lines below | debug, without |
//! |---|---|---|---|
//! | first board of a process, to its prompt | 31 ms | 51 ms | 390 ms |
//! | each further board | 0.6 ms | 0.6 ms | 4.4 ms |
//! | raw exec of `print(1)` | 0.18 ms | 0.18 ms | 16 ms |
//! | memory of a board | 0.7 MB | 0.7 MB | 0.7 MB |
//!
//! CPU time as `cargo run --release -p belay-sim --example figures` counts it, on one machine. The interpreter is interpreted,
//! which an unoptimised build makes some eighty times slower. A profile counts only in the workspace that is being built,
//! so write these lines into your own `Cargo.toml`:
//!
//! ```toml
//! [profile.dev.package]
//! wasmi = { opt-level = 3, debug-assertions = false, overflow-checks = false }
//! wasmi_core = { opt-level = 3 }
//! wasmi_ir = { opt-level = 3 }
//! wasmparser = { opt-level = 3 }
//! sha2 = { opt-level = 3 }
//! belay-sim = { opt-level = 1 }
//! ```
//!
//! # Which boards
//!
//! [`families`] lists them. A family has its names, banner, boot noise, sizes, resets, ways with Ctrl-C, and its modules:
//!
//! | family | modules for hardware |
//! |---|---|
//! | `pico`, `pico2`, `esp8266` | `machine`, `neopixel`, `network` |
//! | `esp32`, `esp32-s3` | the same, `machine.TouchPad` |
//! | `pyboard` | the same without touch, `pyb`: `Accel`, `LED`, `Servo`, `Switch`, `Timer`, `ADC`, `Pin`, delays |
//! | `circuitpython` | `board`, `digitalio`, `analogio`, `pwmio`, `microcontroller`, `supervisor`, `time.monotonic` |
//! | `unix` | none |
//!
//! A test sets what they read and sees what they did through [`Board::adc`], [`Board::pin`], [`Board::touch`],
//! [`Board::i2c`] and their like. `boot.py` and `main.py` (CircuitPython: `code.py`) run at a reset, `main.py` not at that of
//! a tool in the raw REPL; [`Board::write_file`] and [`Board::read_file`] reach the board's files from outside:
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let board = belay_sim::Board::start(&belay_sim::Options::default())?;
//! board.write_file("main.py", b"from machine import Pin\nPin('LED', Pin.OUT).on()\n")?;
//! board.reset();
//! while !board.pin("LED").level() {
//!     std::thread::yield_now();
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What is not like a board
//!
//! Floats have 64 bits in every family. There are no threads on the board (`_thread`), no native code, no `asyncio`, and no
//! network: a scan finds what [`Board::set_networks`] says, and connecting fails. Input beyond the input buffer is lost in
//! every family, where some USB stacks would hold it back. `circuitpython` has the names, the ways and the modules of
//! CircuitPython, its Python is MicroPython's.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod board;
mod bridge;
mod error;
mod families;
mod files;
mod firmware;
mod line;
mod modules;
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
pub use wiring::{Adc, I2c, Network, Pin, Spi, Touch, Uart};
