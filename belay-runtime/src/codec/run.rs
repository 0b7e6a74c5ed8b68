//! Lists of numbers of one type, found while they are written.
//!
//! Whether a list is one is only known at its end, and writing a thousand numbers as text just to throw the text away
//! would cost more than all the rest.

use std::io::Write;

use super::{args::tag, literal::comma};

/// Lists of at least this many ints or floats are kept packed.
const PACKED: usize = 16;

/// The items of a list that may turn out to be numbers of one type. They are not written before that is known.
#[derive(Default)]
pub(super) enum Run {
    /// No list is open, or its items are no numbers of one type.
    #[default]
    Closed,
    Empty,
    Ints(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl Run {
    /// Bytes that the items take packed.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Closed | Self::Empty => 0,
            Self::Ints(items) => items.len(),
            Self::F32(items) => 4 * items.len(),
            Self::F64(items) => 8 * items.len(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Closed | Self::Empty => 0,
            Self::Ints(items) => items.len(),
            Self::F32(items) => items.len(),
            Self::F64(items) => items.len(),
        }
    }

    /// The items as text, with commas between.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Closed | Self::Empty => {}
            Self::Ints(items) => separated(items, out, |item, out| drop(write!(out, "{item}"))),
            Self::F32(items) => separated(items, out, |item, out| float32(out, item)),
            Self::F64(items) => separated(items, out, |item, out| float64(out, item)),
        }
    }

    /// A list long enough for it, packed at the smallest width.
    pub(super) fn pack(&self) -> Option<(u8, Vec<u8>)> {
        match self {
            Self::F32(items) if items.len() >= PACKED => {
                Some((b'f', items.iter().flat_map(|v| v.to_le_bytes()).collect()))
            }
            Self::F64(items) if items.len() >= PACKED => {
                Some((b'd', items.iter().flat_map(|v| v.to_le_bytes()).collect()))
            }
            Self::Ints(items) if items.len() >= PACKED => {
                let (code, width) = narrowest(*items.iter().min()?, *items.iter().max()?);
                let mut data = Vec::with_capacity(items.len() * width);
                for item in items {
                    data.extend(item.to_le_bytes().iter().take(width));
                }
                Some((code, data))
            }
            _ => None,
        }
    }
}

fn separated<T: Copy>(items: &[T], out: &mut Vec<u8>, one: impl Fn(T, &mut Vec<u8>)) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            comma(i, out);
        }
        one(*item, out);
    }
}

/// The typecode, and its bytes, that holds all ints from `min` to `max`.
fn narrowest(min: i64, max: i64) -> (u8, usize) {
    for (code, width) in [(b'B', 1), (b'H', 2), (b'I', 4)] {
        let half = 1_i64 << (8 * width - 1);
        if min >= 0 && max < 2 * half {
            return (code, width);
        }
        if min >= -half && max < half {
            return (code.to_ascii_lowercase(), width);
        }
    }
    (b'q', 8)
}

pub(super) fn float32(out: &mut Vec<u8>, value: f32) {
    out.push(tag::F32);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(super) fn float64(out: &mut Vec<u8>, value: f64) {
    out.push(tag::F64);
    out.extend_from_slice(&value.to_le_bytes());
}
