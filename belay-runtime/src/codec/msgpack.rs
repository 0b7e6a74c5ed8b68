//! Where a MessagePack value ends, found without decoding it and without trusting it.
//!
//! The frame scanner asks this of bytes that may be anything a program printed, so nothing here recurses, allocates
//! in proportion to what a header claims, or looks twice at the same byte.

/// How large a value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Containers inside each other.
    pub depth: usize,
    /// The whole value in bytes.
    pub size: usize,
}

impl Default for Limits {
    /// 16 MiB, and more containers inside each other than boards have heap for: a reply that nests too deeply for the
    /// host must be seen to be a reply, so that its reader can say so.
    fn default() -> Self {
        Self { depth: 1 << 16, size: 16 << 20 }
    }
}

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// One value, this many bytes long.
    Complete(usize),
    /// The start of a value that may still become one.
    Incomplete,
    /// No value within the limits, whatever follows: so many bytes tell it.
    Invalid(usize),
}

/// Measures the value at the start of `bytes`.
#[must_use]
pub fn measure(bytes: &[u8], limits: &Limits) -> Measure {
    Walker::new(*limits).advance(bytes)
}

/// Measures one value while its bytes still arrive.
#[derive(Clone, Debug)]
pub struct Walker {
    limits: Limits,
    /// Everything before this is understood.
    pos: usize,
    /// How many values each open container still needs; the outermost entry is the value itself.
    open: Vec<u64>,
    /// All values that the open containers still need: at least as many bytes must follow.
    needed: u64,
}

impl Walker {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, pos: 0, open: vec![1], needed: 1 }
    }

    /// Goes on where the last call stopped. `bytes` is the same buffer from the start of the value, grown or not.
    ///
    /// All calls together cost as much as one with all bytes.
    pub fn advance(&mut self, bytes: &[u8]) -> Measure {
        loop {
            match self.step(bytes) {
                Ok(_) => {}
                Err(Stop::End) => return Measure::Complete(self.pos),
                Err(Stop::Short) => return Measure::Incomplete,
                Err(Stop::Reserved | Stop::Deep | Stop::Long) => {
                    // The head that was the last to be read; one that is reserved is a byte.
                    let last = head(bytes.get(self.pos..).unwrap_or_default());
                    return Measure::Invalid(self.pos + last.map_or(1, |(_, len)| len));
                }
            }
        }
    }

    /// Goes on by one head and its data; the items of a container are steps of their own.
    pub(crate) fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<(Head, &'a [u8]), Stop> {
        while self.open.last() == Some(&0) {
            self.open.pop();
        }
        let depth = self.open.len();
        let Some(left) = self.open.last_mut() else { return Err(Stop::End) };
        let (head, skip) = match head(bytes.get(self.pos..).unwrap_or_default()) {
            Ok(found) => found,
            Err(HeadError::Short) => return Err(Stop::Short),
            Err(HeadError::Reserved) => return Err(Stop::Reserved),
        };
        let (data, values) = match head {
            Head::Str(len) | Head::Bin(len) | Head::Ext(_, len) => (len as usize, None),
            Head::Array(count) => (0, Some(u64::from(count))),
            Head::Map(count) => (0, Some(2 * u64::from(count))),
            _ => (0, None),
        };
        let start = self.pos.saturating_add(skip);
        let end = start.saturating_add(data);
        let inside = values.unwrap_or(0);
        // Every value that is still to come has at least one byte.
        let needed = self.needed - 1 + inside;
        if (end as u64).saturating_add(needed) > self.limits.size as u64 {
            return Err(Stop::Long);
        }
        if values.is_some() && depth > self.limits.depth {
            return Err(Stop::Deep);
        }
        let data = bytes.get(start..end).ok_or(Stop::Short)?;
        *left -= 1;
        self.needed = needed;
        self.pos = end;
        if values.is_some() {
            self.open.push(inside);
        }
        Ok((head, data))
    }

    /// How many bytes are understood.
    pub(crate) fn pos(&self) -> usize {
        self.pos
    }
}

/// Why there is no further step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The value is complete.
    End,
    /// More bytes are needed.
    Short,
    /// 0xc1, which no value starts with.
    Reserved,
    /// More containers inside each other than allowed.
    Deep,
    /// More bytes than allowed.
    Long,
}

/// The first bytes of a value: its kind, and the value itself or the length of what follows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Head {
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    F32(f32),
    F64(f64),
    Str(u32),
    Bin(u32),
    Ext(i8, u32),
    Array(u32),
    Map(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// The bytes end inside the head.
    Short,
    /// 0xc1, which no value starts with.
    Reserved,
}

#[cfg(test)]
thread_local! {
    /// What reading replies costs this thread: heads looked at, bytes undone, bytes searched.
    pub(crate) static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The head at the start of `bytes`, and how many bytes it takes.
pub(crate) fn head(bytes: &[u8]) -> Result<(Head, usize), HeadError> {
    #[cfg(test)]
    WORK.set(WORK.get() + 1);
    let mut rest = bytes;
    let found = read(&mut rest)?;
    Ok((found, bytes.len() - rest.len()))
}

fn read(rest: &mut &[u8]) -> Result<Head, HeadError> {
    use rmp::{Marker as M, decode as d};
    Ok(match M::from_u8(*rest.first().ok_or(HeadError::Short)?) {
        M::Reserved => return Err(HeadError::Reserved),
        M::Null => d::read_nil(rest).map(|()| Head::Nil)?,
        M::True | M::False => Head::Bool(d::read_bool(rest)?),
        M::FixPos(_) | M::U8 | M::U16 | M::U32 | M::U64 => Head::Uint(d::read_int(rest)?),
        M::FixNeg(_) | M::I8 | M::I16 | M::I32 | M::I64 => Head::Int(d::read_int(rest)?),
        M::F32 => Head::F32(d::read_f32(rest)?),
        M::F64 => Head::F64(d::read_f64(rest)?),
        M::FixStr(_) | M::Str8 | M::Str16 | M::Str32 => Head::Str(d::read_str_len(rest)?),
        M::Bin8 | M::Bin16 | M::Bin32 => Head::Bin(d::read_bin_len(rest)?),
        M::FixArray(_) | M::Array16 | M::Array32 => Head::Array(d::read_array_len(rest)?),
        M::FixMap(_) | M::Map16 | M::Map32 => Head::Map(d::read_map_len(rest)?),
        M::FixExt1 | M::FixExt2 | M::FixExt4 | M::FixExt8 | M::FixExt16 | M::Ext8 | M::Ext16 | M::Ext32 => {
            let d::ExtMeta { typeid, size } = d::read_ext_meta(rest)?;
            Head::Ext(typeid, size)
        }
    })
}

// Each marker is read by the function that is made for it: all that can fail is that bytes are missing.
impl<E: rmp::decode::RmpReadErr> From<rmp::decode::ValueReadError<E>> for HeadError {
    fn from(_: rmp::decode::ValueReadError<E>) -> Self {
        Self::Short
    }
}

impl<E: rmp::decode::RmpReadErr> From<rmp::decode::NumValueReadError<E>> for HeadError {
    fn from(_: rmp::decode::NumValueReadError<E>) -> Self {
        Self::Short
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits { depth: 4, size: 1000 };

    #[test]
    fn values_end_where_they_end() {
        for (bytes, len) in [
            (&[0x05][..], 1),
            (&[0xc0, 0xc0], 1),
            (&[0x92, 1, 0xa1, b'x', 7], 4),
            (&[0x81, 0xa1, b'k', 0x90, 0xff], 4),
            (&[0xc7, 2, b'h', 1, 0], 5),
            (&[0xd6, 1, 0, 0, 0, 0, 9], 6),
            (&[0xdd, 0, 0, 0, 1, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0], 14),
        ] {
            assert_eq!(measure(bytes, &LIMITS), Measure::Complete(len), "{bytes:02x?}");
        }
    }

    #[test]
    fn what_cannot_become_a_value_is_refused_at_once() {
        for bytes in [
            &[0xc1][..],
            &[0x91, 0xc1],
            &[0x91, 0x91, 0x91, 0x91, 0x91],
            &[0xdd, 0xff, 0xff, 0xff, 0xff],
            &[0xdf, 0xff, 0xff, 0xff, 0xff],
            &[0xdb, 0xff, 0xff, 0xff, 0xff],
            &[0xda, 0x04, 0x00],
            &[0x9f, 0xda, 0x03, 0xd8],
        ] {
            let Measure::Invalid(n) = measure(bytes, &LIMITS) else { panic!("{bytes:02x?}") };
            assert_eq!(measure(&bytes[..n], &LIMITS), Measure::Invalid(n), "{bytes:02x?}");
            assert_eq!(measure(&bytes[..n - 1], &LIMITS), Measure::Incomplete, "{bytes:02x?}");
        }
        assert_eq!(measure(&[0x91, 0x91, 0x91, 0x91, 0x00], &LIMITS), Measure::Complete(5));
    }

    #[test]
    fn a_long_value_in_small_pieces_costs_what_it_costs_at_once() {
        let mut bytes = vec![0xdc, 0xff, 0xff];
        bytes.resize(3 + 0xffff, 7);
        let mut walker = Walker::new(Limits::default());
        for end in 0..bytes.len() {
            assert_eq!(walker.advance(&bytes[..end]), Measure::Incomplete);
            assert!(walker.pos == end || end < 3, "{end}");
        }
        assert_eq!(walker.advance(&bytes), Measure::Complete(bytes.len()));
        assert_eq!(walker.advance(&bytes), Measure::Complete(bytes.len()));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut walker = Walker::new(LIMITS);
            for end in 0..=bytes.len() {
                let whole = measure(&bytes[..end], &LIMITS);
                prop_assert_eq!(walker.advance(&bytes[..end]), whole);
                if let Measure::Complete(len) = whole {
                    prop_assert!(len <= end && len > 0);
                    prop_assert_eq!(measure(&bytes[..len - 1], &LIMITS), Measure::Incomplete);
                }
            }
        }
    }
}
