//! What is known of families of boards, and what was learned of one.

mod learned;

pub use learned::Learned;
