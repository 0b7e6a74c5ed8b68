//! The Python that lives on the board, and what the host says to it.
//!
//! One global name, `_b`. `_b(3,26)` calls task 3; `_b('''source''',scope,id,'name')` runs a source in a namespace
//! and, with an id, keeps the function of that name; `_b(-1,nonce)` greets; `_b(-2)` writes the last reply again.

mod hello;
mod probe;

use std::sync::LazyLock;

pub(crate) use hello::{Status, hello};
pub use probe::Capabilities;
pub(crate) use probe::probe;

use crate::task::{FNV_BASIS, fnv1a};

/// The source as it is sent: the file without its comments, which stand on lines of their own.
static SOURCE: LazyLock<String> = LazyLock::new(|| {
    let mut source = String::new();
    for line in include_str!("full.py").lines().filter(|line| !line.trim_start().starts_with('#')) {
        source.push_str(line);
        source.push('\n');
    }
    source
});

/// What tells this agent from others that a board may hold.
static VERSION: LazyLock<u32> = LazyLock::new(|| fnv1a(SOURCE.as_bytes(), FNV_BASIS) as u32);

/// The agent's source for a board, ready to run.
pub(crate) fn install(capabilities: &Capabilities, epoch: u32) -> String {
    let record = format!("{:x};{}", *VERSION, capabilities.to_record());
    SOURCE
        .replace("@WRITE@", capabilities.write())
        .replace("@CAPS@", &record)
        .replace("@EPOCH@", &epoch.to_string())
}

/// Reads back what `install` left on the board; `None` if the agent there is not this one.
fn read_record(record: &str) -> Option<Capabilities> {
    let (version, record) = record.split_once(';')?;
    (u32::from_str_radix(version, 16).ok()? == *VERSION).then(|| Capabilities::from_record(record)).flatten()
}

/// `source` as a triple-quoted literal without any byte that the REPL or a lexer acts on.
pub(crate) fn quote(source: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"'''");
    for c in source.chars() {
        match c {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '\n' | '\t' => out.push(c as u8),
            '\0'..='\x1f' | '\x7f' => out.extend_from_slice(format!("\\x{:02x}", c as u32).as_bytes()),
            c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.extend_from_slice(b"'''");
}

/// The request that runs `source` in the namespace `scope` and keeps it under `id`.
pub(crate) fn deploy(source: &str, scope: u64, id: u64, name: &str) -> Vec<u8> {
    let mut code = b"_b(".to_vec();
    quote(source, &mut code);
    code.extend_from_slice(format!(",{scope},{id},'{name}')").as_bytes());
    code
}

/// The request that runs `source` in the namespace `scope` and keeps nothing of it.
pub(crate) fn exec(source: &str, scope: u64) -> Vec<u8> {
    let mut code = b"_b(".to_vec();
    quote(source, &mut code);
    code.extend_from_slice(format!(",{scope})").as_bytes());
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_quoted_source_holds_a_byte_that_the_repl_acts_on() {
        let all: String = (0..=0x2ff).filter_map(char::from_u32).collect();
        let mut out = Vec::new();
        quote(&all, &mut out);
        assert!(out.iter().all(|&b| b >= b' ' || b == b'\n' || b == b'\t'), "{}", out.escape_ascii());
    }
}
