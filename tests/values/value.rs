//! Any value that a board can both take and give, and strategies that make random ones.

use std::fmt;

use proptest::{collection::vec, prelude::*};
use serde::{Deserialize, Serialize, de, ser::SerializeMap};

/// Any value that a board can both take and give.
#[derive(Clone)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Dict(Vec<(Key, Value)>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Int(i64),
    Str(String),
    Bytes(Vec<u8>),
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Int(key) => Self::Int(key.into()),
            Key::Str(key) => Self::Str(key),
            Key::Bytes(key) => Self::Bytes(key),
        }
    }
}

/// Floats by their bits, NaN as one value; dicts in any order.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
            (Self::Str(a), Self::Str(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::List(a), Self::List(b)) => a == b,
            (Self::Dict(a), Self::Dict(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| b.iter().any(|(k, v)| k == key && v == value))
            }
            _ => false,
        }
    }
}

/// As Python would show it, so that a failure can be tried on a board.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(value) => f.write_str(if *value { "True" } else { "False" }),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Str(value) => write!(f, "{value:?}"),
            Self::Bytes(value) => write!(f, "b\"{}\"", value.escape_ascii()),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Dict(entries) => {
                f.debug_map().entries(entries.iter().map(|(k, v)| (Value::from(k.clone()), v))).finish()
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, to: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::None => to.serialize_none(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Int(value) => match i64::try_from(*value) {
                Ok(value) => to.serialize_i64(value),
                Err(_) => to.serialize_i128(*value),
            },
            Self::Float(value) => to.serialize_f64(*value),
            Self::Str(value) => to.serialize_str(value),
            Self::Bytes(value) => to.serialize_bytes(value),
            Self::List(items) => to.collect_seq(items),
            Self::Dict(entries) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(&Self::from(key.clone()), value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_any(Visitor)
    }
}

pub(crate) struct Visitor;

impl<'de> de::Visitor<'de> for Visitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> std::result::Result<Value, E> {
        Ok(Value::None)
    }

    fn visit_bool<E>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> std::result::Result<Value, E> {
        Ok(Value::Int(value))
    }

    fn visit_f64<E>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(Value::Str(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> std::result::Result<Value, E> {
        Ok(Value::Bytes(value.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut from: A) -> std::result::Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut from: A) -> std::result::Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = from.next_entry()? {
            let key = match key {
                Value::Int(key) => Key::Int(key as i64),
                Value::Str(key) => Key::Str(key),
                Value::Bytes(key) => Key::Bytes(key),
                other => return Err(de::Error::custom(format!("{other:?} as a key"))),
            };
            entries.push((key, value));
        }
        Ok(Value::Dict(entries))
    }
}

pub(crate) fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
    Value::List(items.into_iter().map(Into::into).collect())
}

impl From<i128> for Value {
    fn from(value: i128) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.into())
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.into())
    }
}

pub(crate) fn ints() -> impl Strategy<Value = i128> {
    prop_oneof![
        -200..200_i128,
        (0..127_u32, -2..3_i128, any::<bool>()).prop_map(|(bit, off, minus)| {
            let value = (1_i128 << bit) + off;
            if minus { -value } else { value }
        }),
        any::<i64>().prop_map(i128::from),
        any::<i128>(),
    ]
}

pub(crate) fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<f32>().prop_map(f64::from),
        (-100_000..100_000_i32, 0..6).prop_map(|(digits, places)| f64::from(digits) / 10_f64.powi(places)),
        prop::sample::select(vec![0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 5e-324]),
    ]
}

/// Characters that something on the way might act on, and any others.
pub(crate) fn texts() -> impl Strategy<Value = String> {
    let sharp = prop::sample::select(
        "\0\x01\x02\x03\x04\x05\r\n\t\x11\x13\x1b\x7f'\"\\b{}()>0Aä€🦀\u{80}\u{ff}".chars().collect::<Vec<_>>(),
    );
    prop_oneof![vec(any::<char>(), 0..20), vec(sharp, 0..20), vec(prop::char::range(' ', '~'), 0..80)]
        .prop_map(|characters| characters.into_iter().collect())
}

pub(crate) fn buffers() -> impl Strategy<Value = Vec<u8>> {
    let sharp = prop::sample::select(b"\0\x01\x02\x03\x04\x05\r\n\x11\x13'\"\\x0\x80\xff".to_vec());
    prop_oneof![vec(any::<u8>(), 0..20), vec(sharp, 0..20), vec(any::<u8>(), 60..300)]
}

pub(crate) fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        any::<i64>().prop_map(Key::Int),
        texts().prop_map(Key::Str),
        vec(any::<u8>(), 0..12).prop_map(Key::Bytes),
    ]
}

pub(crate) fn values() -> impl Strategy<Value = Value> {
    let list = |items: Vec<Value>| Value::List(items);
    let leaf = prop_oneof![
        1 => Just(Value::None),
        1 => any::<bool>().prop_map(Value::Bool),
        4 => ints().prop_map(Value::Int),
        4 => floats().prop_map(Value::Float),
        4 => texts().prop_map(Value::Str),
        3 => buffers().prop_map(Value::Bytes),
        // Lists of one type, which travel packed.
        1 => (0..64_u32, vec(any::<i64>(), 8..60)).prop_map(|(bits, items)| {
            Value::List(items.into_iter().map(|item| Value::Int((item >> bits).into())).collect())
        }),
        1 => vec(floats().prop_map(Value::Float), 8..60).prop_map(list),
    ];
    leaf.prop_recursive(5, 40, 8, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(list),
            prop::collection::btree_map(keys(), inner, 0..6).prop_map(|map| Value::Dict(map.into_iter().collect())),
        ]
    })
}
