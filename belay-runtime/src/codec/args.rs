//! The arguments of a call, held so that the session can still choose how they travel.
//!
//! How a string or a buffer is written best differs from board to board, and a call does not know which board it will
//! meet. So values are kept as text where the text is the same everywhere, and as data where it is not.

use serde::Serialize;

use super::{
    literal,
    serialize::{EncodeError, Serializer},
    shown,
};

/// The tags that stand in [`Args`] before data. Text around them is ASCII.
pub(super) mod tag {
    pub(crate) const STR: u8 = 0x80;
    pub(crate) const BYTES: u8 = 0x81;
    pub(crate) const NUMBERS: u8 = 0x82;
    pub(crate) const F32: u8 = 0x83;
    pub(crate) const F64: u8 = 0x84;
}

/// The positional arguments of one call, for any board.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    /// Python text in ASCII, with tagged data between.
    buf: Vec<u8>,
    len: usize,
}

impl Args {
    /// No arguments.
    #[must_use]
    pub const fn new() -> Self {
        Self { buf: Vec::new(), len: 0 }
    }

    /// Adds an argument.
    ///
    /// # Errors
    /// If the value nests too deeply, is too large, or has a dict key that Python cannot hash. The arguments are then
    /// what they were before.
    pub fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        let before = self.buf.len();
        if self.buf.capacity() == 0 {
            self.buf.reserve(32);
        }
        if self.len > 0 {
            self.buf.push(b',');
        }
        match value.serialize(&mut Serializer::new(&mut self.buf)) {
            Ok(()) => self.len += 1,
            Err(error) => {
                self.buf.truncate(before);
                return Err(error);
            }
        }
        Ok(())
    }

    /// How many arguments there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends the arguments as Python, with commas between and no parentheses around.
    ///
    /// No byte is one that the raw REPL or a lexer acts on (0x00–0x05, 0x11, 0x13, line ends).
    pub fn write(&self, out: &mut Vec<u8>, options: &LiteralOptions) {
        for piece in self.pieces() {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text),
                Piece::Str(value) => literal::string(value, options, out),
                Piece::Bytes(value) => literal::bytes(value, options, out),
                Piece::Numbers(value) => literal::numbers(value, options, out),
                Piece::F32(value) => literal::float32(value, options, out),
                Piece::F64(value) => literal::float64(value, options, out),
            }
        }
    }

    /// The arguments as they were passed, with commas between: for people, and not how a board is told.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut out = Vec::new();
        for piece in self.pieces() {
            match piece {
                Piece::Text(text) => shown::text(text, &mut out),
                Piece::Str(value) => shown::string(value, &mut out),
                Piece::Bytes(value) => shown::bytes(value, &mut out),
                Piece::Numbers(value) => shown::numbers(value, &mut out),
                Piece::F32(value) => shown::float32(value, &mut out),
                Piece::F64(value) => shown::float64(value, &mut out),
            }
        }
        String::from_utf8_lossy(&out).into_owned()
    }

    fn pieces(&self) -> Pieces<'_> {
        Pieces { rest: &self.buf }
    }
}

/// A list of ints or of floats, packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers<'a> {
    /// What the items are, as in Python's `array`: one of `bBhHiIqfd`, the smallest that holds all ints.
    pub(super) code: u8,
    /// The items, little-endian, without gaps.
    pub(super) data: &'a [u8],
}

/// How values are best written for one board. The default works on every board.
///
/// All of it can be found out by asking the board; nothing need be guessed from its name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LiteralOptions {
    /// Bytes that are no ASCII text reach the lexer unchanged: what [`raw_probe`] asks.
    pub raw: bool,
    /// `b''.decode()` exists.
    pub decode: bool,
    /// Short bytes literals stay in the heap until the next reset, as short strings do everywhere.
    pub pad_bytes: bool,
    /// Decimal fractions of a few digits are read without an error: what [`DECIMALS_PROBE`] asks.
    pub decimals: bool,
    /// How wide the board's floats are: 64, 32, or 30 bits. Wider values are rounded before they are sent.
    pub float_bits: u8,
    /// `array.array` exists.
    pub array: bool,
    /// What the module `struct` is called.
    pub struct_module: &'static str,
}

impl Default for LiteralOptions {
    fn default() -> Self {
        Self {
            raw: false,
            decode: false,
            pad_bytes: true,
            decimals: false,
            float_bits: 64,
            array: false,
            struct_module: "struct",
        }
    }
}

/// A Python expression that is true where [`LiteralOptions::decimals`] may be set.
pub const DECIMALS_PROBE: &str = "(.3==3/10)&(.8013==8013/1e4)&(5.8071==58071/1e4)&(.009511==9511/1e6)";

/// A bytes literal that equals `bytes(range(256))` where [`LiteralOptions::raw`] may be set.
#[must_use]
pub fn raw_probe() -> Vec<u8> {
    let all: Vec<u8> = (0..=255).collect();
    let mut out = Vec::new();
    literal::bytes(&all, &LiteralOptions { raw: true, ..LiteralOptions::default() }, &mut out);
    out
}

/// One value as Python.
///
/// # Errors
/// As [`Args::push`].
pub fn to_literal<T: Serialize + ?Sized>(value: &T, options: &LiteralOptions) -> Result<Vec<u8>, EncodeError> {
    let mut args = Args::new();
    args.push(value)?;
    let mut out = Vec::new();
    args.write(&mut out, options);
    Ok(out)
}

#[derive(Clone, Copy)]
enum Piece<'a> {
    Text(&'a [u8]),
    Str(&'a str),
    Bytes(&'a [u8]),
    Numbers(Numbers<'a>),
    F32(f32),
    F64(f64),
}

struct Pieces<'a> {
    rest: &'a [u8],
}

impl<'a> Pieces<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (data, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(data)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (data, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*data)
    }

    fn data(&mut self) -> Option<&'a [u8]> {
        let len = u32::from_le_bytes(self.array()?);
        self.take(len as usize)
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let text = self.rest.iter().position(|b| *b >= 0x80).unwrap_or(self.rest.len());
        if text > 0 {
            return self.take(text).map(Piece::Text);
        }
        let [kind] = self.array()?;
        match kind {
            tag::STR => std::str::from_utf8(self.data()?).ok().map(Piece::Str),
            tag::BYTES => self.data().map(Piece::Bytes),
            tag::NUMBERS => {
                let [code] = self.array()?;
                self.data().map(|data| Piece::Numbers(Numbers { code, data }))
            }
            tag::F32 => self.array().map(|bytes| Piece::F32(f32::from_le_bytes(bytes))),
            tag::F64 => self.array().map(|bytes| Piece::F64(f64::from_le_bytes(bytes))),
            _ => None,
        }
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
