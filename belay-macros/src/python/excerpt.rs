//! How a slip is shown: what, where, and the line with a caret under it. A compiler underlines a literal only as a
//! whole, so the place inside of it stands in the message.

use std::fmt::Write;
use std::ops::Range;

use crate::python::lines::Draft;

/// The lines under a message: place, excerpt, caret.
pub(crate) fn excerpt(file: Option<&str>, draft: &Draft, range: &Range<usize>) -> String {
    let mut start = range.start;
    let mut lines = draft.lines.iter().peekable();
    let line = loop {
        let Some(line) = lines.next() else { return String::new() };
        if start <= line.line.text.len() || lines.peek().is_none() {
            break line;
        }
        start -= line.line.text.len() + 1;
    };
    let text = line.line.text.as_str();
    // The indentation is not shown: half of it is ours.
    let shown = text.trim_start();
    let hidden = text.len() - shown.len();
    let start = start.clamp(hidden, text.len());
    let before = text.get(hidden..start).unwrap_or_default();
    let marked = text.get(start..(start + range.len()).min(text.len())).unwrap_or_default();

    let chars = text.get(..start).unwrap_or_default().chars().count();
    let place = line.line.places.get(chars).copied().unwrap_or(line.line.start());
    let number = place.line.to_string();
    let gutter = " ".repeat(number.len());
    let mut out = String::new();
    let file = file.map(|file| format!("{file}:")).unwrap_or_default();
    let caret = " ".repeat(width(before)) + &"^".repeat(width(marked).max(1));
    // Writing to a String cannot fail.
    let _ = write!(out, "\n{gutter}--> {file}{number}:{}", place.column);
    let _ = write!(out, "\n{gutter} |\n{number} | {}\n{gutter} | {caret}", shown.replace('\t', " "));
    out
}

/// How many columns of a terminal a text takes.
fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// East Asian wide characters and emoji take two columns, combining marks none.
fn char_width(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}
