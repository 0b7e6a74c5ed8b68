//! Everything that can be wrong in the Python of a body, in one table.

use std::fmt;
use std::ops::Range;

use proc_macro2::Ident;

use crate::model::python_ident;

/// Something wrong at a place of a Python text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slip {
    /// Bytes of the text.
    pub(crate) range: Range<usize>,
    pub(crate) what: What,
}

/// What is wrong. The text names the thing, the reason and the next step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// What the parser says.
    Syntax(String),
    /// Python has it, MicroPython has not.
    NotMicroPython {
        what: &'static str,
        instead: &'static str,
    },
    /// MicroPython has it since a version that not every board runs, or not in every build.
    Later {
        since: &'static str,
        what: &'static str,
        instead: &'static str,
    },
    /// MicroPython finds another end of an expression in an f-string.
    FStringEnd,
    OutsideFunction(&'static str),
    OutsideAsync(&'static str),
    OutsideLoop(&'static str),
    ParameterTwice(String),
    NoNonlocal(String),
    LateGlobal(String),
    Undefined {
        name: String,
        hint: Hint,
    },
    LocalOnlyUpdated(String),
    NoValue,
    NoItem,
    NoPause,
    Yield,
    ShadowsImport {
        name: String,
        in_setup: bool,
    },
    HidesSetup(String),
}

/// What to do about an undefined name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hint {
    Similar(String),
    Import(String),
    /// Nothing is known: in a device trait, a setup is the place.
    Setup,
    /// Nothing is known: a task that stands alone has no setup.
    Alone,
}

impl What {
    /// Whether it is MicroPython's doing and not Python's: then a board of another version may know better.
    pub(crate) fn depends_on_the_board(&self) -> bool {
        matches!(self, Self::NotMicroPython { .. } | Self::Later { .. } | Self::FStringEnd)
    }

    /// Whether the place to show is this parameter, or without one the name of the task, and not the body.
    pub(crate) fn is_about(&self, parameter: Option<&Ident>) -> bool {
        match (self, parameter) {
            (Self::ShadowsImport { name, in_setup: true }, Some(parameter)) => python_ident(parameter) == *name,
            (Self::HidesSetup(_), None) => true,
            _ => false,
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(message) => {
                let mut chars = message.chars();
                let first = chars.next().map(|c| c.to_ascii_lowercase());
                write!(f, "{}{}", first.unwrap_or_default(), chars.as_str())
            }
            Self::NotMicroPython { what, instead } => {
                write!(f, "MicroPython has no {what}; {instead} (`# noqa` on this line if this board has)")
            }
            Self::Later { since, what, instead } => write!(
                f,
                "MicroPython has no {what} before {since}; {instead} (`# noqa` on this line if this board has)"
            ),
            Self::FStringEnd => f.write_str(
                "MicroPython does not read this expression to its end: in an f-string `:`, `}` and brackets count for it \
                 even inside of strings and parentheses; give the value a name first (`# noqa` on this line if this \
                 board reads it)",
            ),
            Self::OutsideFunction(what) => {
                write!(f, "`{what}` outside of a function; the body of a setup is the text of a module")
            }
            Self::OutsideAsync(what) => {
                write!(f, "`{what}` outside of an `async def`; a coroutine is run with `asyncio.run(…)`")
            }
            Self::OutsideLoop(what) => write!(f, "`{what}` outside of a loop"),
            Self::ParameterTwice(name) => write!(f, "the parameter `{name}` is there twice"),
            Self::NoNonlocal(name) => {
                write!(f, "no function around this one has a variable `{name}`; for a global write `global {name}`")
            }
            Self::LateGlobal(name) => {
                write!(f, "`{name}` is used in this function before it is declared global; move the declaration up")
            }
            Self::Undefined { name, hint } => {
                write!(f, "`{name}` is not defined; ")?;
                match hint {
                    Hint::Similar(other) => write!(f, "did you mean `{other}`?")?,
                    Hint::Import(import) => write!(f, "add `{import}`")?,
                    Hint::Setup => f.write_str("define it here or in a setup of this trait")?,
                    Hint::Alone => write!(f, "define it here, or write `global {name}` if another task of this module does")?,
                }
                f.write_str(" (`# noqa` on this line if it exists on the board)")
            }
            Self::LocalOnlyUpdated(name) => write!(
                f,
                "`{name}` is a local variable here, because it is assigned, and has no value yet; write `global {name}` \
                 first if the global one is meant"
            ),
            Self::NoValue => f.write_str(
                "this body never returns a value, but the task promises one; add `return …`, promise `Result<()>`, \
                 or write `return None` if None is the value",
            ),
            Self::NoItem => f.write_str(
                "this body never yields an item, but its type promises a stream of them; add `yield …`, or make it an \
                 `async fn` that returns one value",
            ),
            Self::NoPause => f.write_str(
                "this thread has no `yield`, so there is no point at which it could be stopped; add `yield` to its loop",
            ),
            Self::Yield => f.write_str(
                "`yield` makes a generator, which cannot be sent as one value; promise a stream, \
                 `fn … -> impl Stream<Item = Result<T>>`, or collect the items in a list and return it",
            ),
            Self::ShadowsImport { name, in_setup } => {
                let place = if *in_setup { "in a setup" } else { "in this body" };
                write!(f, "the parameter `{name}` and the import `{name}` {place} hide each other; rename one")
            }
            Self::HidesSetup(name) => write!(
                f,
                "a setup of this trait defines `{name}`, and the task would take its place, because they share one \
                 namespace on the board; rename one, or choose another name on the board with `name = \"…\"`"
            ),
        }
    }
}
