//! rmp-serde's deserializer, made strict.
//!
//! Both serde and rmp-serde bend values to make them fit: bytes become a `String`, an int names a field, a list of one an
//! enum, a negative int a `u128`. Here each value is held against what was asked for before a visitor sees it, and an
//! error learns on its way out what came and where.

use std::{cell::Cell, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{
        self, DeserializeSeed, MapAccess, SeqAccess, Visitor,
        value::{BorrowedStrDeserializer, MapAccessDeserializer, SeqDeserializer, U64Deserializer},
    },
};

use super::reply::{DecodeError, Step, shown};

type Result<T, E = DecodeError> = std::result::Result<T, E>;

/// Decodes what [`plain`](super::plain::plain) made of a reply.
pub(super) fn decode<'de, T: Deserialize<'de>>(plain: &'de [u8]) -> Result<T> {
    let notes = Notes::default();
    T::deserialize(Strict { inner: &mut rmp_serde::Deserializer::from_read_ref(plain), notes: &notes })
}

/// What all layers of one value know.
#[derive(Default)]
struct Notes<'de> {
    /// An error on its way out: rmp-serde's own hold nothing but text, so that ours goes beside it.
    error: Cell<Option<DecodeError>>,
    /// What was read last; after a dict's key, the key.
    last: Cell<Found<'de>>,
}

impl Notes<'_> {
    /// Sets an error aside and gives rmp-serde one of its own.
    fn hand<T, E: de::Error>(&self, result: Result<T>) -> Result<T, E> {
        result.map_err(|error| {
            self.error.set(Some(error));
            E::custom("")
        })
    }

    /// The error that was set aside.
    fn take<T>(&self, result: Result<T, impl de::Error>) -> Result<T> {
        result.map_err(|error| self.error.take().unwrap_or_else(|| DecodeError::message(error.to_string())))
    }
}

/// A value that came.
#[derive(Clone, Copy, Default)]
enum Found<'de> {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// An int that fits neither: decimal text.
    Big(&'de str),
    F32(f32),
    F64(f64),
    Str(&'de str),
    Bytes(usize),
    List(usize),
    Dict(usize),
}

/// In Python's words, for a message.
impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("None"),
            Self::Bool(true) => f.write_str("bool True"),
            Self::Bool(false) => f.write_str("bool False"),
            Self::Int(value) => write!(f, "int {value}"),
            Self::Uint(value) => write!(f, "int {value}"),
            Self::Big(digits) if digits.len() > 60 => write!(f, "an int of {} digits", digits.len()),
            Self::Big(digits) => write!(f, "int {digits}"),
            Self::F32(value) => write!(f, "float {value:?}"),
            Self::F64(value) => write!(f, "float {value:?}"),
            Self::Str(value) => f.write_str(&shown(value)),
            Self::Bytes(len) => write!(f, "bytes of {len}"),
            Self::List(len) => write!(f, "a list of {len}"),
            Self::Dict(len) => write!(f, "a dict of {len}"),
        }
    }
}

impl Found<'_> {
    /// How a dict's key stands in a path.
    fn step(&self) -> Step {
        match self {
            Self::Str(name) if is_name(name) => Step::Name((*name).to_owned()),
            Self::Str(name) => Step::Key(shown(name).trim_start_matches("str ").to_owned()),
            Self::Int(value) => Step::Key(value.to_string()),
            Self::Uint(value) => Step::Key(value.to_string()),
            other => Step::Key(other.to_string()),
        }
    }
}

fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// What the program asked for.
#[derive(Clone, Copy)]
enum Want {
    Any,
    Unit,
    Bool,
    Int,
    I128,
    U128,
    F32,
    F64,
    Str,
    Bytes,
    Option,
    List,
    Tuple(usize),
    Dict,
    Struct(&'static str, usize),
    Enum(&'static str),
}

impl Want {
    fn takes(self, found: &Found<'_>) -> bool {
        use Found as F;
        match self {
            Self::Any => true,
            Self::Unit => matches!(found, F::Nil),
            Self::Bool => matches!(found, F::Bool(_)),
            Self::Int => matches!(found, F::Int(_) | F::Uint(_)),
            Self::I128 | Self::U128 => matches!(found, F::Int(_) | F::Uint(_) | F::Big(_)),
            // Python returns 27 where 27.0 is meant.
            Self::F32 | Self::F64 => {
                let max = if matches!(self, Self::F32) { f32::MAX.into() } else { f64::MAX };
                match found {
                    F::Int(_) | F::Uint(_) | F::F32(_) => true,
                    F::F64(value) => !value.is_finite() || value.abs() <= max,
                    F::Big(digits) => digits.parse().is_ok_and(|value: f64| value.abs() <= max),
                    _ => false,
                }
            }
            // Ints that fit no type of the program can be had as text.
            Self::Str => matches!(found, F::Str(_) | F::Big(_)),
            Self::Bytes | Self::List | Self::Tuple(_) => matches!(found, F::Bytes(_) | F::List(_)),
            // The items of bytes: what stands on the line itself is told apart by rmp-serde.
            Self::Option => matches!(found, F::Nil | F::Uint(_)),
            Self::Dict => matches!(found, F::Dict(_)),
            // A list is a namedtuple.
            Self::Struct(..) => matches!(found, F::Dict(_) | F::List(_)),
            Self::Enum(_) => matches!(found, F::Str(_) | F::Dict(1)),
        }
    }

    /// In Python's words, where a visitor would use Rust's.
    fn words(self, found: &Found<'_>) -> Option<String> {
        Some(match self {
            Self::Unit => "() (no value)".to_owned(),
            Self::Bytes => "bytes".to_owned(),
            Self::List => "a list".to_owned(),
            Self::Tuple(len) => format!("a tuple of {len}"),
            Self::Dict => "a dict".to_owned(),
            Self::Struct(name, fields) if matches!(found, Found::List(_)) => format!("{name} with {fields} fields"),
            Self::Struct(name, _) => format!("{name} (a dict)"),
            Self::Enum(name) => format!("{name} (a str or a dict of 1)"),
            _ => return None,
        })
    }
}

/// One of serde's traits for reading, around rmp-serde's own implementation or one of serde's.
struct Strict<'n, 'de, T> {
    inner: T,
    notes: &'n Notes<'de>,
}

/// The program's visitor, and what it asked for.
struct Checked<'n, 'de, V> {
    visitor: V,
    want: Want,
    notes: &'n Notes<'de>,
}

impl<'n, 'de, D: Deserializer<'de>> Strict<'n, 'de, D> {
    /// rmp-serde says what there is, whatever was asked for.
    fn read<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value> {
        let Self { inner, notes } = self;
        notes.take(inner.deserialize_any(Checked { visitor, want, notes }))
    }
}

macro_rules! read {
    ($($name:ident($($arg:ident: $type:ty),*) $want:expr;)*) => {
        $(fn $name<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value> {
            self.read($want, visitor)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<'_, 'de, D> {
    type Error = DecodeError;

    read! {
        deserialize_any() Want::Any;
        deserialize_bool() Want::Bool;
        deserialize_i8() Want::Int;
        deserialize_i16() Want::Int;
        deserialize_i32() Want::Int;
        deserialize_i64() Want::Int;
        deserialize_i128() Want::I128;
        deserialize_u8() Want::Int;
        deserialize_u16() Want::Int;
        deserialize_u32() Want::Int;
        deserialize_u64() Want::Int;
        deserialize_u128() Want::U128;
        deserialize_f32() Want::F32;
        deserialize_f64() Want::F64;
        deserialize_char() Want::Str;
        deserialize_str() Want::Str;
        deserialize_string() Want::Str;
        deserialize_identifier() Want::Str;
        deserialize_bytes() Want::Bytes;
        deserialize_byte_buf() Want::Bytes;
        deserialize_unit() Want::Unit;
        deserialize_unit_struct(_name: &'static str) Want::Unit;
        deserialize_seq() Want::List;
        deserialize_tuple(len: usize) Want::Tuple(len);
        deserialize_tuple_struct(_name: &'static str, len: usize) Want::Tuple(len);
        deserialize_map() Want::Dict;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) Want::Struct(name, fields.len());
        deserialize_enum(name: &'static str, _variants: &'static [&'static str]) Want::Enum(name);
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        let Self { inner, notes } = self;
        notes.take(inner.deserialize_option(Checked { visitor, want: Want::Option, notes }))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value> {
        self.notes.take(self.inner.deserialize_ignored_any(visitor))
    }
}

impl<'n, 'de, V: Visitor<'de>> Checked<'n, 'de, V> {
    /// Lets the visitor see what came if it is what was asked for.
    fn visit<E: de::Error>(
        self,
        found: Found<'de>,
        visit: impl FnOnce(V, Want, &'n Notes<'de>) -> Result<V::Value>,
    ) -> Result<V::Value, E> {
        let Self { visitor, want, notes } = self;
        notes.last.set(found);
        notes.hand(if want.takes(&found) {
            visit(visitor, want, notes)
        } else {
            Err(match want.words(&found) {
                Some(words) => DecodeError::mismatch(words, found.to_string()),
                None => DecodeError::mismatch(&visitor as &dyn de::Expected, found.to_string()),
            })
        })
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Checked<'_, 'de, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.visit(Found::Nil, |visitor, _, _| visitor.visit_unit())
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.visit(Found::Nil, |visitor, _, _| visitor.visit_none())
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<V::Value, D::Error> {
        let notes = self.notes;
        notes.hand(self.visitor.visit_some(Strict { inner, notes }))
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<V::Value, E> {
        self.visit(Found::Bool(value), |visitor, _, _| visitor.visit_bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<V::Value, E> {
        self.visit(Found::Int(value), |visitor, want, _| match want {
            Want::F32 | Want::F64 => visitor.visit_f64(value as f64),
            _ => visitor.visit_i64(value),
        })
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<V::Value, E> {
        self.visit(Found::Uint(value), |visitor, want, notes| match want {
            Want::F32 | Want::F64 => visitor.visit_f64(value as f64),
            Want::Option => visitor.visit_some(Strict { inner: U64Deserializer::<DecodeError>::new(value), notes }),
            _ => visitor.visit_u64(value),
        })
    }

    fn visit_f32<E: de::Error>(self, value: f32) -> Result<V::Value, E> {
        self.visit(Found::F32(value), |visitor, want, _| match want {
            Want::Any => visitor.visit_f32(value),
            _ => visitor.visit_f64(value.into()),
        })
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<V::Value, E> {
        self.visit(Found::F64(value), |visitor, _, _| visitor.visit_f64(value))
    }

    fn visit_borrowed_str<E: de::Error>(self, value: &'de str) -> Result<V::Value, E> {
        let found = Found::Str(value);
        self.visit(found, |visitor, want, _| match want {
            Want::Enum(_) => {
                let variant = BorrowedStrDeserializer::<DecodeError>::new(value);
                visitor.visit_enum(variant).map_err(|error| error.about(found))
            }
            _ => visitor.visit_borrowed_str(value),
        })
    }

    fn visit_borrowed_bytes<E: de::Error>(self, value: &'de [u8]) -> Result<V::Value, E> {
        let found = Found::Bytes(value.len());
        self.visit(found, |visitor, want, notes| match want {
            Want::List | Want::Tuple(_) => {
                list(SeqDeserializer::<_, DecodeError>::new(value.iter().copied()), found, visitor, want, notes)
            }
            _ => visitor.visit_borrowed_bytes(value),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let found = Found::List(inner.size_hint().unwrap_or_default());
        self.visit(found, |visitor, want, notes| list(inner, found, visitor, want, notes))
    }

    fn visit_map<A: MapAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let found = Found::Dict(inner.size_hint().unwrap_or_default());
        self.visit(found, |visitor, want, notes| {
            let mut fields = Fields { inner: Strict { inner, notes }, key: Found::Nil };
            if let Want::Enum(_) = want {
                return visitor.visit_enum(MapAccessDeserializer::new(fields));
            }
            let value = visitor.visit_map(&mut fields)?;
            notes.last.set(found);
            match fields.inner.inner.size_hint() {
                Some(left) if left > 0 => Err(DecodeError::message(format!("{left} keys of the dict were not read"))),
                _ => Ok(value),
            }
        })
    }

    /// An extension: what [`plain`](super::plain::plain) leaves are ints beyond 64 bits.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, extension: D) -> Result<V::Value, D::Error> {
        let (_, digits) = <(i8, &[u8])>::deserialize(extension)?;
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        let found = Found::Big(digits);
        self.visit(found, |visitor, want, _| {
            let signed = || digits.parse().ok();
            let unsigned = || digits.parse().ok();
            match want {
                Want::Str => return visitor.visit_borrowed_str(digits),
                Want::F32 | Want::F64 => return visitor.visit_f64(digits.parse().unwrap_or(f64::NAN)),
                Want::U128 => {}
                _ => {
                    if let Some(value) = signed() {
                        return visitor.visit_i128(value);
                    }
                }
            }
            match unsigned() {
                Some(value) if !matches!(want, Want::I128) => visitor.visit_u128(value),
                _ => Err(DecodeError::mismatch(&visitor as &dyn de::Expected, found.to_string())),
            }
        })
    }
}

/// Reads a list, all of whose items must be asked for.
fn list<'de, V: Visitor<'de>>(
    inner: impl SeqAccess<'de>,
    found: Found<'de>,
    visitor: V,
    want: Want,
    notes: &Notes<'de>,
) -> Result<V::Value> {
    let mut items = Items { inner: Strict { inner, notes }, index: 0 };
    let value = visitor.visit_seq(&mut items)?;
    notes.last.set(found);
    match items.inner.inner.size_hint() {
        Some(1..) => {
            let words = want.words(&found).unwrap_or_else(|| "a list that is read whole".to_owned());
            Err(DecodeError::mismatch(words, found.to_string()))
        }
        _ => Ok(value),
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, inner: D) -> Result<S::Value, D::Error> {
        let notes = self.notes;
        notes.hand(self.inner.deserialize(Strict { inner, notes }))
    }
}

/// The items of a list.
struct Items<'n, 'de, A> {
    inner: Strict<'n, 'de, A>,
    index: usize,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Items<'_, 'de, A> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Strict { inner, notes } = &mut self.inner;
        let index = self.index;
        self.index += 1;
        let item = inner.next_element_seed(Strict { inner: seed, notes });
        notes.take(item).map_err(|error| error.inside(|| Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.inner.size_hint()
    }
}

/// The entries of a dict.
struct Fields<'n, 'de, A> {
    inner: Strict<'n, 'de, A>,
    /// The key of the value that comes next.
    key: Found<'de>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<'_, 'de, A> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Strict { inner, notes } = &mut self.inner;
        let key = inner.next_key_seed(Strict { inner: seed, notes });
        self.key = notes.last.get();
        notes.take(key).map_err(|error| error.inside(|| self.key.step()))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value> {
        let Strict { inner, notes } = &mut self.inner;
        let value = inner.next_value_seed(Strict { inner: seed, notes });
        notes.take(value).map_err(|error| error.inside(|| self.key.step()))
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.inner.size_hint()
    }
}
