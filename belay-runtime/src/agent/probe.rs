//! Asking a board what it is and what it can do. Nothing here is guessed from a name.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::between;
use crate::{
    codec::args::{DECIMALS_PROBE, LiteralOptions},
    repl::{Expect, Way},
    transport::Trust,
};

/// The ways in which a board may write bytes, best first: the Python expression of each.
const WRITERS: [&str; 4] = [
    "sys.stdout.buffer.write",
    "__import__('microbit').uart.write",
    "sys.stdout.write",
    // Works wherever `print` does, and makes no copy of a long reply.
    "lambda b:any(print('%02x'%c,end='')for c in b)",
];

/// Deploying takes eight to eleven times a source's size, and a board is there for its tasks: below this the tiny agent
/// is installed.
const SMALLEST_HEAP_FOR_FULL: u32 = 32 * 1024;

/// What every byte must survive: all values, and the combinations that line-ending translations differ in.
fn all_bytes() -> Vec<u8> {
    (0..=255).chain(*b"\r\n\n\r\r\n").collect()
}

/// Modules that something here depends on or that users ask for, and that cost a board nothing to import.
const MODULES: [&str; 7] = ["array", "binascii", "deflate", "json", "machine", "select", "zlib"];

/// What a board is and what it can do, found out by asking it, and what its line is like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Capabilities {
    /// `sys.implementation.name`: `micropython`, `circuitpython`.
    pub implementation: String,
    /// `sys.implementation.version`, such as `1.27.0`.
    pub version: String,
    /// `sys.platform`: `rp2`, `esp32`, …
    pub platform: String,
    /// `machine.unique_id()` or CircuitPython's `cpu.uid` in hexadecimal digits, where the board has one.
    pub unique_id: Option<String>,
    /// Heap that was free after a collection when the board was first asked, in bytes; 0 where `gc` does not say.
    pub free_heap: u32,
    /// Raw-paste's window, in bytes, where the board has raw-paste.
    pub raw_paste: Option<u16>,
    /// How bytes leave the board.
    pub way_out: Way,
    /// 64, 32, or 30 bits.
    pub float_bits: u8,
    /// Those of a few modules that the board has.
    pub modules: Vec<String>,
    /// `compile` exists, so that tracebacks name the task.
    pub compile: bool,
    /// `_thread` can be imported.
    pub threads: bool,
    /// Bytes from 0x80 on survive in a literal.
    pub raw_literals: bool,
    /// `bytes.decode` exists.
    pub decode: bool,
    /// Short bytes literals stay on the heap for ever, as short strings do everywhere.
    pub interns_bytes: bool,
    /// Decimal fractions of a few digits are read without an error.
    pub decimals: bool,
    /// How many bytes may lie unread in the board's input: what one write may carry without waiting for credit.
    pub input_credit: usize,
    /// Whether calls travel bare or with checks.
    pub trust: Trust,
    /// The shortest time that a question and its answer took, once one has been timed.
    pub turn_time: Option<Duration>,
    /// Whether Ctrl-C stops what runs on the board; `None` until something had to be stopped.
    pub obeys_ctrl_c: Option<bool>,
    /// What the full agent needs is there.
    full_modules: bool,
    writer: u8,
}

impl Capabilities {
    /// The Python expression that writes bytes on this board.
    pub(super) fn write(&self) -> &'static str {
        WRITERS.get(usize::from(self.writer)).unwrap_or(&WRITERS[0])
    }

    /// Whether the board has a module, of those that it was asked for.
    #[must_use]
    pub fn has(&self, module: &str) -> bool {
        self.modules.iter().any(|has| has == module)
    }

    pub(super) fn struct_module(&self) -> &'static str {
        if self.has("struct") { "struct" } else { "ustruct" }
    }

    /// Whether the full agent runs here and leaves room for tasks.
    pub(crate) fn holds_full_agent(&self) -> bool {
        self.compile && self.full_modules && self.has("struct") && self.free_heap >= SMALLEST_HEAP_FOR_FULL
    }

    /// How arguments are best written for this board.
    pub(crate) fn literals(&self) -> LiteralOptions {
        LiteralOptions {
            raw: self.raw_literals,
            decode: self.decode,
            pad_bytes: self.interns_bytes,
            decimals: self.decimals,
            float_bits: self.float_bits,
            array: self.has("array"),
            struct_module: self.struct_module(),
        }
    }

    /// One word without quotes, to be kept on the board.
    pub(super) fn to_record(&self) -> String {
        let way = match self.way_out {
            Way::Exact => 'e',
            Way::Cooked => 'c',
            Way::Hex => 'h',
        };
        format!(
            "{};{};{};{};{};{};{};{};{};{way}",
            self.implementation,
            self.version,
            self.platform,
            self.free_heap,
            self.raw_paste.unwrap_or(0),
            self.float_bits,
            self.flags(),
            self.unique_id.as_deref().unwrap_or("0"),
            self.writer,
        )
    }

    pub(crate) fn from_record(record: &str) -> Option<Self> {
        let words: Vec<&str> = record.split(';').collect();
        let [implementation, version, platform, heap, window, float, flags, unique_id, writer, way] = words[..] else {
            return None;
        };
        let way_out = match way {
            "e" => Way::Exact,
            "c" => Way::Cooked,
            "h" => Way::Hex,
            _ => return None,
        };
        let window: u16 = window.parse().ok()?;
        let facts = [implementation, version, platform, heap, float, flags, unique_id];
        Self::from_facts(facts, (window > 0).then_some(window), writer.parse().ok()?, way_out).ok()
    }

    /// Reads what the probe printed; the error says what was wrong with it.
    pub(crate) fn parse(text: &[u8], nonce: u32, raw_paste: Option<u16>) -> Result<Self, String> {
        let mut sections = Sections { rest: text, nonce, next: 0 };
        let facts = sections.next().ok_or("the facts are cut short")?;
        let facts = String::from_utf8_lossy(facts);
        // Printed twice.
        let mut times = facts.split('|');
        let facts = match (times.next(), times.next()) {
            (Some(once), Some(again)) if once == again => once,
            _ => return Err(format!("the facts came damaged: `{facts}`")),
        };
        let words: Vec<&str> = facts.split_whitespace().collect();
        let words = words.try_into().map_err(|_| format!("seven facts expected, got `{facts}`"))?;
        let all = all_bytes();
        let found = (0..WRITERS.len() as u8).find_map(|writer| {
            let came = sections.next()?;
            way_of(came, &all).map(|way| (writer, way))
        });
        let (writer, way) = found.ok_or("no way to write bytes out of this board is intact")?;
        Self::from_facts(words, raw_paste, writer, way)
    }

    pub(super) fn from_facts(
        facts: [&str; 7],
        raw_paste: Option<u16>,
        writer: u8,
        way_out: Way,
    ) -> Result<Self, String> {
        let [implementation, version, platform, heap, float, flags, unique_id] = facts;
        let number = |word: &str| word.parse::<u32>().map_err(|_| format!("`{word}` is no number"));
        let flags = number(flags)?;
        let has = |bit: u32| flags >> bit & 1 != 0;
        let modules = MODULE_FLAGS.iter().filter(|(_, bit)| has(*bit)).map(|(name, _)| (*name).to_owned()).collect();
        Ok(Self {
            implementation: word(implementation),
            version: word(version),
            platform: word(platform),
            unique_id: Some(word(unique_id)).filter(|id| id != "0"),
            free_heap: number(heap)?,
            raw_paste,
            way_out,
            float_bits: u8::try_from(number(float)?).map_err(|_| format!("floats of {float} bits"))?,
            modules,
            compile: has(0),
            threads: has(1),
            raw_literals: has(2),
            decode: has(3),
            interns_bytes: has(4),
            full_modules: has(6),
            decimals: has(7),
            input_credit: 0,
            trust: Trust::Verified,
            turn_time: None,
            obeys_ctrl_c: None,
            writer,
        })
    }

    fn flags(&self) -> u32 {
        let own = [
            (self.compile, 0),
            (self.threads, 1),
            (self.raw_literals, 2),
            (self.decode, 3),
            (self.interns_bytes, 4),
            (self.full_modules, 6),
            (self.decimals, 7),
        ];
        let modules = MODULE_FLAGS.iter().map(|(name, bit)| (self.has(name), *bit));
        own.into_iter().chain(modules).fold(0, |flags, (has, bit)| flags | u32::from(has) << bit)
    }
}

/// The bits of modules among the flags that the probe prints: the last of [`MODULES`] stands lowest.
const MODULE_FLAGS: [(&str, u32); 9] = [
    ("_thread", 1),
    ("array", 14),
    ("binascii", 13),
    ("deflate", 12),
    ("json", 11),
    ("machine", 10),
    ("select", 9),
    ("struct", 5),
    ("zlib", 8),
];

/// `{}` names the board, `{:#}` says all that is known of it.
impl std::fmt::Display for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} on {}", self.implementation, self.version, self.platform)?;
        if !f.alternate() {
            return Ok(());
        }
        match self.raw_paste {
            Some(window) => write!(f, ", raw-paste with windows of {window} bytes")?,
            None => f.write_str(", no raw-paste")?,
        }
        write!(f, ", {} bytes of input credit", self.input_credit)?;
        f.write_str(match self.way_out {
            Way::Exact => ", exact output",
            Way::Cooked => ", output with translated line ends",
            Way::Hex => ", output as hexadecimal digits",
        })?;
        write!(f, ", {} bytes of heap, {}-bit floats", self.free_heap, self.float_bits)?;
        if !self.modules.is_empty() {
            write!(f, ", modules {}", self.modules.join(" "))?;
        }
        f.write_str(match self.trust {
            Trust::Trusted => ", trusted line",
            Trust::Verified => ", verified line",
        })?;
        if let Some(time) = self.turn_time {
            write!(f, ", {:.1} ms a turn", time.as_secs_f64() * 1e3)?;
        }
        f.write_str(match self.obeys_ctrl_c {
            Some(true) => ", obeys Ctrl-C",
            Some(false) => ", ignores Ctrl-C",
            None => "",
        })
    }
}

/// What a board says of itself goes back to it inside a literal: only harmless characters do.
fn word(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_alphanumeric() || ".-_+".contains(*c)).take(40).collect()
}

fn way_of(came: &[u8], all: &[u8]) -> Option<Way> {
    if came == all {
        return Some(Way::Exact);
    }
    let cooked: Vec<u8> = all.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect();
    if came == cooked {
        return Some(Way::Cooked);
    }
    let hex: String = all.iter().map(|b| format!("{b:02x}")).collect();
    (came == hex.as_bytes()).then_some(Way::Hex)
}

/// The parts of the probe's answer, each between `<number>:` and `:<number>`.
struct Sections<'a> {
    rest: &'a [u8],
    nonce: u32,
    next: u32,
}

impl<'a> Sections<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        let mark = i64::from(self.nonce) + 10 + i64::from(self.next);
        self.next += 1;
        let open = format!("<{mark}:").into_bytes();
        let close = format!(":{mark}>").into_bytes();
        let start = self.rest.windows(open.len()).position(|w| w == open)? + open.len();
        let len = self.rest[start..].windows(close.len()).position(|w| w == close)?;
        let section = &self.rest[start..start + len];
        self.rest = &self.rest[start + len + close.len()..];
        Some(section)
    }
}

/// The code that asks a board for everything at once, and what answers it. It is meant for a namespace that is dropped.
/// `ways` is how many ways out are tried.
pub(crate) fn probe(nonce: u32, ways: usize) -> (String, Expect) {
    let lines = include_str!("probe.py").lines().filter(|line| !line.starts_with('#'));
    let code = lines.flat_map(|line| [line, "\n"]).collect::<String>();
    let writers: String = WRITERS.iter().take(ways).map(|writer| format!("\"{writer}\",")).collect();
    let code = code
        .replace("@NONCE@", &nonce.to_string())
        .replace("@MARK@", &(nonce + 10).to_string())
        .replace("@MODULES@", &MODULES.map(|module| format!("'__import__(\"{module}\")',")).concat())
        .replace("@DECIMALS@", DECIMALS_PROBE)
        .replace("@WRITERS@", &writers);
    (code, between(nonce))
}

/// How many ways out there are.
pub(crate) const ALL_WAYS: usize = WRITERS.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_on_the_board_keeps_what_the_probe_found() {
        let facts = ["micropython", "1.27.0", "rp2", "190000", "32", "32767", "e6614104"];
        let all = Capabilities::from_facts(facts, Some(128), 2, Way::Cooked).unwrap();
        assert_eq!(all.modules.len(), MODULE_FLAGS.len());
        assert_eq!(Capabilities::from_record(&all.to_record()), Some(all));
        let facts = ["micropython", "1.9.2", "microbit", "9000", "30", "0", "0"];
        let none = Capabilities::from_facts(facts, None, 1, Way::Exact).unwrap();
        assert_eq!((none.unique_id.clone(), none.modules.len()), (None, 0));
        assert_eq!(Capabilities::from_record(&none.to_record()), Some(none));
    }

    #[test]
    fn facts_that_differ_are_not_believed() {
        let once = "<18:micropython 1.27.0 rp2 190000 32 16383 0|micropython 1.27.0 rp2 19000 32 16383 0|:18>";
        assert!(Capabilities::parse(once.as_bytes(), 8, None).unwrap_err().contains("damaged"));
    }

    #[test]
    fn capabilities_are_printed_and_serialised() {
        let facts = ["micropython", "1.27.0", "rp2", "190000", "32", "32767", "0"];
        let board = Capabilities::from_facts(facts, Some(128), 0, Way::Exact).unwrap();
        assert_eq!(board.to_string(), "micropython 1.27.0 on rp2");
        let text = format!("{board:#}");
        assert!(text.starts_with("micropython 1.27.0 on rp2, raw-paste with windows of 128 bytes"), "{text}");
        let json = serde_json::to_string(&board).unwrap();
        assert_eq!(serde_json::from_str::<Capabilities>(&json).unwrap(), board);
    }
}
