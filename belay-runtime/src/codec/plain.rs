//! A reply as plain MessagePack: the agent's extensions expanded, damage and what is too deep refused.
//!
//! One pass, before anything is decoded: no head's claim is believed before its bytes are there, and what comes out is
//! at most twice as long as what went in.

use std::borrow::Cow;

use super::{
    msgpack::{Head, Limits, Stop, Walker},
    reply::{DecodeError, EXT_BIGINT, EXT_EXCEPTION},
};

/// Containers inside each other: serde recurses, and the program's stack must hold it.
const MAX_DEPTH: usize = 64;

/// Checks a whole reply, and writes packed lists as arrays and ints of any size as the smallest form that holds them.
///
/// Ints beyond 64 bits stay extensions: MessagePack has nothing else for them that could be told from bytes or a str.
pub(super) fn plain(reply: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let mut walker = Walker::new(Limits { depth: MAX_DEPTH, size: reply.len() });
    let mut out = Vec::new();
    // How much of the reply is in `out`.
    let mut copied = 0;
    loop {
        let start = walker.pos();
        let (head, data) = match walker.step(reply) {
            Ok(step) => step,
            Err(Stop::End) => break,
            Err(Stop::Short | Stop::Long) => {
                return Err(DecodeError::message("the reply ends inside a value: it is damaged"));
            }
            Err(Stop::Reserved) => {
                return Err(DecodeError::message("0xc1 starts no value: the reply is damaged"));
            }
            Err(Stop::Deep) => {
                return Err(DecodeError::message("the value nests too deeply"));
            }
        };
        match head {
            Head::Str(len) if std::str::from_utf8(data).is_err() => {
                let found = format!("{len} bytes that are none (byte {start} of the reply)");
                return Err(DecodeError::mismatch("a str in UTF-8", found));
            }
            Head::Ext(code, _) => {
                if out.capacity() == 0 {
                    // An item of one byte becomes two; nothing grows more.
                    out.reserve_exact(2 * reply.len());
                }
                out.extend_from_slice(reply.get(copied..start).unwrap_or_default());
                copied = start;
                if expand(code, data, &mut out)? {
                    copied = walker.pos();
                }
            }
            _ => {}
        }
    }
    let rest = reply.get(copied..walker.pos()).unwrap_or_default();
    match reply.len() - walker.pos() {
        0 if copied == 0 => Ok(Cow::Borrowed(reply)),
        0 => {
            out.extend_from_slice(rest);
            Ok(Cow::Owned(out))
        }
        left => Err(DecodeError::message(format!("{left} bytes follow the value: the reply is damaged"))),
    }
}

/// Writes an extension in MessagePack's own forms; false if there is none for it.
fn expand(code: i8, data: &[u8], out: &mut Vec<u8>) -> Result<bool, DecodeError> {
    let (marker, width) = match code as u8 {
        b'b' => (rmp::Marker::I8, 1),
        b'B' => (rmp::Marker::U8, 1),
        b'h' => (rmp::Marker::I16, 2),
        b'H' => (rmp::Marker::U16, 2),
        b'i' => (rmp::Marker::I32, 4),
        b'I' => (rmp::Marker::U32, 4),
        b'q' => (rmp::Marker::I64, 8),
        b'Q' => (rmp::Marker::U64, 8),
        b'f' => (rmp::Marker::F32, 4),
        b'd' => (rmp::Marker::F64, 8),
        _ => return int(code, data, out),
    };
    if !data.len().is_multiple_of(width) {
        return Err(DecodeError::message(format!("{} bytes are no list of {width}-byte items", data.len())));
    }
    let len = u32::try_from(data.len() / width).unwrap_or(u32::MAX);
    // A `Vec` takes everything.
    let _ = rmp::encode::write_array_len(out, len);
    for item in data.chunks_exact(width) {
        // Boards write as they count: the low byte first.
        out.push(marker.to_u8());
        out.extend(item.iter().rev());
    }
    Ok(true)
}

/// An int of any size, as the agent writes what MessagePack or a small board has no form for.
fn int(code: i8, text: &[u8], out: &mut Vec<u8>) -> Result<bool, DecodeError> {
    match code {
        EXT_BIGINT => {}
        EXT_EXCEPTION => return Err(DecodeError::message("the reply is an exception")),
        _ => return Err(DecodeError::message(format!("extension type {code} is none of the agent's"))),
    }
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let text = std::str::from_utf8(text).ok().filter(|_| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
    let text = text.ok_or_else(|| DecodeError::message("an int that is no decimal text: the reply is damaged"))?;
    if let Ok(value) = text.parse() {
        Ok(rmp::encode::write_sint(out, value).is_ok())
    } else if let Ok(value) = text.parse() {
        Ok(rmp::encode::write_uint(out, value).is_ok())
    } else {
        Ok(false)
    }
}
