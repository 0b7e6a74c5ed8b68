use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use proptest::prelude::*;
use serde::{
    Deserialize, Serialize,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_bytes::ByteBuf;

use super::*;

/// MessagePack by rmp-serde, the encoder that others use.
fn pack<T: Serialize>(value: T) -> Vec<u8> {
    rmp_serde::to_vec_named(&value).unwrap()
}

fn ext(code: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0xc8];
    out.extend_from_slice(&(data.len() as u16).to_be_bytes());
    out.push(code);
    out.extend_from_slice(data);
    out
}

fn error<T: DeserializeOwned + fmt::Debug>(payload: &[u8]) -> String {
    decode::<T>(payload).unwrap_err().to_string()
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    temp: f32,
    #[serde(default)]
    label: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(f32),
    Line(u8, u8),
    Rect { w: u8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct New(i16);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(i64),
    Text(String),
    List(Vec<Either>),
}

#[test]
fn python_values_are_rust_values() {
    assert_eq!(decode(&pack(5)), Ok(5_u8));
    assert_eq!(decode(&pack(-5)), Ok(New(-5)));
    assert_eq!(decode(&pack(27)), Ok(27.0_f32));
    assert_eq!(decode(&pack(27)), Ok(27.0_f64));
    assert_eq!(decode(&pack(0.1_f32)), Ok(0.1_f32));
    assert_eq!(decode(&pack(0.1_f64)), Ok(0.1_f32));
    assert_eq!(decode(&pack(f64::NEG_INFINITY)), Ok(f32::NEG_INFINITY));
    assert!(decode::<f32>(&pack(f64::NAN)).unwrap().is_nan());
    assert!(decode::<f64>(&pack(-0.0)).unwrap().is_sign_negative());
    assert_eq!(decode(&pack(true)), Ok(true));
    assert_eq!(decode(&pack("é")), Ok('é'));
    assert_eq!(decode(&pack(())), Ok(()));
    assert_eq!(decode(&pack(())), Ok(None::<u8>));
    assert_eq!(decode(&pack(3)), Ok(Some(3)));
    assert_eq!(decode(&pack((1, "a", [2.5]))), Ok((1, "a".to_owned(), (2.5,))));
    assert_eq!(decode(&pack([(1, 2)])), Ok(vec![(1, 2)]));
    assert_eq!(decode(&pack(BTreeMap::from([(1, "a")]))), Ok(HashMap::from([(1, "a".to_owned())])));
    assert_eq!(decode(&pack(Reading { temp: 1.5, label: None })), Ok(Reading { temp: 1.5, label: None }));
    // A namedtuple arrives as a list, also as a packed one.
    assert_eq!(decode(&pack((1, "x"))), Ok(Reading { temp: 1.0, label: Some("x".to_owned()) }));
    assert_eq!(decode(&ext(b'h', &[1, 0, 2, 0])), Ok((1, 2)));
    for shape in [Shape::Nothing, Shape::Circle(1.5), Shape::Line(1, 2), Shape::Rect { w: 3 }] {
        assert_eq!(decode(&pack(&shape)), Ok(shape));
    }
    assert_eq!(decode(&pack(vec![("Line", ext_list())])), Ok(vec![("Line".to_owned(), vec![7, 8])]));
    let either = Either::List(vec![Either::Number(-1), Either::Text("a".to_owned()), Either::List(vec![])]);
    assert_eq!(decode(&pack((-1, "a", [(); 0]))), Ok(either));
    // What the type does not ask for is skipped, packed or not.
    let mut extra = vec![0x83, 0xa1, b'x'];
    extra.extend(ext(b'd', &[0; 16]));
    extra.extend([0xa4]);
    extra.extend(b"temp");
    extra.extend([0x02, 0xa1, b'y', 0x91, 0x91, 0xc0]);
    assert_eq!(decode(&extra), Ok(Reading { temp: 2.0, label: None }));
    assert_eq!(decode(&pack("127.0.0.1")), Ok(std::net::Ipv4Addr::LOCALHOST));
}

fn ext_list() -> [u8; 2] {
    [7, 8]
}

#[test]
fn packed_lists_and_bytes_are_the_lists_they_are() {
    assert_eq!(decode(&ext(b'b', &[0xff, 1])), Ok(vec![-1_i64, 1]));
    assert_eq!(decode(&ext(b'B', &[0xff, 1])), Ok(vec![255_u8, 1]));
    assert_eq!(decode(&ext(b'h', &[0xff, 0xff])), Ok(vec![-1]));
    assert_eq!(decode(&ext(b'H', &[0xff, 0xff])), Ok(vec![65535]));
    assert_eq!(decode(&ext(b'i', &[0xff; 4])), Ok(vec![-1]));
    assert_eq!(decode(&ext(b'I', &[0xff; 4])), Ok(vec![u32::MAX]));
    assert_eq!(decode(&ext(b'q', &[0xff; 8])), Ok(vec![-1]));
    assert_eq!(decode(&ext(b'Q', &[0xff; 8])), Ok(vec![u64::MAX]));
    assert_eq!(decode(&ext(b'f', &1.5_f32.to_le_bytes())), Ok(vec![1.5_f64]));
    assert_eq!(decode(&ext(b'd', &0.1_f64.to_le_bytes())), Ok(vec![0.1_f32]));
    assert_eq!(decode(&ext(b'B', &[])), Ok(Vec::<u8>::new()));
    assert_eq!(decode(&ext(b'B', &[5; 3])), Ok(ByteBuf::from([5; 3])));
    assert_eq!(decode(&ext(b'B', &[5; 3])), Ok([5; 3]));
    assert_eq!(decode(&[0xc5, 0, 3, 1, 2, 0xff]), Ok(vec![1_u8, 2, 255]));
    assert_eq!(decode(&[0xc4, 2, 1, 2]), Ok(ByteBuf::from([1, 2])));
    assert_eq!(decode(&[0xc4, 2, 1, 2]), Ok(vec![1_u16, 2]));
    assert_eq!(decode(&pack([1, 2])), Ok(ByteBuf::from([1, 2])));
    assert_eq!(decode(&ext(b'H', &[1, 0])), Ok(vec![Some(1)]));

    assert_eq!(error::<Vec<u8>>(&ext(b'h', &[0, 0, 0, 1])), "[1]: expected u8, found int 256");
    assert_eq!(error::<Vec<i32>>(&ext(b'f', &[0; 8])), "[0]: expected i32, found float 0.0");
    assert_eq!(error::<(u8, u8)>(&ext(b'B', &[1, 2, 3])), "expected a tuple of 2, found a list of 3");
    assert_eq!(error::<(u8, u8)>(&ext(b'B', &[1])), "expected a tuple of size 2, found 1 items");
    assert_eq!(error::<Vec<u8>>(&ext(b'h', &[1])), "1 bytes are no list of 2-byte items");
    assert_eq!(error::<Vec<u8>>(&ext(b'l', &[1])), "extension type 108 is none of the agent's");
    assert_eq!(error::<String>(&[0xc4, 1, b'a']), "expected a string, found bytes of 1");
    assert_eq!(error::<Vec<u8>>(&pack("abc")), "expected a list, found str \"abc\"");
    assert_eq!(error::<ByteBuf>(&pack("abc")), "expected bytes, found str \"abc\"");
}

#[test]
fn ints_have_any_size() {
    let int = |text: &str| ext(1, text.as_bytes());
    assert_eq!(decode(&int("70000")), Ok(70000_u32));
    assert_eq!(decode(&int("-9223372036854775808")), Ok(i64::MIN));
    assert_eq!(decode(&int("18446744073709551615")), Ok(u64::MAX));
    assert_eq!(decode(&int("18446744073709551616")), Ok(1_u128 << 64));
    assert_eq!(decode(&int("-18446744073709551616")), Ok(-1_i128 << 64));
    assert_eq!(decode(&int(&u128::MAX.to_string())), Ok(u128::MAX));
    assert_eq!(decode(&int(&i128::MIN.to_string())), Ok(i128::MIN));
    assert_eq!(decode(&int(&"7".repeat(50))), Ok("7".repeat(50)));
    assert_eq!(decode(&int("100000000000000000000")), Ok(1e20));
    assert_eq!(decode(&pack(5)), Ok(5_i128));
    assert_eq!(decode(&pack(-5)), Ok(-5_i128));

    let big = "18446744073709551616";
    assert_eq!(error::<u64>(&int(big)), format!("expected u64, found int {big}"));
    assert_eq!(error::<i128>(&int(&u128::MAX.to_string())), format!("expected i128, found int {}", u128::MAX));
    assert_eq!(error::<u128>(&int("-1")), "expected u128, found int -1");
    assert_eq!(error::<u128>(&int(&"9".repeat(99))), "expected u128, found an int of 99 digits");
    assert_eq!(error::<f32>(&int(&"9".repeat(99))), "expected f32, found an int of 99 digits");
    assert_eq!(error::<String>(&pack(5)), "expected a string, found int 5");
    for damaged in ["", "-", "1.5", "0x1", "1 ", "--1"] {
        assert!(error::<i128>(&int(damaged)).contains("damaged"), "{damaged}");
    }
}

#[test]
fn an_error_says_what_was_asked_for_what_came_and_where() {
    let rows = |bad: &str| {
        let row = |temp| BTreeMap::from([("temp", temp)]);
        let good = row(rmp_serde::to_vec(&1.5).unwrap());
        let mut payload = vec![0x94];
        for row in [&good, &good, &good, &row(pack(bad))] {
            payload.extend([0x81, 0xa4]);
            payload.extend(b"temp");
            payload.extend(&row["temp"]);
        }
        payload
    };
    let error_of_rows = decode::<Vec<Reading>>(&rows("n/a")).unwrap_err();
    assert_eq!(error_of_rows.to_string(), "[3].temp: expected f32, found str \"n/a\"");
    assert_eq!(error_of_rows.path(), "[3].temp");
    assert_eq!(error_of_rows.expected(), Some("f32"));
    assert_eq!(error_of_rows.found(), Some("str \"n/a\""));
    let long = error::<Vec<Reading>>(&rows(&"ä".repeat(500)));
    assert_eq!(long, format!("[3].temp: expected f32, found str \"{}\"…", "ä".repeat(40)));

    assert_eq!(error::<i32>(&pack(27.5)), "expected i32, found float 27.5");
    assert_eq!(error::<i32>(&pack(27.0)), "expected i32, found float 27.0");
    assert_eq!(error::<i32>(&pack(true)), "expected i32, found bool True");
    assert_eq!(error::<f32>(&pack(true)), "expected f32, found bool True");
    assert_eq!(error::<f32>(&pack(())), "expected f32, found None");
    assert_eq!(error::<f32>(&pack(1e300)), "expected f32, found float 1e300");
    assert_eq!(error::<u8>(&pack(256)), "expected u8, found int 256");
    assert_eq!(error::<u8>(&pack(-1)), "expected u8, found int -1");
    assert_eq!(error::<bool>(&pack(1)), "expected a boolean, found int 1");
    assert_eq!(error::<char>(&pack("ab")), "expected a character, found str \"ab\"");
    assert_eq!(error::<()>(&pack(5)), "expected () (no value), found int 5");
    assert_eq!(error::<f32>(&pack([1, 2, 3])), "expected f32, found a list of 3");
    assert_eq!(error::<Vec<u8>>(&pack(BTreeMap::from([(1, 2)]))), "expected a list, found a dict of 1");
    assert_eq!(error::<HashMap<u8, u8>>(&pack([1])), "expected a dict, found a list of 1");
    assert_eq!(error::<Reading>(&pack(1)), "expected Reading (a dict), found int 1");
    assert_eq!(error::<Reading>(&pack((1, "a", 2))), "expected Reading with 2 fields, found a list of 3");
    assert_eq!(error::<Reading>(&pack(BTreeMap::from([("tmp", 1)]))), "the key \"temp\" is missing");
    assert_eq!(error::<(u8, u8)>(&pack([1])), "expected a tuple of size 2, found 1 items");
    assert_eq!(error::<HashMap<u8, bool>>(&pack(BTreeMap::from([(7, 1)]))), "[7]: expected a boolean, found int 1");
    let spaced = pack(BTreeMap::from([("a b", 1)]));
    assert_eq!(error::<HashMap<String, bool>>(&spaced), "[\"a b\"]: expected a boolean, found int 1");
    assert_eq!(error::<HashMap<u8, u8>>(&spaced), "[\"a b\"]: expected u8, found str \"a b\"");
    assert_eq!(error::<Shape>(&pack(BTreeMap::from([("Line", [1, 300])]))), "Line[1]: expected u8, found int 300");
    assert_eq!(error::<Shape>(&pack("Line")), "expected a dict of this variant and its value, found str \"Line\"");
    assert_eq!(error::<Shape>(&pack(5)), "expected Shape (a str or a dict of 1), found int 5");
    assert!(error::<Shape>(&pack("Square")).starts_with("unknown variant `Square`"));
}

/// What serde's own implementations or rmp-serde would take: each of these is a value to `rmp_serde::from_slice`.
#[test]
fn nothing_is_bent_to_make_it_fit() {
    fn bent<T: DeserializeOwned + fmt::Debug>(payload: &[u8]) -> String {
        let lenient: Result<T, _> = rmp_serde::from_slice(payload);
        assert!(lenient.is_ok(), "{payload:02x?}: {lenient:?}");
        error::<T>(payload)
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Unit;
    let bytes = |data: &[u8]| [&[0xc4, data.len() as u8], data].concat();
    assert_eq!(bent::<String>(&bytes(b"abc")), "expected a string, found bytes of 3");
    assert_eq!(bent::<ByteBuf>(&pack("abc")), "expected bytes, found str \"abc\"");
    assert_eq!(bent::<u128>(&pack(-1)), "expected u128, found int -1");
    assert_eq!(bent::<i128>(&bytes(&[1; 16])), "expected i128, found bytes of 16");
    assert_eq!(bent::<f32>(&pack(1e300)), "expected f32, found float 1e300");
    assert_eq!(bent::<(u8, u8)>(&bytes(b"abc")), "expected a tuple of 2, found bytes of 3");
    assert_eq!(bent::<Unit>(&[0x90]), "expected () (no value), found a list of 0");
    assert_eq!(bent::<Shape>(&[0]), "expected Shape (a str or a dict of 1), found int 0");
    assert_eq!(bent::<Shape>(&bytes(b"Nothing")), "expected Shape (a str or a dict of 1), found bytes of 7");
    assert_eq!(bent::<Reading>(&[0x81, 0, 1]), "[0]: expected field identifier, found int 0");
    assert_eq!(
        bent::<Reading>(&[&[0x81][..], &bytes(b"temp"), &[1]].concat()),
        "[bytes of 4]: expected field identifier, found bytes of 4"
    );
    assert_eq!(bent::<u8>(&[5, 5]), "1 bytes follow the value: the reply is damaged");
    // A str that is none, where bytes are asked for.
    assert!(bent::<ByteBuf>(&[0xa1, 0xff]).starts_with("expected a str in UTF-8, found 1 bytes that are none"));
    assert_eq!(
        error::<Shape>(&[0x91, 0xa7, b'N', b'o', b't', b'h', b'i', b'n', b'g']),
        "expected Shape (a str or a dict of 1), found a list of 1"
    );
}

#[test]
fn all_forms_of_serde_can_be_read() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Flat {
        name: String,
        #[serde(flatten)]
        rest: BTreeMap<String, Either>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(tag = "kind", content = "value")]
    enum Tagged {
        One(u8),
        Two { x: i16 },
    }
    #[derive(Debug, PartialEq, Eq, Hash, Deserialize)]
    struct Id(u8);

    let flat = pack(BTreeMap::from([("a", "x"), ("name", "n")]));
    let rest = BTreeMap::from([("a".to_owned(), Either::Text("x".to_owned()))]);
    assert_eq!(decode(&flat), Ok(Flat { name: "n".to_owned(), rest }));
    assert_eq!(decode(b"\x82\xa4kind\xa3One\xa5value\x07"), Ok(Tagged::One(7)));
    assert_eq!(decode(b"\x82\xa5value\x81\xa1x\xff\xa4kind\xa3Two"), Ok(Tagged::Two { x: -1 }));
    assert_eq!(decode(&[0x81, 7, 0xc3]), Ok(HashMap::from([(Id(7), true)])));
    assert_eq!(decode(&[0x81, 0x92, 1, 2, 3]), Ok(HashMap::from([((1, 2), 3)])));
    assert_eq!(decode(&[0x81, 0xc0, 3]), Ok(HashMap::from([(None::<u8>, 3)])));
    assert_eq!(decode(&[0xc0]), Ok(None::<Option<u8>>));
    assert_eq!(decode(&[0x92, 0xc0, 5]), Ok(vec![None, Some(Some(Id(5)))]));
    // The items of bytes are ints like any other.
    assert_eq!(decode(&[0xc4, 2, 1, 2]), Ok(vec![Some(Id(1)), Some(Id(2))]));
    assert_eq!(decode(&[0xc4, 2, 1, 2]), Ok((1.0_f32, 2_i128)));
    assert_eq!(decode(&ext(b'B', &[1, 2])), Ok(vec![Some(Id(1)), Some(Id(2))]));
    let big = ext(1, "9".repeat(30).as_bytes());
    assert_eq!(decode(&[&[0x91][..], &big].concat()), Ok(vec![Some(10_i128.pow(30) - 1)]));
    assert_eq!(decode(&[&[0x81][..], &big, &big].concat()), Ok(HashMap::from([("9".repeat(30), 1e30_f32)])));

    assert_eq!(
        error::<HashMap<(u8, u8), bool>>(&[0x81, 0x92, 1, 2, 3]),
        "[a list of 2]: expected a boolean, found int 3"
    );
    assert_eq!(error::<Vec<Option<Id>>>(&[0x92, 1, 0xa1, b'x']), "[1]: expected u8, found str \"x\"");
    assert_eq!(error::<Vec<Option<f32>>>(&ext(b'd', &1e300_f64.to_le_bytes())), "[0]: expected f32, found float 1e300");
    assert_eq!(error::<Vec<Option<i8>>>(&[0xc4, 2, 1, 200]), "[1]: expected i8, found int 200");
    assert_eq!(
        error::<Vec<u64>>(&[&[0x91][..], &big].concat()),
        format!("[0]: expected u64, found int {}", "9".repeat(30))
    );
}

#[test]
fn damaged_replies_are_errors() {
    assert_eq!(error::<u8>(&[5, 5]), "1 bytes follow the value: the reply is damaged");
    assert_eq!(error::<u8>(&[]), "the reply ends inside a value: it is damaged");
    assert_eq!(error::<u8>(&[0xc1]), "0xc1 starts no value: the reply is damaged");
    assert_eq!(error::<u8>(&[0xc7, 0, 2]), "the reply is an exception");
    assert_eq!(
        error::<String>(&[0xa1, 0xff]),
        "expected a str in UTF-8, found 1 bytes that are none (byte 0 of the reply)"
    );
    // Claims that the bytes do not keep cost nothing.
    for claim in
        [&[0xdd, 0xff, 0xff, 0xff, 0xff, 0][..], &[0xdf, 0xff, 0xff, 0xff, 0xff, 0], &[0xdb, 0xff, 0xff, 0xff, 0xff, 0]]
    {
        assert!(error::<Either>(claim).contains("damaged"), "{claim:02x?}");
        assert!(error::<Vec<Vec<u8>>>(claim).contains("damaged") || claim[0] != 0xdd);
    }
    // Neither do levels.
    #[derive(Debug, Deserialize)]
    struct Deep(#[allow(dead_code)] Vec<Deep>);
    let deep = |levels: usize| [vec![0x91; levels - 1], vec![0x90]].concat();
    assert!(decode::<Deep>(&deep(64)).is_ok());
    assert!(error::<Deep>(&deep(65)).contains("nests too deeply"));
    assert!(error::<Deep>(&deep(1 << 20)).contains("nests too deeply"));
    // Nor where the type does not ask for them.
    assert!(error::<Reading>(&[vec![0x81, 0xa1, b'x'], deep(64)].concat()).contains("nests too deeply"));
}

/// Any value, as a program without a fixed type would hold it.
#[derive(Clone, Debug, PartialEq)]
enum Any {
    None,
    Bool(bool),
    Int(i128),
    Float(u64),
    Str(String),
    Bytes(Vec<u8>),
    List(Vec<Any>),
    Dict(Vec<(Any, Any)>),
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Sort;
        impl<'de> Visitor<'de> for Sort {
            type Value = Any;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }

            fn visit_unit<E>(self) -> Result<Any, E> {
                Ok(Any::None)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
                Ok(Any::Bool(value))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
                Ok(Any::Int(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Any, E> {
                Ok(Any::Int(value.into()))
            }

            fn visit_i128<E>(self, value: i128) -> Result<Any, E> {
                Ok(Any::Int(value))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
                Ok(Any::Float(value.to_bits()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Any, E> {
                Ok(Any::Str(value.to_owned()))
            }

            fn visit_bytes<E>(self, value: &[u8]) -> Result<Any, E> {
                Ok(Any::Bytes(value.to_vec()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Any, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Any::List(items))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Any::Dict(entries))
            }
        }
        from.deserialize_any(Sort)
    }
}

/// What the agent does on the board, in Rust.
fn agent(value: &Any, out: &mut Vec<u8>) {
    let head = |out: &mut Vec<u8>, code: u8, len: usize| {
        out.push(code - u8::from(len < 65536));
        match u16::try_from(len) {
            Ok(len) => out.extend_from_slice(&len.to_be_bytes()),
            Err(_) => out.extend_from_slice(&(len as u32).to_be_bytes()),
        }
    };
    match value {
        Any::None => out.push(0xc0),
        Any::Bool(value) => out.push(0xc2 + u8::from(*value)),
        Any::Int(value) => match i64::try_from(*value) {
            Ok(value) => out.extend(pack(value)),
            Err(_) => out.extend(ext(1, value.to_string().as_bytes())),
        },
        Any::Float(bits) => out.extend(pack(f64::from_bits(*bits))),
        Any::Str(value) => out.extend(pack(value)),
        Any::Bytes(value) => {
            head(out, 0xc6, value.len());
            out.extend_from_slice(value);
        }
        Any::List(items) => {
            let ints: Option<Vec<_>> =
                items.iter().map(|item| if let Any::Int(v) = item { i16::try_from(*v).ok() } else { None }).collect();
            let floats: Option<Vec<_>> =
                items.iter().map(|item| if let Any::Float(v) = item { Some(v) } else { None }).collect();
            match (ints, floats) {
                (Some(ints), _) if ints.len() > 7 => {
                    out.extend(ext(b'h', &ints.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()));
                }
                (_, Some(floats)) if floats.len() > 7 => {
                    out.extend(ext(b'd', &floats.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>()));
                }
                _ => {
                    head(out, 0xdd, items.len());
                    items.iter().for_each(|item| agent(item, out));
                }
            }
        }
        Any::Dict(entries) => {
            head(out, 0xdf, entries.len());
            for (key, value) in entries {
                agent(key, out);
                agent(value, out);
            }
        }
    }
}

fn any_value() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        Just(Any::None),
        any::<bool>().prop_map(Any::Bool),
        any::<i128>().prop_map(Any::Int),
        any::<i16>().prop_map(|v| Any::Int(v.into())),
        any::<f64>().prop_map(|v| Any::Float(v.to_bits())),
        ".{0,20}".prop_map(Any::Str),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Any::Bytes),
        prop::collection::vec(any::<i16>().prop_map(|v| Any::Int(v.into())), 0..20).prop_map(Any::List),
        prop::collection::vec(any::<f64>().prop_map(|v| Any::Float(v.to_bits())), 0..20).prop_map(Any::List),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Any::List),
            prop::collection::vec((inner.clone(), inner), 0..5).prop_map(Any::Dict),
        ]
    })
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Typed {
    number: i64,
    float: f32,
    wide: f64,
    text: String,
    maybe: Option<Box<Typed>>,
    list: Vec<(u8, String)>,
    map: BTreeMap<String, Vec<i32>>,
}

fn typed() -> impl Strategy<Value = Typed> {
    let one = |maybe: BoxedStrategy<Option<Box<Typed>>>| {
        (
            (any::<i64>(), any::<f32>(), any::<f64>(), ".{0,40}"),
            maybe,
            prop::collection::vec(any::<(u8, String)>(), 0..5),
            prop::collection::btree_map(".{0,5}", prop::collection::vec(any::<i32>(), 0..20), 0..4),
        )
            .prop_map(|((number, float, wide, text), maybe, list, map)| Typed {
                number,
                float,
                wide,
                text,
                maybe,
                list,
                map,
            })
    };
    let inner = one(Just(None).boxed());
    one(prop::option::of(inner.prop_map(Box::new)).boxed())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_value_of_the_agent_comes_back(value in any_value()) {
        let mut payload = Vec::new();
        agent(&value, &mut payload);
        prop_assert_eq!(decode::<Any>(&payload), Ok(value));
        let skipped: Result<serde::de::IgnoredAny, _> = decode(&payload);
        prop_assert!(skipped.is_ok());
        for end in 0..payload.len() {
            prop_assert!(decode::<Any>(&payload[..end]).is_err(), "{}", end);
        }
    }

    #[test]
    fn what_rmp_serde_writes_is_read_as_rmp_serde_reads_it(value in typed()) {
        prop_assert_eq!(decode(&pack(&value)), Ok(value.clone()));
        // Structs without names, as namedtuples come.
        prop_assert_eq!(decode(&rmp_serde::to_vec(&value).unwrap()), Ok(value));
    }
}
