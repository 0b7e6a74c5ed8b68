//! Calls as values, and what carries them to a board.

mod call;
mod held;

pub use call::Call;
pub(crate) use call::{Via, Work};
pub(crate) use held::{Held, Table};
