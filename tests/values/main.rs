//! What the facade promises of values: what is passed comes back as it was, whichever way bytes leave the board, no
//! argument runs as code, and few bytes travel.

mod board;
mod figures;
mod hostile;
mod identity;
mod large;
#[path = "../conformance/microbit.rs"]
mod microbit;
mod replies;
mod small;
mod value;
