//! Values on the line: Rust to Python text on the way out, MessagePack to Rust on the way back.
//!
//! The two ways differ on purpose. A board reads Python anyway, so arguments are literals and need no decoder there;
//! a board writes MessagePack with little code, and it keeps every bit of a value.

pub mod args;
pub(crate) mod items;
mod literal;
pub mod msgpack;
mod plain;
pub mod reply;
mod run;
mod serialize;
mod shown;
mod strict;

pub(crate) use literal::KEPT;
pub use reply::DecodeError;
pub use serialize::EncodeError;
