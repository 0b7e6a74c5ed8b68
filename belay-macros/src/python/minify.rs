//! The same program in fewer bytes: no comments, docstrings, annotations or blank lines, one space of indentation.
//!
//! A line break stays where the user broke a line, also between brackets: it costs no more than the byte that many
//! tokens need between them anyway, and a traceback keeps pointing at the exact line.

use crate::python::lines::{Draft, Script, ScriptLine};
use crate::python::syntax::{Cut, Module, Token, TokenKind};

/// Shrinks a draft; `module` is what the parser made of it.
pub(crate) fn minify(draft: &Draft, module: &Module) -> Script {
    let text = draft.text();
    let mut out = Output { text: &text, lines: Vec::new(), depth: 0, brackets: 0, last: None, begun: false };
    let mut cuts = module.cuts.iter().peekable();
    let mut after_cut = false;
    for token in &module.tokens {
        while let Some(cut) = cuts.peek().filter(|cut| cut.range.end <= token.range.start) {
            after_cut |= out.cut(cut);
            cuts.next();
        }
        // A dedent has no width and may begin where a cut does.
        let inside = |cut: &&Cut| cut.range.start <= token.range.start && token.range.end <= cut.range.end;
        if token.kind != TokenKind::Dedent && cuts.peek().is_some_and(inside) {
            continue;
        }
        // The end of a statement that is gone.
        let gone = std::mem::take(&mut after_cut);
        match token.kind {
            TokenKind::Indent => out.depth += 1,
            TokenKind::Dedent => out.depth = out.depth.saturating_sub(1),
            TokenKind::Semicolon if gone => {}
            TokenKind::Newline => out.begun = false,
            _ => out.token(token),
        }
    }
    for cut in cuts {
        out.cut(cut);
    }
    out.script(draft)
}

struct Output<'a> {
    text: &'a str,
    /// The lines so far, each with the byte of the draft that it begins with.
    lines: Vec<(String, usize)>,
    depth: usize,
    /// How many brackets are open.
    brackets: usize,
    /// The token before, if it is on the same logical line.
    last: Option<Token>,
    /// Whether the logical line has any token yet.
    begun: bool,
}

impl Output<'_> {
    /// Passes a cut; says whether it was a whole statement.
    fn cut(&mut self, cut: &Cut) -> bool {
        if !cut.with.is_empty() {
            let last = self.last.take();
            self.separate(last.as_ref(), cut.range.start);
            self.push(cut.with, cut.range.start);
            self.last = Some(Token { kind: TokenKind::Other, range: cut.range.clone() });
        }
        cut.statement
    }

    fn token(&mut self, token: &Token) {
        let text = self.text.get(token.range.clone()).unwrap_or_default();
        let last = self.last.take().filter(|_| self.begun);
        let broken = self.separate(last.as_ref(), token.range.start);
        let spaced = !broken && last.is_some_and(|last| needs_space(self.text, &last, token));
        if spaced {
            self.push(" ", token.range.start);
        }
        match text {
            "(" | "[" | "{" => self.brackets += 1,
            ")" | "]" | "}" => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        let mut at = token.range.start;
        for (index, part) in text.split('\n').enumerate() {
            if index > 0 {
                self.lines.push((String::new(), at));
            }
            self.push(part, at);
            at += part.len() + 1;
        }
        self.last = Some(token.clone());
    }

    /// Begins a new line where the user did, after the token before; says whether it did.
    fn separate(&mut self, last: Option<&Token>, start: usize) -> bool {
        let gap = last.and_then(|last| self.text.get(last.range.end..start));
        let broken = !self.begun || (self.brackets > 0 && gap.is_some_and(|gap| gap.contains('\n')));
        if broken {
            let indent = if self.begun { 0 } else { self.depth };
            self.lines.push((" ".repeat(indent), start));
        }
        self.begun = true;
        broken
    }

    fn push(&mut self, text: &str, start: usize) {
        match self.lines.last_mut() {
            Some((line, _)) => line.push_str(text),
            None => self.lines.push((text.to_owned(), start)),
        }
    }

    fn script(self, draft: &Draft) -> Script {
        let mut starts = Vec::new();
        let mut at = 0;
        for line in &draft.lines {
            starts.push(at);
            at += line.line.text.len() + 1;
        }
        let lines = self.lines.into_iter().map(|(text, start)| {
            let index = starts.partition_point(|&line| line <= start).saturating_sub(1);
            let line = draft.lines.get(index);
            let number = line.map_or(0, |line| line.line.start().line);
            ScriptLine { text, number, original: line.map(|line| line.original().to_owned()).unwrap_or_default() }
        });
        Script { lines: lines.collect() }
    }
}

/// Whether two tokens would become one, or two others, without a space between them.
fn needs_space(text: &str, left: &Token, right: &Token) -> bool {
    let word = |c: char| c.is_alphanumeric() || c == '_' || !c.is_ascii();
    let last = text.get(left.range.clone()).and_then(|left| left.chars().next_back());
    let first = text.get(right.range.clone()).and_then(|right| right.chars().next());
    match (last, first) {
        (Some(last), Some(first)) => {
            (word(last) && word(first))
                || (left.kind == TokenKind::Number && first == '.')
                || (left.kind == TokenKind::String && right.kind == TokenKind::String)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::python::lines;
    use crate::python::reference;
    use crate::python::source::Source;
    use crate::python::syntax;

    fn minified(python: &str) -> Script {
        let draft = lines::module(&Source::file("x.py".to_owned(), python));
        let module = syntax::parse(&draft.text()).unwrap_or_else(|slip| panic!("{slip:?}: {python}"));
        minify(&draft, &module)
    }

    fn text(python: &str) -> String {
        minified(python).text()
    }

    #[test]
    fn layout_goes() {
        let python = "# a\nimport time  # b\n\n\nif time :\n    x = ( 1 ,\n\n          2 ) # c\n    y = x \\\n        + 1\nelse  : pass\n";
        assert_eq!(text(python), "import time\nif time:\n x=(1,\n2)\n y=x+1\nelse:pass");
    }

    #[test]
    fn docstrings_and_annotations_go() {
        let python = "'''doc'''\ndef f(a: int, *b: (str), c: 'x' = 1) -> (int):\n    'doc'\n    d: int = a\n    e: int\n    return d\n";
        assert_eq!(text(python), "def f(a,*b,c=1):\n d=a\n return d");
        assert_eq!(text("def f() -> (\n    int\n): return 1"), "def f():return 1");
        assert_eq!(text("def f(a: lambda x, y: 0, b: int = 2): pass"), "def f(a,b=2):pass");
        assert_eq!(text("(x): (int) = 1; x.y: int = 2"), "(x)=1;x.y=2");
        assert_eq!(text("class A:\n x: int = 1\n y: str"), "class A:\n x=1");
    }

    #[test]
    fn an_emptied_suite_gets_a_pass() {
        assert_eq!(text("def f():\n    'doc'\n    # nothing\nx = 1"), "def f():\n pass\nx=1");
        assert_eq!(text("def f(): 'doc'"), "def f():pass");
        assert_eq!(text("def f(): 'doc'; x: int"), "def f():pass;");
        assert_eq!(text("def f(): 'doc'; x = 1"), "def f():x=1");
        assert_eq!(
            text("class A: x: int\nif A:\n    x: int\nelse:\n    y = 1"),
            "class A:pass\nif A:\n pass\nelse:\n y=1"
        );
        assert_eq!(text("'doc'"), "");
        assert_eq!(text("if a:\n    b\nx: int\nc"), "if a:\n b\nc");
    }

    #[test]
    fn tokens_stay_apart() {
        for (python, expected) in [
            ("31 in x", "31 in x"),
            ("31in x", "31 in x"),
            ("1 if x else 2", "1 if x else 2"),
            ("1. .real", "1. .real"),
            ("1..real", "1. .real"),
            ("x = '' 'a'", "x='' 'a'"),
            ("x = 'a' if y else 'b'", "x='a'if y else'b'"),
            ("not  x", "not x"),
            ("a - - b", "a--b"),
            ("return_ = lambda * a : a", "return_=lambda*a:a"),
            ("from . import a", "from.import a"),
            ("é = 1 if é else 2", "é=1 if é else 2"),
            ("print( f'{ x } # {y!r:>{ w }}' 'a' )", "print(f'{ x } # {y!r:>{ w }}' 'a')"),
        ] {
            assert_eq!(text(python), expected);
        }
    }

    #[test]
    fn strings_stay_as_they_are() {
        let python = "def f():\n    x = '''a  # b\n      c\n'''\n    return x + \"\\\n  d\"";
        assert_eq!(text(python), "def f():\n x='''a  # b\n      c\n'''\n return x+\"\\\n  d\"");
    }

    #[test]
    fn viper_keeps_its_types() {
        let python = "@micropython.viper\ndef f(x: ptr8, n: int) -> int:\n    'doc'\n    return x[n]";
        assert_eq!(text(python), "@micropython.viper\ndef f(x:ptr8,n:int)->int:\n return x[n]");
    }

    #[test]
    fn every_line_knows_where_it_was() {
        let python = "# c\nimport a\n\nx = [\n    1,\n    # c\n    2,\n]\ny = 1 + \\\n    2\nz = '''\nb'''; w = 1\n";
        let script = minified(python);
        let lines: Vec<_> = script.lines.iter().map(|line| (line.text.as_str(), line.number)).collect();
        assert_eq!(
            lines,
            [
                ("import a", 2),
                ("x=[", 4),
                ("1,", 5),
                ("2,", 7),
                ("]", 8),
                ("y=1+2", 9),
                ("z='''", 11),
                ("b''';w=1", 12)
            ]
        );
        assert_eq!(script.lines[3].original, "    2,");
    }

    /// Lists every module of the running Python's library.
    const LIST: &str = r"
import os, sysconfig
for path, dirs, files in os.walk(sysconfig.get_path('stdlib')):
    dirs[:] = sorted(d for d in dirs if d != 'site-packages')
    for name in sorted(files):
        if name.endswith('.py'): print(os.path.join(path, name))
";

    #[test]
    fn the_standard_library_keeps_its_meaning() {
        let Some((true, list)) = reference::python(&["-c", LIST]) else { return };
        let files: Vec<PathBuf> = list.lines().map(PathBuf::from).collect();
        let compared = reference::compare(&files);
        println!("{compared} of {} modules compared", files.len());
        assert!(compared > 100 && compared * 10 > files.len() * 9);
    }
}
