//! From the literal in the Rust source to the text that goes to the board, every line of it traced back to where
//! the user wrote it.

pub(crate) mod lines;
pub(crate) mod source;
