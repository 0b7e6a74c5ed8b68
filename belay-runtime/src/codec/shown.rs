//! Arguments for people: what was passed, without the forms that spare a board's heap and mend its parser.

use std::io::Write;

use super::{
    args::{LiteralOptions, Numbers},
    literal::{Number, bytes_literal, items, quoted},
};

/// Appends what stands between data.
pub(super) fn text(text: &[u8], out: &mut Vec<u8>) {
    for (i, part) in text.split(|byte| *byte == b'\'').enumerate() {
        if i > 0 {
            out.push(b'\'');
        }
        // In quotes are names, which hold no quotes themselves.
        let plain = if i % 2 == 0 { whole_lists(part) } else { part.to_vec() };
        out.extend_from_slice(&plain);
    }
}

/// A long list is sent as a sum of shorter ones.
fn whole_lists(text: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(text).replace("]+[", ",").into_bytes()
}

pub(super) fn string(value: &str, out: &mut Vec<u8>) {
    quoted(value, &LiteralOptions { raw: true, ..LiteralOptions::default() }, 0, out);
}

pub(super) fn bytes(value: &[u8], out: &mut Vec<u8>) {
    bytes_literal(value, &LiteralOptions::default(), 0, out);
}

pub(super) fn numbers(value: Numbers<'_>, out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, item) in items(value).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        match item {
            Number::Int(item) => drop(write!(out, "{item}")),
            Number::F32(item) => float32(item, out),
            Number::F64(item) => float64(item, out),
        }
    }
    out.push(b']');
}

pub(super) fn float32(value: f32, out: &mut Vec<u8>) {
    let _ = if value.is_nan() { write!(out, "nan") } else { write!(out, "{value:?}") };
}

pub(super) fn float64(value: f64, out: &mut Vec<u8>) {
    let _ = if value.is_nan() { write!(out, "nan") } else { write!(out, "{value:?}") };
}
