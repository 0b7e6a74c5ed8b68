//! A batch of items in one reply, taken apart into replies of one item each.

use std::borrow::Cow;

use super::{
    msgpack::{Head, Limits, Measure, head, measure},
    plain::plain,
    reply::DecodeError,
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
    let inside = match head(payload) {
        Ok((Head::Bin(len), skip)) => payload.get(skip..).filter(|rest| rest.len() == len as usize),
        _ => Some(payload),
    };
    let inside = inside.unwrap_or_default();
    let Ok((Head::Array(2), skip)) = head(inside) else { return Err(damaged()) };
    let Some([more @ 0..=1, list @ ..]) = inside.get(skip..) else { return Err(damaged()) };
    let list = match head(list) {
        Ok((Head::Ext(..), _)) => plain(list)?,
        _ => Cow::Borrowed(list),
    };
    let Ok((Head::Array(count), skip)) = head(&list) else { return Err(damaged()) };
    let mut rest = list.get(skip..).unwrap_or_default();
    let mut items = Vec::new();
    for _ in 0..count {
        let Measure::Complete(len) = measure(rest, &Limits::default()) else { return Err(damaged()) };
        let (item, after) = rest.split_at_checked(len).ok_or_else(damaged)?;
        items.push(item.to_vec());
        rest = after;
    }
    if rest.is_empty() { Ok(Batch { items, more: *more == 1 }) } else { Err(damaged()) }
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
        // The tiny agent writes longer heads.
        assert_eq!(numbers::<u8>(b"\xdc\x00\x02\x01\xdc\x00\x01\x07"), [7]);
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
