//! Reply frames inside a board's output: how they look, and how they are told from prints.
//!
//! A frame is a head and one MessagePack value, which knows its own length. On a trusted line the head is a mark that
//! changes with every call and that both sides compute. On a verified line it is a check over the call's number and
//! the value. Its first byte never occurs in UTF-8, so text cannot look like one; bytes that do are unmasked because
//! the rest does not fit.

use serde::{Deserialize, Serialize};

#[cfg(test)]
use crate::codec::msgpack::WORK;
use crate::codec::{
    msgpack::{Limits, Measure, Walker},
    reply::EXT_EXCEPTION,
};

/// The way out of the board that a reply takes, found by a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
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

/// What begins a reply on a verified line, before three bytes of the check, inverted.
const VERIFIED: u8 = 0xff;

/// The largest prime below 52⁴: four characters out of 52 can make up for any check.
pub(crate) const MODULUS: i64 = 7_311_593;
pub(crate) const FACTOR: i64 = 52;

/// The check that both sides compute over what a verified line carries: changed by any one byte.
pub(crate) fn check(seed: i64, bytes: &[u8]) -> i64 {
    // The board's small integers have 30 bits: the product stays below 2²⁹.
    bytes.iter().fold(seed.rem_euclid(MODULUS), |sum, &byte| (sum * FACTOR + i64::from(byte)) % MODULUS)
}

/// What stands before what is no value, and begins none: a nil then says that the agent refuses calls until it is
/// greeted again, and a list describes an exception.
const NO_VALUE: u8 = 0xc1;
const NIL: u8 = 0xc0;
/// The payload of a call that was refused.
pub(crate) const REFUSED: [u8; 1] = [NO_VALUE];

/// What stands at a place where a frame may begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A whole frame: its payload, and how many bytes of the output it took.
    Complete { payload: Vec<u8>, consumed: usize },
    /// It may become one.
    Incomplete,
    /// It is something that was printed: so many bytes of the output tell it.
    Invalid { seen: usize },
}

/// How a frame is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    /// The number of the call.
    pub(crate) n: u32,
    pub(crate) way: Way,
    pub(crate) verified: bool,
}

impl Form {
    /// How many bytes stand before the value.
    fn head(&self) -> usize {
        if self.verified { 4 } else { 3 }
    }
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
    Reading::new(*form, *limits).go_on(output)
}

/// A frame while its bytes still come: none of them is looked at twice.
#[derive(Debug)]
pub(crate) struct Reading {
    form: Form,
    walker: Walker,
    /// How many bytes of the output are undone.
    used: usize,
    /// What they are, undone.
    bytes: Vec<u8>,
}

impl Reading {
    pub(crate) fn new(form: Form, limits: Limits) -> Self {
        Self { form, walker: Walker::new(limits), used: 0, bytes: Vec::new() }
    }

    /// Whether this is about a frame of that form, no byte of which has been taken away again.
    pub(crate) fn fits(&self, output: &[u8], form: &Form) -> bool {
        self.form == *form && self.used <= output.len()
    }

    /// Goes on where the last call stopped. `output` is the same from the start of the frame, grown or not.
    pub(crate) fn go_on(&mut self, output: &[u8]) -> Parsed {
        loop {
            // Undoing what a way did costs time, and what is no frame mostly shows at once: a little first.
            let most = self.used.saturating_mul(8).max(64).min(output.len());
            let (used, intact) = undo(output.get(self.used..most).unwrap_or_default(), self.form.way, &mut self.bytes);
            self.used += used;
            match self.length() {
                Length::Bytes(len) => {
                    let payload = payload(&self.bytes[self.form.head()..len]);
                    return Parsed::Complete { payload, consumed: length_before(output, self.form.way, len) };
                }
                Length::NoFrame(seen) => return Parsed::Invalid { seen: length_before(output, self.form.way, seen) },
                Length::Unknown if !intact => return Parsed::Invalid { seen: self.used + 2 },
                Length::Unknown if most == output.len() => return Parsed::Incomplete,
                Length::Unknown => {}
            }
        }
    }

    /// The length of the frame.
    fn length(&mut self) -> Length {
        let Some((head, value)) = self.bytes.split_at_checked(self.form.head()) else { return Length::Unknown };
        let marked = usize::from(value.first() == Some(&NO_VALUE));
        let len = match self.walker.advance(value.get(marked..).unwrap_or_default()) {
            Measure::Complete(len) => marked + len,
            Measure::Incomplete => return Length::Unknown,
            Measure::Invalid(seen) => return Length::NoFrame(self.form.head() + marked + seen),
        };
        match *head {
            [_, a, b, c]
                if i64::from(u32::from_be_bytes([0, a, b, c]))
                    != 0xff_ffff - check(self.form.n.into(), &value[..len]) =>
            {
                Length::NoFrame(self.form.head() + len)
            }
            _ => Length::Bytes(self.form.head() + len),
        }
    }
}

enum Length {
    Bytes(usize),
    /// More bytes are needed to say.
    Unknown,
    /// So many tell that it is none.
    NoFrame(usize),
}

/// What a frame says: a value, an exception as the extension that decoders know, or a refusal.
pub(crate) fn payload(value: &[u8]) -> Vec<u8> {
    match value {
        [NO_VALUE, NIL] => REFUSED.to_vec(),
        [NO_VALUE, list @ ..] => {
            let len = u32::try_from(list.len()).unwrap_or(u32::MAX);
            [&[EXT32][..], &len.to_be_bytes(), &[EXT_EXCEPTION.cast_unsigned()], list].concat()
        }
        value => value.to_vec(),
    }
}

/// MessagePack's extension with a length of 32 bits.
const EXT32: u8 = 0xc9;

/// Undoes what the way did to bytes. Says how many could be undone already, and whether they contain only what the way
/// makes.
fn undo(output: &[u8], way: Way, bytes: &mut Vec<u8>) -> (usize, bool) {
    #[cfg(test)]
    WORK.set(WORK.get() + output.len());
    match way {
        Way::Exact => {
            bytes.extend_from_slice(output);
            (output.len(), true)
        }
        Way::Cooked => {
            let mut rest = output;
            loop {
                let (byte, len) = match rest {
                    [b'\r', b'\n', ..] => (b'\n', 2),
                    [] | [b'\r'] => return (output.len() - rest.len(), true),
                    &[byte, ..] => (byte, 1),
                };
                bytes.push(byte);
                rest = &rest[len..];
            }
        }
        Way::Hex => {
            let pairs = output.chunks_exact(2);
            let before = bytes.len();
            bytes.extend(pairs.clone().map_while(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.last()?)?)));
            let used = bytes.len() - before;
            (2 * used, used == pairs.len())
        }
    }
}

/// How many bytes of `output` were undone into the first `len`.
fn length_before(output: &[u8], way: Way, len: usize) -> usize {
    match way {
        Way::Exact => len,
        Way::Hex => len * 2,
        Way::Cooked => {
            let mut at = 0;
            for _ in 0..len {
                at += if output[at..].starts_with(b"\r\n") { 2 } else { 1 };
            }
            at
        }
    }
}

fn digit(ascii: u8) -> Option<u8> {
    char::from(ascii).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
