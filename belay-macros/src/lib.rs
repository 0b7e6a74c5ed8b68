//! The attribute macros of belay: a trait with Python bodies becomes typed async calls to a MicroPython board.
//!
//! Use them through the `belay` crate, which re-exports them with everything that their output needs. What happens
//! here, from top to bottom: `options` and `parse` make a `model` of what the user wrote, `check` judges it, `python`
//! makes the text for the board, `expand` writes Rust. All problems are collected and reported together, and the
//! signatures are there even when something is wrong.

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod check;
#[cfg(test)]
mod examples;
mod expand;
mod model;
mod options;
mod parse;
mod problem;
mod python;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod timing;

use proc_macro2::TokenStream;

use crate::model::Kind;
use crate::problem::{Problem, Problems};

/// Makes a trait whose methods run on a board.
///
/// The trait is implemented for `belay::Device`. Its methods carry [`macro@task`], [`macro@thread`], [`macro@setup`] or
/// [`macro@teardown`] and have a Python body in a string literal; methods with a Rust body and no attribute are helpers,
/// and may be `async`.
///
/// ```
/// use belay::{Device, Result};
///
/// #[belay::device]
/// pub trait Thermometer {
///     #[belay::setup]
///     async fn open(&self) -> Result<()> {
///         r#"
///         from machine import ADC
///         adc = ADC(4)
///         "#
///     }
///
///     /// Degrees Celsius.
///     #[belay::task(timeout = "2s")]
///     async fn read_temp(&self) -> Result<f32> {
///         r#"
///         volts = adc.read_u16() * 3.3 / 65535
///         return 27 - (volts - 0.706) / 0.001721
///         "#
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let board = Device::open("sim:pico").await?;
/// println!("{:.1} °C", board.read_temp().await?);
/// # Ok(())
/// # }
/// ```
///
/// All methods return futures that are `Send`, so a trait of this kind is not dyn-compatible: take
/// `&impl Thermometer` instead of `&dyn Thermometer`. An implementation of your own, for example a mock, writes
/// `async fn`, for a stream `fn … -> impl Stream<Item = …>`, and may leave out setups and teardowns.
///
/// All bodies of one trait share one namespace on the board: what a setup defines, the tasks see.
///
/// # Options
///
/// - `crate = "path"`: where the belay crate is, if it is not called `belay`.
#[proc_macro_attribute]
pub fn device(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_device(args.into(), item.into()).into()
}

/// Makes a function run on a board.
///
/// The body is Python: the inside of a function, in one string literal. Every parameter is a parameter of that
/// function and can be anything that is `serde::Serialize`; the result can be any `belay::Result<T>` whose `T` is
/// `serde::de::DeserializeOwned`. Common indentation is removed; strings in the Python text stay as they are.
///
/// It goes on a method of a trait with [`macro@device`], and it also stands alone:
///
/// - on a method with `&self`, in an `impl` of a type, or in a trait, that is `AsRef<belay::Device>`;
/// - on a free `async fn` whose first parameter is `&belay::Device`.
///
/// ```
/// #[belay::task(timeout = "500ms", idempotent)]
/// async fn free_memory(device: &belay::Device) -> belay::Result<u32> {
///     "import gc
///      return gc.mem_free()"
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> belay::Result<()> {
/// # assert!(free_memory(&belay::Device::open("sim:pico").await?).await? > 1000);
/// # Ok(())
/// # }
/// ```
///
/// The arguments are encoded when the function is called, not when its future is first polled.
///
/// # Streams
///
/// A body that yields is a generator on the board, and a stream in Rust:
///
/// ```
/// # use belay::{Device, Result, Stream};
/// # #[belay::device]
/// # trait Sensor {
/// #     #[belay::setup]
/// #     async fn open(&self) -> Result<()> { "from machine import ADC\nadc = ADC(4)" }
/// #[belay::task]
/// fn samples(&self, count: u32) -> impl Stream<Item = Result<u16>> {
///     "for _ in range(count):
///          yield adc.read_u16()"
/// }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let board = Device::open("sim:pico").await?;
/// let mut samples = board.samples(100);
/// while let Some(sample) = samples.next().await {
///     println!("{}", sample?);
/// }
/// # Ok(())
/// # }
/// ```
///
/// The stream is `Send` and `Unpin` and borrows nothing, so `samples.next().await` works wherever it is kept. In code
/// that is generic over the trait it may borrow the board, because an implementation of your own may.
///
/// # What is checked
///
/// With the feature `syntax`, which is on by default, the body is parsed when the program is compiled. Then these are
/// errors, with the line in your file:
///
/// - what is no Python, and what is Python but not MicroPython, where `# noqa` on the line silences it;
/// - a name that is defined nowhere: not in the body, in a setup, by a `global` of any body of the trait, or by Python
///   itself. Nothing is said where a star import or `exec` makes it unsure, and `# noqa` on the line silences it;
/// - a task that promises a value and never returns one (`return None` says that it is meant);
/// - `yield` in a task that is no stream, a stream that never yields, and a parameter that shares its name with an
///   import.
///
/// A parameter that the body never reads is an unused variable: rename it to `_name` or allow `unused_variables`.
///
/// The body goes to the board without comments, docstrings, annotations and indentation, but every line of it still
/// knows its place in your file. Annotations of functions with `@micropython.viper` and its like stay: there they
/// mean something.
///
/// # Options
///
/// - `timeout = "2s"`: the deadline of one call, in `ms`, `s` or `m`.
/// - `idempotent`: the body may run twice, so a call whose outcome is unknown is made again.
/// - `file = "body.py"`: the body stands in a file of its own, relative to the Rust file. The function then ends in
///   `;` or has empty braces.
/// - `name = "python_name"`: the name of the function on the board, if it is not that of the Rust function.
/// - `crate = "path"`: where the belay crate is, if it is not called `belay` (on a task that stands alone).
#[proc_macro_attribute]
pub fn task(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_alone(Kind::Task, args.into(), item.into()).into()
}

/// Makes a function that starts a thread on a board: Python that goes on running between calls.
///
/// The body is a generator, and every `yield` is a point at which the thread can be stopped. The function returns
/// `belay::Result<belay::Thread>`, the handle of the thread. It goes where a [`macro@task`] goes. A board whose firmware
/// has no `_thread` refuses it with an error.
///
/// ```
/// # use belay::{Device, Error, Result, Thread};
/// # #[belay::device]
/// # trait Lamp {
/// #     #[belay::setup]
/// #     async fn open(&self) -> Result<()> { "from machine import Pin\nled = Pin(25, Pin.OUT)" }
/// #[belay::thread]
/// async fn blink(&self, period_ms: u32) -> Result<Thread> {
///     "import time
///      while True:
///          led.toggle()
///          time.sleep_ms(period_ms)
///          yield"
/// }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let outcome = Device::open("sim:pico").await?.blink(100).await;
/// # assert!(matches!(outcome, Err(Error::Unsupported { .. })), "virtual boards have no threads");
/// # Ok(())
/// # }
/// ```
///
/// # Options
///
/// - `timeout = "2s"`: how long starting it may take, in `ms`, `s` or `m`.
/// - `file`, `name`, `crate`: as for a [`macro@task`].
#[proc_macro_attribute]
pub fn thread(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_alone(Kind::Thread, args.into(), item.into()).into()
}

/// Runs Python once per boot of the board, before the first task of its trait.
///
/// The body is the text of a module: what it defines, the tasks of the trait see. It goes on a method of a trait with
/// [`macro@device`] that takes `&self` and returns `belay::Result<()>`; the method need not be called. Setups run in the
/// order in which they are written. In other implementations of the trait a setup does nothing unless they write it.
///
/// A setup with parameters cannot run by itself: it runs when it is called, and its parameters become names that the
/// tasks of the trait see, like everything else that it defines.
///
/// ```
/// # use belay::{Device, Result};
/// # #[belay::device]
/// # trait Lamp {
/// #[belay::setup]
/// async fn configure(&self, pin: u8) -> Result<()> {
///     "from machine import Pin
///      led = Pin(pin, Pin.OUT)"
/// }
/// #     #[belay::task]
/// #     async fn light(&self) -> Result<u8> { "led.on()\nreturn led.value()" }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let board = Device::open("sim:pico").await?;
/// board.configure(25).await?;
/// # assert_eq!(board.light().await?, 1);
/// # Ok(())
/// # }
/// ```
///
/// # Options
///
/// - `timeout = "10s"`: how long this setup may take, in `ms`, `s` or `m`.
/// - `file = "setup.py"`: the body stands in a file of its own, relative to the Rust file.
#[proc_macro_attribute]
pub fn setup(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_misplaced(Kind::Setup, args.into(), item.into()).into()
}

/// Runs Python when the board is closed, as the last thing of its trait.
///
/// Like a [`macro@setup`], the body is the text of a module and goes on a method of a trait with [`macro@device`] that
/// takes `&self` alone and returns `belay::Result<()>`. Teardowns run in the reverse of the order in which they are
/// written. Nothing runs when the line is lost instead of closed.
///
/// ```
/// # use belay::{Device, Result};
/// # #[belay::device]
/// # trait Lamp {
/// #     #[belay::setup]
/// #     async fn open(&self) -> Result<()> { "from machine import Pin\nled = Pin(25, Pin.OUT)" }
/// #     #[belay::task]
/// #     async fn light(&self) -> Result<()> { "led.on()" }
/// #[belay::teardown]
/// async fn off(&self) -> Result<()> {
///     "led.off()
///      print('the lamp is off')"
/// }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let board = Device::open("sim:pico").await?;
/// # board.light().await?;
/// # let mut printed = board.session().output();
/// # board.close().await?;
/// # assert_eq!(printed.take_text(), "the lamp is off\r\n");
/// # Ok(())
/// # }
/// ```
///
/// # Options
///
/// - `timeout = "10s"`, `file = "teardown.py"`: as for a [`macro@setup`].
#[proc_macro_attribute]
pub fn teardown(args: proc_macro::TokenStream, item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    expand_misplaced(Kind::Teardown, args.into(), item.into()).into()
}

fn expand_device(args: TokenStream, item: TokenStream) -> TokenStream {
    let problems = Problems::new();
    let output = parse::device_trait(args, item, &problems).map(|mut device| {
        check::device_trait(&mut device, &problems);
        python::device_trait(&mut device, &problems);
        expand::device::device(&device)
    });
    finish(problems, output)
}

fn expand_alone(kind: Kind, args: TokenStream, item: TokenStream) -> TokenStream {
    if is_use_marker(&args) {
        return TokenStream::new();
    }
    let problems = Problems::new();
    let output = parse::alone(kind, args, item, &problems).map(|mut alone| {
        check::alone(&mut alone, &problems);
        python::alone(&mut alone, &problems);
        expand::task::alone(&alone)
    });
    finish(problems, output)
}

fn expand_misplaced(kind: Kind, args: TokenStream, item: TokenStream) -> TokenStream {
    if is_use_marker(&args) {
        return TokenStream::new();
    }
    let problems = Problems::new();
    let problem = Problem::ModuleAlone(kind.noun());
    let output = parse::misplaced(item, &problem, &problems).map(|alone| expand::task::alone(&alone));
    finish(problems, output)
}

/// `#[belay::device]` takes the attributes off the methods and puts their paths on empty items, so that an import of
/// them counts as used.
fn is_use_marker(args: &TokenStream) -> bool {
    args.to_string() == "__belay_used"
}

fn finish(problems: Problems, output: Option<TokenStream>) -> TokenStream {
    let mut tokens = problems.finish();
    tokens.extend(output);
    tokens
}
