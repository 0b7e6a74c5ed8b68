//! A session that lasts for months must not use the board up: a board keeps every short string that its compiler meets
//! until the next reset, so the calls themselves must never leave one behind.

use std::time::Duration;

use belay::{Device, Result, Trust};
use serde_bytes::ByteBuf;

#[path = "conformance/microbit.rs"]
mod microbit;

/// Calls on each kind of line, unless `BELAY_SOAK_CALLS` says how many.
const CALLS: u32 = 2_000;
/// The same on a micro:bit, unless `BELAY_SOAK_MICROBIT` says how many.
const CALLS_MICROBIT: u32 = 400;
/// How often the heap is looked at.
const LOOK_EVERY: u32 = 500;
/// Heap that one object more or less of the board's own may take: seven short strings.
const SLACK: u32 = 128;

#[belay::device]
trait Board {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import gc
        "#
    }

    #[belay::task]
    async fn echo(&self, text: &str, bytes: &ByteBuf, key: (i64, f64)) -> Result<(String, ByteBuf, (i64, f64))> {
        "return text, bytes, key"
    }

    /// As short as calls are: on a verified line the request itself is a literal.
    #[belay::task]
    async fn nothing(&self) -> Result<()> {
        "pass"
    }

    #[belay::task]
    async fn collect(&self) -> Result<()> {
        "gc.collect()"
    }

    #[belay::task]
    async fn free(&self) -> Result<u32> {
        "return gc.mem_free()"
    }

    /// What the test would see if calls left anything behind.
    #[belay::task]
    async fn leak(&self) -> Result<()> {
        r#"
        for n in range(200):
            exec('"key-%05d"' % n)
        "#
    }
}

async fn free(board: &Device) -> u32 {
    board.collect().await.unwrap();
    board.free().await.unwrap()
}

async fn board(trust: Trust) -> Device {
    let mut options = belay_sim::Options::default();
    options.heap = 64 * 1024;
    let board = belay_sim::Board::start(&options).expect("a virtual board starts");
    Device::builder().trust(trust).connect("virtual", board.connect()).await.expect("it is attached to")
}

/// Values that no call has had before, of all the lengths that are short: each once as text, once as bytes.
async fn call(board: &Device, n: u32) {
    let digits = format!("{n:05}");
    let text: String = digits.chars().chain("aé'\\".chars()).cycle().take(5 + n as usize % 8).collect();
    let bytes = ByteBuf::from([&n.to_be_bytes()[1..], b"'"].concat());
    // What few bits hold is the same on every board.
    let wide = board.session().capabilities().is_some_and(|c| c.float_bits == 64);
    let numbers = (i64::from(n) << 20, f64::from(n) + if wide { 1.0 / 3.0 } else { 0.25 });
    board.nothing().await.unwrap();
    let (text_back, bytes_back, numbers_back) = board.echo(&text, &bytes, numbers).await.unwrap();
    assert_eq!((text_back, bytes_back, numbers_back), (text, bytes, numbers));
}

async fn soak(what: &str, board: Device, setting: &str, usual: u32) {
    let calls = std::env::var(setting).ok().map_or(usual, |n| n.parse().expect("the number of calls is a number"));
    // Tables of the board grow to their size with the first calls.
    for n in 0..100 {
        call(&board, n).await;
    }
    let before = free(&board).await;
    let mut lowest = before;
    for n in 0..calls {
        call(&board, 100 + n).await;
        if n % LOOK_EVERY == LOOK_EVERY - 1 {
            lowest = lowest.min(free(&board).await);
        }
    }
    let after = free(&board).await;
    println!("{what}: {calls} calls, {before} bytes free before, {lowest} at the lowest, {after} after");
    assert!(
        after + SLACK >= before && lowest + SLACK >= before,
        "{before} bytes before, {lowest} lowest, {after} after"
    );

    board.leak().await.unwrap();
    let leaked = before.saturating_sub(free(&board).await);
    assert!(leaked > 10 * SLACK, "the test would not see what 200 short strings take: {leaked}");
}

const SETTING: &str = "BELAY_SOAK_CALLS";

#[tokio::test]
async fn calls_leave_nothing_behind_on_a_trusted_line() {
    soak("trusted", board(Trust::Trusted).await, SETTING, CALLS).await;
}

#[tokio::test]
async fn calls_leave_nothing_behind_on_a_verified_line() {
    soak("verified", board(Trust::Verified).await, SETTING, CALLS).await;
}

#[tokio::test]
async fn calls_leave_nothing_behind_on_a_microbit() {
    let microbit = match microbit::Microbit::start().await {
        Ok(microbit) => microbit,
        Err(reason) if std::env::var_os("CI").is_some() => panic!("{reason}"),
        Err(reason) => return println!("left out: {reason}"),
    };
    let board = Device::builder().open_timeout(Duration::from_secs(30)).open(&microbit.port).await;
    soak("micro:bit", board.expect("it is attached to"), "BELAY_SOAK_MICROBIT", CALLS_MICROBIT).await;
}
