use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

use proptest::prelude::*;
use serde::Serialize;
use serde_bytes::Bytes;

use super::*;

fn modern() -> LiteralOptions {
    LiteralOptions { decode: true, pad_bytes: false, decimals: true, ..LiteralOptions::default() }
}

/// All ways in which boards can differ for strings and bytes.
fn all_options() -> Vec<LiteralOptions> {
    let mut all = Vec::new();
    for bits in 0..8 {
        let [raw, decode, pad_bytes] = [1, 2, 4].map(|bit| bits & bit != 0);
        all.push(LiteralOptions { raw, decode, pad_bytes, ..LiteralOptions::default() });
    }
    all
}

fn show<T: Serialize + ?Sized>(value: &T) -> String {
    String::from_utf8(to_literal(value, &modern()).unwrap()).unwrap()
}

#[derive(Serialize)]
struct Unit;
#[derive(Serialize)]
struct New(u8);
#[derive(Serialize)]
struct Pair(u8, &'static str);
#[derive(Serialize)]
struct Point {
    x: i8,
    y: Option<bool>,
}
#[derive(Clone, Copy, Serialize)]
enum Shape {
    Nothing,
    Circle(f32),
    Line(u8, u8),
    Rect {
        w: u8,
    },
    #[serde(rename = "it's")]
    Odd,
}

#[test]
fn rust_values_are_python_values() {
    assert_eq!(show(&()), "None");
    assert_eq!(show(&Unit), "None");
    assert_eq!(show(&(true, false)), "(True,False)");
    assert_eq!(show(&(None::<u8>, Some(5))), "(None,5)");
    assert_eq!(show(&(i128::MIN, u128::MAX)), format!("({},{})", i128::MIN, u128::MAX));
    assert_eq!(show(&(u64::MAX, i64::MIN)), format!("({},{})", u64::MAX, i64::MIN));
    assert_eq!(show(&(1.5_f32, 0.1_f32, -3.0)), "(1.5,.1,-3.)");
    assert_eq!(show(&(5,)), "(5,)");
    assert_eq!(show(&[(); 0]), "()");
    assert_eq!(show(&[1, 2]), "(1,2)");
    assert_eq!(show(&vec![1, 2]), "[1,2]");
    assert_eq!(show(&Vec::<u8>::new()), "[]");
    assert_eq!(show(&vec![vec![1], vec![], vec![2, 3]]), "[[1],[],[2,3]]");
    assert_eq!(show(&vec![Some(1), None, Some(2)]), "[1,None,2]");
    assert_eq!(show(&vec![(1, 2.5), (3, 4.0)]), "[(1,2.5),(3,4.)]");
    assert_eq!(show(&New(7)), "7");
    assert_eq!(show(&Pair(7, "seven is a number")), "(7,'seven is a number')");
    assert_eq!(show(&Point { x: -1, y: None }), "{'x':-1,'y':None}");
    assert_eq!(show(&BTreeMap::from([(1, 'a'), (2, 'b')])), "{1:b'a'.decode(),2:b'b'.decode()}");
    assert_eq!(show(&BTreeMap::from([((1, 2), 3)])), "{(1,2):3}");
    assert_eq!(show(&BTreeMap::<u8, u8>::new()), "{}");
    assert_eq!(show(&Shape::Nothing), "'Nothing'");
    assert_eq!(show(&Shape::Circle(2.0)), "{'Circle':2.}");
    assert_eq!(show(&Shape::Line(1, 2)), "{'Line':(1,2)}");
    assert_eq!(show(&Shape::Rect { w: 3 }), "{'Rect':{'w':3}}");
    assert_eq!(show(&Shape::Odd), "b\"it's\".decode()");
    assert_eq!(show(Bytes::new(b"\0\x07\x107\x108\xff'")), r#"b"\0\7\0207\208\xff'""#);
    assert_eq!(show("tab\there, line\r\nends"), r"'tab\11here, line\r\nends'");
    assert_eq!(show("é€😀 and more"), r"'\xe9\u20ac\U0001f600 and more'");
}

#[test]
fn short_strings_leave_nothing_on_the_board() {
    assert_eq!(show(""), "''");
    assert_eq!(show("abcd"), "b'abcd'.decode()");
    assert_eq!(show("abcdef"), "'abcdef     '[:6]");
    assert_eq!(show("abcdefghij"), "'abcdefghij '[:10]");
    assert_eq!(show("abcdefghijk"), "'abcdefghijk'");
    let old = LiteralOptions::default();
    assert_eq!(to_literal("é", &old).unwrap(), b"'\\xe9         '[:1]");
    assert_eq!(to_literal(Bytes::new(b"ab"), &old).unwrap(), b"b'ab         '[:2]");
}

#[test]
fn arguments_stand_side_by_side() {
    let mut args = Args::new();
    assert!(args.is_empty());
    args.push(&26).unwrap();
    assert_eq!(args.buf.capacity(), 32, "one allocation");
    args.push("a string of text").unwrap();
    args.push(&vec![1, 2]).unwrap();
    assert!(args.push(&BTreeMap::from([(vec![1], 1)])).is_err());
    args.push(&None::<()>).unwrap();
    assert_eq!(args.len(), 4);
    let mut out = Vec::new();
    args.write(&mut out, &modern());
    assert_eq!(out, b"26,'a string of text',[1,2],None");
}

#[test]
fn what_no_board_could_take_is_refused_before_anything_is_sent() {
    #[derive(Serialize)]
    struct Deep(Vec<Deep>);
    let deep = |levels| (1..levels).fold(Deep(vec![]), |inner, _| Deep(vec![inner]));
    assert_eq!(show(&deep(64)), "[".repeat(64) + &"]".repeat(64));
    assert_eq!(Args::new().push(&deep(65)), Err(EncodeError::TooDeep));
    // Levels count, not containers.
    assert!(Args::new().push(&[Shape::Line(1, 2), Shape::Rect { w: 1 }].repeat(100)).is_ok());

    let big = vec![0_u8; 5 << 20];
    for result in [
        Args::new().push(Bytes::new(&big)),
        Args::new().push(std::str::from_utf8(&big).unwrap()),
        Args::new().push(&big),
        Args::new().push(&vec![1.0_f64; 600_000]),
        Args::new().push(&vec![1.0_f32; 1_200_000]),
        Args::new().push(&vec![(1, 2.0); 400_000]),
    ] {
        assert_eq!(result, Err(EncodeError::TooLarge));
    }
    assert!(Args::new().push(Bytes::new(&big[..4 << 20])).is_ok());

    for (result, found) in [
        (Args::new().push(&BTreeMap::from([(vec![1], 1)])), "list"),
        (Args::new().push(&BTreeMap::from([((1, vec![1]), 1)])), "list"),
        (Args::new().push(&BTreeMap::from([(BTreeMap::from([(1, 1)]), 1)])), "dict"),
    ] {
        assert_eq!(result, Err(EncodeError::Key { found }));
    }
    assert_eq!(show(&BTreeMap::from([(1, vec![BTreeMap::from([(2, vec![3])])])])), "{1:[{2:[3]}]}");
}

/// Everything that lists of numbers can be written for.
fn packing() -> LiteralOptions {
    LiteralOptions { array: true, raw: true, ..modern() }
}

/// The typecode and the bytes of a packed list.
fn unpacked(text: &[u8]) -> Option<(char, Vec<u8>)> {
    let options = packing();
    let inside = text.strip_prefix(b"[x for x in ")?.strip_suffix(b"]")?;
    let (code, literal) = match inside.strip_prefix(b"__import__('array').array('") {
        Some([code, rest @ ..]) => (char::from(*code), rest.strip_prefix(b"',")?.strip_suffix(b")")?),
        _ => ('B', inside),
    };
    match lex(literal, &options)? {
        Lexed::Bytes(data) => Some((code, data)),
        Lexed::Str(_) => None,
    }
}

#[test]
fn long_lists_of_numbers_are_packed_at_the_smallest_width() {
    fn packed<T: Serialize>(values: Vec<T>) -> (char, usize) {
        let text = to_literal(&values, &packing()).unwrap();
        let (code, data) = unpacked(&text).unwrap_or_else(|| panic!("{}", text.escape_ascii()));
        (code, data.len())
    }
    let ints = |low: i64, high: i64| packed((0..200).map(|i| if i % 2 == 0 { low } else { high }).collect());
    assert_eq!(ints(99, 255), ('B', 200));
    assert_eq!(ints(-128, 127), ('b', 200));
    assert_eq!(ints(255, 256), ('H', 400));
    assert_eq!(ints(-100, 128), ('h', 400));
    assert_eq!(ints(0x1234_5678, 0x789a_bcde), ('I', 800));
    assert_eq!(ints(-0x1234_5678, 0x789a_bcde), ('i', 800));
    assert_eq!(ints(-1_234_567_890_123, 1_234_567_890_123), ('q', 1600));
    assert_eq!(ints(i64::MIN, i64::MAX), ('q', 1600));
    assert_eq!(packed(vec![std::f32::consts::PI; 200]), ('f', 800));
    assert_eq!(packed(vec![0.1 + 0.2; 200]), ('d', 1600));
    // What loses nothing as a float32.
    assert_eq!(packed(vec![f64::from(0.1_f32); 200]), ('f', 800));
    assert_eq!(packed([f64::from(0.1_f32), -0.0, f64::NEG_INFINITY].repeat(99)), ('f', 1188));
    assert_eq!(packed([vec![f64::from(0.1_f32); 200], vec![1e300]].concat()), ('d', 1608));
    let narrow = LiteralOptions { float_bits: 32, ..packing() };
    let text = to_literal(&vec![std::f64::consts::PI; 200], &narrow).unwrap();
    assert_eq!(unpacked(&text), Some(('f', std::f32::consts::PI.to_le_bytes().repeat(200))));

    let no_array = LiteralOptions { array: false, struct_module: "ustruct", ..packing() };
    let text = to_literal(&(1, vec![1000; 40]), &no_array).unwrap();
    assert_eq!(
        text,
        [&b"(1,[x for x in __import__('ustruct').unpack(40*'H',b'"[..], &b"\xe8\\3".repeat(40), b"')])"].concat()
    );

    // What is shorter as text is text.
    for options in [modern(), packing(), no_array] {
        let ints = to_literal(&(0..16).collect::<Vec<_>>(), &options).unwrap();
        assert_eq!(ints, b"[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]");
        let floats = to_literal(&vec![0.5_f32; 16], &options).unwrap();
        assert_eq!(floats, format!("[{}]", [".5"; 16].join(",")).into_bytes());
    }
    // A board has all items of one display on its stack.
    let (one, rest) = (["None"; 512].join(","), ["None"; 11].join(","));
    assert_eq!(show(&vec![(); 1035]), format!("[{one}]+[{one}]+[{rest}]"));
    let late: Vec<_> = (0..1024).map(|i| (i < 513).then_some(1)).collect();
    let (ones, nones) = (["1"; 512].join(","), ["None"; 511].join(","));
    assert_eq!(show(&late), format!("[{ones}]+[1,{nones}]"));
    assert_eq!(show(&vec![Some(1); 512]), format!("[{ones}]"));

    let text = (0..20).map(|i| i.to_string()).collect::<Vec<_>>().join(",");
    // No list of numbers of one type.
    assert_eq!(show(&vec![Some(1); 20]), format!("[{}]", vec!["1"; 20].join(",")));
    let mixed: Vec<_> = (0..20).map(|i| (i != 17).then_some(i)).collect();
    assert_eq!(show(&mixed), format!("[{}]", text.replace("17", "None")));
    let huge: Vec<_> = (0..20_u64).map(|i| if i == 18 { u64::MAX } else { i }).collect();
    assert_eq!(show(&huge), format!("[{}]", text.replace("18", &u64::MAX.to_string())));
    // 44 is a comma, also where it is the last byte of a float.
    let comma = f64::from_bits(0x2c00_0000_0000_002c_u64.swap_bytes());
    assert_eq!(show(&vec![Ok::<_, ()>(comma)]).matches(',').count(), 0);
}

/// What a board makes of one string expression; `None` if it is anything else.
#[derive(Debug, PartialEq)]
enum Lexed {
    Str(Vec<u8>),
    Bytes(Vec<u8>),
}

fn lex(text: &[u8], options: &LiteralOptions) -> Option<Lexed> {
    let (is_bytes, rest) = text.strip_prefix(b"b").map_or((false, text), |rest| (true, rest));
    let (&quote, mut rest) = rest.split_first()?;
    if quote != b'\'' && quote != b'"' {
        return None;
    }
    let mut value: Vec<u8> = Vec::new();
    let mut push = |code: u32| -> Option<()> {
        if is_bytes {
            value.push(u8::try_from(code).ok()?);
        } else {
            value.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Some(())
    };
    let mut raw = Vec::new();
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        if byte >= 0x80 {
            raw.push(byte);
            if is_bytes {
                push(byte.into())?;
            } else if let Ok(text) = std::str::from_utf8(&raw) {
                push(text.chars().next()?.into())?;
            } else {
                continue;
            }
            raw.clear();
            continue;
        }
        match byte {
            _ if byte == quote => break,
            b'\n' | b'\r' => return None,
            b'\\' => {
                let (&escape, after) = rest.split_first()?;
                let digits = |count: usize| std::str::from_utf8(after.get(..count)?).ok();
                let (code, used) = match escape {
                    b'n' => (10, 0),
                    b'r' => (13, 0),
                    b'\\' | b'\'' | b'"' => (escape.into(), 0),
                    b'x' => (u32::from_str_radix(digits(2)?, 16).ok()?, 2),
                    b'u' if !is_bytes => (u32::from_str_radix(digits(4)?, 16).ok()?, 4),
                    b'U' if !is_bytes => (u32::from_str_radix(digits(8)?, 16).ok()?, 8),
                    b'0'..=b'7' => {
                        let more = after.iter().take(2).take_while(|b| (b'0'..=b'7').contains(b)).count();
                        (u32::from_str_radix(std::str::from_utf8(rest.get(..=more)?).ok()?, 8).ok()?, more)
                    }
                    _ => return None,
                };
                push(code)?;
                rest = after.get(used..)?;
            }
            _ => push(byte.into())?,
        }
    }
    let length = value.len();
    let kept = length > 0 && length <= 10;
    let lexed = if let Some(end) = rest.strip_prefix(b"[:").and_then(|rest| rest.strip_suffix(b"]")) {
        let end: usize = std::str::from_utf8(end).ok()?.parse().ok()?;
        if is_bytes {
            Lexed::Bytes(value.get(..end)?.to_vec())
        } else {
            Lexed::Str(String::from_utf8(value).ok()?.chars().take(end).collect::<String>().into_bytes())
        }
    } else if is_bytes && rest == b".decode()" && options.decode {
        Lexed::Str(value)
    } else if !rest.is_empty() {
        return None;
    } else if is_bytes {
        Lexed::Bytes(value)
    } else {
        Lexed::Str(value)
    };
    // What would stay on the board for ever.
    (!(kept && (!is_bytes || options.pad_bytes))).then_some(lexed)
}

/// The line acts on none of these bytes.
fn harmless(text: &[u8], options: &LiteralOptions) -> bool {
    text.iter().all(|byte| match byte {
        0..=5 | 0x11 | 0x13 | b'\r' | b'\n' => false,
        b' '..=b'~' => true,
        _ => options.raw,
    })
}

/// Everything that a value could try in order to be more than a value.
fn hostile() -> Vec<String> {
    const SEEDS: [&str; 52] = [
        "'",
        "\"",
        "'''",
        "\"\"\"",
        "\\",
        "\\\\",
        "\\'",
        "\\\"",
        "'\\",
        "\"\\",
        "\\\n",
        "\n",
        "\r",
        "\r\n",
        "\0",
        "\x01",
        "\x02",
        "\x03",
        "\x04",
        "\x05",
        "\x04\x04>",
        "\x05A\x01",
        "\x1b[A",
        "\x7f",
        "\x08",
        "\t",
        "\x11\x13",
        "\\x41",
        "\\x4",
        "\\101",
        "\\N{BULLET}",
        "\\u0041",
        "\\ud800",
        "\\U00110000",
        "\u{0}1",
        "\u{1}7",
        "\u{7}8",
        "{0}",
        "{__import__('os')}",
        "%s%n",
        "f'{x}'",
        "');import os;(",
        "'+__import__('os').getcwd()+'",
        "']",
        "'[:0]",
        "#",
        "\u{feff}",
        "\u{2028}",
        "\u{e9}",
        "\u{ffff}",
        "\u{10ffff}",
        "aé'\\\"€\n",
    ];
    let mut all = Vec::new();
    for seed in SEEDS {
        all.push(seed.to_owned());
        all.push(seed.repeat(3));
        all.push(format!("{seed}12345678901"));
        all.push(format!("12345678901{seed}"));
        all.push(format!("7{seed}\"'{seed}"));
    }
    all
}

#[test]
fn no_string_is_more_than_a_string() {
    let corpus = hostile();
    assert!(corpus.len() >= 200);
    for options in all_options() {
        for value in &corpus {
            let text = to_literal(value, &options).unwrap();
            assert_eq!(lex(&text, &options), Some(Lexed::Str(value.clone().into_bytes())), "{value:?} {options:?}");
            assert!(harmless(&text, &options), "{value:?} {options:?}");
            let text = to_literal(Bytes::new(value.as_bytes()), &options).unwrap();
            assert_eq!(lex(&text, &options), Some(Lexed::Bytes(value.clone().into_bytes())), "{value:?} {options:?}");
            assert!(harmless(&text, &options), "{value:?} {options:?}");
        }
    }
}

/// Reads lines of `literal-in-hex value-in-hex`, accepts nothing but values in the literals, and compares.
const JUDGE: &str = r#"
import ast, sys
def value(node):
    if isinstance(node, ast.Constant): return node.value
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and node.slice.lower is None:
        return value(node.value)[:value(node.slice.upper)]
    if isinstance(node, ast.Call) and not node.args and not node.keywords and node.func.attr == 'decode':
        return node.func.value.value.decode()
    raise ValueError(ast.dump(node))
count = 0
for line in sys.stdin:
    text, expected = (bytes.fromhex(word) for word in line.split(' '))
    got = value(ast.parse(text, mode='eval').body)
    assert (got.encode() if isinstance(got, str) else got) == expected, (text, got, expected)
    count += 1
print(count)
"#;

#[test]
fn another_python_reads_the_same_strings() {
    let spawned = Command::new("python3").args(["-c", JUDGE]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut python = match spawned {
        Ok(python) => python,
        Err(error) => return println!("left out: python3 cannot be started ({error})"),
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut lines = String::new();
    let mut count = 0;
    // CPython alone wants bytes literals in ASCII.
    for options in all_options().into_iter().filter(|options| !options.raw) {
        for value in hostile() {
            for text in
                [to_literal(&value, &options).unwrap(), to_literal(Bytes::new(value.as_bytes()), &options).unwrap()]
            {
                lines.push_str(&format!("{} {}\n", hex(&text), hex(value.as_bytes())));
                count += 1;
            }
        }
    }
    python.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), count.to_string());
}

#[test]
fn raw_bytes_cost_little_more_than_themselves() {
    let value: Vec<u8> = (0..32 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let size = |raw| to_literal(Bytes::new(&value), &LiteralOptions { raw, ..modern() }).unwrap().len() as f64;
    let (raw, escaped) = (size(true) / 32768.0, size(false) / 32768.0);
    println!("32 KiB of random bytes: factor {raw:.3} raw, {escaped:.3} escaped");
    assert!(raw < 1.06 && escaped < 2.75, "{raw} {escaped}");
    let probe = raw_probe();
    assert_eq!(lex(&probe, &LiteralOptions { raw: true, ..modern() }), Some(Lexed::Bytes((0..=255).collect())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_string_is_read_as_it_is(value in "(?s).{0,24}", which in 0..8_usize) {
        let options = &all_options()[which];
        let text = to_literal(&value, options).unwrap();
        prop_assert!(harmless(&text, options), "{}", text.escape_ascii());
        prop_assert_eq!(lex(&text, options), Some(Lexed::Str(value.into_bytes())), "{}", text.escape_ascii());
    }

    #[test]
    fn every_bytes_is_read_as_it_is(value in prop::collection::vec(any::<u8>(), 0..24), which in 0..8_usize) {
        let options = &all_options()[which];
        let text = to_literal(Bytes::new(&value), options).unwrap();
        prop_assert!(harmless(&text, options), "{}", text.escape_ascii());
        prop_assert_eq!(lex(&text, options), Some(Lexed::Bytes(value)), "{}", text.escape_ascii());
    }

    #[test]
    fn a_list_is_its_items_with_commas(items in prop::collection::vec(prop_oneof![
        3 => any::<i64>().prop_map(Item::Int), 3 => (0..300_i64).prop_map(Item::Int), 1 => any::<f64>().prop_map(Item::Float),
        1 => any::<bool>().prop_map(Item::Bool), 1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Item::List),
    ], 0..40), same in any::<Option<bool>>()) {
        let items: Vec<_> = items.into_iter().filter(|item| match same {
            None => true,
            Some(true) => matches!(item, Item::Int(_)),
            Some(false) => matches!(item, Item::Float(_)),
        }).collect();
        let each: Vec<_> = items.iter().map(|item| to_literal(item, &packing()).unwrap()).collect();
        let text = [b"[", each.join(&b","[..]).as_slice(), b"]"].concat();
        let written = to_literal(&items, &packing()).unwrap();
        if written != text {
            prop_assert!(written.len() < text.len());
            let (code, data) = unpacked(&written).unwrap();
            prop_assert_eq!(numbers(code, &data), items.iter().map(Item::bits).collect::<Option<Vec<_>>>().unwrap());
        }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Item {
    Int(i64),
    Float(f64),
    Bool(bool),
    List(Vec<u8>),
}

impl Item {
    /// The int, or the float's bits.
    fn bits(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            Self::Float(value) => Some(value.to_bits().cast_signed()),
            Self::Bool(_) | Self::List(_) => None,
        }
    }
}

/// What a board makes of packed items, as `Item::bits`.
fn numbers(code: char, data: &[u8]) -> Vec<i64> {
    let width = match code {
        'b' | 'B' => 1,
        'h' | 'H' => 2,
        'i' | 'I' | 'f' => 4,
        _ => 8,
    };
    let item = |bytes: &[u8]| {
        let signed = code.is_lowercase() && bytes.last().is_some_and(|byte| *byte >= 0x80);
        let mut wide = [if signed { 0xff } else { 0 }; 8];
        wide[..width].copy_from_slice(bytes);
        match code {
            'f' => f64::from(f32::from_le_bytes([wide[0], wide[1], wide[2], wide[3]])).to_bits().cast_signed(),
            _ => i64::from_le_bytes(wide),
        }
    };
    data.chunks_exact(width).map(item).collect()
}

#[test]
fn arguments_are_shown_as_they_were_passed() {
    let mut args = Args::new();
    args.push("abcdef").unwrap();
    args.push("it's ü\n").unwrap();
    args.push(Bytes::new(b"\0ab\xff")).unwrap();
    args.push(&0.1_f32).unwrap();
    args.push(&[0.1 + 0.2, -0.0, f64::NAN, f64::NEG_INFINITY]).unwrap();
    args.push(&(1..=20).collect::<Vec<i64>>()).unwrap();
    args.push(&vec![Some(true); 600]).unwrap();
    args.push(&BTreeMap::from([("a]+['", 1)])).unwrap();
    args.push(&Point { x: -1, y: None }).unwrap();
    let numbers = (1..=20).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let expected = [
        "'abcdef'",
        "\"it's ü\\n\"",
        "b'\\0ab\\xff'",
        "0.1",
        "(0.30000000000000004,-0.0,nan,-inf)",
        &format!("[{numbers}]"),
        &format!("[{}]", ["True"; 600].join(",")),
        "{\"a]+['\":1}",
        "{'x':-1,'y':None}",
    ];
    assert_eq!(args.shown(), expected.join(","));
}
