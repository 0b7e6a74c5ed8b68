//! How Python text spells one value, in the fewest bytes that leave nothing behind on the board.
//!
//! Two things a board does decide the forms. Its compiler keeps every short str literal (1.9.2: every short bytes
//! literal too) in the heap until the next reset, so ever-changing values must not be short literals: a slice of a
//! longer literal and `b''.decode()` are kept nowhere, and need no name that a program could have given another
//! meaning. And its parser reads long decimal fractions with an error in the last bit (before 1.27 every third
//! float64), so those are written as an integer times a power of two, which every version computes exactly.

use std::io::Write;

use super::args::{LiteralOptions, Numbers};

/// Literals of up to this many bytes stay in a board's heap until its next reset.
pub(crate) const KEPT: usize = 10;

/// Appends a `str`.
pub(super) fn string(value: &str, options: &LiteralOptions, out: &mut Vec<u8>) {
    if value.is_empty() || value.len() > KEPT {
        return quoted(value, options, 0, out);
    }
    let padding = KEPT + 1 - value.len();
    let shorter = b"b.decode()".len() < padding + b"[:1]".len();
    // A slice counts characters, which a board without Unicode would not.
    if options.decode && !options.pad_bytes && (shorter || !value.is_ascii()) {
        bytes_literal(value.as_bytes(), options, 0, out);
        out.extend_from_slice(b".decode()");
        return;
    }
    quoted(value, options, padding, out);
    slice(value.chars().count(), out);
}

/// Appends a `bytes`.
pub(super) fn bytes(value: &[u8], options: &LiteralOptions, out: &mut Vec<u8>) {
    if options.pad_bytes && !value.is_empty() && value.len() <= KEPT {
        bytes_literal(value, options, KEPT + 1 - value.len(), out);
        slice(value.len(), out);
    } else {
        bytes_literal(value, options, 0, out);
    }
}

fn slice(len: usize, out: &mut Vec<u8>) {
    let _ = write!(out, "[:{len}]");
}

pub(super) fn bytes_literal(value: &[u8], options: &LiteralOptions, padding: usize, out: &mut Vec<u8>) {
    let quote = quote(value);
    out.push(b'b');
    out.push(quote);
    for (i, &byte) in value.iter().enumerate() {
        if byte < 0x80 {
            ascii(byte, quote, value.get(i + 1), options, out);
        } else if options.raw {
            out.push(byte);
        } else {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.resize(out.len() + padding, b' ');
    out.push(quote);
}

pub(super) fn quoted(value: &str, options: &LiteralOptions, padding: usize, out: &mut Vec<u8>) {
    let quote = quote(value.as_bytes());
    out.push(quote);
    for (i, c) in value.char_indices() {
        match u32::from(c) {
            0..0x80 => ascii(c as u8, quote, value.as_bytes().get(i + 1), options, out),
            _ if options.raw => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            c @ 0x80..0x100 => drop(write!(out, "\\x{c:02x}")),
            c @ 0x100..0x1_0000 => drop(write!(out, "\\u{c:04x}")),
            c => drop(write!(out, "\\U{c:08x}")),
        }
    }
    out.resize(out.len() + padding, b' ');
    out.push(quote);
}

/// The quote that needs fewer escapes.
fn quote(value: &[u8]) -> u8 {
    let count = |quote| value.iter().filter(|b| **b == quote).count();
    if value.contains(&b'\'') && count(b'\'') > count(b'"') { b'"' } else { b'\'' }
}

/// Appends one ASCII character inside quotes; `next` is what follows it.
fn ascii(byte: u8, quote: u8, next: Option<&u8>, options: &LiteralOptions, out: &mut Vec<u8>) {
    match byte {
        b'\\' => out.extend_from_slice(b"\\\\"),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        _ if byte == quote => out.extend_from_slice(&[b'\\', quote]),
        b' '..=b'~' => out.push(byte),
        // What the raw REPL acts on, and software flow control, is never sent as it is. The lexer of MicroPython's 1.29
        // reads a zero as a one.
        0..=5 | 0x11 | 0x13 => octal(byte, next, out),
        _ if options.raw => out.push(byte),
        _ => octal(byte, next, out),
    }
}

/// `\0`, or `\000` where a digit follows.
fn octal(byte: u8, next: Option<&u8>, out: &mut Vec<u8>) {
    let _ = match next {
        Some(b'0'..=b'7') => write!(out, "\\{byte:03o}"),
        _ => write!(out, "\\{byte:o}"),
    };
}

/// Appends what stands between the first `count` items of a list and the next. A board has all items of a display on its
/// stack at once, so long ones are sums of shorter ones.
pub(super) fn comma(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(if count.is_multiple_of(512) { b"]+[" } else { b"," });
}

/// Appends a list of numbers: as text, or packed in a buffer if that is shorter.
pub(super) fn numbers(value: Numbers<'_>, options: &LiteralOptions, out: &mut Vec<u8>) {
    let start = out.len();
    listed(value, options, out);
    let mut shorter = Vec::new();
    packed(value, options, &mut shorter);
    if shorter.len() < out.len() - start {
        out.truncate(start);
        out.append(&mut shorter);
    }
}

fn listed(value: Numbers<'_>, options: &LiteralOptions, out: &mut Vec<u8>) {
    out.push(b'[');
    for (i, item) in items(value).enumerate() {
        if i > 0 {
            comma(i, out);
        }
        match item {
            Number::Int(item) => drop(write!(out, "{item}")),
            Number::F32(item) => float32(item, options, out),
            Number::F64(item) => float64(item, options, out),
        }
    }
    out.push(b']');
}

/// A comprehension makes a list of a buffer without `list`, which a program could have given another meaning.
fn packed(value: Numbers<'_>, options: &LiteralOptions, out: &mut Vec<u8>) {
    let Numbers { mut code, data } = value;
    let singles: Vec<u8>;
    let mut data = data;
    if code == b'd'
        && let Some(narrowed) = narrowed(value, options.float_bits < 64)
    {
        singles = narrowed;
        (code, data) = (b'f', &singles);
    }
    out.extend_from_slice(b"[x for x in ");
    if code == b'B' {
        bytes(data, options, out);
    } else {
        let code = char::from(code);
        let _ = if options.array {
            write!(out, "__import__('array').array('{code}',")
        } else {
            // A format with the number in it would be another short literal for every length.
            write!(out, "__import__('{}').unpack({}*'{code}',", options.struct_module, items(value).count())
        };
        bytes(data, options, out);
        out.push(b')');
    }
    out.push(b']');
}

/// float64 items as float32, unless that loses something and loss is not wanted.
fn narrowed(value: Numbers<'_>, lossy: bool) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.data.len() / 2);
    for item in items(value) {
        let Number::F64(item) = item else { return None };
        let single = item as f32;
        if !lossy && f64::from(single).to_bits() != item.to_bits() {
            return None;
        }
        out.extend_from_slice(&single.to_le_bytes());
    }
    Some(out)
}

pub(super) enum Number {
    Int(i64),
    F32(f32),
    F64(f64),
}

pub(super) fn items(Numbers { code, data }: Numbers<'_>) -> impl Iterator<Item = Number> {
    let width = match code {
        b'b' | b'B' => 1,
        b'h' | b'H' => 2,
        b'i' | b'I' | b'f' => 4,
        _ => 8,
    };
    data.chunks_exact(width).map(move |chunk| {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        let value = u64::from_le_bytes(bytes);
        match code {
            b'f' => Number::F32(f32::from_bits(value as u32)),
            b'd' => Number::F64(f64::from_bits(value)),
            b'b' => Number::Int((value as i8).into()),
            b'h' => Number::Int((value as i16).into()),
            b'i' => Number::Int((value as i32).into()),
            _ => Number::Int(value as i64),
        }
    })
}

/// Appends a float64, rounded to what the board holds.
pub(super) fn float64(value: f64, options: &LiteralOptions, out: &mut Vec<u8>) {
    if options.float_bits < 64 {
        float32(value as f32, options, out);
    } else if !special(value, out) {
        let (mantissa, exponent) = decimal(format_args!("{:e}", value.abs()));
        if !fraction(mantissa, exponent, DOUBLE, options, out) {
            power(value.abs(), out);
        }
    }
}

/// Appends a float32 in as few digits as make it that float32 again.
pub(super) fn float32(value: f32, options: &LiteralOptions, out: &mut Vec<u8>) {
    if !special(value.into(), out) {
        let (mantissa, exponent) = decimal(format_args!("{:e}", value.abs()));
        let precision = if options.float_bits < 64 { SINGLE } else { DOUBLE };
        if !fraction(mantissa, exponent, precision, options, out) {
            power(value.abs().into(), out);
        }
    }
}

/// Appends what has no digits, or else the sign.
fn special(value: f64, out: &mut Vec<u8>) -> bool {
    if value.is_nan() {
        out.extend_from_slice(b"1e999-1e999");
        return true;
    }
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let text: &[u8] = match value.abs() {
        0.0 => b"0.",
        f64::INFINITY => b"1e999",
        _ => return false,
    };
    out.extend_from_slice(text);
    true
}

/// Rust's shortest digits as `mantissa * 10^exponent`, without a zero at the mantissa's end.
fn decimal(text: std::fmt::Arguments<'_>) -> (u64, i32) {
    let mut buffer = [0; 32];
    let mut rest = &mut buffer[..];
    let _ = rest.write_fmt(text);
    let left = rest.len();
    let (mut mantissa, mut places, mut after_point) = (0_u64, 0, false);
    let mut digits = buffer.iter().take(buffer.len() - left);
    for byte in digits.by_ref() {
        match byte {
            b'.' => after_point = true,
            b'e' => break,
            digit => {
                mantissa = mantissa * 10 + u64::from(digit - b'0');
                places += i32::from(after_point);
            }
        }
    }
    let (mut exponent, mut negative) = (0, false);
    for byte in digits {
        match byte {
            b'-' => negative = true,
            digit => exponent = exponent * 10 + i32::from(digit - b'0'),
        }
    }
    (mantissa, if negative { -exponent } else { exponent } - places)
}

/// The mantissas and powers of ten that a float holds exactly: one division of two such numbers is rounded once, and
/// so right. All parsers since 1.10 read a decimal fraction that way.
#[derive(Clone, Copy)]
struct Precision {
    mantissa: u64,
    power: i32,
}

const DOUBLE: Precision = Precision { mantissa: 1 << 53, power: 22 };
const SINGLE: Precision = Precision { mantissa: 1 << 24, power: 10 };

/// Appends `mantissa * 10^exponent` as a decimal fraction or as a quotient, if that is exact on the board.
fn fraction(mantissa: u64, exponent: i32, exact: Precision, options: &LiteralOptions, out: &mut Vec<u8>) -> bool {
    if mantissa >= exact.mantissa || exponent.abs() > exact.power {
        return false;
    }
    let power = u32::try_from(exponent).ok().and_then(|exponent| 10_u64.checked_pow(exponent));
    let whole = power.and_then(|power| power.checked_mul(mantissa)).filter(|whole| *whole < exact.mantissa);
    let _ = match (whole, exponent) {
        (Some(whole), ..=2) => write!(out, "{whole}."),
        _ if options.decimals => return point(mantissa, exponent, out),
        (Some(whole), _) => write!(out, "{whole}."),
        (None, 0..) => return false,
        (None, -1) => write!(out, "{mantissa}/10"),
        (None, _) => write!(out, "{mantissa}/1e{}", -exponent),
    };
    true
}

/// Appends `mantissa * 10^exponent` with a point if that is short, else with an exponent.
fn point(mantissa: u64, exponent: i32, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let _ = write!(out, "{mantissa}");
    let len = out.len() - start;
    match usize::try_from(-exponent) {
        Ok(places) if places < len => out.insert(start + len - places, b'.'),
        Ok(places) if places <= len + 2 => {
            drop(out.splice(start..start, std::iter::once(b'.').chain(std::iter::repeat_n(b'0', places - len))));
        }
        _ => drop(write!(out, "e{exponent}")),
    }
    true
}

/// Appends a positive float as an odd integer times a power of two.
fn power(value: f64, out: &mut Vec<u8>) {
    let bits = value.to_bits();
    let (biased, fraction) = ((bits >> 52) as i32 & 0x7ff, bits & ((1 << 52) - 1));
    let (mantissa, exponent) = if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased - 1075) };
    let zeros = mantissa.trailing_zeros();
    let _ = write!(out, "{}*2.**{}", mantissa >> zeros, exponent + zeros as i32);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(value: f64, options: &LiteralOptions) -> String {
        let mut out = Vec::new();
        float64(value, options, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn text32(value: f32, options: &LiteralOptions) -> String {
        let mut out = Vec::new();
        float32(value, options, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn options(decimals: bool, float_bits: u8) -> LiteralOptions {
        LiteralOptions { decimals, float_bits, ..LiteralOptions::default() }
    }

    /// What a board computes from a float's text, with floats of type f64.
    fn read(text: &str) -> f64 {
        let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |text| (-1.0, text));
        let number = |text: &str| text.parse::<f64>().unwrap();
        let value = if text == "1e999-1e999" {
            f64::NAN
        } else if let Some((mantissa, exponent)) = text.split_once("*2.**") {
            // In two steps: 2**-1074 exists, 2**1074 does not.
            let (mantissa, exponent) = (number(mantissa), exponent.parse::<i32>().unwrap());
            mantissa * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2)
        } else if let Some((a, b)) = text.split_once('/') {
            number(a) / number(b)
        } else {
            number(text)
        };
        sign * value
    }

    #[test]
    fn floats_are_short_and_exact() {
        let (plain, modern, narrow) = (options(false, 64), options(true, 64), options(true, 32));
        for (value, old, new) in [
            (0.0, "0.", "0."),
            (-0.0, "-0.", "-0."),
            (1.0, "1.", "1."),
            (-2.5, "-25/10", "-2.5"),
            (0.5, "5/10", ".5"),
            (0.05, "5/1e2", ".05"),
            (1e-7, "1/1e7", "1e-7"),
            (123.456, "123456/1e3", "123.456"),
            (1500.0, "1500.", "1500."),
            (1e6, "1000000.", "1e6"),
            (1e22, "2384185791015625*2.**22", "1e22"),
            (0.1 + 0.2, "1351079888211149*2.**-52", "1351079888211149*2.**-52"),
            (5e-324, "1*2.**-1074", "1*2.**-1074"),
            (f64::MAX, "9007199254740991*2.**971", "9007199254740991*2.**971"),
            (f64::INFINITY, "1e999", "1e999"),
            (f64::NEG_INFINITY, "-1e999", "-1e999"),
        ] {
            assert_eq!(text(value, &plain), old);
            assert_eq!(text(value, &modern), new);
            for shown in [old, new] {
                assert_eq!(read(shown).to_bits(), value.to_bits(), "{shown}");
            }
        }
        assert!(read(&text(f64::NAN, &plain)).is_nan());
        assert_eq!(text32(0.1, &modern), ".1");
        assert_eq!(text32(std::f32::consts::PI, &modern), "3.1415927");
        assert_eq!(text32(std::f32::consts::PI, &narrow), "13176795*2.**-22");
        assert_eq!(text(0.1, &narrow), ".1");
        assert_eq!(text(1e300, &narrow), "1e999");
    }

    proptest! {
        #[test]
        fn every_float64_reads_back(bits in any::<u64>(), decimals in any::<bool>()) {
            let value = f64::from_bits(bits);
            let shown = text(value, &options(decimals, 64));
            prop_assert!(value.is_nan() || read(&shown).to_bits() == bits, "{shown}");
        }

        #[test]
        fn every_short_decimal_reads_back(mantissa in 0_i64..1 << 40, places in -25..25_i32, decimals in any::<bool>()) {
            let value: f64 = format!("{mantissa}e{places}").parse().unwrap();
            let shown = text(value, &options(decimals, 64));
            prop_assert_eq!(read(&shown).to_bits(), value.to_bits(), "{}", shown);
        }

        #[test]
        fn every_float32_reads_back(bits in any::<u32>(), decimals in any::<bool>(), narrow in any::<bool>()) {
            let value = f32::from_bits(bits);
            let shown = text32(value, &options(decimals, if narrow { 32 } else { 64 }));
            prop_assert!(value.is_nan() || (read(&shown) as f32).to_bits() == bits, "{shown}");
        }
    }
}
