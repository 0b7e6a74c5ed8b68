//! The runtime of belay: everything that happens while a program runs.
//!
//! Programs use the facade, `belay`; this crate knows nothing of its macros. Upper rows use lower ones, never the other
//! way:
//!
//! | module | its one job |
//! |---|---|
//! | `manager` | many boards |
//! | `blocking` | the same handle for programs without async |
//! | `device`, `call` | the handle that programs hold; the typed shell around an untyped call |
//! | `stream`, `thread`, `object` | what stays on a board: generators, running threads, objects |
//! | `executor` | one call as a value; the tower services that carry it; what calls leave on a board |
//! | `session` | one board, one owner: the queue, what this boot of the board holds, stopping it |
//! | `agent` | the Python that lives on the board |
//! | `repl` | the raw REPL as a state machine without a socket and without a clock |
//! | `codec`, `exception` | Rust values ↔ Python text and MessagePack; tracebacks |
//! | `transport` | lines: serial, TCP, programs, virtual boards |
//! | `board` | what is known of families of boards and was learned of one |
//! | `task`, `error`, `output`, `progress`, `preset`, `trace` | as named |

#![warn(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, clippy::print_stderr)]

mod agent;
pub mod blocking;
mod board;
mod call;
pub mod codec;
mod device;
mod error;
mod exception;
mod executor;
mod manager;
mod object;
mod output;
mod preset;
mod progress;
mod repl;
mod session;
mod stream;
mod task;
mod thread;
mod topic;
mod trace;
#[cfg(test)]
mod transfer_tests;
mod transport;

pub use agent::Capabilities;
pub use board::{Learned, OwnUsb, Profile, Step};
pub use device::{Builder, Device};
pub use error::{AfterTimeout, Error, Result};
pub use exception::{Exception, Frame, Source};
pub use executor::{Call, CallKind, Executor, Reply, layers};
pub use manager::{Manager, ManagerEvent, ManagerEvents};
pub use object::Object;
pub use output::{Output, Printed};
pub use preset::Preset;
pub use progress::{Progress, Transfer};
pub use repl::Way as WayOut;
pub use session::{Event, Events, Exclusive, Holding, HoldingKind, Repairs, Session, State, Statistics, Traffic};
pub use stream::Streaming;
pub use thread::Thread;
pub use transport::{Line, Trust};

/// What expansions of the macros name. Not for programs: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        call::{Answer, Args, Argument, Item, Outcome, Returning, Returns, call, item, returns},
        stream::{Streaming, stream},
        task::{Kind, Origin, Scope, Task},
        thread::thread,
    };
}
