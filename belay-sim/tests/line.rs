//! The modelled line, with scripted peers and a clock that stands still while anything can happen.

use std::time::Duration;

use belay_sim::{Counters, Direction, Fault, FaultKind, Line, LineOptions, Noise, Unread, Way};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);

fn line(options: &LineOptions) -> (Line, DuplexStream) {
    let (peer, board) = duplex(64 * 1024);
    (Line::new(peer, options), board)
}

fn slow(latency: Duration, baud: u32) -> LineOptions {
    let way = Way { latency, baud };
    LineOptions { to_board: way, to_host: way, ..LineOptions::default() }
}

fn scripted(direction: Direction, faults: &[(u64, FaultKind)]) -> LineOptions {
    let faults = faults.iter().map(|&(at, kind)| Fault { direction, at, kind }).collect();
    LineOptions { faults, ..LineOptions::default() }
}

/// What arrives within a second of silence.
async fn heard(from: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(Ok(1..)) = timeout(1000 * MS, from.read_buf(&mut all)).await {}
    all
}

#[tokio::test(start_paused = true)]
async fn a_byte_takes_the_latency_each_way() {
    let (mut line, mut board) = line(&slow(20 * MS, 0));
    let start = Instant::now();
    line.write_all(b"?").await.unwrap();
    assert_eq!(board.read_u8().await.unwrap(), b'?');
    assert_eq!(start.elapsed(), 20 * MS);
    board.write_all(b"!").await.unwrap();
    assert_eq!(line.read_u8().await.unwrap(), b'!');
    assert_eq!(start.elapsed(), 40 * MS);
}

#[tokio::test(start_paused = true)]
async fn the_ways_differ() {
    let options = LineOptions {
        to_board: Way { latency: 5 * MS, baud: 0 },
        to_host: Way { latency: 70 * MS, baud: 0 },
        ..LineOptions::default()
    };
    let (mut line, mut board) = line(&options);
    let start = Instant::now();
    line.write_all(b"?").await.unwrap();
    board.read_u8().await.unwrap();
    assert_eq!(start.elapsed(), 5 * MS);
    board.write_all(b"!").await.unwrap();
    line.read_u8().await.unwrap();
    assert_eq!(start.elapsed(), 75 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_baud_rate_is_ten_bits_a_byte() {
    let (mut line, mut board) = line(&slow(Duration::ZERO, 9600));
    let sent: Vec<u8> = (0..960_u32).map(|i| i as u8).collect();
    let start = Instant::now();
    line.write_all(&sent).await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO, "the driver's buffer takes it");
    let mut got = vec![0; 960];
    board.read_exact(&mut got).await.unwrap();
    assert_eq!(got, sent);
    // 960 bytes of 1.0416 ms each.
    assert!((999 * MS..=1001 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_writer_waits_for_a_slow_wire() {
    let (mut line, mut board) = line(&slow(Duration::ZERO, 96_000));
    let start = Instant::now();
    let writer = tokio::spawn(async move {
        line.write_all(&[7; 9600]).await.unwrap();
        (line, Instant::now())
    });
    let mut got = vec![0; 9600];
    board.read_exact(&mut got).await.unwrap();
    assert!((999 * MS..=1002 * MS).contains(&start.elapsed()), "{:?}", start.elapsed());
    let (_line, written) = writer.await.unwrap();
    // All but the 4096 bytes that the driver keeps, at 9.6 bytes a millisecond.
    assert!((570 * MS..=580 * MS).contains(&(written - start)), "{:?}", written - start);
}

#[tokio::test(start_paused = true)]
async fn reads_come_in_chunks() {
    let (mut line, mut board) = line(&LineOptions { chunk: 3, ..LineOptions::default() });
    board.write_all(b"abcdefgh").await.unwrap();
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let mut buffer = [0; 100];
    while pieces.concat().len() < 8 {
        let count = line.read(&mut buffer).await.unwrap();
        pieces.push(buffer[..count].to_vec());
    }
    assert_eq!(pieces, [&b"abc"[..], b"def", b"gh"]);
}

#[tokio::test(start_paused = true)]
async fn an_input_buffer_loses_what_exceeds_it() {
    let (peer, mut board) = duplex(1);
    let mut line = Line::new(peer, &LineOptions { input_buffer: Some(16), ..LineOptions::default() });
    let sent: Vec<u8> = (0..100).collect();
    line.write_all(&sent).await.unwrap();
    sleep(MS).await;
    // One byte is in the peer's hands.
    assert_eq!(heard(&mut board).await, &sent[..17]);
    line.write_all(b"again").await.unwrap();
    assert_eq!(heard(&mut board).await, b"again");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_without_an_input_buffer() {
    let (peer, mut board) = duplex(1);
    let mut line = Line::new(peer, &LineOptions::default());
    let sent: Vec<u8> = (0..30_000_u32).map(|i| (i / 7) as u8).collect();
    line.write_all(&sent).await.unwrap();
    assert_eq!(heard(&mut board).await, sent);
}

#[tokio::test(start_paused = true)]
async fn unread_output_waits_or_is_lost() {
    for (unread, arrives) in [(Unread::Wait, 20_000), (Unread::Drop, 4096)] {
        let (mut line, mut board) = line(&LineOptions { unread, ..LineOptions::default() });
        board.write_all(&[1; 20_000]).await.unwrap();
        sleep(10 * MS).await;
        assert_eq!(heard(&mut line).await.len(), arrives, "{unread:?}");
        board.write_all(b"more").await.unwrap();
        assert_eq!(heard(&mut line).await, b"more", "{unread:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn scripted_faults_hit_their_byte() {
    for (kind, expected) in [
        (FaultKind::Drop, &b"abdef"[..]),
        (FaultKind::Flip(0x20), b"abCdef"),
        (FaultKind::Double, b"abccdef"),
        (FaultKind::Cut, b"ab"),
        (FaultKind::Stall(50 * MS), b"abcdef"),
        (FaultKind::Delay(50 * MS), b"abcdef"),
    ] {
        let (mut line, mut board) = line(&scripted(Direction::ToBoard, &[(2, kind)]));
        // The position counts bytes, not writes.
        line.write_all(b"a").await.unwrap();
        let _ = line.write_all(b"bcdef").await;
        assert_eq!(heard(&mut board).await, expected, "to the board: {kind:?}");

        let (mut line, mut board) = self::line(&scripted(Direction::ToHost, &[(2, kind)]));
        board.write_all(b"abcdef").await.unwrap();
        assert_eq!(heard(&mut line).await, expected, "to the host: {kind:?}");
        assert_eq!(line.write_all(b"x").await.is_err(), kind == FaultKind::Cut, "a cut goes both ways: {kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_happens_once() {
    let faults = [(3, FaultKind::Drop), (1, FaultKind::Flip(1)), (3, FaultKind::Double)];
    let (mut line, mut board) = line(&scripted(Direction::ToBoard, &faults));
    line.write_all(b"0000000").await.unwrap();
    // The second fault of position 3 hits the next byte.
    assert_eq!(heard(&mut board).await, b"0100000");
}

#[tokio::test(start_paused = true)]
async fn a_stall_holds_the_sender_up_and_a_delay_only_the_byte() {
    for (kind, last) in [(FaultKind::Stall(500 * MS), 600 * MS), (FaultKind::Delay(500 * MS), 511 * MS)] {
        let options = LineOptions {
            faults: vec![Fault { direction: Direction::ToBoard, at: 10, kind }],
            ..slow(Duration::ZERO, 10_000)
        };
        let (mut line, mut board) = line(&options);
        let start = Instant::now();
        line.write_all(&[0; 100]).await.unwrap();
        let mut buffer = [0; 10];
        board.read_exact(&mut buffer).await.unwrap();
        assert_eq!(start.elapsed(), 10 * MS, "{kind:?}");
        board.read_u8().await.unwrap();
        assert_eq!(start.elapsed(), 511 * MS, "{kind:?}");
        board.read_exact(&mut [0; 89]).await.unwrap();
        assert_eq!(start.elapsed(), last, "{kind:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn noise_hits_the_same_bytes_however_they_are_written() {
    let noise = Noise { seed: 7, drop: 0.01, flip: 0.01, double: 0.01 };
    let sent: Vec<u8> = (0..10_000_u32).map(|i| (i / 3) as u8).collect();
    let mut results = Vec::new();
    for (seed, piece) in [(7, 10_000), (7, 1), (7, 333), (8, 333)] {
        let (mut line, mut board) = line(&LineOptions { noise: Noise { seed, ..noise }, ..LineOptions::default() });
        for piece in sent.chunks(piece) {
            line.write_all(piece).await.unwrap();
        }
        results.push(heard(&mut board).await);
    }
    assert!(results[0] == results[1] && results[0] == results[2]);
    assert_ne!(results[0], results[3], "another seed");
    assert_ne!(results[0], sent);

    let only = |noise| async move {
        let (mut line, mut board) = self::line(&LineOptions { noise, ..LineOptions::default() });
        line.write_all(&[0; 10_000]).await.unwrap();
        heard(&mut board).await
    };
    let quiet = Noise { seed: 1, ..Noise::default() };
    assert_eq!(only(quiet).await, [0; 10_000]);
    assert!((9_850..9_950).contains(&only(Noise { drop: 0.01, ..quiet }).await.len()));
    assert!((10_050..10_150).contains(&only(Noise { double: 0.01, ..quiet }).await.len()));
    let flipped = only(Noise { flip: 0.01, ..quiet }).await;
    assert!((50..150).contains(&flipped.iter().filter(|byte| **byte != 0).count()));
    assert!(flipped.iter().all(|byte| byte.count_ones() <= 1));
}

#[tokio::test(start_paused = true)]
async fn the_transport_is_counted() {
    let (mut line, mut board) = line(&LineOptions::default());
    let handle = line.handle();
    for _ in 0..3 {
        line.write_all(b"ab").await.unwrap();
        line.write_all(b"c").await.unwrap();
        board.read_exact(&mut [0; 3]).await.unwrap();
        board.write_all(b"12345").await.unwrap();
        line.read_exact(&mut [0; 5]).await.unwrap();
    }
    board.write_all(b"unasked").await.unwrap();
    line.read_exact(&mut [0; 7]).await.unwrap();
    assert_eq!(handle.counters(), Counters { to_board: 9, to_host: 22, writes: 6, turns: 3 });
}

#[tokio::test(start_paused = true)]
async fn an_unplugged_port_is_dead_and_the_next_one_is_new() {
    let (mut line, mut board) = line(&slow(10 * MS, 0));
    let handle = line.handle();
    line.write_all(b"lost on the way").await.unwrap();
    let reader = tokio::spawn(async move { (line.read(&mut [0; 9]).await.unwrap(), line) });
    sleep(5 * MS).await;
    handle.unplug();
    let (count, mut line) = reader.await.unwrap();
    assert_eq!(count, 0, "a waiting reader learns of it");
    assert_eq!(line.write_all(b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    board.write_all(b"nobody hears this").await.unwrap();
    sleep(50 * MS).await;

    let mut second = handle.replug();
    board.write_all(b"hello").await.unwrap();
    assert_eq!(heard(&mut second).await, b"hello");
    assert_eq!(line.read(&mut [0; 9]).await.unwrap(), 0, "the old port stays dead");
    second.write_all(b"back").await.unwrap();
    assert_eq!(heard(&mut board).await, b"back");
    let third = handle.replug();
    assert_eq!(second.read(&mut [0; 9]).await.unwrap(), 0, "there is one port at a time");
    drop((second, third));
}

#[tokio::test(start_paused = true)]
async fn what_was_written_before_closing_arrives() {
    let (mut line, mut board) = line(&slow(20 * MS, 9600));
    line.write_all(b"\x02goodbye").await.unwrap();
    drop(line);
    let mut all = Vec::new();
    board.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"\x02goodbye");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_hangs_up_is_heard_to_its_end() {
    let (mut line, mut board) = line(&slow(20 * MS, 0));
    board.write_all(b"last words").await.unwrap();
    drop(board);
    let mut all = Vec::new();
    line.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"last words");
    assert!(line.write_all(b"x").await.is_err());
    assert_eq!(line.handle().replug().read(&mut [0; 9]).await.unwrap(), 0);
}
