//! Calls as values, and what carries them to a board.

mod call;

pub use call::Call;
pub(crate) use call::Work;
