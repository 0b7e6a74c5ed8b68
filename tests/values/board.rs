//! The virtual board that the tests talk to, with every way in which bytes leave boards.

use std::{collections::BTreeMap, time::Duration};

use belay::{Device, Result, Trust, WayOut};
use serde::{Deserialize, de};
use serde_bytes::ByteBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::value::Value;

#[belay::device]
pub(crate) trait Mirror {
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
        class Heap(list):
            pass
        class Pair(tuple):
            pass
        class Degrees(int):
            pass
        class Name(str):
            pass
        class Meters:
            def __int__(self):
                return 5
            def __lt__(self, other):
                return True
            __gt__ = __eq__ = __radd__ = __lt__
            def __invert__(self):
                return -6
            def __hash__(self):
                return 5
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
    async fn echo_ints(&self, value: &[i64]) -> Result<Vec<i64>> {
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
    async fn corners(&self) -> Result<BTreeMap<(i32, i32), f64>> {
        "return {(0, 1): 2.5, (-1, 300): 0.}"
    }

    #[belay::task]
    async fn bits(&self, value: &[f64]) -> Result<Vec<f64>> {
        "return value"
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
pub(crate) struct Reading {
    pub(crate) temp: f32,
}

/// A board as it is; or one whose `sys.stdout` has only a `write` that makes `\r\n` of `\n`, as on boards without
/// `sys.stdout.buffer`; or one that can only print, as on old firmware.
pub(crate) async fn board(way: WayOut, trust: Trust) -> Device {
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
    let found = board.session().capabilities().expect("it says what it can do").way_out;
    assert_eq!(found, way);
    board
}

/// A board with so much heap that answers so when it is asked for raw-paste.
pub(crate) async fn attached(heap: u32, raw_paste: belay_sim::RawPaste, trust: Trust) -> Device {
    let mut options = belay_sim::Options::default();
    options.heap = heap;
    options.raw_paste = raw_paste;
    let board = belay_sim::Board::start(&options).expect("a virtual board starts");
    Device::builder().trust(trust).connect("virtual", board.connect()).await.expect("it is attached to")
}

/// MicroPython's unix port, whose ints and floats have 64 bits. On CI it must be there.
pub(crate) async fn unix_port(trust: Trust) -> Option<Device> {
    let Ok(program) = std::env::var("BELAY_UNIX_PORT") else {
        assert!(std::env::var_os("CI").is_none(), "BELAY_UNIX_PORT does not name MicroPython's unix port");
        println!("left out: BELAY_UNIX_PORT does not name MicroPython's unix port");
        return None;
    };
    Some(Device::builder().trust(trust).open(&format!("exec:{program} -i")).await.expect("it is attached to"))
}

/// Sends what the raw REPL acts on, and waits for what must come.
pub(crate) async fn talk(port: &mut belay_sim::Port, send: &str, until: &str) {
    port.write_all(send.as_bytes()).await.unwrap();
    let mut came = Vec::new();
    while !came.ends_with(until.as_bytes()) {
        let read = tokio::time::timeout(Duration::from_secs(5), port.read_buf(&mut came)).await;
        assert!(matches!(read, Ok(Ok(1..))), "{read:?} after {}", came.escape_ascii());
    }
    assert!(!came.windows(9).any(|part| part == b"Traceback"), "{}", came.escape_ascii());
}
