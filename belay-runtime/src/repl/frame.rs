//! Reply frames inside a board's output: how they look, and how they are told from prints.
//!
//! A frame is a head and one MessagePack value, which knows its own length. On a trusted line the head is a mark that
//! changes with every call and that both sides compute. On a verified line it is a check over the call's number and
//! the value. Its first byte never occurs in UTF-8, so text cannot look like one; bytes that do are unmasked because
//! the rest does not fit.

use std::borrow::Cow;

use crate::codec::msgpack::{Limits, Measure, measure};

/// The way out of the board that a reply takes, found by a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Every byte arrives as it was written.
    Exact,
    /// `\n` arrives as `\r\n`; everything else as it was written.
    Cooked,
    /// Two hexadecimal digits a byte.
    Hex,
}

/// The three bytes that begin the reply of call number `n` on a trusted line.
pub(crate) fn mark(n: u32) -> [u8; 3] {
    let [.., high, low] = n.wrapping_mul(1597).to_be_bytes();
    [0xf8, high, low]
}

/// What begins a reply on a verified line, before three bytes of check.
const VERIFIED: u8 = 0xff;

/// The largest prime below 52⁴: four characters out of 52 can make up for any check.
pub(crate) const MODULUS: i64 = 7_311_593;
pub(crate) const FACTOR: i64 = 52;

/// The check that both sides compute over what a verified line carries: changed by any one byte.
pub(crate) fn check(seed: i64, bytes: &[u8]) -> i64 {
    // The board's small integers have 30 bits: the product stays below 2²⁹.
    bytes.iter().fold(seed.rem_euclid(MODULUS), |sum, &byte| (sum * FACTOR + i64::from(byte)) % MODULUS)
}

/// The payload of an agent that refuses calls until it is greeted again: a byte that no MessagePack value starts with.
pub(crate) const REFUSED: [u8; 1] = [0xc1];

/// What stands at a place where a frame may begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole frame: its payload, and how many bytes of the output it took.
    Complete { payload: Vec<u8>, consumed: usize },
    /// It may become one.
    Incomplete,
    /// It is something that was printed.
    Invalid,
}

/// How a frame is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// The number of the call.
    pub(crate) n: u32,
    pub(crate) way: Way,
    pub(crate) verified: bool,
}

/// The first bytes by which a frame can be found in the output.
pub(crate) fn needle(form: &Form) -> Vec<u8> {
    let mark = mark(form.n);
    let plain = if form.verified { &[VERIFIED][..] } else { &mark[..] };
    match form.way {
        Way::Exact => plain.to_vec(),
        Way::Cooked => plain.iter().flat_map(|&b| if b == b'\n' { vec![b'\r', b'\n'] } else { vec![b] }).collect(),
        Way::Hex => plain.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect(),
    }
}

/// Reads the frame at the start of `output`, which begins with the needle of its form.
pub(crate) fn parse(output: &[u8], form: &Form, limits: &Limits) -> Parsed {
    // Undoing what a way did costs time: a little first, because what is no frame mostly shows at once.
    let mut enough = 64;
    loop {
        let (bytes, open) = undo(&output[..enough.min(output.len())], form.way);
        match read(&bytes, form, limits) {
            Read::Frame(payload) => {
                let len = bytes.len() - payload.len();
                let payload = payload.to_vec();
                return Parsed::Complete { consumed: taken(output, form.way, len), payload };
            }
            Read::Invalid => return Parsed::Invalid,
            Read::Short if !open => return Parsed::Invalid,
            Read::Short if enough >= output.len() => return Parsed::Incomplete,
            Read::Short => enough = enough.saturating_mul(8),
        }
    }
}
enum Stop {
    /// Fewer bytes than asked for; those that are there (left out where nobody needs them).
    Short(Vec<u8>),
    Garbage,
}

/// Takes the first `need` bytes out of what came, undoing what the way did to them.
fn decode(output: &[u8], way: Way, need: usize) -> Result<(Vec<u8>, usize), Stop> {
    match way {
        Way::Exact => match output.get(..need) {
            Some(bytes) => Ok((bytes.to_vec(), need)),
            None => Err(Stop::Short(output[..output.len().min(7)].to_vec())),
        },
        Way::Cooked => {
            let mut bytes = Vec::with_capacity(need.min(output.len()));
            let mut at = 0;
            while bytes.len() < need {
                match (output.get(at), output.get(at + 1)) {
                    (None, _) | (Some(b'\r'), None) => return Err(Stop::Short(bytes)),
                    (Some(b'\r'), Some(b'\n')) => {
                        bytes.push(b'\n');
                        at += 2;
                    }
                    (Some(&byte), _) => {
                        bytes.push(byte);
                        at += 1;
                    }
                }
            }
            Ok((bytes, at))
        }
        Way::Hex => {
            let mut bytes = Vec::with_capacity(need.min(output.len()));
            for pair in output.chunks(2).take(need) {
                let &[high, low] = pair else { return Err(Stop::Short(bytes)) };
                match (digit(high), digit(low)) {
                    (Some(high), Some(low)) => bytes.push(high << 4 | low),
                    _ => return Err(Stop::Garbage),
                }
            }
            if bytes.len() < need { Err(Stop::Short(bytes)) } else { Ok((bytes, need * 2)) }
        }
    }
}

fn digit(ascii: u8) -> Option<u8> {
    char::from(ascii).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
