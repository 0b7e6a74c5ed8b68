//! Typed async Rust calls into MicroPython boards.

pub use belay_macros::{device, setup, task};
pub use belay_runtime::{
    AfterTimeout, Builder, Capabilities, Device, Error, Exception, Frame, Line, Output, Printed, Result, Session, Source,
    Traffic,
};

#[doc(hidden)]
pub use belay_runtime::__private;
