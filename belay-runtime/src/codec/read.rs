//! The deserializer behind [`reply`](super::reply): MessagePack and the agent's extensions as serde's data model.

use std::fmt::Display;

use serde::de::{Deserializer, Expected, Visitor};

use super::{
    access::{Fields, Items, Packed, Variant},
    msgpack::{Head, HeadError, Limits, Measure, head, measure},
    reply::{DecodeError, EXT_BIGINT, EXT_EXCEPTION, shown},
};

type Result<T, E = DecodeError> = std::result::Result<T, E>;

/// Containers inside each other: serde recurses, and the program's stack must hold it.
const MAX_DEPTH: usize = 64;

/// One value, its elements still unread if it is a container.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Uint(u64),
    /// An int that fits neither: decimal text.
    Big(&'a str),
    F32(f32),
    F64(f64),
    Str(&'a str),
    Bin(&'a [u8]),
    Numbers(Numbers<'a>),
    Array(usize),
    Map(usize),
}

impl Value<'_> {
    /// In Python's words, for a message.
    pub(super) fn found(&self) -> String {
        match self {
            Self::Nil => "None".to_owned(),
            Self::Bool(true) => "bool True".to_owned(),
            Self::Bool(false) => "bool False".to_owned(),
            Self::Int(value) => format!("int {value}"),
            Self::Uint(value) => format!("int {value}"),
            Self::Big(digits) if digits.len() > 60 => format!("an int of {} digits", digits.len()),
            Self::Big(digits) => format!("int {digits}"),
            Self::F32(value) => format!("float {value:?}"),
            Self::F64(value) => format!("float {value:?}"),
            Self::Str(value) => shown(value),
            Self::Bin(value) => format!("bytes of {}", value.len()),
            Self::Numbers(numbers) => format!("a list of {}", numbers.len()),
            Self::Array(len) => format!("a list of {len}"),
            Self::Map(len) => format!("a dict of {len}"),
        }
    }
}

/// A packed list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers<'a> {
    code: u8,
    width: usize,
    data: &'a [u8],
}

impl<'a> Numbers<'a> {
    pub(super) fn new(code: i8, data: &'a [u8]) -> Result<Self> {
        let code = code as u8;
        let width = match code {
            b'b' | b'B' => 1,
            b'h' | b'H' => 2,
            b'i' | b'I' | b'f' => 4,
            b'q' | b'Q' | b'd' => 8,
            _ => return Err(DecodeError::message(format!("extension type {code} is none of the agent's"))),
        };
        if data.len().is_multiple_of(width) {
            Ok(Self { code, width, data })
        } else {
            Err(DecodeError::message(format!("{} bytes are no list of {width}-byte items", data.len())))
        }
    }

    pub(super) fn len(&self) -> usize {
        self.data.len() / self.width
    }
}

impl<'a> Iterator for Numbers<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let (item, rest) = self.data.split_at_checked(self.width)?;
        self.data = rest;
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(item).for_each(|(to, from)| *to = *from);
        let bits = u64::from_le_bytes(bytes);
        Some(match self.code {
            b'b' => Value::Int((bits as i8).into()),
            b'h' => Value::Int((bits as i16).into()),
            b'i' => Value::Int((bits as i32).into()),
            b'q' => Value::Int(bits as i64),
            b'f' => Value::F32(f32::from_bits(bits as u32)),
            b'd' => Value::F64(f64::from_bits(bits)),
            _ => Value::Uint(bits),
        })
    }
}

/// Reads values one after the other.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    /// Containers that may still be opened.
    depth: usize,
    /// A value to be read before what is in `rest`.
    pub(super) ahead: Option<Value<'a>>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload, depth: MAX_DEPTH, ahead: None }
    }

    /// Bytes that have not been read.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (data, rest) = self.rest.split_at_checked(len).ok_or_else(truncated)?;
        self.rest = rest;
        Ok(data)
    }

    pub(super) fn next(&mut self) -> Result<Value<'a>> {
        if let Some(value) = self.ahead.take() {
            return Ok(value);
        }
        let (head, len) = head(self.rest).map_err(|error| match error {
            HeadError::Short => truncated(),
            HeadError::Reserved => DecodeError::message("0xc1 starts no value: the reply is damaged"),
        })?;
        self.take(len)?;
        Ok(match head {
            Head::Nil => Value::Nil,
            Head::Bool(value) => Value::Bool(value),
            Head::Int(value) => Value::Int(value),
            Head::Uint(value) => Value::Uint(value),
            Head::F32(value) => Value::F32(value),
            Head::F64(value) => Value::F64(value),
            Head::Str(len) => match std::str::from_utf8(self.take(len as usize)?) {
                Ok(value) => Value::Str(value),
                Err(_) => return Err(DecodeError::mismatch("a str in UTF-8", format!("{len} bytes that are none"))),
            },
            Head::Bin(len) => Value::Bin(self.take(len as usize)?),
            Head::Ext(EXT_BIGINT, len) => int(self.take(len as usize)?)?,
            Head::Ext(EXT_EXCEPTION, _) => return Err(DecodeError::message("the reply is an exception")),
            Head::Ext(code, len) => Value::Numbers(Numbers::new(code, self.take(len as usize)?)?),
            // Every item has at least a byte: what claims more is not believed.
            Head::Array(len) if len as usize <= self.rest.len() => Value::Array(len as usize),
            Head::Map(len) if len as usize <= self.rest.len() / 2 => Value::Map(len as usize),
            Head::Array(_) | Head::Map(_) => return Err(truncated()),
        })
    }

    /// Opens a container for as long as `read` runs.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.depth = self.depth.checked_sub(1).ok_or_else(|| DecodeError::message("the value nests too deeply"))?;
        let value = read(self)?;
        self.depth += 1;
        Ok(value)
    }

    /// A list, in whichever form it came. All its items must be asked for.
    fn list<V: Visitor<'a>>(&mut self, value: Value<'a>, expected: impl Display, visitor: V) -> Result<V::Value> {
        let (result, len, left) = match value {
            Value::Array(len) => {
                let mut items = Items { reader: self, len, left: len };
                (items.visit(visitor)?, len, items.left)
            }
            Value::Numbers(numbers) => {
                let mut packed = Packed { reader: self, items: numbers, index: 0 };
                (visitor.visit_seq(&mut packed)?, numbers.len(), packed.items.len())
            }
            Value::Bin(data) => {
                let mut packed = Packed { reader: self, items: Numbers { code: b'B', width: 1, data }, index: 0 };
                (visitor.visit_seq(&mut packed)?, data.len(), packed.items.len())
            }
            other => return Err(DecodeError::mismatch(expected, other.found())),
        };
        if left == 0 { Ok(result) } else { Err(DecodeError::mismatch(expected, format!("a list of {len}"))) }
    }

    fn map<V: Visitor<'a>>(&mut self, len: usize, visitor: V) -> Result<V::Value> {
        self.nested(|reader| {
            let mut fields = Fields { reader, left: len, key: None };
            let value = visitor.visit_map(&mut fields)?;
            if fields.left == 0 {
                Ok(value)
            } else {
                Err(DecodeError::message(format!("{} keys of the dict were not read", fields.left)))
            }
        })
    }

    /// An int for a type of up to 64 bits.
    fn int<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Int(value) => visitor.visit_i64(value),
            Value::Uint(value) => visitor.visit_u64(value),
            other => mismatch(&visitor, &other),
        }
    }

    fn float<V: Visitor<'a>>(&mut self, max: f64, visitor: V) -> Result<V::Value> {
        let found = self.next()?;
        let value = match found {
            Value::F32(value) => value.into(),
            Value::F64(value) => value,
            Value::Int(value) => value as f64,
            Value::Uint(value) => value as f64,
            Value::Big(digits) => digits.parse().unwrap_or(f64::INFINITY),
            other => return mismatch(&visitor, &other),
        };
        let infinite = matches!(found, Value::F32(_) | Value::F64(_)) && value.is_infinite();
        if value.abs() > max && !infinite {
            return mismatch(&visitor, &found);
        }
        visitor.visit_f64(value)
    }

    fn string<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Str(value) => visitor.visit_borrowed_str(value),
            // Ints that fit no type of the program can be had as text.
            Value::Big(digits) => visitor.visit_borrowed_str(digits),
            other => mismatch(&visitor, &other),
        }
    }
}

fn truncated() -> DecodeError {
    DecodeError::message("the reply ends inside a value: it is damaged")
}

fn mismatch<T>(expected: &dyn Expected, found: &Value<'_>) -> Result<T> {
    Err(DecodeError::mismatch(expected, found.found()))
}

/// An int of any size, as the agent writes what MessagePack or a small board has no form for.
fn int(text: &[u8]) -> Result<Value<'_>> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let text = std::str::from_utf8(text).ok().filter(|_| !digits.is_empty() && digits.iter().all(u8::is_ascii_digit));
    let text = text.ok_or_else(|| DecodeError::message("an int that is no decimal text: the reply is damaged"))?;
    Ok(match (text.parse(), text.parse()) {
        (Ok(value), _) => Value::Int(value),
        (_, Ok(value)) => Value::Uint(value),
        _ => Value::Big(text),
    })
}

macro_rules! forward {
    ($method:ident: $($name:ident)*) => {
        $(fn $name<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
            self.$method(visitor)
        })*
    };
}

impl<'a> Deserializer<'a> for &mut Reader<'a> {
    type Error = DecodeError;

    forward! { int: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
    deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }
    forward! { string: deserialize_char deserialize_str deserialize_string deserialize_identifier }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Nil => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Int(value) => visitor.visit_i64(value),
            Value::Uint(value) => visitor.visit_u64(value),
            Value::Big(digits) => match (digits.parse(), digits.parse()) {
                (Ok(value), _) => visitor.visit_i128(value),
                (_, Ok(value)) => visitor.visit_u128(value),
                _ => mismatch(&visitor, &Value::Big(digits)),
            },
            Value::F32(value) => visitor.visit_f32(value),
            Value::F64(value) => visitor.visit_f64(value),
            Value::Str(value) => visitor.visit_borrowed_str(value),
            Value::Bin(value) => visitor.visit_borrowed_bytes(value),
            Value::Map(len) => self.map(len, visitor),
            list => self.list(list, "a list that is read whole", visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Bool(value) => visitor.visit_bool(value),
            other => mismatch(&visitor, &other),
        }
    }

    fn deserialize_i128<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Int(value) => visitor.visit_i64(value),
            Value::Uint(value) => visitor.visit_u64(value),
            Value::Big(digits) => match digits.parse() {
                Ok(value) => visitor.visit_i128(value),
                Err(_) => mismatch(&visitor, &Value::Big(digits)),
            },
            other => mismatch(&visitor, &other),
        }
    }

    fn deserialize_u128<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Int(value) => visitor.visit_i64(value),
            Value::Uint(value) => visitor.visit_u64(value),
            Value::Big(digits) => match digits.parse() {
                Ok(value) => visitor.visit_u128(value),
                Err(_) => mismatch(&visitor, &Value::Big(digits)),
            },
            other => mismatch(&visitor, &other),
        }
    }

    fn deserialize_f32<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.float(f32::MAX.into(), visitor)
    }

    fn deserialize_f64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.float(f64::MAX, visitor)
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Bin(value) => visitor.visit_borrowed_bytes(value),
            other => self.list(other, "bytes", visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Nil => visitor.visit_none(),
            other => {
                self.ahead = Some(other);
                visitor.visit_some(self)
            }
        }
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Nil => visitor.visit_unit(),
            other => Err(DecodeError::mismatch("() (no value)", other.found())),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, _name: &'static str, visitor: V) -> Result<V::Value> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        let value = self.next()?;
        self.list(value, "a list", visitor)
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value> {
        let value = self.next()?;
        self.list(value, format_args!("a tuple of {len}"), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(self, _name: &'static str, len: usize, visitor: V) -> Result<V::Value> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        match self.next()? {
            Value::Map(len) => self.map(len, visitor),
            other => Err(DecodeError::mismatch("a dict", other.found())),
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.next()? {
            Value::Map(len) => self.map(len, visitor),
            // A namedtuple.
            list @ (Value::Array(_) | Value::Numbers(_)) => {
                self.list(list, format_args!("{name} with {} fields", fields.len()), visitor)
            }
            other => Err(DecodeError::mismatch(format_args!("{name} (a dict)"), other.found())),
        }
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value> {
        match self.next()? {
            variant @ Value::Str(_) => {
                self.ahead = Some(variant);
                visitor.visit_enum(Variant { reader: self, has_value: false })
            }
            Value::Map(1) => self.nested(|reader| visitor.visit_enum(Variant { reader, has_value: true })),
            other => Err(DecodeError::mismatch(format_args!("{name} (a str or a dict of 1)"), other.found())),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value> {
        if self.ahead.take().is_none() {
            let limits = Limits { depth: self.depth, size: self.rest.len() };
            match measure(self.rest, &limits) {
                Measure::Complete(len) => self.take(len)?,
                Measure::Incomplete | Measure::Invalid => return Err(truncated()),
            };
        }
        visitor.visit_unit()
    }
}
