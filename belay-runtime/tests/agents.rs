//! Both agents, in both forms, installed both ways, on a real interpreter: what each must do, and what it leaves free.

use std::time::Duration;

use belay_runtime::{
    __private::{Args, Argument, Kind, Origin, Scope, Task, call, returns},
    Device, Error, Exception, Result, Trust,
};
use belay_sim::{Board, Options, RawPaste};
use serde::de::DeserializeOwned;

static SCOPE: Scope = Scope { key: "agents::Everything", place: || "agents::Everything", setups: &[], teardowns: &[] };

const fn task(name: &'static str, params: &'static [&'static str], source: &'static str, hash: u64) -> Task {
    Task {
        name,
        kind: Kind::Task,
        params,
        source,
        hash,
        timeout: None,
        idempotent: false,
        origin: Origin { file: "agents.rs", lines: &[1, 2, 3, 4], text: &["", "", "", ""] },
        scope: &SCOPE,
    }
}

static HALVES: Task = task("halves", &["n"], "def halves(n):\n return n/2", 1);
static ECHO: Task = task("echo", &["value"], "def echo(value):\n return value", 2);
static RAISES: Task =
    task("raises", &["what"], "def raises(what):\n print('so far')\n raise eval(what)('not ' + 'now')", 3);
static SPINS: Task =
    Task { timeout: Some(Duration::from_millis(200)), ..task("spins", &[], "def spins():\n while True:\n  pass", 4) };
static FILLS: Task = task("fills", &[], "def fills():\n x = []\n while True:\n  x.append(bytearray(256))", 5);
static COUNTS: Task = task("counts", &[], "count = 0\ndef counts():\n global count\n count += 1\n return count", 6);
static NAMES: Task = task(
    "names",
    &[],
    "def names():\n import __main__\n return [n for n in dir(__main__) if n[:2] != '__' and n != 'machine']",
    7,
);
static FREE: Task = task("free", &[], "def free():\n import gc\n gc.collect()\n return gc.mem_free()", 8);

async fn plain<R: DeserializeOwned>(device: &Device, task: &'static Task) -> Result<R> {
    call(device, Args::new(task), returns()).await
}

async fn with<R: DeserializeOwned>(device: &Device, task: &'static Task, arg: impl Argument) -> Result<R> {
    let mut args = Args::new(task);
    args.push(&arg);
    call(device, args, returns()).await
}

fn exception<T: std::fmt::Debug>(outcome: Result<T>) -> Box<Exception> {
    match outcome {
        Err(Error::Exception { exception, .. }) => exception,
        other => panic!("an exception was expected, not {other:?}"),
    }
}

async fn attach(board: &Board, trust: Trust) -> Device {
    Device::builder().trust(trust).connect("agents", board.connect()).await.unwrap()
}

/// Everything that an agent must do, on a board with so much heap.
async fn everything(heap: u32, trust: Trust, raw_paste: RawPaste) {
    let mut options = Options::default();
    options.heap = heap;
    options.raw_paste = raw_paste;
    let board = Board::start(&options).unwrap();
    let device = attach(&board, trust).await;
    let before = device.session().capabilities().unwrap().free_heap;

    let free: u32 = plain(&device, &FREE).await.unwrap();
    assert!(free > before / 2, "{free} of {before} bytes are left");
    assert_eq!(plain::<Vec<String>>(&device, &NAMES).await.unwrap(), ["_b"]);

    assert_eq!(with::<f64>(&device, &HALVES, 5).await.unwrap(), 2.5);
    let text: String = "'\"\\\n\r\t\u{4}ä".repeat(40);
    assert_eq!(with::<String>(&device, &ECHO, &text).await.unwrap(), text);
    let list: Vec<i64> = (0..40).map(|i| (i - 20) * 1_000_000_007).collect();
    assert_eq!(with::<Vec<i64>>(&device, &ECHO, &list).await.unwrap(), list);
    assert_eq!(plain::<u32>(&device, &COUNTS).await.unwrap(), 1);

    let mut output = device.session().output();
    for kind in ["ValueError", "SystemExit", "KeyboardInterrupt"] {
        let raised = exception(with::<()>(&device, &RAISES, kind).await);
        assert_eq!((raised.kind(), raised.message()), (kind, "not now"));
    }
    assert_eq!(output.take_text(), "so far\r\n".repeat(3));
    assert_eq!(exception(plain::<()>(&device, &FILLS).await).kind(), "MemoryError");
    match plain::<()>(&device, &SPINS).await {
        Err(Error::TimedOut { .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(plain::<u32>(&device, &COUNTS).await.unwrap(), 2);

    // Another program finds everything where it was.
    drop(device);
    let device = attach(&board, trust).await;
    let sent = device.session().traffic();
    assert_eq!(plain::<u32>(&device, &COUNTS).await.unwrap(), 3);
    assert!((device.session().traffic() - sent).bytes_out < 20, "it was deployed again");
    device.session().soft_reset().await.unwrap();
    assert_eq!(plain::<u32>(&device, &COUNTS).await.unwrap(), 1);
}

const FULL: u32 = 96 * 1024;
const TINY: u32 = 30 * 1024;

#[tokio::test]
async fn the_full_agent_of_a_trusted_line() {
    everything(FULL, Trust::Trusted, RawPaste::Windows).await;
}

#[tokio::test]
async fn the_full_agent_of_a_verified_line() {
    everything(FULL, Trust::Verified, RawPaste::Windows).await;
}

#[tokio::test]
async fn the_tiny_agent_of_a_trusted_line() {
    everything(TINY, Trust::Trusted, RawPaste::Windows).await;
}

#[tokio::test]
async fn the_tiny_agent_of_a_verified_line() {
    everything(TINY, Trust::Verified, RawPaste::Windows).await;
}

#[tokio::test]
async fn the_full_agent_without_raw_paste() {
    everything(FULL, Trust::Verified, RawPaste::Refused).await;
}

#[tokio::test]
async fn the_tiny_agent_without_raw_paste() {
    everything(TINY, Trust::Verified, RawPaste::Unknown).await;
}
