//! Typed async Rust calls into MicroPython boards.
//!
//! Python bodies stand in the Rust source. A macro turns them into typed methods; the runtime puts each body on the
//! board once, calls it in one turn of the line, and gives back a typed value or a typed error.
//!
//! ```
//! use belay::{Device, Result};
//!
//! /// What a Pico with its built-in temperature sensor can do.
//! #[belay::device]
//! trait Thermometer {
//!     /// Runs by itself, once per boot of the board, before the first task.
//!     #[belay::setup]
//!     async fn open(&self) -> Result<()> {
//!         r#"
//!         from machine import ADC
//!         sensor = ADC(4)
//!         "#
//!     }
//!
//!     /// Degrees Celsius.
//!     #[belay::task(timeout = "2s")]
//!     async fn read_temp(&self) -> Result<f32> {
//!         r#"
//!         volts = sensor.read_u16() * 3.3 / 65535
//!         return 27 - (volts - 0.706) / 0.001721
//!         "#
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! // A virtual board, from the feature `sim`. On hardware: "/dev/ttyACM0", "COM3", "tcp://host:port".
//! let sensor = Device::open("sim:pico").await?;
//! let celsius = sensor.read_temp().await?;
//! assert!((0.0..60.0).contains(&celsius));
//! # Ok(())
//! # }
//! ```
//!
//! - [`macro@device`], [`macro@task`], [`macro@thread`], [`macro@setup`], [`macro@teardown`]: what the macros accept, with
//!   their options. [`Streaming`], [`Thread`], [`Object`]: what stays on a board.
//! - [`Device`]: opening a board. [`Session`]: output, resets, ad-hoc code, counters.
//! - [`Manager`]: many boards, each opened once, watched, and closed with the program.
//! - [`Executor`] and [`layers`]: what carries calls; limits, retries, metrics, traces, mocks.
//! - [`blocking`]: the same in programs without async.
//! - [`Error`]: what can go wrong, sorted by what a caller can do about it.
//!
//! # What a call promises
//!
//! - It ends with the right value or a typed [`Error`] by its deadline; one that runs when its time is up learns within a
//!   tenth of it, at most two seconds, what is known of the board.
//! - User code runs at most once, unless the task is `idempotent`: nothing is sent again without the board's own count as
//!   proof that it did not run.
//! - A call that is dropped or late stops the board, and the next call begins only when the board has proved that it
//!   listens.
//! - What a task prints goes to [`Session::output`] and is never mixed with replies.
//!
//! # Features
//!
//! - `syntax` (default): Python is parsed, checked and made smaller when the program is compiled. Its parser and what that
//!   depends on take about half of a clean build; without it the first to see a slip is the board.
//! - `retry`: `layers::Retry`, a policy for tower's retry layer. It brings `futures-util`.
//! - `sim`: virtual boards in this process. In a debug build Python runs some eighty times slower there unless the
//!   interpreter is optimised, by these lines in the workspace's `Cargo.toml`:
//!
//!   ```toml
//!   [profile.dev.package]
//!   wasmi = { opt-level = 3, debug-assertions = false, overflow-checks = false }
//!   wasmi_core = { opt-level = 3 }
//!   wasmi_ir = { opt-level = 3 }
//!   wasmparser = { opt-level = 3 }
//!   sha2 = { opt-level = 3 }
//!   belay-sim = { opt-level = 1 }
//!   ```

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

pub use belay_macros::{device, setup, task, teardown, thread};
pub use belay_runtime::{
    AfterTimeout, Builder, Call, CallKind, Capabilities, Device, Error, Event, Events, Exception, Exclusive, Executor,
    Frame, Holding, HoldingKind, Learned, Line, Manager, ManagerEvent, ManagerEvents, Object, Output, OwnUsb, Preset,
    Printed, Profile, Progress, Repairs, Reply, Result, Session, Source, State, Statistics, Step, Streaming, Thread,
    Traffic, Transfer, Trust, WayOut, blocking, codec, layers,
};
/// What a task that yields gives back. `futures_core`'s, which all of async Rust knows.
pub use futures_core::Stream;

/// Virtual boards, for programs that set what a sensor reads, see what a pin did, or let other programs in.
#[cfg(feature = "sim")]
pub use belay_sim as sim;

#[doc(hidden)]
pub use belay_runtime::__private;

/// The chapters of `docs/`: their examples are compiled and run.
#[cfg(doctest)]
mod docs {
    #[doc = include_str!("../docs/executors.md")]
    struct Executors;
    #[doc = include_str!("../docs/sessions.md")]
    struct Sessions;
    #[doc = include_str!("../docs/forms.md")]
    struct Forms;
}
