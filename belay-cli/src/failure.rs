//! Why a verb did not do what it was asked for: in words with a next step, as JSON, as an exit code.

use std::{fmt, io};

use belay::Error;
use serde_json::{Value, json};

/// Why a verb did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something is wrong with what the command line says.
    Usage(String),
    /// The operating system refused something that is no matter of a board.
    System { what: String, source: io::Error },
    /// What belay says of the board.
    Board(Error),
    /// Ctrl-C; whether the board is known to have stopped, where something ran on it.
    Stopped(Option<Result<(), Error>>),
    /// Nobody reads what is written.
    Unread,
}

impl Failure {
    pub(crate) fn system(what: impl Into<String>, source: io::Error) -> Self {
        Self::System { what: what.into(), source }
    }

    /// See the end of `belay --help`.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Board(Error::Exception { .. }) => 1,
            Self::Usage(_) | Self::System { .. } | Self::Board(Error::Argument { .. } | Error::File { .. }) => 2,
            Self::Board(Error::Open { .. } | Error::Lost { .. } | Error::Closed { .. }) => 3,
            Self::Board(Error::TimedOut { .. }) => 4,
            Self::Board(_) => 5,
            Self::Stopped(_) => 130,
            // What a shell says of a program that SIGPIPE has ended.
            Self::Unread => 141,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Usage(_) => "usage",
            Self::System { .. } => "system",
            Self::Stopped(_) => "stopped",
            Self::Unread => "unread",
            Self::Board(error) => match error {
                Error::Open { .. } => "open",
                Error::Lost { .. } => "lost",
                Error::TimedOut { .. } => "timed out",
                Error::Protocol { .. } => "protocol",
                Error::Exception { .. } => "exception",
                Error::WrongType { .. } => "wrong type",
                Error::Argument { .. } => "argument",
                Error::OutcomeUnknown { .. } => "outcome unknown",
                Error::Cancelled { .. } => "cancelled",
                Error::Unresponsive { .. } => "unresponsive",
                Error::File { .. } => "file",
                Error::Unsupported { .. } => "unsupported",
                Error::Busy { .. } => "busy",
                Error::Closed { .. } => "closed",
                _ => "other",
            },
        }
    }

    /// What to do about it, where the message itself does not say so.
    pub(crate) fn next_step(&self) -> Option<&'static str> {
        match self {
            Self::Stopped(Some(Err(_))) => Some("reset the board, or unplug it and plug it in again"),
            Self::Board(Error::Lost { .. }) => {
                Some("look at cable and power; `belay info` says whether the board answers again")
            }
            Self::Board(Error::TimedOut { .. }) => Some("give it more time, with --timeout where the verb has it"),
            Self::Board(Error::Protocol { .. }) => Some(
                "`belay trace` shows what goes over the line; on a line that loses bytes add ?trust=verified to the port",
            ),
            Self::Board(Error::OutcomeUnknown { .. }) => {
                Some("ask the board what became of it before you run it again")
            }
            _ => None,
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({ "kind": self.kind(), "message": self.to_string(), "exit_code": self.exit_code() });
        if let Some(step) = self.next_step() {
            error["next"] = step.into();
        }
        if let Self::Board(Error::Exception { exception, .. }) = self {
            error["exception"] = exception.kind().into();
            error["exception_message"] = exception.message().into();
        }
        json!({ "error": error })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) => f.write_str(text),
            Self::System { what, source } => write!(f, "{what}: {source}"),
            // As Python itself shows it.
            Self::Board(Error::Exception { exception, .. }) => exception.fmt(f),
            Self::Board(error) => error.fmt(f),
            Self::Stopped(None) => f.write_str("stopped"),
            Self::Stopped(Some(Ok(()))) => f.write_str("stopped, and the board too"),
            Self::Stopped(Some(Err(error))) => write!(f, "stopped, but the board may still run: {error}"),
            Self::Unread => f.write_str("nobody reads the output"),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Board(error)
    }
}
