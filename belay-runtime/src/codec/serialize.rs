//! Rust values into [`Args`](super::args::Args): serde's data model as Python's.
//!
//! | serde | Python |
//! |---|---|
//! | unit, unit struct, `None` | `None` |
//! | sequence | `list` |
//! | tuple, tuple struct, array | `tuple` |
//! | map, struct | `dict`; a struct's keys are its fields' names |
//! | unit variant | its name, `str` |
//! | other variants | `{name: value}`, the value as if it stood alone |

use std::{fmt::Display, io::Write};

use serde::ser::{self, Serialize};

use super::{
    args::tag,
    literal::comma,
    run::{Run, float32, float64},
};

/// Containers inside each other in one argument.
const MAX_DEPTH: usize = 64;

/// Bytes of one call's arguments. Boards with external RAM have a few megabytes.
const MAX_SIZE: usize = 4 << 20;

/// A value that cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Too many containers inside each other.
    #[error("more than {MAX_DEPTH} containers inside each other: send a flatter value")]
    TooDeep,
    /// Too many bytes for a board.
    #[error("the arguments are larger than {MAX_SIZE} bytes: send them in several calls")]
    TooLarge,
    /// Python could not use this as a key.
    #[error("a {found} cannot be the key of a dict: use a str, a number or a tuple")]
    Key {
        /// The Python type.
        found: &'static str,
    },
    /// The type's own `Serialize` refused.
    #[error("{0}")]
    Custom(String),
}

impl ser::Error for EncodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

type Result<T = (), E = EncodeError> = std::result::Result<T, E>;

/// Writes one value.
pub(super) struct Serializer<'a> {
    out: &'a mut Vec<u8>,
    depth: usize,
    /// Inside the key of a dict.
    key: bool,
    run: Run,
}

impl<'a> Serializer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, depth: 0, key: false, run: Run::Closed }
    }

    fn text(&mut self, text: &[u8]) -> Result {
        self.flush();
        self.room(text.len())?;
        self.out.extend_from_slice(text);
        Ok(())
    }

    fn data(&mut self, kind: u8, data: &[u8]) -> Result {
        self.flush();
        self.room(data.len())?;
        tagged(self.out, kind, data);
        Ok(())
    }

    fn number(&mut self, value: impl Display) -> Result {
        self.flush();
        self.room(0)?;
        let _ = write!(self.out, "{value}");
        Ok(())
    }

    fn int(&mut self, value: i64) -> Result {
        match &mut self.run {
            Run::Ints(items) => items.push(value),
            run @ Run::Empty => *run = Run::Ints(vec![value]),
            _ => return self.number(value),
        }
        self.room(self.run.size())
    }

    fn float32(&mut self, value: f32) -> Result {
        match &mut self.run {
            Run::F32(items) => items.push(value),
            run @ Run::Empty => *run = Run::F32(vec![value]),
            _ => {
                self.flush();
                float32(self.out, value);
            }
        }
        self.room(self.run.size())
    }

    fn float64(&mut self, value: f64) -> Result {
        match &mut self.run {
            Run::F64(items) => items.push(value),
            run @ Run::Empty => *run = Run::F64(vec![value]),
            _ => {
                self.flush();
                float64(self.out, value);
            }
        }
        self.room(self.run.size())
    }

    fn room(&self, more: usize) -> Result {
        if self.out.len().saturating_add(more) > MAX_SIZE { Err(EncodeError::TooLarge) } else { Ok(()) }
    }

    /// The list that is open is no packed one: its items so far become text, and another one follows.
    fn flush(&mut self) {
        let run = std::mem::take(&mut self.run);
        if run.len() > 0 {
            run.write(self.out);
            comma(run.len(), self.out);
        }
    }

    fn enter(&mut self, unhashable: Option<&'static str>) -> Result {
        if let (true, Some(found)) = (self.key, unhashable) {
            return Err(EncodeError::Key { found });
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(EncodeError::TooDeep) } else { Ok(()) }
    }

    /// The name of a field or a variant. There are as many as the program has, so they may stay on the board.
    fn name(&mut self, name: &'static str) -> Result {
        if name.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'\'' && b != b'\\') {
            self.text(b"'")?;
            self.text(name.as_bytes())?;
            self.text(b"'")
        } else {
            self.data(tag::STR, name.as_bytes())
        }
    }

    fn variant(&mut self, name: &'static str) -> Result {
        self.enter(Some("dict"))?;
        self.text(b"{")?;
        self.name(name)?;
        self.text(b":")
    }
}

fn tagged(out: &mut Vec<u8>, kind: u8, data: &[u8]) {
    out.push(kind);
    // `room` keeps every length far below 4 GiB.
    out.extend_from_slice(&(data.len() as u32).to_le_bytes());
    out.extend_from_slice(data);
}

/// A container that is being written.
pub(super) struct Compound<'a, 'b> {
    out: &'b mut Serializer<'a>,
    count: usize,
    close: &'static [u8],
    /// How many containers `close` closes.
    levels: usize,
}

impl<'a, 'b> Compound<'a, 'b> {
    fn new(out: &'b mut Serializer<'a>, close: &'static [u8]) -> Self {
        Self { out, count: 0, close, levels: 1 }
    }

    fn comma(&mut self) -> Result {
        self.count += 1;
        if self.count > 1 { self.out.text(b",") } else { Ok(()) }
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        self.comma()?;
        value.serialize(&mut *self.out)
    }

    fn entry<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result {
        self.comma()?;
        self.out.name(name)?;
        self.out.text(b":")?;
        value.serialize(&mut *self.out)
    }

    fn finish(self) -> Result {
        self.out.text(self.close)?;
        self.out.depth -= self.levels;
        Ok(())
    }

    fn finish_tuple(self) -> Result {
        if self.count == 1 {
            self.out.text(b",")?;
        }
        self.finish()
    }
}

impl ser::SerializeSeq for Compound<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        // Items that are held back are written with their commas.
        if self.count > 0 && matches!(self.out.run, Run::Closed) {
            comma(self.count, self.out.out);
        }
        self.count += 1;
        value.serialize(&mut *self.out)
    }

    fn end(self) -> Result {
        let run = std::mem::take(&mut self.out.run);
        if let Some((code, data)) = run.pack() {
            // In the place of the bracket, which is the last byte: nothing has been written since.
            self.out.out.pop();
            self.out.out.push(tag::NUMBERS);
            tagged(self.out.out, code, &data);
            self.out.depth -= self.levels;
            return self.out.room(0);
        }
        run.write(self.out.out);
        self.finish()
    }
}

impl ser::SerializeMap for Compound<'_, '_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result {
        self.comma()?;
        let outer = std::mem::replace(&mut self.out.key, true);
        key.serialize(&mut *self.out)?;
        self.out.key = outer;
        self.out.text(b":")
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result {
        value.serialize(&mut *self.out)
    }

    fn end(self) -> Result {
        self.finish()
    }
}

/// serde has a trait for each of what is one thing in Python.
macro_rules! compounds {
    ($($kind:ident: $method:ident($($name:ident)?) = $write:ident, $end:ident;)*) => {
        $(impl ser::$kind for Compound<'_, '_> {
            type Ok = ();
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, $($name: &'static str,)? value: &T) -> Result {
                self.$write($($name,)? value)
            }

            fn end(self) -> Result {
                self.$end()
            }
        })*
    };
}

compounds! {
    SerializeTuple: serialize_element() = element, finish_tuple;
    SerializeTupleStruct: serialize_field() = element, finish_tuple;
    SerializeTupleVariant: serialize_field() = element, finish_tuple;
    SerializeStruct: serialize_field(name) = entry, finish;
    SerializeStructVariant: serialize_field(name) = entry, finish;
}

/// Ints by the type that holds them.
macro_rules! ints {
    ($($method:ident($from:ty) = $write:ident;)*) => {
        $(fn $method(self, value: $from) -> Result {
            self.$write(value.into())
        })*
    };
}

impl<'a, 'b> ser::Serializer for &'b mut Serializer<'a> {
    type Ok = ();
    type Error = EncodeError;
    type SerializeSeq = Compound<'a, 'b>;
    type SerializeTuple = Compound<'a, 'b>;
    type SerializeTupleStruct = Compound<'a, 'b>;
    type SerializeTupleVariant = Compound<'a, 'b>;
    type SerializeMap = Compound<'a, 'b>;
    type SerializeStruct = Compound<'a, 'b>;
    type SerializeStructVariant = Compound<'a, 'b>;

    fn serialize_bool(self, value: bool) -> Result {
        self.text(if value { b"True" } else { b"False" })
    }

    ints! {
        serialize_i8(i8) = int;
        serialize_i16(i16) = int;
        serialize_i32(i32) = int;
        serialize_i64(i64) = int;
        serialize_u8(u8) = int;
        serialize_u16(u16) = int;
        serialize_u32(u32) = int;
    }

    fn serialize_i128(self, value: i128) -> Result {
        self.number(value)
    }

    fn serialize_u64(self, value: u64) -> Result {
        match i64::try_from(value) {
            Ok(value) => self.int(value),
            Err(_) => self.number(value),
        }
    }

    fn serialize_u128(self, value: u128) -> Result {
        self.number(value)
    }

    fn serialize_f32(self, value: f32) -> Result {
        self.float32(value)
    }

    fn serialize_f64(self, value: f64) -> Result {
        self.float64(value)
    }

    fn serialize_char(self, value: char) -> Result {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result {
        self.data(tag::STR, value.as_bytes())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result {
        self.data(tag::BYTES, value)
    }

    fn serialize_none(self) -> Result {
        self.text(b"None")
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result {
        self.text(b"None")
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result {
        self.text(b"None")
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, variant: &'static str) -> Result {
        self.name(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Result {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result {
        self.variant(variant)?;
        value.serialize(&mut *self)?;
        Compound::new(self, b"}").finish()
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Compound<'a, 'b>> {
        self.enter(Some("list"))?;
        self.text(b"[")?;
        self.run = Run::Empty;
        Ok(Compound::new(self, b"]"))
    }

    fn serialize_tuple(self, _len: usize) -> Result<Compound<'a, 'b>> {
        self.enter(None)?;
        self.text(b"(")?;
        Ok(Compound::new(self, b")"))
    }

    fn serialize_tuple_struct(self, _name: &'static str, len: usize) -> Result<Compound<'a, 'b>> {
        self.serialize_tuple(len)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Compound<'a, 'b>> {
        self.variant(variant)?;
        self.enter(None)?;
        self.text(b"(")?;
        Ok(Compound { levels: 2, ..Compound::new(self, b")}") })
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Compound<'a, 'b>> {
        self.enter(Some("dict"))?;
        self.text(b"{")?;
        Ok(Compound::new(self, b"}"))
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Compound<'a, 'b>> {
        self.serialize_map(None)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Compound<'a, 'b>> {
        self.variant(variant)?;
        self.enter(None)?;
        self.text(b"{")?;
        Ok(Compound { levels: 2, ..Compound::new(self, b"}}") })
    }
}
