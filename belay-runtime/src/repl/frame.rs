//! Reply frames inside a board's output: how they look, and how they are told from prints.
//!
//! A frame is a two-byte mark, a length, and one MessagePack value of that length. The mark changes with every
//! call and both sides compute it. Its first byte never occurs in UTF-8, so text cannot look like one; bytes that
//! do are unmasked because their length and their structure do not fit.

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

/// The two bytes that begin the reply of call number `n` of an agent.
pub(crate) fn mark(n: u32) -> [u8; 2] {
    let mixed = n.wrapping_mul(1597);
    [0xf8 | (mixed >> 8 & 7) as u8, mixed as u8]
}

/// The check that both sides compute over what a verified line carries: a number below 36⁴, changed by any one byte.
pub(crate) fn check(seed: u32, bytes: &[u8]) -> u32 {
    // The board's small integers have 30 bits: the product stays below 2²⁶. The modulus is prime.
    bytes.iter().fold(seed % 1_679_609, |sum, &byte| (sum * 31 + u32::from(byte)) % 1_679_609)
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

/// The first bytes by which a frame can be found in the output.
pub(crate) fn needle(form: &Form) -> Vec<u8> {
    let mark = form.mark;
    match form.way {
        Way::Exact => mark.to_vec(),
        Way::Cooked if mark[1] == b'\n' => vec![mark[0], b'\r', b'\n'],
        Way::Cooked => mark.to_vec(),
        Way::Hex => format!("{:02x}{:02x}", mark[0], mark[1]).into_bytes(),
    }
}

/// How a frame is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) mark: [u8; 2],
    pub(crate) way: Way,
    /// On a verified line three bytes of check follow the payload, seeded with the call's number.
    pub(crate) seed: Option<u32>,
}

/// Reads the frame at the start of `output`, which begins with the needle of its mark.
pub(crate) fn parse(output: &[u8], form: &Form, limits: &Limits) -> Parsed {
    let way = form.way;
    let trailer = if form.seed.is_some() { 3 } else { 0 };
    let head = match decode(output, way, 7) {
        Ok((head, _)) => head,
        Err(Stop::Short(head)) => head,
        Err(Stop::Garbage) => return Parsed::Invalid,
    };
    let (start, len) = match head.get(2) {
        None => return Parsed::Incomplete,
        Some(&255) => match head.get(3..7).and_then(|b| <[u8; 4]>::try_from(b).ok()) {
            None => return Parsed::Incomplete,
            Some(bytes) => (7, u32::from_le_bytes(bytes) as usize),
        },
        Some(&len) => (3, len as usize),
    };
    if len == 0 || len > limits.size {
        return Parsed::Invalid;
    }
    // A length that contradicts the value's own first bytes is found out before the rest is waited for.
    let glimpse = &head[start.min(head.len())..];
    if !glimpse.is_empty() && glimpse[..1] != REFUSED {
        match measure(glimpse, limits) {
            Measure::Invalid => return Parsed::Invalid,
            Measure::Complete(n) if n != len => return Parsed::Invalid,
            _ => {}
        }
    }
    // Undoing an escape costs time: not before enough has come.
    let whole = start + len + trailer;
    if output.len() < whole * if way == Way::Hex { 2 } else { 1 } {
        return Parsed::Incomplete;
    }
    let (bytes, consumed) = match decode(output, way, whole) {
        Ok(whole) => whole,
        Err(Stop::Short(_)) => return Parsed::Incomplete,
        Err(Stop::Garbage) => return Parsed::Invalid,
    };
    let payload = &bytes[start..start + len];
    if let (Some(seed), &[a, b, c]) = (form.seed, &bytes[start + len..])
        && u32::from_be_bytes([0, a, b, c]) != check(seed, payload)
    {
        return Parsed::Invalid;
    }
    if payload == REFUSED || measure(payload, limits) == Measure::Complete(len) {
        Parsed::Complete { payload: payload.to_vec(), consumed }
    } else {
        Parsed::Invalid
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
