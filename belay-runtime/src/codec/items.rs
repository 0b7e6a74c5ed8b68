//! A batch of items in one reply, taken apart into replies of one item each.

use super::{
    msgpack::{Head, Limits, Measure, head, measure},
    read::{Numbers, Value},
    reply::{DecodeError, EXT_BIGINT},
};

/// Some items of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Each as a reply of its own.
    pub(crate) items: Vec<Vec<u8>>,
    /// Whether more may follow.
    pub(crate) more: bool,
}

/// Reads `(more, [item, …])`, which may stand inside of bytes.
pub(crate) fn batch(payload: &[u8]) -> Result<Batch, DecodeError> {
    let damaged = || DecodeError::message("the reply is no batch of a stream");
    let (first, skip) = head(payload).map_err(|_| damaged())?;
    let rest = payload.get(skip..).unwrap_or_default();
    let rest = match first {
        Head::Bin(len) if len as usize == rest.len() => return batch(rest),
        Head::Array(2) => rest,
        _ => return Err(damaged()),
    };
    let more = match rest.first() {
        Some(&more @ 0..=1) => more == 1,
        _ => return Err(damaged()),
    };
    let list = rest.get(1..).unwrap_or_default();
    let (list_head, skip) = head(list).map_err(|_| damaged())?;
    let mut rest = list.get(skip..).unwrap_or_default();
    let mut items = Vec::new();
    match list_head {
        Head::Array(count) => {
            for _ in 0..count {
                let Measure::Complete(len) = measure(rest, &Limits::default()) else { return Err(damaged()) };
                let (item, after) = rest.split_at_checked(len).ok_or_else(damaged)?;
                items.push(item.to_vec());
                rest = after;
            }
            if !rest.is_empty() {
                return Err(damaged());
            }
        }
        Head::Ext(code, len) if code != EXT_BIGINT && len as usize == rest.len() => {
            items.extend(Numbers::new(code, rest)?.map(|number| alone(&number)));
        }
        _ => return Err(damaged()),
    }
    Ok(Batch { items, more })
}

/// A number of a packed list as MessagePack.
fn alone(number: &Value<'_>) -> Vec<u8> {
    let tagged = |tag: u8, bytes: &[u8]| [&[tag], bytes].concat();
    match number {
        Value::Int(value) => tagged(0xd3, &value.to_be_bytes()),
        Value::Uint(value) => tagged(0xcf, &value.to_be_bytes()),
        Value::F32(value) => tagged(0xca, &value.to_be_bytes()),
        Value::F64(value) => tagged(0xcb, &value.to_be_bytes()),
        // A packed list holds nothing else.
        _ => vec![0xc0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::reply::decode;

    fn numbers<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Vec<T> {
        batch(payload).unwrap().items.iter().map(|item| decode(item).unwrap()).collect()
    }

    #[test]
    fn items_come_out_as_they_went_in() {
        assert_eq!(numbers::<i32>(b"\x92\x01\x93\x05\xd0\x80\x00"), [5, -128, 0]);
        assert_eq!(numbers::<i16>(b"\x92\x00\xc7\x04h\xff\xff\x00\x01"), [-1, 256]);
        assert_eq!(numbers::<f32>(b"\x92\x01\xc7\x04f\x00\x00\x80\x3f"), [1.0]);
        assert_eq!(numbers::<u8>(b"\xc4\x05\x92\x01\x92\x07\x08"), [7, 8]);
        assert_eq!(numbers::<(u8, String)>(b"\x92\x01\x91\x92\x07\xa1x"), [(7, "x".to_owned())]);
    }

    #[test]
    fn the_end_is_told_apart() {
        assert_eq!(batch(b"\x92\x00\x90"), Ok(Batch { items: vec![], more: false }));
        assert!(batch(b"\x92\x01\x90").unwrap().more);
    }

    #[test]
    fn what_is_no_batch_is_an_error() {
        let whole = b"\xc4\x08\x92\x01\xc7\x04h\xff\xff\x00";
        for len in 0..whole.len() {
            assert!(batch(&whole[..len]).is_err(), "{len}");
        }
        for bad in [&b"\x92\x02\x90"[..], b"\x92\x01\x90\x00", b"\x92\x01\x91", b"\x05", b"\x92\x01\xc7\x03h\0\0\0"] {
            assert!(batch(bad).is_err(), "{bad:?}");
        }
    }
}
