//! `belay trace`: the bytes of a session, with what the REPL machine took them for and what it was asked for.

use std::path::Path;

use belay::Device;
use serde_json::json;

use crate::{
    args::{LONGEST, Port},
    board,
    failure::Failure,
    terminal::{FAINT, NAME, Terminal},
};

pub(crate) async fn run(
    port: &Port,
    code: Option<&str>,
    save: Option<&Path>,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let file = match save {
        Some(file) => file.to_owned(),
        None => std::env::temp_dir().join(format!("belay-trace-{}", std::process::id())),
    };
    let outcome = session(port, code, &file, terminal).await;
    // What was traced is worth most when something went wrong.
    let shown = show(&file, terminal);
    if save.is_none() {
        // Where it could not be made there is nothing to remove.
        let _ = std::fs::remove_file(&file);
    }
    outcome.and(shown)
}

async fn session(port: &Port, code: Option<&str>, file: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let builder = Device::builder().trace(file);
    // Code may take as long as it likes; the rest of a session may not.
    let builder = if code.is_some() { builder.call_timeout(LONGEST) } else { builder };
    let device = port.open_with(builder, terminal).await?;
    let outcome = match code {
        // The trace shows what is printed.
        Some(code) => board::quietly(&device, terminal, device.session().exec(code)).await,
        None => Ok(()),
    };
    board::close(device).await;
    outcome
}

fn show(file: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let Ok(trace) = std::fs::read_to_string(file) else { return Ok(()) };
    for entry in entries(&trace) {
        let (text, note) = (shown(&entry.bytes), entry.notes.join(", "));
        if terminal.json() {
            terminal.object(&json!({ "us": entry.micros, "kind": entry.kind.word(), "text": text, "note": note }))?;
            continue;
        }
        let ms = entry.micros as f64 / 1000.0;
        terminal.line(format_args!("{FAINT}{ms:>10.3}{FAINT:#} {NAME}{}{NAME:#} {text}", entry.kind.arrow()))?;
        if !note.is_empty() {
            terminal.line(format_args!("{:>10} {FAINT}  {note}{FAINT:#}", ""))?;
        }
    }
    Ok(())
}

/// Something that happened in a session.
struct Entry {
    /// Microseconds since the session began.
    micros: u64,
    kind: Kind,
    bytes: Vec<u8>,
    notes: Vec<String>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    ToBoard,
    FromBoard,
    /// The machine was asked for something.
    Asked,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::ToBoard => "out",
            Self::FromBoard => "in",
            Self::Asked => "asked",
        }
    }

    fn arrow(self) -> &'static str {
        match self {
            Self::ToBoard => "→",
            Self::FromBoard => "←",
            Self::Asked => "·",
        }
    }
}

/// The lines of a trace; what the machine says of bytes belongs to the line with the last of them.
fn entries(trace: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    // How much of the last bytes that were written has its meaning.
    let mut sent = 0_usize;
    for line in trace.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let (Some(micros), Some(word)) = (words.first().and_then(|micros| micros.parse().ok()), words.get(1)) else {
            continue;
        };
        match (*word, words.get(2..).unwrap_or_default()) {
            ("sent" | "took", &[meaning, bytes]) => {
                let (Some(last), Ok(n)) = (entries.last_mut(), bytes.parse::<usize>()) else { continue };
                let span = last.bytes.get(sent..sent.saturating_add(n)).unwrap_or_default();
                last.notes.push(meant(meaning, n, if last.kind == Kind::ToBoard { span } else { &[] }));
                sent = sent.saturating_add(n);
            }
            (">", &[text]) => {
                sent = 0;
                entries.push(Entry { micros, kind: Kind::ToBoard, bytes: unescaped(text), notes: Vec::new() });
            }
            ("<", &[text]) => {
                entries.push(Entry { micros, kind: Kind::FromBoard, bytes: unescaped(text), notes: Vec::new() });
            }
            (word, _) => {
                let note = match word {
                    "sync" => "from now on only an answer to what comes next counts",
                    "buffer" => "so many bytes may lie unread in the board's input",
                    "control" => "send control bytes",
                    "submit" => "a request: number, lane, how its answer is recognised, code",
                    _ => "",
                };
                let notes = if note.is_empty() { Vec::new() } else { vec![note.to_owned()] };
                let asked = line.split_once(' ').map_or("", |(_, asked)| asked);
                entries.push(Entry { micros, kind: Kind::Asked, bytes: unescaped(asked), notes });
            }
        }
    }
    entries
}

/// What the machine took `n` bytes for, in words; `control` are the bytes of what is written to be acted on at once.
fn meant(meaning: &str, n: usize, control: &[u8]) -> String {
    let plain = match meaning {
        "Control" => return control.iter().filter_map(|byte| key(*byte)).collect::<Vec<_>>().join(", "),
        "AskRawPaste" => "ask for raw-paste",
        "End" => "Ctrl-D: run what was sent",
        "Banner" => "the raw REPL is there",
        "Window" => "raw-paste it is, with this window",
        "NoRawPaste" => "no raw-paste",
        "Credit" => "it has taken a window, and gives credit for another",
        "PasteOver" => "it has all of it",
        "Ok" => "it runs",
        "LineEnd" => "the end of the line",
        "Prompt" => "it has ended, and is ready",
        _ => "",
    };
    if !plain.is_empty() {
        return plain.to_owned();
    }
    let what = match meaning {
        "Code" => "code",
        "Output" => "printed",
        "Reply" => "the answer",
        "Doubtful" => "perhaps the answer",
        "Ended" => "ended without an answer",
        "Cut" => "the line ended before it was whole",
        other => other,
    };
    format!("{what} ({n} byte{})", if n == 1 { "" } else { "s" })
}

/// A key that the REPL acts on.
fn key(byte: u8) -> Option<&'static str> {
    Some(match byte {
        0x01 => "Ctrl-A: into the raw REPL",
        0x02 => "Ctrl-B: out of the raw REPL",
        0x03 => "Ctrl-C: stop",
        0x04 => "Ctrl-D: reset",
        b'\r' | b'\n' => "end of a line",
        _ => return None,
    })
}

/// Bytes as they are escaped in a trace.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let hex = |digits: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let (byte, after) = match (first, after) {
            (b'\\', [b'x', high, low, after @ ..]) => (hex(&[*high, *low]).unwrap_or(b'?'), after),
            (b'\\', [b'n', after @ ..]) => (b'\n', after),
            (b'\\', [b'r', after @ ..]) => (b'\r', after),
            (b'\\', [b't', after @ ..]) => (b'\t', after),
            (b'\\', [other, after @ ..]) => (*other, after),
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// Bytes for people: as in a Python literal, without its quotes.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\'' | b'"' => text.push(byte.into()),
            _ => text.extend(byte.escape_ascii().map(char::from)),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(trace: &str) -> Vec<String> {
        entries(trace).into_iter().map(|entry| entry.notes.join(", ")).collect()
    }

    #[test]
    fn bytes_are_what_the_machine_took_them_for() {
        let trace = "1 > \\x03\\x01\n1 sent Control 2\n2 > \\x05A\\x01print(1)\\x04\n2 sent AskRawPaste 3\n2 sent Code 8\n\
                     2 sent End 1\n3 < OK1\\r\\n\\x04\\x04>\n3 took Ok 2\n3 took Output 3\n3 took Ended 3\n4 sync";
        assert_eq!(
            notes(trace),
            [
                "Ctrl-C: stop, Ctrl-A: into the raw REPL",
                "ask for raw-paste, code (8 bytes), Ctrl-D: run what was sent",
                "it runs, printed (3 bytes), ended without an answer (3 bytes)",
                "from now on only an answer to what comes next counts",
            ]
        );
    }

    #[test]
    fn bytes_that_only_look_like_something_are_not_noted() {
        for bytes in [r"print('\\x04')", "OK", r"\x04\x04>", r">>>\x20", r"R\x01\x80\x00"] {
            assert_eq!(notes(&format!("1 > {bytes}\n2 < {bytes}")), ["", ""], "{bytes}");
        }
    }

    #[test]
    fn bytes_are_shown_as_they_are() {
        for (traced, text) in
            [(r"a\x20b\x3a\'\x22", r#"a b:'""#), (r"\\x20", r"\\x20"), (r"\\\x20", r"\\ "), (r"\xff\n\x", r"\xff\nx")]
        {
            assert_eq!(shown(&unescaped(traced)), text, "{traced}");
        }
    }

    #[test]
    fn what_is_no_trace_is_left_out() {
        for line in ["", "12", "x > y", "no number", "1 took Ok 2", "1 took Ok x"] {
            assert!(entries(line).is_empty(), "{line}");
        }
    }
}
