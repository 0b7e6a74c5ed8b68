//! The insides of containers for [`read`](super::read); each error learns here where it happened.

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::{
    read::{Numbers, Reader, Value},
    reply::{DecodeError, Step, shown},
};

type Result<T, E = DecodeError> = std::result::Result<T, E>;

/// The items of a list.
pub(super) struct Items<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) len: usize,
    pub(super) left: usize,
}

impl<'a> Items<'_, 'a> {
    pub(super) fn visit<V: Visitor<'a>>(&mut self, visitor: V) -> Result<V::Value> {
        let (len, mut left) = (self.len, self.left);
        let value = self.reader.nested(|reader| {
            let mut items = Items { reader, len, left };
            let value = visitor.visit_seq(&mut items)?;
            left = items.left;
            Ok(value)
        })?;
        self.left = left;
        Ok(value)
    }
}

impl<'a> SeqAccess<'a> for &mut Items<'_, 'a> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        let index = self.len - self.left;
        self.left = left;
        seed.deserialize(&mut *self.reader).map(Some).map_err(|error| error.inside(|| Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The items of a packed list.
pub(super) struct Packed<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) items: Numbers<'a>,
    pub(super) index: usize,
}

impl<'a> SeqAccess<'a> for &mut Packed<'_, 'a> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        self.reader.ahead = Some(item);
        seed.deserialize(&mut *self.reader).map(Some).map_err(|error| error.inside(|| Step::Index(index)))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// The entries of a dict.
pub(super) struct Fields<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) left: usize,
    /// The key of the value that comes next.
    pub(super) key: Option<Value<'a>>,
}

impl<'a> MapAccess<'a> for &mut Fields<'_, 'a> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        let key = self.reader.next()?;
        self.key = Some(key);
        self.reader.ahead = Some(key);
        seed.deserialize(&mut *self.reader).map(Some).map_err(|error| error.inside(|| step(&key)))
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value> {
        let key = self.key.take();
        seed.deserialize(&mut *self.reader).map_err(|error| error.inside(|| step(&key.unwrap_or(Value::Nil))))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// How a dict's key stands in a path.
fn step(key: &Value<'_>) -> Step {
    match key {
        Value::Str(name) if is_name(name) => Step::Name((*name).to_owned()),
        Value::Str(name) => Step::Key(shown(name).trim_start_matches("str ").to_owned()),
        Value::Int(value) => Step::Key(value.to_string()),
        Value::Uint(value) => Step::Key(value.to_string()),
        other => Step::Key(other.found()),
    }
}

fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.len())
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A variant: a `str`, or a dict of one that has its value.
pub(super) struct Variant<'r, 'a> {
    pub(super) reader: &'r mut Reader<'a>,
    pub(super) has_value: bool,
}

impl<'r, 'a> EnumAccess<'a> for Variant<'r, 'a> {
    type Error = DecodeError;
    type Variant = Content<'r, 'a>;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Result<(V::Value, Content<'r, 'a>)> {
        let Self { reader, has_value } = self;
        let key = reader.next()?;
        reader.ahead = Some(key);
        let variant = seed.deserialize(&mut *reader)?;
        Ok((variant, Content { reader, key, has_value }))
    }
}

/// What a variant holds.
pub(super) struct Content<'r, 'a> {
    reader: &'r mut Reader<'a>,
    key: Value<'a>,
    has_value: bool,
}

impl<'r, 'a> Content<'r, 'a> {
    fn read<T>(self, read: impl FnOnce(&'r mut Reader<'a>) -> Result<T>) -> Result<T> {
        let Self { reader, key, has_value } = self;
        if has_value {
            read(reader).map_err(|error| error.inside(|| step(&key)))
        } else {
            Err(DecodeError::mismatch("a dict of this variant and its value", key.found()))
        }
    }
}

impl<'a> VariantAccess<'a> for Content<'_, 'a> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<()> {
        if self.has_value { self.read(serde::Deserialize::deserialize) } else { Ok(()) }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Result<T::Value> {
        self.read(|reader| seed.deserialize(reader))
    }

    fn tuple_variant<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value> {
        self.read(|reader| serde::Deserializer::deserialize_tuple(reader, len, visitor))
    }

    fn struct_variant<V: Visitor<'a>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value> {
        self.read(|reader| serde::Deserializer::deserialize_struct(reader, "the variant", fields, visitor))
    }
}
