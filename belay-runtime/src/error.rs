//! What can go wrong, sorted by what a caller can do about it.

use std::{sync::Arc, time::Duration};

use crate::{
    codec::{DecodeError, EncodeError},
    exception::Exception,
};

/// What a call gives back.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a Rust call and its board.
///
/// Errors are cheap to clone: one that ends a connection is given to every call that was waiting.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The port could not be opened, or nothing on it answered as a board does.
    #[error("cannot open {port}: {reason}")]
    Open {
        /// The spec as it was given.
        port: String,
        /// What failed, and what to do next.
        reason: String,
        /// The operating system's error, where there was one.
        #[source]
        source: Option<Arc<std::io::Error>>,
    },
    /// The line to the board ended.
    #[error("the connection to {port} is lost: {reason}")]
    Lost {
        /// The spec as it was given.
        port: String,
        /// What ended it.
        reason: String,
        /// The operating system's error, where there was one.
        #[source]
        source: Option<Arc<std::io::Error>>,
    },
    /// The deadline passed. What was running on the board has been told to stop.
    #[error("{what} on {port} took longer than {limit:?}{}", board.note())]
    TimedOut {
        /// The task, or the step of a session (`attach`, `deploy read_temp`, …).
        what: String,
        /// The spec as it was given.
        port: String,
        /// The deadline that passed.
        limit: Duration,
        /// What is known of the board now.
        board: AfterTimeout,
    },
    /// The board does not keep to the protocol, and several proved resyncs did not help.
    #[error("{port} does not answer as a raw REPL: {reason}")]
    Protocol {
        /// The spec as it was given.
        port: String,
        /// What was expected and what came.
        reason: String,
    },
    /// The Python code raised.
    #[error("{task} raised on the board\n{exception}")]
    Exception {
        /// The task, or the step of a session.
        task: String,
        /// The exception with its traceback.
        exception: Box<Exception>,
    },
    /// The board's value does not fit the declared result type.
    #[error("{task}: {source}")]
    WrongType {
        /// The task.
        task: String,
        /// Expected type, what came, and where.
        source: Box<DecodeError>,
    },
    /// An argument cannot be written as Python.
    #[error("{task}: argument `{param}`: {source}")]
    Argument {
        /// The task.
        task: String,
        /// The parameter.
        param: String,
        /// Why.
        source: Box<EncodeError>,
    },
    /// The call may or may not have run: the line or the board failed while it was under way.
    #[error("it is unknown whether {task} ran on {port}: {reason}")]
    OutcomeUnknown {
        /// The task.
        task: String,
        /// The spec as it was given.
        port: String,
        /// What happened.
        reason: String,
    },
    /// The call was stopped on the board because the program asked for it: [`Session::interrupt`](crate::Session::interrupt).
    #[error("{task} on {port} was interrupted")]
    Cancelled {
        /// The task.
        task: String,
        /// The spec as it was given.
        port: String,
    },
    /// The board does not listen: what runs on it ignores Ctrl-C.
    #[error("{port} ignores Ctrl-C: {tried} did not help. Reset the board, or wait until what runs on it ends")]
    Unresponsive {
        /// The spec as it was given.
        port: String,
        /// What was tried.
        tried: String,
    },
    /// A file of this machine cannot be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The operating system's error.
        source: Arc<std::io::Error>,
    },
    /// The board was reset, and what the call is about, such as a generator or an object, went with it. Nothing was sent.
    #[error("{what} is gone: {port} was reset. Open or make it again")]
    Gone {
        /// The task that made it, or what it is.
        what: String,
        /// The spec as it was given.
        port: String,
    },
    /// The program has let go of what the call is about with [`Session::release`](crate::Session::release). Nothing was
    /// sent.
    #[error("{what} on {port} has been released. Open or make it again")]
    Released {
        /// The task that made it, or what it is.
        what: String,
        /// The spec as it was given.
        port: String,
    },
    /// A setup that has parameters was not called, and the task needs it. Nothing was sent.
    #[error("{task} needs what {setup} sets up: call {setup}({params}) once before it")]
    SetupMissing {
        /// The task.
        task: String,
        /// The setup.
        setup: String,
        /// The names of its parameters.
        params: String,
    },
    /// This board, or this build of the program, cannot do that.
    #[error("{what} is not supported: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why not, and what would help.
        reason: String,
    },
    /// Too many calls wait for this board already. Nothing was sent.
    #[error("{waiting} calls wait for {port} already: make fewer at a time")]
    Busy {
        /// The spec as it was given.
        port: String,
        /// How many wait.
        waiting: usize,
    },
    /// A layer that the program put around its calls failed.
    #[error("{task} on {port}: a layer failed: {source}")]
    Layer {
        /// The task.
        task: String,
        /// The spec as it was given.
        port: String,
        /// The layer's own error.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The session was closed before the call was done.
    #[error("the session with {port} is closed")]
    Closed {
        /// The spec as it was given.
        port: String,
    },
}

/// What is known of the board after a deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AfterTimeout {
    /// The call had not been sent; the board knows nothing of it.
    NotSent,
    /// The call waits in the board's input, behind another one. It is interrupted if it should begin.
    Sent,
    /// It was not sent, because the line to the board has ended and could not be opened again.
    Away,
    /// It was not sent, because what runs on the board ignores Ctrl-C.
    Deaf,
    /// The board was interrupted, and a resync proved that it listens again.
    Stopped,
    /// The board has been interrupted; it has not yet shown that it stopped.
    Interrupting,
    /// A thread was told to stop, and has not come to a `yield` yet. It stops when it does.
    Running,
    /// A layer gave up on the call, or the service that stands for a board did not answer. A session takes such a call
    /// back, and interrupts the board if it had begun.
    TakenBack,
}

impl AfterTimeout {
    fn note(self) -> &'static str {
        match self {
            Self::NotSent => " (it was not sent)",
            Self::Away => " (it was not sent: the board is not connected)",
            Self::Deaf => " (it was not sent: what runs on the board ignores Ctrl-C)",
            Self::Sent => " (it was sent and had not begun)",
            Self::Stopped => " (the board was interrupted)",
            Self::Interrupting => " (the board was interrupted and has not answered yet)",
            Self::Running => " (it stops at its next `yield`, and has not come to one yet)",
            Self::TakenBack => " (the call was taken back; what had begun is interrupted)",
        }
    }
}

/// As `Display`: a program whose `main` returns the error, or that unwraps it, shows the reason and the next step.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Error {
    /// Whether the same call may succeed if it is made again, and making it again is safe: it certainly did not run.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            // Others are in the way, or the board is; that passes.
            Self::Busy { .. } | Self::Unresponsive { .. } => true,
            Self::TimedOut { board, .. } => match board {
                AfterTimeout::NotSent | AfterTimeout::Away | AfterTimeout::Deaf => true,
                AfterTimeout::Sent
                | AfterTimeout::Stopped
                | AfterTimeout::Interrupting
                | AfterTimeout::Running
                | AfterTimeout::TakenBack => false,
            },
            // It may have run.
            Self::OutcomeUnknown { .. } | Self::Protocol { .. } | Self::Cancelled { .. } | Self::Layer { .. } => false,
            // It has run.
            Self::Exception { .. } | Self::WrongType { .. } => false,
            // It would fail again.
            Self::Open { .. }
            | Self::Lost { .. }
            | Self::Argument { .. }
            | Self::File { .. }
            | Self::Gone { .. }
            | Self::Released { .. }
            | Self::SetupMissing { .. }
            | Self::Unsupported { .. }
            | Self::Closed { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_made_again_certainly_did_not_run() {
        let (port, reason) = (|| "port".to_owned(), || "reason".to_owned());
        let timed_out =
            |board| Error::TimedOut { what: "task".to_owned(), port: port(), limit: Duration::from_secs(1), board };
        let task = || "task".to_owned();
        let again = [
            Error::Busy { port: port(), waiting: 4096 },
            Error::Unresponsive { port: port(), tried: "Ctrl-C".to_owned() },
            timed_out(AfterTimeout::NotSent),
            timed_out(AfterTimeout::Away),
            timed_out(AfterTimeout::Deaf),
        ];
        let never = [
            timed_out(AfterTimeout::Sent),
            timed_out(AfterTimeout::Stopped),
            timed_out(AfterTimeout::Interrupting),
            timed_out(AfterTimeout::Running),
            timed_out(AfterTimeout::TakenBack),
            Error::Open { port: port(), reason: reason(), source: None },
            Error::Lost { port: port(), reason: reason(), source: None },
            Error::Protocol { port: port(), reason: reason() },
            Error::OutcomeUnknown { task: task(), port: port(), reason: reason() },
            Error::Cancelled { task: task(), port: port() },
            Error::Layer {
                task: task(),
                port: port(),
                source: Arc::from(Box::<dyn std::error::Error + Send + Sync>::from("broken")),
            },
            Error::Gone { what: task(), port: port() },
            Error::Released { what: task(), port: port() },
            Error::SetupMissing { task: task(), setup: task(), params: String::new() },
            Error::Unsupported { what: task(), reason: reason() },
            Error::Closed { port: port() },
        ];
        for error in &again {
            assert!(error.is_retryable(), "{error}");
        }
        for error in &never {
            assert!(!error.is_retryable(), "{error}");
        }
    }
}
