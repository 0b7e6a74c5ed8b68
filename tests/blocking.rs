//! The blocking face: programs without async.

use std::time::{Duration, Instant};

use belay::{Device, Error, Result, blocking};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

mod common;

use common::Counter;

#[belay::device]
trait Board: Counter {
    #[belay::task(timeout = "200ms")]
    async fn spin(&self) -> Result<()> {
        "while True: pass"
    }

    async fn twice(&self) -> Result<u32> {
        self.count().await?;
        self.count().await
    }
}

#[test]
fn calls_are_waited_for_and_deadlines_hold() {
    let board = blocking::Device::open("sim:pico").unwrap();
    assert_eq!(board.wait(board.count()).unwrap(), 1);
    assert_eq!(board.wait(board.twice()).unwrap(), 3);
    let begun = Instant::now();
    let error = board.wait(board.spin()).unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(2));
    let quick = board.with_timeout(Duration::from_secs(3));
    assert_eq!(board.wait(quick.count()).unwrap(), 4, "the board was stopped, not reset");
    board.wait(board.session().exec("x = 1")).unwrap();
}

#[test]
fn streams_are_iterators() {
    let board = blocking::Device::open("sim:pico").unwrap();
    let numbers: Result<Vec<u32>> = board.iter(board.numbers(100)).collect();
    assert_eq!(numbers.unwrap(), (0..100).collect::<Vec<_>>());
    // With calls between the items, and left before the end.
    let mut sum = 0;
    for (item, n) in board.iter(board.numbers(1000)).zip(1..=20) {
        sum += item.unwrap();
        assert_eq!(board.wait(board.count()).unwrap(), n);
    }
    assert_eq!(sum, 190);
}

#[test]
fn threads_share_a_board() {
    let board = blocking::Device::open("sim:pico").unwrap();
    let counters: Vec<_> = (0..8)
        .map(|_| {
            let board = board.clone();
            std::thread::spawn(move || (0..10).map(|_| board.wait(board.count()).unwrap()).collect::<Vec<_>>())
        })
        .collect();
    let mut all: Vec<u32> = counters.into_iter().flat_map(|counter| counter.join().unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, (1..=80).collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_opened_is_an_error() {
    let error = blocking::Device::open("/dev/no-such-port").unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error}");
}

#[test]
fn the_last_handle_leaves_the_board_in_the_repl_for_people() {
    let sim = belay_sim::Board::start(&belay_sim::Options::default()).unwrap();
    let line = sim.connect();
    let board =
        blocking::Device::from_future("virtual", async { Device::builder().connect("virtual", line).await }).unwrap();
    assert_eq!(board.wait(board.count()).unwrap(), 1);
    let clone = board.clone();
    drop(board);
    assert_eq!(clone.wait(clone.count()).unwrap(), 2);
    drop(clone);
    // Only the REPL for people answers like this.
    let mut line = sim.connect();
    let answer = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        line.write_all(b"40+2\r").await.unwrap();
        let mut answer = String::new();
        while !answer.contains("42") {
            let byte = tokio::time::timeout(Duration::from_secs(5), line.read_u8()).await;
            answer.push(char::from(byte.expect("the board answers").unwrap()));
        }
        answer
    });
    assert!(answer.contains("40+2\r\n42"), "{answer:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn within_async_code_it_blocks_and_does_not_panic() {
    let board = blocking::Device::open("sim:pico").unwrap();
    // More than Tokio would let one poll of a task do.
    for n in 1..=300 {
        assert_eq!(board.wait(board.count()).unwrap(), n);
    }
    drop(board);
}
