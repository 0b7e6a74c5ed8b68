//! What MicroPython's lexer does not read in strings that Python reads.

use ruff_python_ast::token::{Token, TokenKind as Ruff, Tokens};
use ruff_python_ast::{ConversionFlag, InterpolatedElement, StringFlags};
use ruff_text_size::Ranged;

use super::bytes;
use crate::python::slip::{Slip, What};

/// Prefixes and escapes.
pub(super) fn literals(text: &str, tokens: &Tokens) -> Vec<Slip> {
    let strings = tokens.iter().filter_map(|token| token.string_flags().map(|flags| (token, flags)));
    let mut found = Vec::new();
    for (token, flags) in strings {
        let range = bytes(token.range());
        let text = text.get(range.clone()).unwrap_or_default();
        let starts = matches!(token.kind(), Ruff::String | Ruff::FStringStart);
        let prefix = text.split(['"', '\'']).next().unwrap_or_default();
        if starts && prefix.bytes().any(|byte| byte.is_ascii_uppercase()) {
            let what = What::NotMicroPython { what: "capital letters before a string", instead: "write them small" };
            found.push(Slip { range: range.clone(), what });
        }
        let escapes = matches!(token.kind(), Ruff::String | Ruff::FStringMiddle)
            && !flags.prefix().is_raw()
            && !prefix.contains(['b', 'B']);
        if escapes && text.replace("\\\\", "").contains("\\N") {
            let instead = "write the character itself or its `\\u` code";
            found.push(Slip { range, what: What::NotMicroPython { what: "`\\N{…}` escapes", instead } });
        }
    }
    found
}

/// An expression in an f-string. The lexer looks for its end without knowing Python.
pub(super) fn interpolation(text: &str, tokens: &Tokens, element: &InterpolatedElement) -> Option<Slip> {
    let start = element.range.start().to_usize() + 1;
    let past = tokens.partition_point(|token| token.start() < element.expression.end());
    let ends = |token: &&Token| matches!(token.kind(), Ruff::Exclamation | Ruff::Colon | Ruff::Rbrace);
    let end = tokens.iter().skip(past).find(ends)?.start().to_usize();
    let not_micropython =
        |what, instead| Slip { range: bytes(element.range), what: What::NotMicroPython { what, instead } };
    match expression_end(text.get(start..)?).map(|length| start + length) {
        Some(found) if found == end => {
            let padded = element.debug_text.is_some() && !text.get(start..end)?.ends_with('=');
            padded.then(|| not_micropython("space after the `=` in an f-string", "remove it"))
        }
        Some(found) if found < end => Some(Slip { range: found..found + 1, what: What::FStringEnd }),
        _ if element.conversion == ConversionFlag::Ascii => Some(not_micropython("`!a` in an f-string", "use `!r`")),
        _ => Some(Slip { range: bytes(element.expression.range()), what: What::FStringEnd }),
    }
}

/// Where MicroPython takes an expression in an f-string for ended: square and curly brackets hide what is inside of
/// them, quotes and parentheses do not.
fn expression_end(text: &str) -> Option<usize> {
    const CONVERSIONS: [&str; 4] = ["!r:", "!r}", "!s:", "!s}"];
    let converts = |at| text.get(at..).is_some_and(|rest| CONVERSIONS.iter().any(|form| rest.starts_with(form)));
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            ':' | '}' if depth == 0 => return Some(at),
            '!' if depth == 0 && converts(at) => return Some(at),
            '[' | '{' => depth += 1,
            // One without an opening one makes a count that never comes back.
            ']' | '}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    None
}
