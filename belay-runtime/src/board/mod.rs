//! What is known of families of boards, and what was learned of one.

mod learned;
mod profiles;

pub use learned::{Learned, Step};
pub use profiles::{OwnUsb, Profile};
