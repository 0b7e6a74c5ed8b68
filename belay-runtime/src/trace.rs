//! Traces: every byte of a session, what the session asked of the REPL machine, and what the machine took the bytes for,
//! as a file that a test replays.
//!
//! One line each: microseconds since the beginning, what it is, and what belongs to it, escaped as in a Rust byte string.
//!
//! ```text
//! 1042 > \x03\x01
//! 1042 sent Control 2
//! 2210 < \r\nraw\x20REPL;\x20CTRL-B\x20to\x20exit\r\n>
//! 2211 took Output 2
//! 2211 took Banner 27
//! ```
//!
//! `>` is what was written to the line and `<` what came. `sent` and `took` say what the next so many bytes of either
//! are, in order: every byte belongs to one such span, and one that came in pieces is told when its last piece has come.
//! The words are the names of `Meaning` in `repl/notes`. The other words are the machine's inputs.

use std::{
    fs::File,
    io::{self, Write},
    path::Path,
    sync::Mutex,
    time::Instant,
};

use crate::repl::{Expect, Input, Lane, Span};

/// A trace that is being written.
#[derive(Debug)]
pub(crate) struct Trace {
    begun: Instant,
    /// `None` after a write failed.
    file: Mutex<Option<File>>,
}

impl Trace {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { begun: Instant::now(), file: Mutex::new(Some(File::create(path)?)) })
    }

    pub(crate) fn wrote(&self, bytes: &[u8], spans: &[Span]) {
        self.line(&format!("> {}", escaped(bytes)));
        spans.iter().for_each(|span| self.line(&format!("sent {:?} {}", span.meaning, span.bytes)));
    }

    pub(crate) fn came(&self, bytes: &[u8]) {
        self.line(&format!("< {}", escaped(bytes)));
    }

    pub(crate) fn took(&self, spans: &[Span]) {
        spans.iter().for_each(|span| self.line(&format!("took {:?} {}", span.meaning, span.bytes)));
    }

    pub(crate) fn input(&self, input: &Input) {
        self.line(&match input {
            Input::Buffer(bytes) => format!("buffer {bytes}"),
            Input::Sync => "sync".into(),
            Input::Control(bytes) => format!("control {}", escaped(bytes)),
            Input::Submit(request) => {
                let lane = match request.lane {
                    Lane::Plain => "plain".into(),
                    Lane::RawPaste { window } => format!("paste:{}", window.unwrap_or(0)),
                };
                let expect = match &request.expect {
                    Expect::Frame(form) => format!("frame:{}:{:?}:{}", form.n, form.way, form.verified),
                    Expect::Text(marks) => format!("text:{}:{}", escaped(&marks.open), escaped(&marks.close)),
                };
                format!("submit {} {lane} {expect} {}", request.id, escaped(&request.code))
            }
        });
    }

    fn line(&self, text: &str) {
        let line = format!("{} {text}\n", self.begun.elapsed().as_micros());
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(open) = &mut *file
            && let Err(error) = open.write_all(line.as_bytes())
        {
            tracing::warn!(%error, "the trace ends here: it cannot be written");
            *file = None;
        }
    }
}

/// Bytes without spaces and colons, which part what a line holds.
fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace(' ', "\\x20").replace(':', "\\x3a")
}

#[cfg(test)]
pub(crate) mod replay {
    use std::collections::VecDeque;

    use super::{Expect, Input, Lane, Span};
    use crate::{
        codec::msgpack,
        repl::{Event, Form, Repl, Request, Way},
    };

    /// One line of a trace.
    pub(crate) enum Record {
        Input(Input),
        Wrote(Vec<u8>),
        Came(Vec<u8>),
        /// What a span of bytes was, and how many they were.
        Was(String, usize),
    }

    /// Reads a trace.
    pub(crate) fn read(text: &str) -> Vec<Record> {
        text.lines().map(|line| record(line).unwrap_or_else(|| panic!("no line of a trace: {line}"))).collect()
    }

    /// Runs a trace through a new machine, which must write what was written and take bytes for what they were taken for.
    /// Gives back all events.
    pub(crate) fn replay(records: &[Record]) -> Vec<Event> {
        let mut repl = Repl::new(64, msgpack::Limits::default());
        repl.keep_notes();
        let (mut events, mut spans) = (Vec::new(), VecDeque::new());
        for record in records {
            match record {
                Record::Input(Input::Buffer(bytes)) => repl.set_buffer(*bytes),
                Record::Input(Input::Sync) => repl.sync(),
                Record::Input(Input::Control(bytes)) => repl.control(bytes),
                Record::Input(Input::Submit(request)) => repl.submit(request.clone()),
                Record::Came(bytes) => {
                    repl.receive(bytes);
                    spans.extend(repl.take_spans());
                }
                Record::Wrote(bytes) => {
                    let out = repl.outgoing();
                    assert!(out.starts_with(bytes), "{} is not {}", out.escape_ascii(), bytes.escape_ascii());
                    spans.extend(repl.wrote(bytes.len()));
                }
                Record::Was(meaning, bytes) => {
                    // The line may have ended in the middle of something.
                    if spans.is_empty() {
                        repl.hang_up();
                        spans.extend(repl.take_spans());
                    }
                    let span = spans.pop_front().map(|span: Span| (format!("{:?}", span.meaning), span.bytes));
                    assert_eq!(span, Some((meaning.clone(), *bytes)));
                }
            }
            events.extend(std::iter::from_fn(|| repl.next_event()));
        }
        assert!(spans.is_empty(), "the trace does not have {spans:?}");
        events
    }

    fn record(line: &str) -> Option<Record> {
        let words: Vec<&str> = line.split(' ').collect();
        Some(match words[..] {
            [_, ">", bytes] => Record::Wrote(unescaped(bytes)?),
            [_, "<", bytes] => Record::Came(unescaped(bytes)?),
            [_, "sent" | "took", meaning, bytes] => Record::Was(meaning.to_owned(), bytes.parse().ok()?),
            [_, "sync"] => Record::Input(Input::Sync),
            [_, "buffer", bytes] => Record::Input(Input::Buffer(bytes.parse().ok()?)),
            [_, "control", bytes] => Record::Input(Input::Control(unescaped(bytes)?)),
            [_, "submit", id, lane, expect, code] => {
                let lane = match lane.strip_prefix("paste:") {
                    None => Lane::Plain,
                    Some(window) => {
                        let window = window.parse().ok()?;
                        Lane::RawPaste { window: (window > 0).then_some(window) }
                    }
                };
                let expect = match expect.split(':').collect::<Vec<_>>()[..] {
                    ["frame", n, way, verified] => {
                        let way = match way {
                            "Exact" => Way::Exact,
                            "Cooked" => Way::Cooked,
                            _ => Way::Hex,
                        };
                        Expect::Frame(Form { n: n.parse().ok()?, way, verified: verified == "true" })
                    }
                    ["text", open, close] => Expect::between(unescaped(open)?, unescaped(close)?),
                    _ => return None,
                };
                let request = Request { id: id.parse().ok()?, code: unescaped(code)?, lane, expect };
                Record::Input(Input::Submit(request))
            }
            _ => return None,
        })
    }

    fn unescaped(text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let [first, after @ ..] = rest {
            rest = after;
            let byte = match (first, after) {
                (b'\\', [b'x', hex @ ..]) => {
                    let (digits, after) = hex.split_at_checked(2)?;
                    rest = after;
                    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
                }
                (b'\\', [short, after @ ..]) => {
                    rest = after;
                    match short {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        other => *other,
                    }
                }
                (byte, _) => *byte,
            };
            bytes.push(byte);
        }
        Some(bytes)
    }

    #[test]
    fn any_bytes_survive_a_trace() {
        let all: Vec<u8> = (0..=255).chain(*b"\\x20\\n:' \"").collect();
        assert_eq!(unescaped(&super::escaped(&all)), Some(all));
    }
}
