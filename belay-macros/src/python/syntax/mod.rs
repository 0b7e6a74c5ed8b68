//! The only module that knows ruff's parser, which is an internal crate of another project: Python text in, our own
//! tokens, cuts and scopes out.

mod flow;
mod strings;
mod walk;

use std::ops::Range;

use ruff_python_ast::token::{TokenKind as Ruff, Tokens};
use ruff_python_ast::{Mod, PythonVersion};
use ruff_python_parser::{Mode, ParseError, ParseErrorType, ParseOptions, UnsupportedSyntaxErrorKind, parse_unchecked};
use ruff_text_size::{Ranged, TextRange};

use crate::python::scope::Scope;
use crate::python::slip::{Slip, What};
use walk::Walk;

/// What is known of a Python text that parses.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) tokens: Vec<Token>,
    /// What can go without changing what the program does; sorted, none inside of another.
    pub(crate) cuts: Vec<Cut>,
    pub(crate) scope: Scope,
    /// What Python takes and MicroPython does not.
    pub(crate) slips: Vec<Slip>,
    /// Lines on which the user wants no complaints.
    pub(crate) silenced: Vec<Range<usize>>,
}

/// A token and the bytes of the text that it covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) range: Range<usize>,
}

/// As much of a token's kind as the minifier needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// The end of a logical line.
    Newline,
    Indent,
    Dedent,
    Semicolon,
    Number,
    /// A whole string of any kind, also one with expressions in it.
    String,
    /// Names, keywords, operators.
    Other,
}

/// A part of the text that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) range: Range<usize>,
    /// What takes its place.
    pub(crate) with: &'static str,
    /// Whether it is a whole statement: then its `;` or its line goes too.
    pub(crate) statement: bool,
}

/// Parses the text of a module; the first thing that is no Python is the error.
pub(crate) fn parse(text: &str) -> Result<Module, Slip> {
    // The oldest target makes the parser report everything that is new since then.
    let options = ParseOptions::from(Mode::Module).with_target_version(PythonVersion::PY37);
    let parsed = parse_unchecked(text, options);
    // After a `;` the parser takes the name `match` for the statement. A real one is reported as such below.
    let mistaken = |error: &&ParseError| {
        error.error == ParseErrorType::SimpleAndCompoundStatementOnSameLine
            && text.get(bytes(error.location)) == Some("match")
    };
    let errors = parsed.errors().iter().filter(|error| !mistaken(error));
    if let Some(error) = errors.min_by_key(|error| error.location.start()) {
        return Err(Slip { range: bytes(error.location), what: What::Syntax(error.error.to_string()) });
    }
    let mut walk = Walk::new(text, parsed.tokens());
    for error in parsed.unsupported_syntax_errors() {
        if error.kind == UnsupportedSyntaxErrorKind::TemplateStrings {
            walk.later(error.range, "1.28 (and in most builds later)", "t-strings", "use an f-string");
        } else if let Some((what, instead)) = missing(error.kind) {
            walk.missing(error.range, what, instead);
        }
    }
    if let Mod::Module(module) = parsed.syntax() {
        walk.module(&module.body);
    }
    Ok(walk.finish())
}

fn bytes(range: TextRange) -> Range<usize> {
    range.start().to_usize()..range.end().to_usize()
}

/// What MicroPython lacks of the syntax that came after Python 3.7, and what to write instead.
fn missing(kind: UnsupportedSyntaxErrorKind) -> Option<(&'static str, &'static str)> {
    use UnsupportedSyntaxErrorKind as Kind;
    Some(match kind {
        Kind::Match => ("`match` statement", "use `if` and `elif`"),
        Kind::ExceptStar => ("`except*`", "use `except`"),
        Kind::UnparenthesizedNamedExpr(_) => ("bare `:=` in this place", "put it in parentheses"),
        Kind::RelaxedDecorator(_) => ("expressions as decorators", "give the decorator a name first"),
        Kind::PositionalOnlyParameter => ("positional-only parameters", "remove the `/`"),
        Kind::TypeParameterList | Kind::TypeParamDefault => ("type parameters", "remove them"),
        Kind::LazyImportStatement => ("lazy imports", "import inside of the function that needs it"),
        Kind::TypeAliasStatement => ("`type` statement", "assign the type to a name"),
        Kind::ParenthesizedContextManager => ("parentheses around the items of `with`", "remove them"),
        Kind::UnparenthesizedExceptionTypes => ("bare lists of types in `except`", "put the types in parentheses"),
        // Reported as what only some boards have.
        Kind::TemplateStrings => return None,
        // The walk reports all unpacking that MicroPython lacks, old or new.
        Kind::StarTuple(_)
        | Kind::StarExpressionInIndex
        | Kind::UnpackingInComprehension(_)
        | Kind::UnparenthesizedUnpackInFor => return None,
        // Annotations are removed, and these MicroPython has.
        Kind::StarAnnotation | Kind::Walrus | Kind::ParenthesizedKeywordArgumentName | Kind::Pep701FString(_) => {
            return None;
        }
    })
}

/// Ruff's tokens as ours: no layout, and a string with expressions in it is one token.
fn tokens(tokens: &Tokens) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::new();
    let mut depth = 0usize;
    for token in tokens {
        let kind = match token.kind() {
            Ruff::FStringStart | Ruff::TStringStart => {
                depth += 1;
                if depth > 1 {
                    continue;
                }
                TokenKind::String
            }
            Ruff::FStringEnd | Ruff::TStringEnd => {
                depth = depth.saturating_sub(1);
                if let (0, Some(string)) = (depth, out.last_mut()) {
                    string.range.end = token.end().to_usize();
                }
                continue;
            }
            _ if depth > 0 => continue,
            Ruff::Comment | Ruff::NonLogicalNewline | Ruff::EndOfFile => continue,
            Ruff::Newline => TokenKind::Newline,
            Ruff::Indent => TokenKind::Indent,
            Ruff::Dedent => TokenKind::Dedent,
            Ruff::Semi => TokenKind::Semicolon,
            Ruff::Int | Ruff::Float | Ruff::Complex => TokenKind::Number,
            Ruff::String => TokenKind::String,
            _ => TokenKind::Other,
        };
        out.push(Token { kind, range: bytes(token.range()) });
    }
    out
}
