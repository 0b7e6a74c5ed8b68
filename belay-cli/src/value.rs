//! A value whose type only the board knows: read from a reply, shown as Python shows it, or as JSON.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, json};

/// Any value that a board can give back.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    /// A list, tuple or set: the board does not say which.
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
}

impl Value {
    /// JSON has no bytes, no infinities and no integers beyond 64 bits: those are written as Python does. It has no keys
    /// but strings: a dict with others is a list of pairs.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::None => serde_json::Value::Null,
            Self::Bool(value) => json!(value),
            Self::Int(value) => match (i64::try_from(*value), u64::try_from(*value)) {
                (Ok(value), _) => json!(value),
                (_, Ok(value)) => json!(value),
                _ => json!(value.to_string()),
            },
            Self::Float(value) if value.is_finite() => json!(value),
            Self::Float(_) | Self::Bytes(_) => json!(self.to_string()),
            Self::Str(text) => json!(text),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Dict(entries) => {
                let named = entries.iter().map(|(key, value)| match key {
                    Self::Str(key) => Some((key.clone(), value.to_json())),
                    _ => None,
                });
                match named.collect::<Option<Map<_, _>>>() {
                    Some(object) => object.into(),
                    None => entries.iter().map(|(key, value)| json!([key.to_json(), value.to_json()])).collect(),
                }
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(value) => f.write_str(if *value { "True" } else { "False" }),
            Self::Int(value) => value.fmt(f),
            Self::Float(value) if value.is_nan() => f.write_str("nan"),
            Self::Float(value) if value.is_infinite() => f.write_str(if *value > 0.0 { "inf" } else { "-inf" }),
            // The shortest form that reads back, with a point or an exponent.
            Self::Float(value) => write!(f, "{value:?}"),
            Self::Str(text) => quoted(f, text),
            Self::Bytes(bytes) => write!(f, "b'{}'", bytes.escape_ascii().to_string().replace("\\\"", "\"")),
            Self::List(items) => {
                f.write_str("[")?;
                separated(f, items, |f, item| item.fmt(f))?;
                f.write_str("]")
            }
            Self::Dict(entries) => {
                f.write_str("{")?;
                separated(f, entries, |f, (key, value)| write!(f, "{key}: {value}"))?;
                f.write_str("}")
            }
        }
    }
}

fn separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    write!(f, "{quote}")?;
    for c in text.chars() {
        match c {
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\\' => f.write_str("\\\\")?,
            c if c == quote => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\x{:02x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    write!(f, "{quote}")
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value of at most 128 bits, text, bytes, or a collection of them")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::None)
            }

            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::None)
            }

            fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Value, D::Error> {
                Value::deserialize(some)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(Value::Int(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(Value::Int(value.into()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
                Ok(Value::Int(value))
            }

            fn visit_f32<E>(self, value: f32) -> Result<Value, E> {
                // The digits that the board would show, not those of the same number in twice the width.
                Ok(Value::Float(value.to_string().parse().unwrap_or_else(|_| value.into())))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(Value::Float(value))
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(Value::Str(value.to_owned()))
            }

            fn visit_bytes<E>(self, value: &[u8]) -> Result<Value, E> {
                Ok(Value::Bytes(value.to_vec()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Value::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Value::Dict(entries))
            }
        }

        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_show_themselves_as_in_python() {
        let dict = Value::Dict(vec![
            (Value::Str("t".into()), Value::Float(21.5)),
            (Value::Int(1), Value::List(vec![Value::None, Value::Bool(true)])),
        ]);
        assert_eq!(dict.to_string(), "{'t': 21.5, 1: [None, True]}");
        assert_eq!(dict.to_json().to_string(), r#"[["t",21.5],[1,[null,true]]]"#);
        let bytes = Value::Bytes(b"a'\"\x00\xff\n".to_vec());
        assert_eq!(bytes.to_string(), r#"b'a\'"\x00\xff\n'"#);
        assert_eq!(bytes.to_json(), bytes.to_string());
        assert_eq!(Value::Str("it's\n\u{1}ü".into()).to_string(), r#""it's\n\x01ü""#);
        assert_eq!(Value::Float(f64::NAN).to_json(), "nan");
        assert_eq!(Value::Float(f64::NEG_INFINITY).to_string(), "-inf");
        assert_eq!(Value::Float(1.0).to_string(), "1.0");
        assert_eq!(Value::Int(u64::MAX.into()).to_json(), u64::MAX);
        assert_eq!(Value::Int(i128::MAX).to_json(), i128::MAX.to_string());
    }
}
