//! What Python raised: from the agent's frame or from the text that a REPL prints, to lines of the user's Rust file.
//!
//! The text may be anything that a program or a damaged line produced, so parsing gives the best reading it can and
//! never fails.

use std::fmt::{self, Display};

use crate::{
    codec::{
        msgpack::{Head, head},
        reply::EXT_EXCEPTION,
    },
    task::{Kind, Task},
};

/// More of a traceback than this is not kept. Boards print a hundred lines at most.
const LONGEST: usize = 16 << 10;

/// Instead of a message, where the agent had no room for one.
const UNTOLD: &str = "the board could not say what was raised (is its memory full?)";
/// The first line of every traceback.
const HEADER: &str = "Traceback (most recent call last):";

/// What CircuitPython prints between the tracebacks of chained exceptions; the last one is what was raised.
const CHAINS: [&str; 2] = [
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
];

/// A Python exception.
///
/// It shows itself as a Python traceback; lines of a task stand there as lines of the Rust file the task is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    kind: String,
    message: String,
    errno: Option<i32>,
    frames: Vec<Frame>,
    traceback: String,
}

/// One line of a traceback: where a function was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The file on the board: a task's name where the board can give sources names, else `<string>` or `<stdin>`.
    pub file: String,
    /// The line in it, from 1; 0 where the board does not say.
    pub line: u32,
    /// The function, or `<module>`; a syntax error has none.
    pub function: Option<String>,
    /// Where this is in the user's program, as far as [`Exception::locate`] found it.
    pub source: Option<Source>,
}

/// A place in the user's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// The Rust or Python file.
    pub file: &'static str,
    /// The line in it, from 1.
    pub line: u32,
    /// The text of the line.
    pub text: &'static str,
}

impl Exception {
    /// The exception in a reply; `None` if the reply is a value.
    ///
    /// An exception that the board had no memory left to describe is one without a message.
    #[must_use]
    pub fn from_reply(payload: &[u8]) -> Option<Self> {
        let (Head::Ext(EXT_EXCEPTION, len), skip) = head(payload).ok()? else { return None };
        let mut rest = payload.get(skip..)?.get(..len as usize)?;
        let count = match head(rest) {
            Ok((Head::Array(count), skip)) => {
                rest = rest.get(skip..).unwrap_or_default();
                count
            }
            _ => 0,
        };
        let mut exception = Self {
            kind: "Exception".to_owned(),
            message: String::new(),
            errno: None,
            frames: Vec::new(),
            traceback: String::new(),
        };
        for field in 0..count.min(4) {
            match (field, item(&mut rest)) {
                (0, Item::Text(kind)) if !kind.is_empty() => {
                    // The smallest agent sends the class as it shows itself.
                    let name = kind.strip_prefix("<class '").and_then(|rest| rest.strip_suffix("'>"));
                    exception.kind = name.unwrap_or(&kind).to_owned();
                }
                (1, Item::Text(message)) => exception.message = message,
                (2, Item::Int(errno)) => exception.errno = i32::try_from(errno).ok(),
                (3, Item::Text(text)) => {
                    exception.frames = parse(&text).frames;
                    exception.traceback = text;
                }
                (_, Item::Damaged) => break,
                _ => {}
            }
        }
        if count == 0 {
            exception.message = UNTOLD.to_owned();
        }
        exception.errno = exception.errno.or_else(|| errno(&exception.kind, &exception.message));
        Some(exception)
    }

    /// Whether Ctrl-C may be what ended a call: it says so, or a second one kept the agent from saying it.
    pub(crate) fn may_be_interrupt(payload: &[u8]) -> bool {
        Self::from_reply(payload).is_some_and(|it| it.kind == "KeyboardInterrupt" || it.is_untold())
    }

    /// The exception that a REPL printed; `None` if there is no text.
    #[must_use]
    pub fn from_traceback(text: &[u8]) -> Option<Self> {
        let text = readable(text);
        (!text.trim().is_empty()).then(|| parse(&text))
    }

    /// The class: `ValueError`, or a program's own.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What `str()` of the exception gives; may be empty.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The number of an `OSError`.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        self.errno
    }

    /// The board has not said what it was.
    pub(crate) fn is_untold(&self) -> bool {
        self.message == UNTOLD
    }

    /// Where it was raised, outermost call first.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The text as the board printed it, with `\n` at line ends; empty if it printed none.
    #[must_use]
    pub fn traceback(&self) -> &str {
        &self.traceback
    }

    /// Finds the lines of `task` among the frames, and what they are in the user's files.
    pub fn locate(&mut self, task: &'static Task) {
        for frame in self.frames.iter_mut().filter(|frame| frame.source.is_none()) {
            let ours = frame.file == task.name
                // Old boards give no names to sources: then the function tells whose line it is.
                || frame.file == "<string>" && frame.function.as_deref().is_some_and(|name| defines(task, name));
            let index = usize::try_from(frame.line).ok().and_then(|line| line.checked_sub(1));
            if let (true, Some(index)) = (ours, index)
                && let Some(&line @ 1..) = task.origin.lines.get(index)
            {
                let text = task.origin.text.get(index).copied().unwrap_or_default();
                frame.source = Some(Source { file: task.origin.file, line, text });
            }
        }
    }
}

/// Whether a frame in `function` can be a line of this task's source.
fn defines(task: &Task, function: &str) -> bool {
    match function {
        "<module>" => matches!(task.kind, Kind::Setup | Kind::Teardown),
        "<lambda>" => task.source.contains("lambda"),
        "<listcomp>" | "<genexpr>" | "<dictcomp>" | "<setcomp>" => task.source.contains(" for "),
        name => task
            .source
            .split("def ")
            .skip(1)
            .any(|rest| rest.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with('('))),
    }
}

impl Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What called the user's code is the agent's business. Its own sources have no name, or that of their function.
        let agents = |frame: &Frame| frame.file == "<string>" || frame.function.as_ref() == Some(&frame.file);
        let located = self.frames.iter().position(|frame| frame.source.is_some());
        let first = located.or_else(|| self.frames.iter().position(|frame| !agents(frame)));
        let first = first.unwrap_or(self.frames.len().saturating_sub(1));
        let frames = self.frames.get(first..).unwrap_or_default();
        if !frames.is_empty() {
            writeln!(f, "{HEADER}")?;
        }
        for frame in frames {
            let (file, line) = frame.source.map_or((frame.file.as_str(), frame.line), |s| (s.file, s.line));
            write!(f, "  File \"{file}\", line {line}")?;
            if let Some(function) = &frame.function {
                write!(f, ", in {function}")?;
            }
            writeln!(f)?;
            if let Some(source) = frame.source {
                writeln!(f, "    {}", source.text.trim())?;
            }
        }
        f.write_str(&self.kind)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl std::error::Error for Exception {}

/// One field of an exception frame.
enum Item {
    Text(String),
    Int(i64),
    Other,
    Damaged,
}

fn item(rest: &mut &[u8]) -> Item {
    let Ok((head, skip)) = head(rest) else { return Item::Damaged };
    let after = rest.get(skip..).unwrap_or_default();
    let (item, data) = match head {
        Head::Str(len) => {
            let Some(data) = after.get(..len as usize) else { return Item::Damaged };
            (Item::Text(readable(data)), data.len())
        }
        Head::Int(value) => (Item::Int(value), 0),
        Head::Uint(value) => (i64::try_from(value).map_or(Item::Other, Item::Int), 0),
        Head::Nil | Head::Bool(_) | Head::F32(_) | Head::F64(_) => (Item::Other, 0),
        Head::Bin(_) | Head::Ext(..) | Head::Array(_) | Head::Map(_) => return Item::Damaged,
    };
    *rest = after.get(data..).unwrap_or_default();
    item
}

/// Text from a board: not too long, with `\n` at line ends, without what is no UTF-8.
fn readable(text: &[u8]) -> String {
    // The end says what was raised.
    let start = text.len().saturating_sub(LONGEST);
    String::from_utf8_lossy(text.get(start..).unwrap_or_default()).replace("\r\n", "\n")
}

fn parse(text: &str) -> Exception {
    let chained = CHAINS.iter().filter_map(|chain| text.rfind(chain).map(|at| at + chain.len())).max();
    let last = text.get(chained.unwrap_or(0)..).unwrap_or_default();
    let mut lines = last.split_inclusive('\n').skip_while(|line| line.trim_end() != HEADER).skip(1).peekable();
    let mut frames = Vec::new();
    // What is no traceback is an exception without frames.
    let mut rest = if lines.peek().is_some() { String::new() } else { last.trim_start().to_owned() };
    while let Some(frame) = lines.peek().and_then(|line| frame(line)) {
        frames.push(frame);
        lines.next();
    }
    lines.for_each(|line| rest.push_str(line));
    let rest = rest.trim_end_matches(['\n', '\r', ' ']);
    // `KeyboardInterrupt: ` has a colon and no message.
    let (kind, message) = match rest.split_once(':') {
        Some((kind, message)) if is_class(kind) => (kind, message.strip_prefix(' ').unwrap_or(message)),
        _ if is_class(rest) => (rest, ""),
        _ => ("Exception", rest),
    };
    Exception {
        kind: kind.to_owned(),
        message: message.to_owned(),
        errno: errno(kind, message),
        frames,
        traceback: text.to_owned(),
    }
}

/// `  File "<stdin>", line 1, in <module>`
fn frame(line: &str) -> Option<Frame> {
    let line = line.trim_end().strip_prefix("  File \"")?;
    let (file, rest) = line.rsplit_once('"')?;
    let rest = rest.strip_prefix(", line ").unwrap_or_default();
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at_checked(digits)?;
    let function = rest.strip_prefix(", in ").filter(|name| !name.is_empty());
    Some(Frame {
        file: file.to_owned(),
        line: number.parse().unwrap_or(0),
        function: function.map(str::to_owned),
        source: None,
    })
}

fn is_class(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.')
}

/// The number in an `OSError`'s message: `[Errno 2] ENOENT`, or `2` on old boards.
fn errno(kind: &str, message: &str) -> Option<i32> {
    if kind != "OSError" {
        return None;
    }
    let text = message.strip_prefix("[Errno ").or_else(|| message.strip_prefix('(')).unwrap_or(message);
    let end = text.find([']', ',', ')']).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

#[cfg(test)]
#[path = "exception_tests.rs"]
mod tests;
