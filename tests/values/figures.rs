//! Bytes on the wire and time on the board, against `print(repr(value))` in the same run.

use std::time::{Duration, Instant};

use belay::{Device, Trust, WayOut};

use crate::board::{Mirror, board};

/// How often each is timed: at least, and at most while something else takes the machine's time.
const LEAST_ROUNDS: u32 = 4;
const MOST_ROUNDS: u32 = 60;

/// What is kept on the board for the figures below.
const FIGURES: [(&str, &str); 6] = [
    ("1,000 ints below 1,000", "list(range(1000))"),
    ("1,000 float64", "[x / 7 for x in range(1000)]"),
    ("1,000 float32", "list(array.array('f', [x / 7 for x in range(1000)]))"),
    ("4 KB of bytes", "bytes(range(256)) * 16"),
    ("1,000 ints and floats in turn", "[x if x % 2 else x / 7 for x in range(1000)]"),
    ("100 dicts of 3", "[{'id': x, 'temp': x / 7, 'name': 'sensor'} for x in range(100)]"),
];

#[tokio::test]
async fn values_take_few_bytes_on_the_wire() {
    let board = board(WayOut::Exact, Trust::Trusted).await;
    let most = [2_050, 8_050, 4_050, 4_110, 8_000, 4_000];
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

/// Rates of lines, in bits a second, ten of them a byte: a UART, a USB stack as it was measured, the most that USB at
/// full speed carries; 0 takes no time.
const RATES: [u32; 4] = [115_200, 1_800_000, 10_000_000, 0];

async fn on_line(baud: u32) -> Device {
    let mut options = belay_sim::Options::default();
    options.heap = 512 * 1024;
    let board = belay_sim::Board::start(&options).expect("a virtual board starts");
    let mut line = belay_sim::LineOptions::default();
    line.to_host.baud = baud;
    let line = belay_sim::Line::new(board.connect(), &line);
    Device::builder().trust(Trust::Trusted).connect("virtual", line).await.expect("it is attached to")
}

async fn timed(call: impl Future<Output = ()>) -> Duration {
    let begun = Instant::now();
    call.await;
    begun.elapsed()
}

/// Times of a value as a reply and with `print(repr(value))`, and what one is to the other: each the fastest of so many
/// that other programs do not count, less an empty call.
async fn against_repr(board: &Device, name: &str, enough: impl Fn(f64) -> bool) -> (Duration, Duration, f64) {
    let [mut empty, mut given, mut shown] = [Duration::MAX; 3];
    for round in 1.. {
        empty = empty.min(timed(async { assert_eq!(board.count_hits().await.unwrap(), 0) }).await);
        given = given.min(timed(async { assert!(board.give_raw(name).await.is_ok()) }).await);
        shown = shown.min(timed(async { board.show(name).await.unwrap() }).await);
        let [given, shown] = [given, shown].map(|time| time.saturating_sub(empty));
        let ratio = given.as_secs_f64() / shown.as_secs_f64();
        if round >= LEAST_ROUNDS && enough(ratio) || round == MOST_ROUNDS {
            return (given, shown, ratio);
        }
    }
    unreachable!("the rounds have an end");
}

#[tokio::test]
async fn lists_of_one_type_are_not_slower_than_with_repr_on_lines() {
    for baud in RATES {
        let board = on_line(baud).await;
        for (name, expression) in FIGURES {
            board.keep(name, expression).await.unwrap();
            let of_one_type = !name.contains("dicts") && !name.contains("in turn");
            // What looks at each item of a list goes through the host here, see docs/values.md.
            let free = baud > 2_000_000 || baud == 0;
            let faster = of_one_type && !(free && name.contains("ints"));
            let (given, shown, ratio) = against_repr(&board, name, |ratio| ratio < 1.0 || !faster).await;
            let line = if baud == 0 { "memory".to_owned() } else { format!("{} KB/s", f64::from(baud) / 1e4) };
            println!("{line}: {name}: {given:.1?} against {shown:.1?} with repr: {ratio:.2}");
            assert!(!faster || ratio < 1.0, "{line}: {name}: {ratio}");
        }
    }
}
