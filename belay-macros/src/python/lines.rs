//! From the lines of a body to the lines of a program: dedented, put under a `def`, each with its origin.
//!
//! No parser is needed here, only to know which lines begin a statement: what stands inside a string or inside
//! brackets says nothing about the indentation, and a string must stay as it is.

use crate::python::source::{Line, Place, Source};

/// A complete Python text, still with everything that the user wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    pub(crate) lines: Vec<DraftLine>,
}

/// One line of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DraftLine {
    pub(crate) line: Line,
    /// How many bytes at the beginning are not the user's.
    indent: usize,
}

/// The text for the board, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) lines: Vec<ScriptLine>,
}

/// One line for the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ScriptLine {
    pub(crate) text: String,
    /// The line in the user's file.
    pub(crate) number: u32,
    /// What the user wrote, without the common indentation, for an excerpt in a traceback.
    pub(crate) original: String,
}

impl Script {
    pub(crate) fn text(&self) -> String {
        join(self.lines.iter().map(|line| line.text.as_str()))
    }
}

impl DraftLine {
    /// What the user wrote, without the common indentation.
    pub(crate) fn original(&self) -> &str {
        self.line.text.get(self.indent..).unwrap_or_default().trim_end()
    }
}

impl Draft {
    #[cfg(any(test, feature = "syntax"))]
    pub(crate) fn text(&self) -> String {
        join(self.lines.iter().map(|line| line.line.text.as_str()))
    }

    /// The draft as it is, for the board.
    #[cfg(any(test, not(feature = "syntax")))]
    pub(crate) fn script(&self) -> Script {
        let script_line = |line: &DraftLine| ScriptLine {
            text: line.line.text.clone(),
            number: line.line.start().line,
            original: line.original().to_owned(),
        };
        Script { lines: self.lines.iter().map(script_line).collect() }
    }
}

fn join<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.collect::<Vec<_>>().join("\n")
}

/// `def NAME(PARAMS):` and the body under it; the `def` stands for the place of the Rust function.
pub(crate) fn function(name: &str, params: &[String], body: &Source, place: Place) -> Draft {
    let def = Line::made(format!("def {name}({}):", params.join(",")), place);
    let mut lines = vec![DraftLine { line: def, indent: 0 }];
    lines.extend(dedent(body, " "));
    if lines.iter().skip(1).all(|line| !is_code(&line.line.text)) {
        lines.push(DraftLine { line: Line::made(" pass".to_owned(), place), indent: 1 });
    }
    Draft { lines }
}

/// The body as the text of a module.
pub(crate) fn module(body: &Source) -> Draft {
    Draft { lines: dedent(body, "") }
}

fn is_code(text: &str) -> bool {
    let text = text.trim_start();
    !text.is_empty() && !text.starts_with('#')
}

/// How a line begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Statement,
    /// Inside of brackets or after a backslash.
    Continued,
    String,
}

fn dedent(body: &Source, indent: &str) -> Vec<DraftLine> {
    let mut scanner = Scanner::default();
    let mut lines: Vec<(Start, &Line)> = body.lines.iter().map(|line| (scanner.line(&line.text), line)).collect();
    // What is blank at either end is the Rust literal's layout.
    while lines.last().is_some_and(|(start, line)| *start != Start::String && line.text.trim().is_empty()) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|(_, line)| line.text.trim().is_empty()).count();
    lines.drain(..blank);
    // A body that begins right after the quotes has no indentation on its first line.
    let first_is_bare = blank == 0;

    let common = common_indent(&lines, first_is_bare);
    lines
        .iter()
        .enumerate()
        .map(|(index, &(start, line))| {
            let kept = match start {
                Start::String => return DraftLine { line: line.clone(), indent: 0 },
                _ if index == 0 && first_is_bare => without_indent(&line.text),
                _ => strip(&line.text, common),
            };
            if kept.trim().is_empty() {
                return DraftLine { line: Line::made(String::new(), line.start()), indent: 0 };
            }
            // Indentation is one byte a character, the user's and ours.
            let cut = line.text.len() - kept.len();
            let places = line.places.get(cut..).unwrap_or_default();
            let begin = places.first().copied().unwrap_or(line.start());
            let places = std::iter::repeat_n(begin, indent.len()).chain(places.iter().copied()).collect();
            DraftLine { line: Line { text: format!("{indent}{kept}"), places }, indent: indent.len() }
        })
        .collect()
}

/// The white space that all statements have in common.
fn common_indent<'a>(lines: &[(Start, &'a Line)], first_is_bare: bool) -> &'a str {
    let mut statements =
        lines.iter().filter(|(start, line)| *start == Start::Statement && is_code(&line.text)).map(|(_, line)| *line);
    // A comment says nothing about the statements after it.
    let first_is_bare = first_is_bare && lines.first().is_some_and(|(_, line)| is_code(&line.text));
    if first_is_bare {
        statements.next();
    }
    let indents: Vec<&str> = statements.map(|line| white_space(&line.text)).collect();
    let Some((&next, rest)) = indents.split_first() else { return "" };
    let common = rest.iter().fold(next, |common, indent| shared(common, indent));
    // `"if a:\n    b"`: the common indentation is the suite's, and must stay.
    if first_is_bare && opens_suite(lines) && common == next { "" } else { common }
}

fn without_indent(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\x0c'])
}

fn white_space(text: &str) -> &str {
    text.get(..text.len() - without_indent(text).len()).unwrap_or_default()
}

/// The longest common beginning.
fn shared<'a>(left: &'a str, right: &str) -> &'a str {
    let length = left.bytes().zip(right.bytes()).take_while(|(left, right)| left == right).count();
    left.get(..length).unwrap_or_default()
}

/// Takes away as much of the common indentation as the line has.
fn strip<'a>(text: &'a str, common: &str) -> &'a str {
    text.get(shared(white_space(text), common).len()..).unwrap_or(text)
}

/// Whether the first statement ends with a colon, on whichever line it ends.
fn opens_suite(lines: &[(Start, &Line)]) -> bool {
    let mut scanner = Scanner::default();
    for (index, (_, line)) in lines.iter().enumerate() {
        if scanner.line(&line.text) == Start::Statement && index > 0 {
            break;
        }
        if scanner.last == ':' && scanner.depth == 0 && scanner.string.is_none() {
            return true;
        }
    }
    false
}

/// Follows strings, brackets and comments from line to line.
#[derive(Debug, Default)]
struct Scanner {
    /// The quotes that end the string we are in.
    string: Option<&'static str>,
    depth: usize,
    continued: bool,
    /// The last character of code on the line before.
    last: char,
}

impl Scanner {
    /// Says how a line begins, and reads it.
    fn line(&mut self, text: &str) -> Start {
        let start = match self.string {
            Some(_) => Start::String,
            None if self.depth > 0 || self.continued => Start::Continued,
            None => Start::Statement,
        };
        self.continued = false;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            let mut length = c.len_utf8();
            match self.string {
                Some(_) if c == '\\' => {
                    self.continued = rest.len() == 1;
                    length += rest.chars().nth(1).map_or(0, char::len_utf8);
                }
                Some(quotes) if rest.starts_with(quotes) => {
                    self.string = None;
                    length = quotes.len();
                }
                Some(_) => {}
                None => {
                    if c == '#' {
                        break;
                    }
                    self.string = opening_quotes(rest);
                    length = self.string.map_or(length, str::len);
                    match c {
                        '(' | '[' | '{' => self.depth += 1,
                        ')' | ']' | '}' => self.depth = self.depth.saturating_sub(1),
                        '\\' => self.continued = rest.len() == 1,
                        _ => {}
                    }
                    if !c.is_whitespace() {
                        self.last = c;
                    }
                }
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        // A string in single quotes ends with its line, unless a backslash carries it on.
        if self.string.is_some_and(|quotes| quotes.len() == 1) && !self.continued {
            self.string = None;
        }
        start
    }
}

fn opening_quotes(text: &str) -> Option<&'static str> {
    ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quotes| text.starts_with(quotes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place = Place { line: 7, column: 1 };

    fn module_text(python: &str) -> String {
        module(&source(python)).text()
    }

    fn source(python: &str) -> Source {
        Source::literal(&syn::LitStr::new(python, proc_macro2::Span::call_site()))
    }

    #[test]
    fn the_common_indentation_goes() {
        assert_eq!(module_text("\n    a = 1\n    if a:\n        b()\n    "), "a = 1\nif a:\n    b()");
        assert_eq!(module_text("\n\ta\n\tb\n"), "a\nb");
        assert_eq!(module_text("a\nb"), "a\nb");
        assert_eq!(module_text(""), "");
    }

    #[test]
    fn blank_lines_and_comments_do_not_count() {
        assert_eq!(module_text("\n    a\n\n  # less\n    b\n"), "a\n\n# less\nb");
    }

    #[test]
    fn a_first_line_after_the_quotes_has_no_indentation_of_its_own() {
        assert_eq!(module_text("a = 1\n        return a"), "a = 1\nreturn a");
        assert_eq!(module_text("if a:\n    b"), "if a:\n    b");
        assert_eq!(module_text("if a: # why\n    b\nc"), "if a: # why\n    b\nc");
        assert_eq!(module_text("if a:\n            b\n        c"), "if a:\n    b\nc");
        assert_eq!(module_text("x = {1:\n  2}\n        c"), "x = {1:\n2}\nc");
        assert_eq!(module_text("if (a and\n    b):\n    c"), "if (a and\n    b):\n    c");
        assert_eq!(
            module_text("        if all([\n            a,\n        ]):\n            c"),
            "if all([\n            a,\n        ]):\n            c"
        );
        assert_eq!(module_text("# why\n    if a:\n        b"), "# why\nif a:\n    b");
        assert_eq!(module_text("x = (\n            1)\n        c"), "x = (\n    1)\nc");
    }

    #[test]
    fn strings_stay_as_they_are() {
        let python = "\n    a = '''\n  x\n        y'''\n    b = \"\"\"\\\"\"\"\n\n\"\"\"\n";
        assert_eq!(module_text(python), "a = '''\n  x\n        y'''\nb = \"\"\"\\\"\"\"\n\n\"\"\"");
        assert_eq!(
            function("f", &[], &source(python), HERE).text(),
            "def f():\n a = '''\n  x\n        y'''\n b = \"\"\"\\\"\"\"\n\n\"\"\""
        );
        assert_eq!(module_text("\n    a = 'b\\\n  c'\n    d"), "a = 'b\\\n  c'\nd");
    }

    #[test]
    fn continued_lines_may_be_indented_less() {
        assert_eq!(module_text("\n    a = (1,\n  2)\n    b = 1 + \\\n  2\n"), "a = (1,\n2)\nb = 1 + \\\n2");
    }

    #[test]
    fn quotes_in_comments_and_hashes_in_strings_are_harmless() {
        assert_eq!(module_text("\n    a # don't (\n    b = '#('\n    c\n"), "a # don't (\nb = '#('\nc");
        assert_eq!(module_text("\n    a = '\n    b\n"), "a = '\nb");
    }

    #[test]
    fn a_function_gets_its_def_and_needs_a_body() {
        let params = ["a".to_owned(), "b".to_owned()];
        assert_eq!(function("f", &params, &source("\n  return a\n"), HERE).text(), "def f(a,b):\n return a");
        assert_eq!(function("f", &[], &source("# later\n"), HERE).text(), "def f():\n # later\n pass");
        assert_eq!(function("f", &[], &source(""), HERE).script().lines[0].number, 7);
    }

    #[test]
    fn the_lines_keep_their_origin() {
        let literal: syn::LitStr = syn::parse_str("\n\nr#\"\n\n    a\n\n    if b:\n        c\n\"#").unwrap();
        let script = function("f", &[], &Source::literal(&literal), Place { line: 2, column: 1 }).script();
        let lines: Vec<_> =
            script.lines.iter().map(|line| (line.text.as_str(), line.number, line.original.as_str())).collect();
        assert_eq!(
            lines,
            [("def f():", 2, "def f():"), (" a", 5, "a"), ("", 6, ""), (" if b:", 7, "if b:"), ("     c", 8, "    c")]
        );
    }
}
