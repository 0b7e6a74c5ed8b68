//! The reply decoder against bytes that no agent wrote: whatever arrives, it neither panics nor takes more memory than a
//! stated multiple of the reply's length, which is measured.
//!
//! Two seconds long unless `BELAY_FUZZ_SECONDS` says how long. `BELAY_FUZZ_SEED` repeats a run.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, Hasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use belay_runtime::{
    Exception,
    codec::{
        msgpack::{Limits, Measure, Walker, measure},
        reply::decode,
    },
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

/// Small and fast: quality is no matter here.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound.max(1)
    }

    fn bytes(&mut self, len: usize, out: &mut Vec<u8>) {
        out.extend((0..len).map(|_| self.next() as u8));
    }
}

/// Appends a value as the agents write them: every kind, every form of head.
fn value(random: &mut Random, depth: usize, out: &mut Vec<u8>) {
    let len = match random.below(8) {
        0 => random.below(300),
        1 => 0,
        _ => random.below(12),
    };
    match random.below(if depth == 0 { 13 } else { 18 }) {
        0 => out.push(0xc0),
        1 => out.push(0xc2 + random.below(2) as u8),
        2 => out.push(random.next() as u8 & 0x7f),
        3 => out.push(random.next() as u8 | 0xe0),
        4 => {
            let kind = random.below(4);
            out.push(0xcc + kind as u8);
            random.bytes(1 << kind, out);
        }
        5 => {
            let kind = random.below(4);
            out.push(0xd0 + kind as u8);
            random.bytes(1 << kind, out);
        }
        6 => {
            let wide = random.below(2);
            out.push(0xca + wide as u8);
            random.bytes(4 << wide, out);
        }
        7 | 8 => {
            head(random, len, &[(32, 0xa0)], [0xd9, 0xda, 0xdb], out);
            out.extend((0..len).map(|_| b' ' + random.below(95) as u8));
        }
        9 => {
            head(random, len, &[], [0xc4, 0xc5, 0xc6], out);
            random.bytes(len, out);
        }
        10 => {
            let digits: String = (0..len + 1).map(|_| char::from(b'0' + random.below(10) as u8)).collect();
            extension(random, 1, digits.as_bytes(), out);
        }
        11 => {
            let code = b"bBhHiIqQfd"[random.below(10)];
            let width = match code {
                b'b' | b'B' => 1,
                b'h' | b'H' => 2,
                b'i' | b'I' | b'f' => 4,
                _ => 8,
            };
            let mut items = Vec::new();
            random.bytes(len * width, &mut items);
            extension(random, code, &items, out);
        }
        12 => {
            let mut parts = Vec::new();
            random.bytes(len, &mut parts);
            let kind = random.next() as u8;
            extension(random, kind, &parts, out);
        }
        13..16 => {
            let count = random.below(7);
            head(random, count, &[(16, 0x90)], [0xdc, 0xdc, 0xdd], out);
            (0..count).for_each(|_| value(random, depth - 1, out));
        }
        _ => {
            let count = random.below(4);
            head(random, count, &[(16, 0x80)], [0xde, 0xde, 0xdf], out);
            (0..2 * count).for_each(|_| value(random, depth - 1, out));
        }
    }
}

/// A length in one of its forms, not always the shortest.
fn head(random: &mut Random, len: usize, short: &[(usize, u8)], long: [u8; 3], out: &mut Vec<u8>) {
    if let Some((_, mark)) = short.iter().find(|(most, _)| len < *most).filter(|_| random.below(4) > 0) {
        return out.push(mark | len as u8);
    }
    let [one, two, four] = long;
    match random.below(3) {
        0 if len < 256 && one != two => out.extend([one, len as u8]),
        1 if len < 65_536 => {
            out.push(two);
            out.extend((len as u16).to_be_bytes());
        }
        _ => {
            out.push(four);
            out.extend((len as u32).to_be_bytes());
        }
    }
}

fn extension(random: &mut Random, kind: u8, data: &[u8], out: &mut Vec<u8>) {
    match data.len() {
        n @ (1 | 2 | 4 | 8 | 16) if random.below(2) == 0 => out.push(0xd4 + n.trailing_zeros() as u8),
        n => head(random, n, &[], [0xc7, 0xc8, 0xc9], out),
    }
    out.push(kind);
    out.extend_from_slice(data);
}

/// What takes most memory for its length, 20 to 30 KB of it.
fn long(random: &mut Random, out: &mut Vec<u8>) {
    let count = 20_000 + random.below(10_000) as u16;
    out.clear();
    match random.below(4) {
        0 => {
            extension(random, b"bB"[count as usize % 2], &vec![7; count.into()], out);
        }
        kind => {
            // A list of empty lists, of empty dicts, of small ints.
            out.push(0xdc);
            out.extend(count.to_be_bytes());
            out.extend((0..count).map(|_| [0x90, 0x80, 7][kind - 1]));
        }
    }
}

/// What a line or a program on the board could make of it.
fn damage(random: &mut Random, bytes: &mut Vec<u8>) {
    let at = random.below(bytes.len() + 1);
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => random.bytes(9, bytes),
        2 => bytes.insert(at, random.next() as u8),
        3 => drop(bytes.splice(at.., [0xdd, 0xff, 0xff, 0xff, random.next() as u8])),
        4 => drop(bytes.splice(..0, vec![[0x91, 0x81, 0xdc][random.below(3)]; random.below(200)])),
        5 => {
            let copy = bytes.get(at..).unwrap_or_default().to_vec();
            bytes.extend(copy);
        }
        _ => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
    }
}

/// Any value, held as a program without a fixed type would hold it, which believes every promised length.
#[derive(Debug)]
#[allow(dead_code, reason = "only what it takes matters")]
enum Any {
    Scalar,
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Any>),
    Dict(Vec<(Any, Any)>),
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Sort;
        impl<'de> Visitor<'de> for Sort {
            type Value = Any;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_bool<E>(self, _: bool) -> Result<Any, E> {
                Ok(Any::Scalar)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Any, E> {
                Ok(Any::Scalar)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Any, E> {
                Ok(Any::Scalar)
            }

            fn visit_i128<E>(self, _: i128) -> Result<Any, E> {
                Ok(Any::Scalar)
            }

            fn visit_u128<E>(self, _: u128) -> Result<Any, E> {
                Ok(Any::Scalar)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Any, E> {
                Ok(Any::Scalar)
            }

            fn visit_unit<E>(self) -> Result<Any, E> {
                Ok(Any::Scalar)
            }

            fn visit_str<E>(self, text: &str) -> Result<Any, E> {
                Ok(Any::Text(text.to_owned()))
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Any, E> {
                Ok(Any::Bytes(bytes.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Any, A::Error> {
                let mut items = Vec::with_capacity(from.size_hint().expect("lengths are known"));
                while let Some(item) = from.next_element()? {
                    items.push(item);
                }
                Ok(Any::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Any, A::Error> {
                let mut entries = Vec::with_capacity(from.size_hint().expect("lengths are known"));
                while let Some(entry) = from.next_entry()? {
                    entries.push(entry);
                }
                Ok(Any::Dict(entries))
            }
        }
        from.deserialize_any(Sort)
    }
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only whether it can be read matters")]
enum Shape {
    Nothing,
    Circle(f32),
    Line(u8, Box<Shape>),
    Rect { w: Option<i16>, name: String },
}

/// What decoding may hold whatever the reply's length: the path and the text of an error, the places of open containers.
const FIXED: usize = 16 * 1024;
/// The reply with its packed lists expanded, for each byte of it.
const EXPANDED: usize = 2;
/// An error that quotes a str of the reply, while its text grows.
const QUOTED: usize = 4;

/// Decodes, and holds the most memory that it had at any time against the reply's length. `each` is how many bytes of a
/// `T` one byte of a reply may make.
fn read<T: DeserializeOwned>(payload: &[u8], each: usize) -> (bool, f64) {
    let mut outcome = None;
    let memory = allocation_counter::measure(|| outcome = Some(decode::<T>(payload)));
    let outcome = outcome.expect("it ran");
    let quoted = if outcome.is_err() { QUOTED } else { 0 };
    let most = FIXED + payload.len() * (EXPANDED + each + quoted);
    let name = std::any::type_name::<T>();
    assert!(memory.bytes_max <= most as u64, "{name}: {} bytes for a reply of {}", memory.bytes_max, payload.len());
    if let Err(error) = &outcome {
        assert!(error.to_string().len() < 2000 + 2 * payload.len());
    }
    (outcome.is_ok(), memory.bytes_max as f64 / payload.len().max(1) as f64)
}

/// Everything that is done with a payload; what must hold of it. Gives back how many times its length a value of no
/// fixed type took.
fn try_all(payload: &[u8]) -> f64 {
    let whole = measure(payload, &Limits::default());
    let mut walker = Walker::new(Limits::default());
    let (half, _) = payload.split_at(payload.len() / 2);
    let _ = walker.advance(half);
    assert_eq!(walker.advance(payload), whole);

    let (sound, times) = read::<Any>(payload, size_of::<Any>());
    assert!(!sound || whole == Measure::Complete(payload.len()));
    read::<IgnoredAny>(payload, 0);
    read::<()>(payload, 0);
    read::<i128>(payload, 0);
    read::<f32>(payload, 0);
    read::<String>(payload, 1);
    // serde lets a list grow once it is longer than 1 MiB, and while it does it is there twice.
    read::<Vec<u8>>(payload, 3);
    read::<Vec<Option<f32>>>(payload, 3 * size_of::<Option<f32>>());
    read::<Vec<Vec<i64>>>(payload, 3 * size_of::<Vec<i64>>());
    read::<(i8, String, [u16; 3])>(payload, 1);
    // An entry has two bytes at least, and a table up to 16 places for 7 entries.
    read::<HashMap<String, Vec<i64>>>(payload, 16 * (1 + size_of::<(String, Vec<i64>)>()) / 7 / 2 + size_of::<i64>());
    read::<Shape>(payload, size_of::<Shape>());
    read::<Vec<Shape>>(payload, 3 * size_of::<Shape>());
    let _ = Exception::from_reply(payload);
    times
}

#[test]
fn no_reply_panics_or_grows() {
    let number = |name: &str| std::env::var(name).ok().map(|n| n.parse::<u64>().expect("it is a number"));
    let seconds = number("BELAY_FUZZ_SECONDS").unwrap_or(2);
    let seed = number("BELAY_FUZZ_SEED").unwrap_or_else(|| RandomState::new().build_hasher().finish()) | 1;
    let mut random = Random(seed);
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut executions, mut sound, mut bytes, mut most) = (0_u64, 0_u64, 0_u64, 0_f64);
    let mut payload = Vec::new();
    while Instant::now() < until {
        for nth in 0..256 {
            payload.clear();
            if nth < 2 {
                // So long that nothing is hidden by what is allowed for short ones.
                long(&mut random, &mut payload);
            } else if random.below(16) == 0 {
                let len = random.below(64);
                random.bytes(len, &mut payload);
            } else {
                value(&mut random, 4, &mut payload);
            }
            for _ in 0..if nth == 0 { 0 } else { random.below(4) } {
                damage(&mut random, &mut payload);
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| try_all(&payload)));
            let Ok(times) = outcome else { panic!("seed {seed}, execution {executions}: {payload:02x?}") };
            if payload.len() > FIXED {
                most = most.max(times);
            }
            executions += 1;
            bytes += payload.len() as u64;
            sound +=
                u64::from(matches!(measure(&payload, &Limits::default()), Measure::Complete(n) if n == payload.len()));
        }
    }
    println!("{executions} replies in {seconds} s, {sound} of them whole, {bytes} bytes; seed {seed}");
    println!("at most {most:.1} bytes of memory for a byte of a long reply; a value has {}", size_of::<Any>());
    assert!(most > 2.0, "long replies must be among them");
    assert!(sound > executions / 10 && sound < executions, "both kinds must be tried: {sound} of {executions}");
}
