//! What the facade promises of values, on a virtual board: what is passed comes back as it was, whichever way bytes leave
//! the board, no argument runs as code, and few bytes travel.

use std::{
    collections::HashSet,
    fmt,
    time::{Duration, Instant},
};

use belay::{Device, Error, Result, Trust};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde::{Deserialize, Serialize, de, ser::SerializeMap};
use serde_bytes::ByteBuf;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Runtime,
};

/// Random values for every way out, unless `BELAY_VALUES` says how many.
const VALUES: usize = 200;
/// Values in one call.
const BATCH: usize = 20;
/// The same as hex, which the board makes byte by byte.
const HEX_BATCH: usize = 2;

#[belay::device]
trait Mirror {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import array, builtins, collections, gc
        hits = 0
        def hit(*a):
            global hits
            hits += 1
        builtins.hit = hit
        Point = collections.namedtuple("Point", ("x", "y"))
        class Chameleon:
            def __eq__(self, other):
                return True
        class Mute(Exception):
            def __str__(self):
                raise ValueError("no")
        kept = {}
        "#
    }

    #[belay::task]
    async fn echo(&self, value: Vec<Value>) -> Result<Vec<Value>> {
        "return value"
    }

    #[belay::task]
    async fn echo_text(&self, value: &[String]) -> Result<Vec<String>> {
        "return value"
    }

    #[belay::task]
    async fn echo_bytes(&self, value: &[ByteBuf]) -> Result<Vec<ByteBuf>> {
        "return value"
    }

    #[belay::task]
    async fn count_hits(&self) -> Result<u32> {
        "return hits"
    }

    /// Keeps what an expression gives, without sending it.
    #[belay::task]
    async fn keep(&self, name: &str, expression: &str) -> Result<()> {
        "kept[name] = eval(expression)"
    }

    #[belay::task]
    async fn give(&self, name: &str) -> Result<Value> {
        "return kept[name]"
    }

    /// As `give`, without making values of it here.
    #[belay::task]
    async fn give_raw(&self, name: &str) -> Result<de::IgnoredAny> {
        "return kept[name]"
    }

    #[belay::task]
    async fn show(&self, name: &str) -> Result<()> {
        "print(repr(kept[name]))"
    }

    #[belay::task]
    async fn evaluate(&self, expression: &str) -> Result<Value> {
        "return eval(expression)"
    }

    #[belay::task]
    async fn run(&self, source: &str) -> Result<Value> {
        "exec(source, globals())"
    }

    #[belay::task]
    async fn byte(&self, value: &Value) -> Result<u8> {
        "return value"
    }

    #[belay::task]
    async fn single(&self, value: &Value) -> Result<f32> {
        "return value"
    }

    #[belay::task]
    async fn nothing(&self, value: &Value) -> Result<()> {
        "return value"
    }

    #[belay::task]
    async fn readings(&self, value: &Value) -> Result<Vec<Reading>> {
        "return value"
    }
}

#[derive(Debug, PartialEq, Deserialize)]
struct Reading {
    temp: f32,
}

/// Any value that a board can both take and give.
#[derive(Clone)]
enum Value {
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
enum Key {
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

struct Visitor;

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

fn ints() -> impl Strategy<Value = i128> {
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

fn floats() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<f32>().prop_map(f64::from),
        (-100_000..100_000_i32, 0..6).prop_map(|(digits, places)| f64::from(digits) / 10_f64.powi(places)),
        prop::sample::select(vec![0.0, -0.0, 1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 5e-324]),
    ]
}

/// Characters that something on the way might act on, and any others.
fn texts() -> impl Strategy<Value = String> {
    let sharp = prop::sample::select(
        "\0\x01\x02\x03\x04\x05\r\n\t\x11\x13\x1b\x7f'\"\\b{}()>0Aä€🦀\u{80}\u{ff}".chars().collect::<Vec<_>>(),
    );
    prop_oneof![vec(any::<char>(), 0..20), vec(sharp, 0..20), vec(prop::char::range(' ', '~'), 0..80)]
        .prop_map(|characters| characters.into_iter().collect())
}

fn buffers() -> impl Strategy<Value = Vec<u8>> {
    let sharp = prop::sample::select(b"\0\x01\x02\x03\x04\x05\r\n\x11\x13'\"\\x0\x80\xff".to_vec());
    prop_oneof![vec(any::<u8>(), 0..20), vec(sharp, 0..20), vec(any::<u8>(), 60..300)]
}

fn keys() -> impl Strategy<Value = Key> {
    prop_oneof![
        any::<i64>().prop_map(Key::Int),
        texts().prop_map(Key::Str),
        vec(any::<u8>(), 0..12).prop_map(Key::Bytes),
    ]
}

fn values() -> impl Strategy<Value = Value> {
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

/// How bytes leave a board.
#[derive(Clone, Copy, Debug, PartialEq)]
enum WayOut {
    Exact,
    Cooked,
    Hex,
}

/// A board as it is; or one whose `sys.stdout` has only a `write` that makes `\r\n` of `\n`, as on boards without
/// `sys.stdout.buffer`; or one that can only print, as on old firmware.
async fn board(way: WayOut, trust: Trust) -> Device {
    let mut options = belay_sim::Options::default();
    // A board holds a reply several times over while it makes it, and some here are larger than 64 KiB.
    options.heap = 512 * 1024;
    let sim = belay_sim::Board::start(&options).expect("a virtual board starts");
    // What the agent imports is what a program has put in place of the module.
    const FAKE: &str = "import sys\nclass O:pass\no=O();f=O();w=sys.stdout.buffer.write\n\
                        f.implementation=sys.implementation;f.platform=sys.platform\nf.print_exception=sys.print_exception\n";
    const COOKED: &str = "o.write=lambda b:w(b.replace(b'\\n',b'\\r\\n'))\nf.stdout=o\n";
    const DONE: &str = "sys.modules['sys']=f";
    if way != WayOut::Exact {
        let mut port = sim.connect();
        talk(&mut port, "\r\x03\x03\r\x01", "exit\r\n>").await;
        for part in [FAKE, if way == WayOut::Cooked { COOKED } else { "pass" }, DONE] {
            talk(&mut port, &format!("{part}\x04"), "\x04\x04>").await;
        }
    }
    let board = Device::builder().trust(trust).connect("virtual", sim.connect()).await.expect("it is attached to");
    let found = format!("{:?}", board.session().capabilities());
    assert!(found.contains(&format!("way: {way:?}")), "{found}");
    board
}

/// Sends what the raw REPL acts on, and waits for what must come.
async fn talk(port: &mut belay_sim::Port, send: &str, until: &str) {
    port.write_all(send.as_bytes()).await.unwrap();
    let mut came = Vec::new();
    while !came.ends_with(until.as_bytes()) {
        let read = tokio::time::timeout(Duration::from_secs(5), port.read_buf(&mut came)).await;
        assert!(matches!(read, Ok(Ok(1..))), "{read:?} after {}", came.escape_ascii());
    }
    assert!(!came.windows(9).any(|part| part == b"Traceback"), "{}", came.escape_ascii());
}

/// The property: host to board to host is the identity.
fn identity(way: WayOut, trust: Trust) {
    let wanted = std::env::var("BELAY_VALUES").ok().map_or(VALUES, |n| n.parse().expect("BELAY_VALUES is a number"));
    let runtime = Runtime::new().unwrap();
    let board = runtime.block_on(board(way, trust));
    let batch = if way == WayOut::Hex { HEX_BATCH } else { BATCH };
    let config = Config { cases: wanted.div_ceil(batch) as u32, failure_persistence: None, ..Config::default() };
    // The usual run is the same everywhere; the long one looks elsewhere each time.
    let mut runner = match std::env::var_os("BELAY_VALUES") {
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
        Some(_) => TestRunner::new(config),
    };
    let outcome = runner.run(&vec(values(), batch), |sent| {
        let came = runtime.block_on(board.echo(sent.clone()));
        let came = came.map_err(|error| TestCaseError::fail(error.to_string()))?;
        for (came, sent) in came.iter().zip(&sent) {
            prop_assert_eq!(came, sent);
        }
        prop_assert_eq!(came.len(), sent.len());
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
    println!("{way:?}, {trust:?}: {} values", wanted.div_ceil(batch) * batch);
}

#[test]
fn every_value_comes_back_as_exact_bytes_from_a_trusted_line() {
    identity(WayOut::Exact, Trust::Trusted);
}

#[test]
fn every_value_comes_back_as_exact_bytes_from_a_verified_line() {
    identity(WayOut::Exact, Trust::Verified);
}

#[test]
fn every_value_comes_back_as_cooked_text_from_a_trusted_line() {
    identity(WayOut::Cooked, Trust::Trusted);
}

#[test]
fn every_value_comes_back_as_cooked_text_from_a_verified_line() {
    identity(WayOut::Cooked, Trust::Verified);
}

#[test]
fn every_value_comes_back_as_hex_from_a_trusted_line() {
    identity(WayOut::Hex, Trust::Trusted);
}

#[test]
fn every_value_comes_back_as_hex_from_a_verified_line() {
    identity(WayOut::Hex, Trust::Verified);
}

/// Text that would run `hit()` if it got out of its literal, wherever a lexer, the raw REPL or an encoder could slip.
fn hostile() -> Vec<Vec<u8>> {
    let openers: [&[u8]; 26] = [
        b"",
        b"'",
        b"\"",
        b"'''",
        b"\"\"\"",
        b"\\'",
        b"\\\"",
        b"\\\\'",
        b"\\",
        b"')",
        b"',",
        b"'+",
        b"'%",
        b"']",
        b"'}",
        b"'.decode()+",
        b"\\x27+",
        b"\\N{APOSTROPHE}+",
        b"\\047+",
        b"{",
        b"\n",
        b"\r\n",
        b"\x04",
        b"\x03",
        b"\x01",
        b"\x02",
    ];
    let bodies: [&[u8]; 5] =
        [b"hit()", b"\nhit()\n", b"\x04hit()\x04", b"\x05A\x01hit()\x04", b"__import__('builtins').hit()"];
    let closers: [&[u8]; 4] = [b"", b"#", b"+'", b"\\"];
    let mut all = Vec::new();
    for opener in openers {
        for body in bodies {
            for closer in closers {
                all.push([opener, body, closer].concat());
            }
        }
    }
    // Short enough for the forms of short values, and cut inside a character.
    for short in [
        &b"'"[..],
        b"\"",
        b"\\",
        b"\n",
        b"\r",
        b"\x04",
        b"\x03",
        b"\0",
        b"hit()",
        b"'+hit()+'",
        b"\\'",
        b"[:1]",
        b"b''",
    ] {
        all.extend([short.to_vec(), [short, b"\xc3"].concat(), [b"\xf0\x9f\xa6", short].concat(), short.repeat(3)]);
    }
    all
}

#[tokio::test]
async fn no_argument_runs_as_code() {
    let corpus = hostile();
    assert!(corpus.iter().collect::<HashSet<_>>().len() >= 400, "{}", corpus.len());
    let texts: Vec<String> = corpus.iter().map(|bytes| bytes.iter().copied().map(char::from).collect()).collect();
    let buffers: Vec<ByteBuf> = corpus.iter().cloned().map(ByteBuf::from).collect();
    for trust in [Trust::Trusted, Trust::Verified] {
        let board = board(WayOut::Exact, trust).await;
        assert_eq!(board.count_hits().await.unwrap(), 0);
        for (texts, buffers) in texts.chunks(24).zip(buffers.chunks(24)) {
            // One by one where each begins the literal's line, and as the items of a list.
            assert_eq!(board.echo_text(texts).await.unwrap(), texts);
            assert_eq!(board.echo_bytes(buffers).await.unwrap(), buffers);
            for (text, buffer) in texts.iter().zip(buffers) {
                assert_eq!(board.echo_text(std::slice::from_ref(text)).await.unwrap(), std::slice::from_ref(text));
                assert_eq!(board.echo_bytes(std::slice::from_ref(buffer)).await.unwrap(), std::slice::from_ref(buffer));
            }
            let dict: Vec<_> = texts.iter().collect::<HashSet<_>>().into_iter().cloned().map(Key::Str).collect();
            let dict = Value::Dict(dict.into_iter().map(|key| (key, Value::None)).collect());
            assert_eq!(board.echo(vec![dict.clone()]).await.unwrap(), [dict]);
            assert_eq!(board.count_hits().await.unwrap(), 0, "one of {texts:?}");
        }
        // The counter would have counted.
        board.session().exec("hit()").await.unwrap();
        assert_eq!(board.count_hits().await.unwrap(), 1);
    }
}

fn list<T: Into<Value>>(items: impl IntoIterator<Item = T>) -> Value {
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

#[tokio::test]
async fn what_python_returns_is_what_arrives() {
    let long: String = "x".repeat(70_000);
    let table: Vec<(&str, Value)> = vec![
        ("None", Value::None),
        ("True", Value::Bool(true)),
        ("False", Value::Bool(false)),
        ("-33", (-33).into()),
        ("128", 128.into()),
        ("-(1 << 63)", i128::from(i64::MIN).into()),
        ("(1 << 64) - 1", i128::from(u64::MAX).into()),
        ("1 << 64", (1 << 64).into()),
        ("-(1 << 126)", (-(1 << 126)).into()),
        ("float('inf')", f64::INFINITY.into()),
        ("-0.0", (-0.0).into()),
        ("0.1 + 0.2", (0.1 + 0.2).into()),
        ("''", "".into()),
        ("'x' * 70000", long.as_str().into()),
        ("b'\\x00\\xff'", (&b"\x00\xff"[..]).into()),
        ("bytearray(b'ab')", (&b"ab"[..]).into()),
        ("memoryview(b'abcd')[1:3]", (&b"bc"[..]).into()),
        ("bytes(70000)", (&[0; 70_000][..]).into()),
        ("array.array('h', [1, -2])", list([1, -2])),
        ("array.array('l', range(-4, 4))", list(-4..4)),
        ("array.array('f', [.5] * 8)", list([0.5; 8])),
        ("(1, 'a')", list::<Value>([1.into(), "a".into()])),
        ("()", list::<Value>([])),
        ("{7}", list([7])),
        ("[]", list::<Value>([])),
        ("{}", Value::Dict(vec![])),
        (
            "{(): 1}['x':] if 0 else {'a': {1: None}}",
            Value::Dict(vec![(Key::Str("a".into()), Value::Dict(vec![(Key::Int(1), Value::None)]))]),
        ),
        ("Point(1, 2.5)", list::<Value>([1.into(), 2.5.into()])),
        ("list(range(300))", list(0..300)),
        (
            "[-1] + [1 << 40] * 9",
            list([-1, 1 << 40, 1 << 40, 1 << 40, 1 << 40, 1 << 40, 1 << 40, 1 << 40, 1 << 40, 1 << 40]),
        ),
        ("[1 << 70] * 9", list([1_i128 << 70; 9])),
        ("[True] * 9", Value::List(vec![Value::Bool(true); 9])),
        ("[1.5, 1] * 5", list((0..10).map(|n| if n % 2 == 0 { Value::Float(1.5) } else { Value::Int(1) }))),
    ];
    for way in [WayOut::Exact, WayOut::Cooked] {
        let board = board(way, Trust::Trusted).await;
        for (expression, value) in &table {
            let came = board.evaluate(expression).await.unwrap_or_else(|error| panic!("{expression}: {error}"));
            assert!(came == *value, "{expression} came as {came:?}");
        }
    }
}

#[tokio::test]
async fn what_has_no_form_is_a_type_error_that_names_it_and_nothing_is_printed() {
    let board = board(WayOut::Exact, Trust::Trusted).await;
    board.count_hits().await.unwrap();
    let mut output = board.session().output();
    for (expression, name) in [
        ("object()", "object"),
        ("1j", "complex"),
        ("range(3)", "range"),
        ("hit", "function"),
        ("Point", "type"),
        ("gc", "module"),
        ("Chameleon()", "Chameleon"),
        ("[Chameleon()] * 9", "Chameleon"),
        ("[b'x' * 3000, {'key': [object()]}]", "object"),
        ("{Point: 1}", "type"),
    ] {
        let error = board.evaluate(expression).await.expect_err(expression);
        let Error::Exception { exception, .. } = &error else { panic!("{expression}: {error}") };
        assert_eq!(exception.kind(), "TypeError", "{expression}: {error}");
        assert!(exception.message().to_lowercase().contains(&name.to_lowercase()), "{expression}: {error}");
    }
    assert_eq!(output.take_text(), "");
    assert_eq!(board.count_hits().await.unwrap(), 0);
}

#[tokio::test]
async fn wrong_types_say_where_what_was_asked_for_and_what_came() {
    let board = board(WayOut::Exact, Trust::Trusted).await;
    for (value, message) in [
        (300.into(), "byte: expected u8, found int 300"),
        ((-1).into(), "byte: expected u8, found int -1"),
        (27.0.into(), "byte: expected u8, found float 27.0"),
        ("n/a".into(), "byte: expected u8, found str \"n/a\""),
        (Value::None, "byte: expected u8, found None"),
        (Value::Bool(true), "byte: expected u8, found bool True"),
        (list(0..9), "byte: expected u8, found a list of 9"),
        (Value::Dict(vec![]), "byte: expected u8, found a dict of 0"),
        (Value::Bytes(vec![1, 2]), "byte: expected u8, found bytes of 2"),
        ((1 << 70).into(), "byte: expected u8, found int 1180591620717411303424"),
    ] {
        assert_eq!(board.byte(&value).await.unwrap_err().to_string(), message);
    }
    let error = board.single(&1e300.into()).await.unwrap_err();
    assert_eq!(error.to_string(), "single: expected f32, found float 1e300");
    assert_eq!(board.single(&27.into()).await.unwrap(), 27.0);
    let error = board.nothing(&1.into()).await.unwrap_err();
    assert_eq!(error.to_string(), "nothing: expected () (no value), found int 1");
    let reading = |temp: Value| Value::Dict(vec![(Key::Str("temp".into()), temp)]);
    let mut readings = vec![reading(1.5.into()), reading(2.into())];
    let came = board.readings(&Value::List(readings.clone())).await.unwrap();
    assert_eq!(came, [Reading { temp: 1.5 }, Reading { temp: 2.0 }]);
    readings.push(reading("n/a".into()));
    let error = board.readings(&Value::List(readings)).await.unwrap_err();
    assert_eq!(error.to_string(), "readings: [2].temp: expected f32, found str \"n/a\"");
    let error = board.evaluate("1 << 300").await.unwrap_err();
    assert_eq!(error.to_string(), "evaluate: expected any value, found an int of 91 digits");
}

#[tokio::test]
async fn whatever_is_raised_is_an_error_and_the_next_call_works() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let board = board(WayOut::Exact, trust).await;
        for (source, kind, message) in [
            ("raise BaseException('base')", "BaseException", "base"),
            ("raise SystemExit", "SystemExit", ""),
            ("raise SystemExit(3)", "SystemExit", "3"),
            ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
            ("raise StopIteration(1)", "StopIteration", "1"),
            ("raise GeneratorExit", "GeneratorExit", ""),
            ("raise OSError(2)", "OSError", "2"),
            ("def f():\n f()\nf()", "RuntimeError", "maximum recursion depth exceeded"),
            ("bytearray(1 << 24)", "MemoryError", ""),
            ("def f():\n x = []\n while 1: x.append(bytes(100))\nf()", "MemoryError", ""),
            ("1 / 0", "ZeroDivisionError", "divi"),
            ("raise ValueError('\\x04\\x04>')", "ValueError", "\x04\x04>"),
        ] {
            let error = board.run(source).await.expect_err(source);
            let Error::Exception { exception, .. } = &error else { panic!("{source}: {error:?}") };
            assert_eq!(exception.kind(), kind, "{source}: {error}");
            assert!(exception.message().contains(message), "{source}: {error}");
            if kind == "OSError" {
                assert_eq!(exception.errno(), Some(2));
            }
            board.run("x = None").await.unwrap_or_else(|error| panic!("after {source}: {error}"));
        }
        let error = board.evaluate("eval('[' * 70 + ']' * 70)").await.unwrap_err();
        assert_eq!(without_path(&error), "the value nests too deeply");
        for (what, expression) in [
            ("a value without end", "(lambda x: x.append(x) or x)([b'x' * 4000])"),
            ("an exception that cannot be shown", "(_ for _ in ()).throw(Mute())"),
        ] {
            let error = board.evaluate(expression).await.expect_err(what);
            assert!(matches!(error, Error::Exception { .. }), "{what}: {error}");
            board.run("x = None").await.unwrap_or_else(|error| panic!("after {what}: {error}"));
        }
    }
}

/// The last part of a message: where it happened stands before it.
fn without_path(error: &Error) -> String {
    error.to_string().rsplit(": ").next().unwrap_or_default().to_owned()
}

/// What is kept on the board for the figures below.
const FIGURES: [(&str, &str); 5] = [
    ("1,000 ints below 1,000", "list(range(1000))"),
    ("1,000 float64", "[x / 7 for x in range(1000)]"),
    ("4 KB of bytes", "bytes(range(256)) * 16"),
    ("1,000 ints and floats in turn", "[x if x % 2 else x / 7 for x in range(1000)]"),
    ("100 dicts of 3", "[{'id': x, 'temp': x / 7, 'name': 'sensor'} for x in range(100)]"),
];

#[tokio::test]
async fn values_take_few_bytes_on_the_wire() {
    let board = board(WayOut::Exact, Trust::Trusted).await;
    // The virtual board has 64-bit floats: 1,000 of a board with 32-bit floats are 4,000 bytes fewer.
    let most = [2_050, 8_050, 4_110, 8_000, 4_000];
    for ((name, expression), most) in FIGURES.into_iter().zip(most) {
        board.keep(name, expression).await.unwrap();
        let before = board.session().traffic();
        board.give(name).await.unwrap();
        let given = board.session().traffic() - before;
        board.show(name).await.unwrap();
        let shown = board.session().traffic() - before;
        println!("{name}: {} bytes, {} with repr", given.bytes_in, shown.bytes_in - given.bytes_in);
        assert!(given.bytes_in <= most, "{name}: {given:?}");
    }
}

#[tokio::test]
async fn floats_and_bytes_are_faster_than_with_repr() {
    async fn fastest(mut call: impl AsyncFnMut()) -> Duration {
        let mut fastest = Duration::MAX;
        for _ in 0..9 {
            let begun = Instant::now();
            call().await;
            fastest = fastest.min(begun.elapsed());
        }
        fastest
    }
    let board = board(WayOut::Exact, Trust::Trusted).await;
    let empty = fastest(async || assert_eq!(board.count_hits().await.unwrap(), 0)).await;
    for (name, expression) in FIGURES {
        board.keep(name, expression).await.unwrap();
        let given = fastest(async || assert!(board.give_raw(name).await.is_ok())).await - empty;
        let shown = fastest(async || board.show(name).await.unwrap()).await - empty;
        let factor = given.as_secs_f64() / shown.as_secs_f64();
        println!("{name}: {given:.1?} against {shown:.1?} with repr, {factor:.2}");
        // The others are stated only: what looks at each item goes through the host here, see docs/values.md.
        assert!(factor < 1.0 || !["1,000 float64", "4 KB of bytes"].contains(&name), "{name}: {given:?}, {shown:?}");
    }
}
