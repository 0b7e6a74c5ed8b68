//! `belay trace`: the bytes of a session, with what they mean and what the REPL machine was asked for.

use std::path::Path;

use serde_json::json;

use crate::{
    args::Port,
    board,
    failure::Failure,
    terminal::{FAINT, NAME, Terminal},
};

/// What the raw REPL's bytes mean, longest first. To the board:
const OUT: [(&str, &str); 6] = [
    (r"\x05A\x01", "ask for raw-paste"),
    (r"\r\x03\x03", "Ctrl-C twice"),
    (r"\x03", "Ctrl-C: stop"),
    (r"\x01", "Ctrl-A: into the raw REPL"),
    (r"\x02", "Ctrl-B: out of the raw REPL"),
    (r"\x04", "Ctrl-D: run what was sent"),
];
/// From the board:
const IN: [(&str, &str); 6] = [
    (r"raw\x20REPL;\x20CTRL-B\x20to\x20exit", "the raw REPL is there"),
    (r"R\x01", "raw-paste it is, with this window"),
    (r"R\x00", "no raw-paste"),
    ("OK", "it runs"),
    (r"\x04\x04>", "ended without an error, and ready"),
    (r">>>\x20", "the REPL for people"),
];

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
    let device = port.open_traced(file, terminal).await?;
    let outcome = match code {
        // The trace shows what is printed.
        Some(code) => board::quietly(&device, device.session().exec(code)).await,
        None => Ok(()),
    };
    board::close(device).await;
    outcome
}

fn show(file: &Path, terminal: &Terminal) -> Result<(), Failure> {
    let Ok(trace) = std::fs::read_to_string(file) else { return Ok(()) };
    for entry in trace.lines().filter_map(Entry::parse) {
        let note = entry.note();
        if terminal.json() {
            let Entry { micros, kind, text } = entry;
            terminal.object(&json!({ "us": micros, "kind": kind.word(), "text": text, "note": note }))?;
            continue;
        }
        let ms = entry.micros as f64 / 1000.0;
        let text = [(r"\x20", " "), (r"\x3a", ":"), (r"\'", "'"), (r#"\""#, "\"")];
        let text = text.iter().fold(entry.text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain));
        terminal.line(format_args!("{FAINT}{ms:>10.3}{FAINT:#} {NAME}{}{NAME:#} {text}", entry.kind.arrow()))?;
        if !note.is_empty() {
            terminal.line(format_args!("{:>10} {FAINT}  {note}{FAINT:#}", ""))?;
        }
    }
    Ok(())
}

/// One line of a trace.
struct Entry<'a> {
    /// Microseconds since the session began.
    micros: u64,
    kind: Kind,
    text: &'a str,
}

enum Kind {
    ToBoard,
    FromBoard,
    /// The machine was asked for something.
    Asked,
}

impl Kind {
    fn word(&self) -> &'static str {
        match self {
            Self::ToBoard => "out",
            Self::FromBoard => "in",
            Self::Asked => "asked",
        }
    }

    fn arrow(&self) -> &'static str {
        match self {
            Self::ToBoard => "→",
            Self::FromBoard => "←",
            Self::Asked => "·",
        }
    }
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (micros, rest) = line.split_once(' ')?;
        let (word, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let (kind, text) = match word {
            ">" => (Kind::ToBoard, text),
            "<" => (Kind::FromBoard, text),
            _ => (Kind::Asked, rest),
        };
        Some(Self { micros: micros.parse().ok()?, kind, text })
    }

    /// What it means.
    fn note(&self) -> String {
        let known = |meanings: &[(&str, &'static str)]| {
            let mut at: Vec<(usize, &str)> = Vec::new();
            let mut rest = self.text.to_owned();
            for (bytes, meaning) in meanings {
                while let Some(start) = rest.find(bytes) {
                    at.push((start, meaning));
                    rest.replace_range(start..start + bytes.len(), &" ".repeat(bytes.len()));
                }
            }
            at.sort_unstable();
            at.into_iter().map(|(_, meaning)| meaning).collect::<Vec<_>>().join(", ")
        };
        match self.kind {
            Kind::FromBoard if self.text == r"\x01" => "it has taken a window, and gives credit for another".into(),
            Kind::FromBoard if self.text == r"\x04" => "it has all of it".into(),
            Kind::ToBoard => known(&OUT),
            Kind::FromBoard => known(&IN),
            Kind::Asked => match self.text.split(' ').next() {
                Some("sync") => "from now on only an answer to what comes next counts".into(),
                Some("buffer") => "so many bytes may lie unread in the board's input".into(),
                Some("control") => "send control bytes".into(),
                Some("submit") => "a request: number, lane, how its answer is recognised, code".into(),
                _ => String::new(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(line: &str) -> String {
        Entry::parse(line).expect("a line of a trace").note()
    }

    #[test]
    fn bytes_are_named_in_their_order() {
        assert_eq!(note(r"12 > \x03\x03\x01"), "Ctrl-C: stop, Ctrl-C: stop, Ctrl-A: into the raw REPL");
        assert_eq!(note(r"12 > \x05A\x01print(1)\x04"), "ask for raw-paste, Ctrl-D: run what was sent");
        assert_eq!(note(r"12 < \r\nraw\x20REPL;\x20CTRL-B\x20to\x20exit\r\n>"), "the raw REPL is there");
        assert_eq!(note(r"12 < OK1\r\n\x04\x04>"), "it runs, ended without an error, and ready");
        assert_eq!(note("12 sync"), "from now on only an answer to what comes next counts");
    }

    #[test]
    fn what_is_no_trace_is_left_out() {
        for line in ["", "12", "x > y", "no number"] {
            assert!(Entry::parse(line).is_none(), "{line}");
        }
    }
}
