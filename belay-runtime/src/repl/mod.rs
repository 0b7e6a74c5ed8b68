//! The raw REPL as a state machine without a socket and without a clock: bytes in, events and bytes out.
//!
//! What boards answer is written down in MicroPython's `docs/reference/repl.rst` and `shared/runtime/pyexec.c`.
//! The same bytes in any chunking give the same events.

mod frame;
mod hidden;
mod machine;
mod notes;
mod received;
#[cfg(test)]
mod tests;
mod understand;

pub use frame::Way;
#[cfg(test)]
pub(crate) use frame::mark;
pub(crate) use frame::{FACTOR, Form, MODULUS, REFUSED, check, payload};
pub(crate) use machine::{Event, Expect, Input, Lane, Repl, Request};
pub(crate) use notes::Span;
