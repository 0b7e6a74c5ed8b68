//! Everything the macros can complain about, in one table, and the collector that keeps all complaints of a trait
//! until the end, so that a user sees them at once.

use std::cell::RefCell;
use std::fmt;

use proc_macro2::TokenStream;
use quote::ToTokens;

/// A slip in the user's code. The text names the thing, the reason and the next step.
#[derive(Debug)]
pub(crate) enum Problem<'a> {
    NotATrait,
    NotAFunction,
    ModuleAlone(&'a str),
    UnsafeTrait,
    AssociatedItem(&'a str),
    HelperWithoutBody,
    PythonWithoutAttribute,
    TwoAttributes,
    AttributeForm,
    UnknownOption {
        found: &'a str,
        known: &'a [&'a str],
    },
    LaterOption(&'a str),
    DuplicateOption(&'a str),
    OptionNeedsValue {
        key: &'a str,
        example: &'a str,
    },
    OptionTakesNoValue(&'a str),
    CrateInsideTrait,
    BadCrate,
    BadTimeout,
    BadName(&'a str),
    NoBody,
    BodyNotALiteral,
    NotAsync,
    StreamForm,
    ThreadResult,
    IdempotentStream,
    NoResult,
    UnnamedResult,
    BorrowedResult,
    QualifiedFn(&'a str),
    Receiver,
    NoDevice,
    TeardownParameters,
    Pattern,
    Mutable,
    ParameterAttribute,
    PythonKeyword {
        what: &'a str,
        name: &'a str,
        fix: String,
    },
    Reserved(&'a str),
    SameName {
        name: &'a str,
        other: &'a str,
    },
    TwoBodies,
    UnreadableFile {
        path: String,
        reason: String,
    },
    #[cfg(feature = "syntax")]
    Python {
        function: &'a str,
        what: &'a str,
        excerpt: &'a str,
    },
}

impl fmt::Display for Problem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotATrait => f.write_str("#[belay::device] goes on a trait whose methods are tasks of the board"),
            Self::NotAFunction => f.write_str("#[belay::task] goes on an `async fn` whose body is Python in a string literal"),
            Self::ModuleAlone(what) => {
                write!(f, "a {what} stands inside a trait with #[belay::device]: it runs ")?;
                f.write_str(match *what {
                    "setup" => "before the first task of that trait",
                    _ => "when the board is closed",
                })
            }
            Self::UnsafeTrait => f.write_str("a device trait is an ordinary trait: remove `unsafe` or `auto`"),
            Self::AssociatedItem(what) => write!(
                f,
                "a device trait has no associated {what}: the macro writes the implementation for `Device` and \
                 cannot choose one; put it beside the trait"
            ),
            Self::HelperWithoutBody => f.write_str(
                "this method has no body and is no task: add #[belay::task] and a Python body, or give it a Rust body",
            ),
            Self::PythonWithoutAttribute => f.write_str(
                "this body is a string literal, but the method carries no belay attribute: add #[belay::task] \
                 (under its own name: a renamed import cannot be seen by #[belay::device])",
            ),
            Self::TwoAttributes => f.write_str("this method has two belay attributes: keep one"),
            Self::AttributeForm => f.write_str("options stand in parentheses: #[belay::task(timeout = \"2s\")]"),
            Self::UnknownOption { found, known } => {
                write!(f, "unknown option `{found}`; ")?;
                match known {
                    [] => f.write_str("this attribute has no options"),
                    known => write!(f, "known here: {}", known.join(", ")),
                }
            }
            Self::LaterOption(key) => write!(f, "the option `{key}` is reserved: it is not supported yet"),
            Self::DuplicateOption(key) => write!(f, "the option `{key}` is given twice: keep one"),
            Self::OptionNeedsValue { key, example } => {
                write!(f, "the option `{key}` needs a string: `{key} = \"{example}\"`")
            }
            Self::OptionTakesNoValue(key) => write!(f, "the option `{key}` takes no value: write just `{key}`"),
            Self::CrateInsideTrait => {
                f.write_str("inside a device trait the crate is named once: #[belay::device(crate = \"path\")]")
            }
            Self::BadCrate => f.write_str("not a path to the belay crate: write for example `crate = \"my_belay\"`"),
            Self::BadTimeout => f.write_str(
                "not a timeout: write a whole number greater than 0 and a unit, for example \"500ms\", \"2s\" or \"1m\"",
            ),
            Self::BadName(name) => write!(f, "`{name}` cannot name a Python function: write a Python identifier"),
            Self::NoBody => f.write_str(
                "the Python body is missing: write it as a string literal between the braces, or name its file with \
                 `file = \"body.py\"`",
            ),
            Self::BodyNotALiteral => f.write_str(
                "the body must be one string literal and nothing else, for example r#\"return 1\"#: it is read when \
                 the program is compiled",
            ),
            Self::NotAsync => f.write_str("a call to a board takes time: write `async fn`"),
            Self::StreamForm => f.write_str(
                "a stream is written `fn name(&self) -> impl Stream<Item = belay::Result<T>>`: without `async`, and \
                 every item is a result",
            ),
            Self::ThreadResult => f.write_str("starting a thread gives a handle to it: return `belay::Result<belay::Thread>`"),
            Self::IdempotentStream => {
                f.write_str("a stream cannot be `idempotent`: from the start again, items that came would come twice")
            }
            Self::NoResult => f.write_str("a call to a board can fail: return `belay::Result<T>`"),
            Self::UnnamedResult => f.write_str(
                "the type of the result must be named, not `impl Trait`: the reply of the board is decoded into it",
            ),
            Self::BorrowedResult => f.write_str(
                "the result must own its data, because the reply of the board is gone after the call: use `String` for \
                 `&str`, `Vec<T>` for `&[T]`",
            ),
            Self::QualifiedFn(what) => write!(f, "a task cannot be `{what}`: its body is Python on a board"),
            Self::Receiver => f.write_str("a task takes `&self`: a board is shared, and calls to it wait for their turn"),
            Self::NoDevice => f.write_str(
                "a task that stands alone needs a board: make its first parameter `&self` (of a type that is \
                 `AsRef<belay::Device>`) or `device: &belay::Device`",
            ),
            Self::TeardownParameters => {
                f.write_str("a teardown has no parameters: it runs by itself when the board is closed")
            }
            Self::Pattern => {
                f.write_str("a parameter needs a plain name: the function on the board has a parameter of that name")
            }
            Self::Mutable => f.write_str("`mut` has no meaning here: the value goes to the board; remove it"),
            Self::ParameterAttribute => f.write_str("attributes on the parameters of a task are not supported: remove it"),
            Self::PythonKeyword { what, name, fix } => {
                write!(f, "`{name}` is a keyword of Python and cannot name a {what}: {fix}")
            }
            Self::Reserved(name) => write!(
                f,
                "`{name}` is a method of `belay::Device` itself and would hide this one: choose another name (the \
                 name on the board can stay: `name = \"{name}\"`)"
            ),
            Self::SameName { name, other } => write!(
                f,
                "the Python name `{name}` is already taken by the method `{other}`: the tasks of one trait share one namespace \
                 on the board; choose another with `name = \"…\"`"
            ),
            Self::TwoBodies => {
                f.write_str("this body is in a file and here: remove the option `file`, or write `;` instead of the body")
            }
            Self::UnreadableFile { path, reason } => write!(
                f,
                "cannot read `{path}`: {reason}; the path is relative to the directory of this Rust file"
            ),
            #[cfg(feature = "syntax")]
            Self::Python { function, what, excerpt } => write!(f, "in the Python of `{function}`: {what}{excerpt}"),
        }
    }
}

/// Collects problems. Whoever makes one must [`finish`](Problems::finish) it: a forgotten collector panics, so that
/// no error can get lost.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    found: RefCell<Option<Vec<syn::Error>>>,
}

impl Problems {
    pub(crate) fn new() -> Self {
        Self { found: RefCell::new(Some(Vec::new())) }
    }

    /// Notes a problem at the user's own tokens.
    pub(crate) fn add(&self, at: &impl ToTokens, problem: &Problem<'_>) {
        self.keep(syn::Error::new_spanned(at, problem));
    }

    /// Notes an error that syn made.
    pub(crate) fn keep(&self, error: syn::Error) {
        if let Some(found) = self.found.borrow_mut().as_mut() {
            found.push(error);
        }
    }

    /// How many problems there are so far: more afterwards than before means that something went wrong between.
    pub(crate) fn count(&self) -> usize {
        self.found.borrow().as_ref().map_or(0, Vec::len)
    }

    /// All problems as `compile_error!`s, for the output.
    pub(crate) fn finish(self) -> TokenStream {
        let found = self.found.borrow_mut().take().unwrap_or_default();
        found.iter().map(syn::Error::to_compile_error).collect()
    }
}

impl Drop for Problems {
    fn drop(&mut self) {
        if self.found.borrow().is_some() && !std::thread::panicking() {
            panic!("the problems found in a macro were never reported");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "never reported")]
    fn a_forgotten_collector_panics() {
        let _forgotten = Problems::new();
    }

    #[test]
    fn all_problems_come_out() {
        let problems = Problems::new();
        problems.add(&quote::quote!(a), &Problem::NoBody);
        problems.add(&quote::quote!(b), &Problem::NotAsync);
        assert_eq!(problems.count(), 2);
        assert_eq!(problems.finish().to_string().matches("compile_error").count(), 2);
    }
}
