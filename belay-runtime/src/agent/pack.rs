//! Sources that travel compressed: what compresses them, and the Python that undoes it.

use std::io::Write;

use flate2::{Compression, write::DeflateEncoder};

use super::Capabilities;

/// Sources shorter than this gain less than the Python around them costs.
const SHORTEST: usize = 400;

/// A source on its way.
pub(crate) enum Text {
    Plain(String),
    /// Compressed; `open` and `close` stand around the bytes in the expression that undoes it.
    Packed {
        bytes: Vec<u8>,
        open: &'static str,
        close: String,
        /// Bytes from 0x80 on may stand in a literal.
        raw: bool,
    },
}

/// Compresses a source, if the board can undo it within its heap and the line carries clearly less.
pub(super) fn pack(source: &str, board: &Capabilities) -> Option<Text> {
    if source.len() < SHORTEST {
        return None;
    }
    let (open, close): (_, fn(u32) -> String) = if board.has("deflate") {
        ("__import__('deflate').DeflateIO(__import__('io').BytesIO(", |bits| format!("),1,{bits}).read()"))
    } else if board.has("zlib") {
        ("__import__('zlib').decompress(", |bits| format!(",-{bits})"))
    } else {
        return None;
    };
    // No distance in it is larger than the source itself, so that is how much the board has to remember.
    let bits = source.len().next_power_of_two().ilog2().clamp(8, 15);
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(source.as_bytes()).ok()?;
    let bytes = encoder.finish().ok()?;
    let heap = (1 << bits) + 3 * source.len() + bytes.len();
    if heap > board.free_heap as usize {
        return None;
    }
    let raw = board.raw_literals;
    let mut written = Vec::new();
    literal(&bytes, raw, &mut written);
    let close = close(bits);
    let shorter = (open.len() + written.len() + close.len()) * 5 < source.len() * 4;
    shorter.then_some(Text::Packed { bytes, open, close, raw })
}

/// Bytes inside a literal between single quotes, without any that the REPL, a lexer or a terminal acts on.
pub(super) fn literal(bytes: &[u8], raw: bool, out: &mut Vec<u8>) {
    for (at, &byte) in bytes.iter().enumerate() {
        let digit_follows = bytes.get(at + 1).is_some_and(u8::is_ascii_digit);
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\\' | b'\'' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            0x80.. if raw => out.push(byte),
            // Octal is shortest, where no digit behind it is taken for a part of it.
            0..0x20 if !digit_follows => out.extend_from_slice(format!("\\{byte:o}").as_bytes()),
            _ => out.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_literal_holds_a_byte_that_something_acts_on() {
        let all: Vec<u8> = (0..=255).flat_map(|byte| [byte, b'7', byte, byte]).collect();
        let mut out = Vec::new();
        literal(&all, true, &mut out);
        assert!(out.iter().all(|byte| *byte >= b' ' && *byte != 0x7f), "{}", out.escape_ascii());
        out.clear();
        literal(&all, false, &mut out);
        assert!(out.is_ascii());
    }
}
