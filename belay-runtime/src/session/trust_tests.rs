//! Which lines are trusted, and what becomes of that trust: asked of virtual boards through lines that lose single bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::SeqCst},
    },
    time::Duration,
};

use belay_sim::{Board, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::{Limits, Session, Start};
use crate::{
    Error, Trust,
    codec::args::Args,
    executor::{Call, Work},
    task::{FNV_BASIS, Kind, Origin, Scope, Task, fnv1a},
    transport::Line,
};

fn task(name: &'static str, source: &'static str) -> &'static Task {
    Box::leak(Box::new(Task {
        name,
        kind: Kind::Task,
        params: &["x"],
        source,
        hash: fnv1a(source.as_bytes(), FNV_BASIS),
        timeout: None,
        idempotent: false,
        origin: Origin { file: file!(), lines: &[], text: &[] },
        scope: &Scope { key: "trust_tests", place: || "trust_tests", setups: &[], tasks: &[], teardowns: &[] },
    }))
}

async fn call(session: &Session, task: &'static Task, x: &str) -> crate::Result<String> {
    let mut args = Args::new();
    args.push(x).unwrap();
    let work = Work::Task { task, args: Arc::new(args), via: None };
    let payload = session.carry(Call::new(work)).await?.into_payload();
    Ok(crate::codec::reply::decode(&payload).unwrap())
}

async fn attach(line: impl Line + 'static, trust: Trust, usb: Option<&str>) -> Session {
    let usb = usb.map(str::to_owned);
    let limits = Limits { call: Duration::from_secs(2), ..Limits::DEFAULT };
    let deadline = tokio::time::Instant::now() + limits.open;
    let start = Start { trust, usb, limits, deadline, trace: None, learned: None };
    Session::attach("board".to_owned(), Box::new(line), None, start).await.unwrap()
}

fn trust(session: &Session) -> Trust {
    session.capabilities().unwrap().trust
}

#[tokio::test]
async fn a_board_that_proves_to_be_the_usb_device_is_trusted_and_one_behind_a_bridge_is_not() {
    let twice = task("twice", "def twice(x):\n return x+x");
    for (number, expected) in [
        (Some("E6614104031F672C"), Trust::Trusted),
        (Some("E6614104031F672D"), Trust::Verified),
        (None, Trust::Verified),
    ] {
        let board = Board::start(&Options::default()).unwrap();
        // The second program finds the agent of the first.
        for program in ["first", "second"] {
            let session = attach(board.connect(), Trust::Verified, number).await;
            assert_eq!(trust(&session), expected, "{program} program, {number:?}");
            assert_eq!(call(&session, twice, "ab").await.unwrap(), "abab");
            println!("{number:?}, {program} program: {:?}", session.traffic());
        }
    }
}

/// A line that loses one byte, `left` bytes from now, in one direction.
fn losing(board: &Board, left: &Arc<AtomicI64>, upwards: bool) -> DuplexStream {
    let (mut from_board, mut to_board) = tokio::io::split(board.connect());
    let (ours, theirs) = duplex(4096);
    let (mut from_program, mut to_program) = tokio::io::split(theirs);
    let left = Arc::clone(left);
    tokio::spawn(async move {
        let (mut up, mut down) = ([0; 512], [0; 512]);
        loop {
            let whole = tokio::select! {
                n = from_program.read(&mut up) => n.map(|n| (n, true)),
                n = from_board.read(&mut down) => n.map(|n| (n, false)),
            };
            let Ok((n @ 1.., up_now)) = whole else { break };
            let bytes: Vec<u8> = if up_now { &up[..n] } else { &down[..n] }
                .iter()
                .copied()
                .filter(|_| up_now != upwards || left.fetch_sub(1, SeqCst) != 0)
                .collect();
            let done = if up_now { to_board.write_all(&bytes).await } else { to_program.write_all(&bytes).await };
            if done.is_err() {
                break;
            }
        }
    });
    ours
}

/// Every byte of a reply on a line that was wrongly called trusted: the call ends with the right value or without one, the
/// next one is right, and nothing is trusted any more.
#[tokio::test]
async fn a_trusted_line_that_loses_a_byte_of_a_reply_is_never_wrong_and_verified_from_then_on() {
    let echo = task("echo", "def echo(x):\n return x+'16'");
    let reply = b"OK...\xa3k16\x04\x04>".len() as i64;
    let (mut right, mut unknown, mut trusted) = (0, 0, 0);
    for position in 0..reply {
        let board = Board::start(&Options::default()).unwrap();
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let session = attach(losing(&board, &left, false), Trust::Trusted, None).await;
        assert_eq!(call(&session, echo, "k").await.unwrap(), "k16");
        assert_eq!(trust(&session), Trust::Trusted);
        left.store(position, SeqCst);
        match call(&session, echo, "k").await {
            Ok(got) => {
                assert_eq!(got, "k16", "byte {position}");
                right += 1;
            }
            Err(Error::OutcomeUnknown { .. } | Error::TimedOut { .. }) => unknown += 1,
            Err(error) => panic!("byte {position}: {error:?}"),
        }
        left.store(i64::MAX, SeqCst);
        assert_eq!(call(&session, echo, "j").await.unwrap(), "j16", "after byte {position}");
        trusted += usize::from(trust(&session) == Trust::Trusted);
    }
    println!("of {reply} bytes of a reply: {right} right, {unknown} unknown, {trusted} unnoticed");
    // The `OK` and the last byte of the prompt show nothing but that nothing comes any more.
    assert!(right >= 9 && unknown <= 3 && trusted <= 3, "{right} right, {trusted} unnoticed");
}

/// The same of a request, as far as what is left of it is no other request.
#[tokio::test]
async fn a_trusted_line_that_loses_a_byte_of_a_request_is_verified_from_then_on() {
    let echo = task("echo", "def echo(x):\n return x+'16'");
    // `_b(1,'k')`: the name, the brackets, the comma, a quote.
    for position in [0, 1, 2, 4, 5] {
        let board = Board::start(&Options::default()).unwrap();
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let session = attach(losing(&board, &left, true), Trust::Trusted, None).await;
        assert_eq!(call(&session, echo, "k").await.unwrap(), "k16");
        left.store(position, SeqCst);
        assert_eq!(call(&session, echo, "k").await.unwrap(), "k16", "byte {position}");
        assert_eq!(trust(&session), Trust::Verified, "byte {position}");
    }
}
