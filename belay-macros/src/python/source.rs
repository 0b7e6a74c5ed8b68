//! The Python text of a string literal, each character with its place in the Rust file.
//!
//! A macro sees the value of a literal and where the literal begins, nothing in between. So the literal is read
//! again from its tokens, as the compiler reads it: that is the only way to know where a character stands when there
//! are escapes and continued lines.

use proc_macro2::Span;
use syn::LitStr;

/// A place in the user's file; both count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One line of Python, without its newline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) text: String,
    /// Where each character stands, and at the end where the line ends: never empty.
    pub(crate) places: Vec<Place>,
}

impl Line {
    /// A line that the user did not write, all of which stands for one place.
    pub(crate) fn made(text: String, place: Place) -> Self {
        let places = vec![place; text.chars().count() + 1];
        Self { text, places }
    }

    /// Where the line begins.
    pub(crate) fn start(&self) -> Place {
        self.places.first().copied().unwrap_or(Place { line: 0, column: 0 })
    }
}

/// A Python text and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// The file as the compiler names it, if it is known.
    pub(crate) file: Option<String>,
    pub(crate) lines: Vec<Line>,
}

impl Source {
    /// Reads a string literal.
    pub(crate) fn literal(literal: &LitStr) -> Self {
        let start = place(literal.span());
        let token = literal.token().to_string();
        let (chars, end) = match token.strip_prefix('r') {
            Some(raw) => raw_literal(raw, start),
            None => plain_literal(&token, start),
        };
        Self { file: file(literal.span()), lines: split(&chars, end) }
    }

    /// Reads the text of a file that is called `name` in messages.
    pub(crate) fn file(name: String, text: &str) -> Self {
        let mut walk = Walk { rest: text.strip_prefix('\u{feff}').unwrap_or(text), at: Place { line: 1, column: 1 } };
        let chars: Vec<_> = walk.by_ref().collect();
        Self { file: Some(name), lines: split(&chars, walk.at) }
    }
}

/// Where a token begins.
pub(crate) fn place(span: Span) -> Place {
    let start = span.start();
    Place { line: to_u32(start.line), column: to_u32(start.column) + 1 }
}

/// The file of a token as the compiler names it, if it does.
pub(crate) fn file(span: Span) -> Option<String> {
    Some(span.file()).filter(|file| !file.is_empty() && !file.starts_with('<'))
}

/// Walks along the text of a file and knows where it is.
struct Walk<'a> {
    rest: &'a str,
    at: Place,
}

impl Iterator for Walk<'_> {
    type Item = (char, Place);

    fn next(&mut self) -> Option<Self::Item> {
        // The compiler reads `\r\n` in a file as `\n`.
        let mut chars = self.rest.strip_prefix('\r').filter(|rest| rest.starts_with('\n')).unwrap_or(self.rest).chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        let at = self.at;
        self.at = match c {
            '\n' => Place { line: at.line + 1, column: 1 },
            _ => Place { line: at.line, column: at.column + 1 },
        };
        Some((c, at))
    }
}

/// `"…"` after the `r`, with any number of `#`.
fn raw_literal(raw: &str, start: Place) -> (Vec<(char, Place)>, Place) {
    let quoted = raw.trim_start_matches('#');
    let hashes = raw.len() - quoted.len();
    let inner = quoted.get(1..quoted.len().saturating_sub(1 + hashes)).unwrap_or_default();
    let at = Place { line: start.line, column: start.column + to_u32(hashes) + 2 };
    let mut walk = Walk { rest: inner, at };
    (walk.by_ref().collect(), walk.at)
}

/// `"…"` with its quotes; escapes as in the Rust reference.
fn plain_literal(token: &str, start: Place) -> (Vec<(char, Place)>, Place) {
    let inner = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    let mut walk = Walk { rest: inner, at: Place { line: start.line, column: start.column + 1 } };
    let mut chars = Vec::new();
    while let Some((c, at)) = walk.next() {
        let value = match c {
            '\\' => match walk.next() {
                Some(('n', _)) => Some('\n'),
                Some(('r', _)) => Some('\r'),
                Some(('t', _)) => Some('\t'),
                Some(('0', _)) => Some('\0'),
                Some(('x', _)) => code_point(&walk.by_ref().take(2).map(|(c, _)| c).collect::<String>()),
                Some(('u', _)) => {
                    let braced = walk.by_ref().map(|(c, _)| c).take_while(|&c| c != '}');
                    code_point(&braced.filter(char::is_ascii_hexdigit).collect::<String>())
                }
                Some(('\n', _)) => {
                    while walk.rest.starts_with(|c: char| c.is_ascii_whitespace()) {
                        walk.next();
                    }
                    None
                }
                other => other.map(|(c, _)| c),
            },
            c => Some(c),
        };
        chars.extend(value.map(|value| (value, at)));
    }
    (chars, walk.at)
}

fn code_point(hexadecimal: &str) -> Option<char> {
    u32::from_str_radix(hexadecimal, 16).ok().and_then(char::from_u32)
}

/// Cuts at newlines; `\r\n` and `\r` are newlines too, as Python has it.
fn split(chars: &[(char, Place)], end: Place) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut line = Line { text: String::new(), places: Vec::new() };
    let mut chars = chars.iter().peekable();
    while let Some(&(c, at)) = chars.next() {
        line.places.push(at);
        if c != '\n' && c != '\r' {
            line.text.push(c);
            continue;
        }
        if c == '\r' {
            chars.next_if(|(next, _)| *next == '\n');
        }
        lines.push(std::mem::replace(&mut line, Line { text: String::new(), places: Vec::new() }));
    }
    line.places.push(end);
    lines.push(line);
    lines
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses Rust text and reads the literal in it: `(text, line)` of every line.
    fn lines(rust: &str) -> Vec<(String, u32)> {
        source(rust).lines.iter().map(|line| (line.text.clone(), line.start().line)).collect()
    }

    fn source(rust: &str) -> Source {
        Source::literal(&syn::parse_str::<LitStr>(rust).unwrap())
    }

    fn owned(lines: &[(&str, u32)]) -> Vec<(String, u32)> {
        lines.iter().map(|&(text, line)| (text.to_owned(), line)).collect()
    }

    #[test]
    fn a_raw_literal_is_as_it_stands() {
        assert_eq!(lines("\n\nr#\"a\n  b\\n\n\"#"), owned(&[("a", 3), ("  b\\n", 4), ("", 5)]));
        assert_eq!(lines("r\"a\""), owned(&[("a", 1)]));
        assert_eq!(lines("r##\"\n#\n\"##"), owned(&[("", 1), ("#", 2), ("", 3)]));
    }

    #[test]
    fn an_escaped_newline_stays_on_its_line() {
        assert_eq!(lines("\"a\\nb\nc\""), owned(&[("a", 1), ("b", 1), ("c", 2)]));
    }

    #[test]
    fn a_continued_line_skips_lines_of_the_file() {
        assert_eq!(lines("\"a \\\n\n     b\nc\""), owned(&[("a b", 1), ("c", 4)]));
    }

    #[test]
    fn escapes_are_decoded() {
        let escaped = r#""\x41\u{1F4_0D}\"\'\\\t\0\r\nx""#;
        assert_eq!(lines(escaped), owned(&[("A\u{1F40D}\"\'\\\t\0", 1), ("x", 1)]));
    }

    #[test]
    fn every_character_knows_its_column() {
        let columns = |rust: &str, line: usize| -> Vec<(u32, u32)> {
            source(rust).lines[line].places.iter().map(|place| (place.line, place.column)).collect()
        };
        assert_eq!(columns("  r#\"äb\n c\"#", 0), [(1, 6), (1, 7), (1, 8)]);
        assert_eq!(columns("  r#\"äb\n c\"#", 1), [(2, 1), (2, 2), (2, 3)]);
        assert_eq!(columns("\"\\x41\\\n   b\"", 0), [(1, 2), (2, 4), (2, 5)]);
    }

    #[test]
    fn a_carriage_return_is_a_newline() {
        assert_eq!(lines("\"a\\r\\nb\\rc\""), owned(&[("a", 1), ("b", 1), ("c", 1)]));
        assert_eq!(lines("\"a\r\nb\""), owned(&[("a", 1), ("b", 2)]));
    }

    #[test]
    fn a_literal_made_by_a_macro_has_one_line() {
        let literal = LitStr::new("a\nb", proc_macro2::Span::call_site());
        let numbers: Vec<u32> = Source::literal(&literal).lines.iter().map(|line| line.start().line).collect();
        assert_eq!(numbers, [numbers[0], numbers[0]]);
    }

    #[test]
    fn the_text_is_the_value_of_the_literal() {
        for rust in [
            "\"\"",
            "r\"\"",
            "r###\"a\"##b\"###",
            r#""\\ \" \' \n\t\0 \x7f \u{e9}\u{1_F4_0D} é 日本""#,
            "\"a\\\n\t \n  b \\\n\"",
            "\"\\n\\n\"",
            "\"\n\n\"",
        ] {
            let literal: LitStr = syn::parse_str(rust).unwrap();
            let lines: Vec<String> = source(rust).lines.into_iter().map(|line| line.text).collect();
            assert_eq!(lines.join("\n"), literal.value(), "{rust}");
        }
    }
}
