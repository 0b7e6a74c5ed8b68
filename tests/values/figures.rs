//! Bytes on the wire and time on the board, against `print(repr(value))` in the same run.

use std::time::{Duration, Instant};

use belay::{Trust, WayOut};

use crate::board::{Mirror, board};

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

#[tokio::test]
async fn lists_of_one_type_are_faster_than_with_repr() {
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
        let begun = board.session().traffic();
        board.give(name).await.unwrap();
        let between = board.session().traffic();
        board.show(name).await.unwrap();
        let bytes = [between - begun, board.session().traffic() - between].map(|traffic| traffic.bytes_in as f64);
        let given = fastest(async || assert!(board.give_raw(name).await.is_ok())).await - empty;
        let shown = fastest(async || board.show(name).await.unwrap()).await - empty;
        let own = given.as_secs_f64() / shown.as_secs_f64();
        // This board's output takes no time. A UART's is part of a board's own time: it waits for the line.
        let at = |baud: f64| {
            let [given, shown] =
                [(given, bytes[0]), (shown, bytes[1])].map(|(time, n)| time.as_secs_f64() + n * 10.0 / baud);
            given / shown
        };
        let (slow, fast) = (at(115_200.0), at(1_000_000.0));
        println!(
            "{name}: {given:.1?} against {shown:.1?} with repr: {own:.2}; {slow:.2} at 115,200 baud, {fast:.2} at 1,000,000"
        );
        let of_one_type = !name.contains("dicts") && !name.contains("in turn");
        assert!(!of_one_type || slow < 0.6, "{name}: {slow}");
        // What looks at each item goes through the host here, see docs/values.md.
        assert!(own < 1.0 || !["1,000 float64", "4 KB of bytes"].contains(&name), "{name}: {own}");
    }
}
