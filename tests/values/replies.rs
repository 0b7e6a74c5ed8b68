//! What Python returns and raises, as it arrives.

use belay::{Error, Trust, WayOut};

use crate::{
    board::{Mirror, Reading, board, unix_port},
    value::{Key, Value, list},
};

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
        // Typecodes, each at its borders.
        ("array.array('b', [-128, 127] * 4)", list([-128, 127].repeat(4))),
        ("array.array('B', [0, 255] * 4)", list([0, 255].repeat(4))),
        ("array.array('h', [-32768, 32767] * 4)", list([-32_768, 32_767].repeat(4))),
        ("array.array('H', [65535] * 8)", list([65_535; 8])),
        ("array.array('i', [-1 << 31, (1 << 31) - 1] * 4)", list([-1 << 31, (1 << 31) - 1].repeat(4))),
        ("array.array('I', [(1 << 32) - 1] * 8)", list([(1 << 32) - 1; 8])),
        ("array.array('L', [(1 << 32) - 1] * 3)", list([(1 << 32) - 1; 3])),
        ("array.array('q', [-1 << 63, (1 << 63) - 1] * 4)", list([-1 << 63, (1 << 63) - 1].repeat(4))),
        ("array.array('Q', [(1 << 64) - 1] * 8)", list([(1 << 64) - 1; 8])),
        ("array.array('d', [.1, -0.0] * 4)", list([0.1, -0.0].repeat(4))),
        ("array.array('f', [1, 2])", list([1.0, 2.0])),
        ("array.array('h')", list::<Value>([])),
        ("memoryview(array.array('h', [1, -2, 3]))[1:]", (&b"\xfe\xff\x03\0"[..]).into()),
        ("memoryview(bytearray(9))[:0]", (&b""[..]).into()),
        // Where ints become larger than a word of a board, of 31 and of 63 bits.
        (
            "[s * (1 << b) + o for b in (7, 8, 15, 16, 29, 30, 31, 32, 61, 62, 63) for s in (1, -1) for o in (-1, 0, 1)]",
            list(
                [7, 8, 15, 16, 29, 30, 31, 32, 61, 62, 63]
                    .into_iter()
                    .flat_map(|b| [1, -1].map(|s| [-1, 0, 1].map(|o| s * (1_i128 << b) + o)))
                    .flatten(),
            ),
        ),
        // A bool among ints is a bool, wherever it stands; zeros keep their sign.
        ("[0] * 8 + [False]", Value::List([vec![Value::Int(0); 8], vec![Value::Bool(false)]].concat())),
        ("[True] + [1] * 200", Value::List([vec![Value::Bool(true)], vec![Value::Int(1); 200]].concat())),
        ("(1,) * 200 + (True,)", Value::List([vec![Value::Int(1); 200], vec![Value::Bool(true)]].concat())),
        ("[-0.0, 0.0] * 9", list([-0.0, 0.0].repeat(9))),
        ("[0.1] * 8 + [float('nan')]", list([[0.1; 8].to_vec(), vec![f64::NAN]].concat())),
        ("(-0.0,)", list([-0.0])),
        // What is a list, a tuple or a dict of a program's own.
        ("Heap([1, 2, 3])", list([1, 2, 3])),
        ("Pair((1, 2))", list([1, 2])),
        ("collections.OrderedDict([(2, 3)])", Value::Dict(vec![(Key::Int(2), Value::Int(3))])),
        (
            "{b'k': b'', '': ''}",
            Value::Dict(vec![(Key::Bytes(b"k".to_vec()), (&b""[..]).into()), (Key::Str(String::new()), "".into())]),
        ),
        (
            "[[], (), {}, '', b'', set()]",
            Value::List(vec![
                list::<Value>([]),
                list::<Value>([]),
                Value::Dict(vec![]),
                "".into(),
                (&b""[..]).into(),
                list::<Value>([]),
            ]),
        ),
        ("[1.5, 1] * 5", list((0..10).map(|n| if n % 2 == 0 { Value::Float(1.5) } else { Value::Int(1) }))),
    ];
    let mut boards = vec![board(WayOut::Exact, Trust::Trusted).await, board(WayOut::Cooked, Trust::Trusted).await];
    boards.extend(unix_port(Trust::Trusted).await);
    for board in boards {
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
        ("(n for n in range(3))", "generator"),
        ("Degrees(3)", "Degrees"),
        ("[1] * 8 + [Degrees(3)]", "Degrees"),
        ("[Degrees(3)] * 8", "Degrees"),
        ("[1] * 200 + [Meters()]", "Meters"),
        ("[Meters()] * 9", "Meters"),
        ("Name('x')", "Name"),
        ("frozenset((1, 2))", "frozenset"),
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
async fn the_edges_of_text_and_of_keys() {
    let board = board(WayOut::Exact, Trust::Trusted).await;
    // A str that is no UTF-8 is no String.
    for text in ["'\\ud800'", "['\\ud83e', 1]", "{'\\udfff': 1}"] {
        match board.evaluate(text).await {
            Err(Error::WrongType { task, .. }) => assert_eq!(task, "evaluate"),
            // Or it is refused on the board.
            Err(Error::Exception { exception, .. }) => assert_eq!(exception.kind(), "UnicodeError", "{text}"),
            other => panic!("{text}: {other:?}"),
        }
        assert_eq!(board.evaluate("7").await.unwrap(), Value::Int(7));
    }
    let corners = board.corners().await.unwrap();
    assert_eq!(corners, std::collections::BTreeMap::from([((0, 1), 2.5), ((-1, 300), 0.0)]));
    // Every bit of a NaN, where it stands in a packed list.
    let nan = f64::from_bits(0x7ff8_0000_dead_beef);
    let came = board.bits(&[nan; 20]).await.unwrap();
    assert!(came.iter().all(|x| x.is_nan()), "{came:?}");
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
