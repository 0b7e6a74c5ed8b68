//! Asking a board what it is and what it can do. Nothing here is guessed from a name.

use super::between;
use crate::{
    codec::args::{DECIMALS_PROBE, LiteralOptions},
    repl::{Expect, Way},
};

/// The ways in which a board may write bytes, best first: the Python expression of each.
const WRITERS: [&str; 4] = [
    "sys.stdout.buffer.write",
    "__import__('microbit').uart.write",
    "sys.stdout.write",
    // Works wherever `print` does.
    "lambda b:print(''.join('%02x'%c for c in b),end='')",
];

/// Deploying takes eight to eleven times a source's size, and a board is there for its tasks: below this the tiny agent
/// is installed.
const SMALLEST_HEAP_FOR_FULL: u32 = 32 * 1024;

/// What every byte must survive: all values, and the combinations that line-ending translations differ in.
fn all_bytes() -> Vec<u8> {
    (0..=255).chain(*b"\r\n\n\r\r\n").collect()
}

/// What a board is and what it can do, found out by asking it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// `sys.implementation.name`: `micropython`, `circuitpython`.
    pub implementation: String,
    /// `sys.implementation.version`, such as `1.27.0`.
    pub version: String,
    /// `sys.platform`: `rp2`, `esp32`, …
    pub platform: String,
    /// Heap that was free after a collection when the board was first asked, in bytes; 0 where `gc` does not say.
    pub free_heap: u32,
    /// Raw-paste's window, in bytes, where the board has raw-paste.
    pub raw_paste: Option<u16>,
    /// 64, 32, or 30 bits.
    pub float_bits: u8,
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
    /// `struct`; older firmware calls it `ustruct`.
    struct_module: bool,
    /// What the full agent needs is there.
    full_modules: bool,
    writer: u8,
    pub(crate) way: Way,
}

impl Capabilities {
    /// The Python expression that writes bytes on this board.
    pub(super) fn write(&self) -> &'static str {
        WRITERS.get(usize::from(self.writer)).unwrap_or(&WRITERS[0])
    }

    pub(super) fn struct_module(&self) -> &'static str {
        if self.struct_module { "struct" } else { "ustruct" }
    }

    /// Whether the full agent runs here and leaves room for tasks.
    pub(super) fn holds_full_agent(&self) -> bool {
        self.compile && self.full_modules && self.struct_module && self.free_heap >= SMALLEST_HEAP_FOR_FULL
    }

    /// How arguments are best written for this board.
    pub(crate) fn literals(&self) -> LiteralOptions {
        LiteralOptions {
            raw: self.raw_literals,
            decode: self.decode,
            pad_bytes: self.interns_bytes,
            decimals: self.decimals,
            float_bits: self.float_bits,
            array: self.full_modules,
            struct_module: self.struct_module(),
        }
    }

    /// One word without quotes, to be kept on the board.
    pub(super) fn to_record(&self) -> String {
        let flags = u8::from(self.compile)
            | u8::from(self.threads) << 1
            | u8::from(self.raw_literals) << 2
            | u8::from(self.decode) << 3
            | u8::from(self.interns_bytes) << 4
            | u8::from(self.struct_module) << 5
            | u8::from(self.full_modules) << 6
            | u8::from(self.decimals) << 7;
        let way = match self.way {
            Way::Exact => 'e',
            Way::Cooked => 'c',
            Way::Hex => 'h',
        };
        format!(
            "{};{};{};{};{};{};{flags};{};{way}",
            self.implementation,
            self.version,
            self.platform,
            self.free_heap,
            self.raw_paste.unwrap_or(0),
            self.float_bits,
            self.writer,
        )
    }

    pub(super) fn from_record(record: &str) -> Option<Self> {
        let mut words = record.split(';');
        let mut word = || words.next();
        let (implementation, version, platform) = (word()?.into(), word()?.into(), word()?.into());
        let free_heap = word()?.parse().ok()?;
        let window: u16 = word()?.parse().ok()?;
        let float_bits = word()?.parse().ok()?;
        let flags: u8 = word()?.parse().ok()?;
        let writer = word()?.parse().ok()?;
        let way = match word()? {
            "e" => Way::Exact,
            "c" => Way::Cooked,
            "h" => Way::Hex,
            _ => return None,
        };
        Some(Self {
            implementation,
            version,
            platform,
            free_heap,
            raw_paste: (window > 0).then_some(window),
            float_bits,
            compile: flags & 1 != 0,
            threads: flags & 2 != 0,
            raw_literals: flags & 4 != 0,
            decode: flags & 8 != 0,
            interns_bytes: flags & 16 != 0,
            struct_module: flags & 32 != 0,
            full_modules: flags & 64 != 0,
            decimals: flags & 128 != 0,
            writer,
            way,
        })
    }

    /// Reads what the probe printed; the error says what was wrong with it.
    pub(crate) fn parse(text: &[u8], nonce: u32, raw_paste: Option<u16>) -> Result<Self, String> {
        let mut sections = Sections { rest: text, nonce, next: 0 };
        let facts = sections.next().ok_or("the facts are cut short")?;
        let facts = String::from_utf8_lossy(facts);
        let words: Vec<&str> = facts.split_whitespace().collect();
        let [implementation, version, platform, heap, float, flags] = words[..] else {
            return Err(format!("six facts expected, got `{facts}`"));
        };
        let number = |word: &str| word.parse::<u32>().map_err(|_| format!("`{word}` is no number"));
        let flags = number(flags)?;
        let all = all_bytes();
        let found = (0..WRITERS.len() as u8).find_map(|writer| {
            let came = sections.next()?;
            way_of(came, &all).map(|way| (writer, way))
        });
        let (writer, way) = found.ok_or("no way to write bytes out of this board is intact")?;
        Ok(Self {
            implementation: word(implementation),
            version: word(version),
            platform: word(platform),
            free_heap: number(heap)?,
            raw_paste,
            float_bits: number(float)? as u8,
            compile: flags & 1 != 0,
            threads: flags & 2 != 0,
            raw_literals: flags & 4 != 0,
            decode: flags & 8 != 0,
            interns_bytes: flags & 16 != 0,
            struct_module: flags & 32 != 0,
            full_modules: flags & 64 != 0,
            decimals: flags & 128 != 0,
            writer,
            way,
        })
    }
}

impl std::fmt::Display for Capabilities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} on {}", self.implementation, self.version, self.platform)
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
pub(crate) fn probe(nonce: u32) -> (String, Expect) {
    let lines = include_str!("probe.py").lines().filter(|line| !line.starts_with('#'));
    let code = lines.flat_map(|line| [line, "\n"]).collect::<String>();
    let code = code
        .replace("@NONCE@", &nonce.to_string())
        .replace("@MARK@", &(nonce + 10).to_string())
        .replace("@DECIMALS@", DECIMALS_PROBE)
        .replace("@WRITERS@", &WRITERS.map(|writer| format!("\"{writer}\"")).join(","));
    (code, between(nonce))
}
