//! A board's reply as the value that the program asked for.
//!
//! MessagePack, read by rmp-serde. Before it, one bounded pass checks the reply and expands the agent's extensions;
//! around it, a thin layer refuses what serde would quietly bend (bytes where a str is asked for, an int as the name of
//! a variant) and says where in the value something does not fit.
//!
//! | extension | content |
//! |---|---|
//! | a typecode of Python's `array` (`b'h'`) | a list of numbers, packed, little-endian |
//! | 1 | an int of any size, as decimal text |
//! | 2 | an exception, see [`Exception`](crate::exception::Exception) |

use std::fmt::{self, Display, Write};

use serde::de::{self, DeserializeOwned, Expected, Unexpected};

use super::{plain::plain, strict};

/// The extension type of ints of any size: decimal text.
pub const EXT_BIGINT: i8 = 1;

/// The extension type of exceptions.
pub const EXT_EXCEPTION: i8 = 2;

/// Reads a whole reply.
///
/// What costs memory is bounded by the payload: no header's claim is believed before the bytes are there, and the
/// payload with its packed lists expanded is at most twice as long.
///
/// # Errors
/// If the value is no `T`, if bytes follow it, or if it is no MessagePack.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, DecodeError> {
    strict::decode(&plain(payload)?)
}

/// What the board returned does not fit the type that the program asked for.
///
/// ```text
/// [3].temp: expected f32, found str "n/a"
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// From the inside out.
    path: Vec<Step>,
    problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Index(usize),
    /// A dict's key, as Python would show it.
    Key(String),
    /// A key or a variant that reads like a field.
    Name(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Problem {
    Type { expected: String, found: String },
    Message(String),
}

impl DecodeError {
    pub(super) fn message(message: impl Into<String>) -> Self {
        Self { path: Vec::new(), problem: Problem::Message(message.into()) }
    }

    pub(super) fn mismatch(expected: impl Display, found: impl Into<String>) -> Self {
        let problem = Problem::Type { expected: expected.to_string(), found: found.into() };
        Self { path: Vec::new(), problem }
    }

    /// The same error, seen from the container around it.
    pub(super) fn inside(mut self, step: impl FnOnce() -> Step) -> Self {
        self.path.push(step());
        self
    }

    /// The same error about this value, if it is about the type.
    pub(super) fn about(mut self, value: impl Display) -> Self {
        if let Problem::Type { found, .. } = &mut self.problem {
            *found = value.to_string();
        }
        self
    }

    /// Where in the value, such as `[3].temp`; empty for the value itself.
    #[must_use]
    pub fn path(&self) -> String {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Index(index) => drop(write!(path, "[{index}]")),
                Step::Key(key) => drop(write!(path, "[{key}]")),
                Step::Name(name) => {
                    let dot = if path.is_empty() { "" } else { "." };
                    let _ = write!(path, "{dot}{name}");
                }
            }
        }
        path
    }

    /// The type that was asked for there, if that is what is wrong.
    #[must_use]
    pub fn expected(&self) -> Option<&str> {
        match &self.problem {
            Problem::Type { expected, .. } => Some(expected),
            Problem::Message(_) => None,
        }
    }

    /// What came instead: its Python type, and the value or its size.
    #[must_use]
    pub fn found(&self) -> Option<&str> {
        match &self.problem {
            Problem::Type { found, .. } => Some(found),
            Problem::Message(_) => None,
        }
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        match &self.problem {
            Problem::Type { expected, found } => write!(f, "expected {expected}, found {found}"),
            Problem::Message(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::message(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        match found {
            Unexpected::UnitVariant => Self::mismatch("a dict of this variant and its value", "its name"),
            found => Self::mismatch(expected, python(found)),
        }
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::mismatch(expected, python(found))
    }

    fn invalid_length(len: usize, expected: &dyn Expected) -> Self {
        Self::mismatch(expected, format!("{len} items"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::message(format!("the key {field:?} is missing"))
    }
}

/// A value in Python's words.
fn python(value: Unexpected<'_>) -> String {
    match value {
        Unexpected::Bool(true) => "bool True".to_owned(),
        Unexpected::Bool(false) => "bool False".to_owned(),
        Unexpected::Unsigned(value) => format!("int {value}"),
        Unexpected::Signed(value) => format!("int {value}"),
        Unexpected::Float(value) => format!("float {value:?}"),
        Unexpected::Char(value) => shown(value.encode_utf8(&mut [0; 4])),
        Unexpected::Str(value) => shown(value),
        Unexpected::Bytes(value) => format!("bytes of {}", value.len()),
        Unexpected::Unit | Unexpected::Option => "None".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a dict".to_owned(),
        other => other.to_string(),
    }
}

/// A `str` in a message, cut to what fits a line.
pub(super) fn shown(value: &str) -> String {
    const LONGEST: usize = 40;
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("str {:?}…", value.get(..end).unwrap_or_default()),
        None => format!("str {value:?}"),
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
