//! Ports and lines that are not as they should be: each a typed error with its reason, in time.

use std::time::{Duration, Instant};

use belay::{Device, Error, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

#[belay::task]
async fn ten(device: &Device) -> Result<u8> {
    "return 10"
}

#[belay::task(timeout = "60s")]
async fn squares(device: &Device, n: u32) -> Result<Vec<u32>> {
    "return [i * i for i in range(n)]"
}

#[belay::task(timeout = "60s")]
async fn refuse(device: &Device) -> Result<()> {
    "raise ValueError('no ' * 1000)"
}

/// Of 6,000 bytes some six are changed each time, so that no whole reply ever comes intact.
#[tokio::test]
async fn long_replies_are_fetched_in_slices_where_none_comes_whole() {
    let device = Device::open("sim:pico?flip=0.001&seed=5").await.unwrap();
    let squares = squares(&device, 1500).await.unwrap();
    assert!(squares.into_iter().eq((0..1500).map(|i| i * i)));
    let raised = refuse(&device).await;
    let Err(Error::Exception { exception, .. }) = raised else { panic!("it should have raised: {raised:?}") };
    assert_eq!(exception.message(), "no ".repeat(1000));
    assert_eq!(ten(&device).await.unwrap(), 10);
}

/// TCP itself loses nothing, but nobody says what line lies behind a bridge.
#[tokio::test]
async fn a_bridge_to_a_bad_line_brings_no_wrong_value() {
    let (_board, line) = belay_sim::open("pico?drop=0.001&flip=0.001&seed=5").unwrap();
    let bridge = belay_sim::Tcp::new("127.0.0.1:0", line).await.unwrap();
    // Two bytes of a thousand are lost or changed on the way of the agent to the board: that may take most of the default.
    let patient = Device::builder().open_timeout(Duration::from_secs(60));
    let device = patient.open(&format!("tcp://{}", bridge.address())).await.unwrap();
    for n in 0..60 {
        assert!(squares(&device, n).await.unwrap().into_iter().eq((0..n).map(|i| i * i)));
    }
}

#[tokio::test]
async fn a_port_that_is_not_there_is_named_with_those_that_are() {
    let error = Device::open("/dev/ttyNoSuchBoard").await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Open { .. }) && text.contains("/dev/ttyNoSuchBoard"), "{text}");
    assert!(text.contains("This machine has"), "{text}");
}

#[tokio::test]
async fn an_unknown_scheme_is_told_the_known_ones() {
    let text = Device::open("gopher://board").await.unwrap_err().to_string();
    assert!(text.contains("gopher") && text.contains("tcp://"), "{text}");
}

#[tokio::test]
async fn a_silent_port_is_an_error_within_the_deadline() {
    let (ours, _theirs) = duplex(1024);
    let begun = Instant::now();
    let limit = Duration::from_millis(700);
    let error = Device::builder().open_timeout(limit).connect("silent", ours).await.unwrap_err();
    assert!(begun.elapsed() < limit.mul_f32(1.2), "{:?}", begun.elapsed());
    assert!(error.to_string().contains("silent") && error.to_string().contains("no raw REPL answered"), "{error}");
}

#[tokio::test]
async fn a_port_that_talks_without_end_is_an_error_within_the_deadline() {
    let (ours, mut theirs) = duplex(1024);
    let talker = tokio::spawn(async move { while theirs.write_all(b"round and round\r\n").await.is_ok() {} });
    let begun = Instant::now();
    let limit = Duration::from_millis(700);
    let error = Device::builder().open_timeout(limit).connect("talker", ours).await.unwrap_err();
    assert!(begun.elapsed() < limit.mul_f32(1.2), "{:?}", begun.elapsed());
    assert!(matches!(error, Error::Open { .. }), "{error}");
    talker.await.unwrap();
}

#[tokio::test]
async fn a_line_that_ends_is_lost_and_says_so() {
    let (ours, theirs) = duplex(1024);
    drop(theirs);
    let error = Device::builder().connect("unplugged", ours).await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
}

/// A board whose line swallows everything after `pass` bytes from the board, once, and then is well again.
async fn behind_a_hole(hole: std::sync::Arc<std::sync::atomic::AtomicBool>) -> tokio::io::DuplexStream {
    let sim = belay_sim::Board::start(&belay_sim::Options::default()).unwrap();
    let mut port = sim.connect();
    let (ours, mut theirs) = duplex(4096);
    tokio::spawn(async move {
        let (mut up, mut down) = ([0; 256], [0; 256]);
        loop {
            tokio::select! {
                n = theirs.read(&mut up) => match n {
                    Ok(n) if n > 0 => port.write_all(&up[..n]).await.unwrap(),
                    _ => break,
                },
                n = port.read(&mut down) => {
                    let mut n = n.unwrap();
                    // A reply that is cut short: its last bytes never come.
                    if hole.swap(false, std::sync::atomic::Ordering::SeqCst) {
                        n = n.saturating_sub(5);
                    }
                    if theirs.write_all(&down[..n]).await.is_err() {
                        break;
                    }
                }
            }
        }
    });
    ours
}

#[tokio::test]
async fn a_reply_that_is_cut_short_is_told_in_time_and_the_next_call_works() {
    let hole = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let line = behind_a_hole(hole.clone()).await;
    let board = Device::builder().connect("holed", line).await.unwrap();
    assert_eq!(ten(&board).await.unwrap(), 10);
    hole.store(true, std::sync::atomic::Ordering::SeqCst);
    let limit = Duration::from_millis(500);
    let begun = Instant::now();
    let outcome = ten(&board.with_timeout(limit)).await;
    assert!(begun.elapsed() < limit.mul_f32(1.2), "{:?}", begun.elapsed());
    // How much of it is lost depends on how it was cut into reads: the board may be asked before the time is up.
    assert!(
        match &outcome {
            Ok(value) => *value == 10,
            Err(Error::TimedOut { what, .. }) => what == "ten",
            Err(Error::OutcomeUnknown { task, .. }) => task == "ten",
            Err(_) => false,
        },
        "{outcome:?}"
    );
    assert_eq!(ten(&board).await.unwrap(), 10);
}

#[tokio::test]
async fn a_board_that_prints_for_ever_is_taken_over() {
    let sim = belay_sim::Board::start(&belay_sim::Options::default()).unwrap();
    let mut port = sim.connect();
    port.write_all(b"while True: print('main.py runs')\r\n\r\n").await.unwrap();
    let mut seen = [0; 2000];
    port.read_exact(&mut seen).await.unwrap();
    let board = Device::builder().connect("busy", port).await.unwrap();
    assert_eq!(ten(&board).await.unwrap(), 10);
}

/// Nothing can be stopped through a line that has ended; finding that out takes no time.
#[tokio::test]
async fn an_interrupt_on_a_line_that_has_ended_is_an_error_at_once() {
    let (ours, theirs) = duplex(4096);
    let cable = tokio::spawn(async move {
        let sim = belay_sim::Board::start(&belay_sim::Options::default()).unwrap();
        let (mut theirs, mut port) = (theirs, sim.connect());
        tokio::io::copy_bidirectional(&mut theirs, &mut port).await
    });
    let board = Device::builder().connect("cable", ours).await.unwrap();
    assert_eq!(ten(&board).await.unwrap(), 10);
    let mut state = board.session().watch();
    cable.abort();
    state.wait_for(|state| *state == belay::State::Lost).await.unwrap();
    let begun = Instant::now();
    let error = board.session().interrupt().await.unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
}

/// A task that stops only when it is told to.
#[belay::task]
async fn for_ever(device: &Device) -> Result<()> {
    "while True: pass"
}

/// A line to a board whose program ignores Ctrl-C: once `deaf` is set, none arrives.
fn without_ctrl_c(
    sim: &belay_sim::Board,
    deaf: std::sync::Arc<std::sync::atomic::AtomicBool>,
) -> tokio::io::DuplexStream {
    let (mut from_board, mut to_board) = tokio::io::split(sim.connect());
    let (ours, theirs) = duplex(4096);
    let (mut from_host, mut to_host) = tokio::io::split(theirs);
    tokio::spawn(async move {
        let up = async {
            let mut bytes = [0; 256];
            while let Ok(n @ 1..) = from_host.read(&mut bytes).await {
                let mut heard = bytes[..n].to_vec();
                if deaf.load(std::sync::atomic::Ordering::SeqCst) {
                    heard.retain(|byte| *byte != 3);
                }
                if to_board.write_all(&heard).await.is_err() {
                    break;
                }
            }
        };
        let down = tokio::io::copy(&mut from_board, &mut to_host);
        tokio::select! { () = up => {}, _ = down => {} }
    });
    ours
}

#[tokio::test]
async fn a_board_that_ignores_ctrl_c_is_an_error_that_says_so() {
    let sim = belay_sim::Board::start(&belay_sim::Options::default()).unwrap();
    let deaf = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let board = Device::builder().connect("deaf", without_ctrl_c(&sim, deaf.clone())).await.unwrap();
    let brief = board.with_timeout(Duration::from_millis(400));

    let stopped = for_ever(&brief).await.unwrap_err();
    assert!(matches!(stopped, Error::TimedOut { .. }), "{stopped}");
    assert_eq!(ten(&board).await.unwrap(), 10);
    assert_eq!(board.session().capabilities().unwrap().obeys_ctrl_c, Some(true));

    deaf.store(true, std::sync::atomic::Ordering::SeqCst);
    let error = for_ever(&brief).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { .. }), "{error}");
    // It is told again and again for a while before it is given up.
    let begun = Instant::now();
    let told = loop {
        let before = Instant::now();
        let error = ten(&brief).await.unwrap_err();
        assert!(before.elapsed() < Duration::from_millis(580), "{:?}: {error}", before.elapsed());
        if error.to_string().contains("ignores Ctrl-C") {
            break error;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{error}");
    };
    println!("{told}");
    assert_eq!(board.session().capabilities().unwrap().obeys_ctrl_c, Some(false));
}
