//! A line that fails at any byte: every call ends in time with the right value or a typed error, and no user code runs
//! twice. The board itself keeps the list of what ran.
//!
//! By default every seventh position is tried; `BELAY_FAULTS=all` tries every one. How many were tried is printed.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use belay::{
    __private::{Args, Kind, Origin, Scope, Task, call, decode},
    Device, Error, Result, Trust,
};
use belay_sim::{Board, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

/// What happens to one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    Drop,
    Flip,
    Double,
    /// The line stands still for a while.
    Stall,
    /// The line ends.
    Cut,
}

/// A fault at so many bytes from now; one direction of one line.
#[derive(Debug)]
struct Fault {
    kind: Kinds,
    /// Counts down with every byte; the fault happens at 0.
    left: AtomicI64,
}

/// Carries bytes one way, with a fault. False: the line was cut.
async fn carry(bytes: &[u8], fault: &Fault, to: &mut (impl AsyncWriteExt + Unpin)) -> bool {
    let mut out = Vec::with_capacity(bytes.len() + 1);
    for &byte in bytes {
        if fault.left.fetch_sub(1, SeqCst) != 0 {
            out.push(byte);
            continue;
        }
        match fault.kind {
            Kinds::Drop => {}
            Kinds::Flip => out.push(byte ^ 0x10),
            Kinds::Double => out.extend([byte, byte]),
            Kinds::Stall => {
                if to.write_all(&out).await.is_err() {
                    return false;
                }
                out.clear();
                tokio::time::sleep(Duration::from_millis(300)).await;
                out.push(byte);
            }
            Kinds::Cut => {
                let _ = to.write_all(&out).await;
                return false;
            }
        }
    }
    to.write_all(&out).await.is_ok()
}

/// The program's end of a line to `board` with a fault in each direction.
fn line(board: &Board, up: Arc<Fault>, down: Arc<Fault>) -> DuplexStream {
    let (mut from_board, mut to_board) = tokio::io::split(board.connect());
    let (ours, theirs) = duplex(4096);
    let (mut from_program, mut to_program) = tokio::io::split(theirs);
    tokio::spawn(async move {
        let upwards = async {
            let mut bytes = [0; 512];
            while let Ok(n @ 1..) = from_program.read(&mut bytes).await {
                if !carry(&bytes[..n], &up, &mut to_board).await {
                    break;
                }
            }
        };
        let downwards = async {
            let mut bytes = [0; 512];
            while let Ok(n @ 1..) = from_board.read(&mut bytes).await {
                if !carry(&bytes[..n], &down, &mut to_program).await {
                    break;
                }
            }
        };
        // When one way ends, both do: a cable has two ends.
        tokio::select! { () = upwards => {}, () = downwards => {} }
    });
    ours
}

/// A task that no board has seen: it answers with the list of all its calls so far.
fn fresh_task() -> &'static Task {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static SCOPE: Scope = Scope { key: "faults", place: || "faults", setups: &[], tasks: &[], teardowns: &[] };
    let source = "seen=[]\ndef bump(k):\n seen.append(k)\n return seen";
    Box::leak(Box::new(Task {
        name: "bump",
        kind: Kind::Task,
        params: &["k"],
        source,
        hash: NEXT.fetch_add(1, SeqCst),
        timeout: None,
        idempotent: false,
        origin: Origin { file: file!(), lines: &[0, 0, 0, 0], text: &["", "", "", ""] },
        scope: &SCOPE,
    }))
}

const LIMIT: Duration = Duration::from_millis(1500);

async fn bump(device: &Device, task: &'static Task, k: u32, context: &str) -> Result<Vec<u32>> {
    let mut args = Args::new(task);
    args.push(&k);
    let begun = Instant::now();
    let outcome = call(&device.with_timeout(LIMIT), args, decode).await;
    // The first call deploys, which has a deadline of its own.
    let most = if k == 1 { LIMIT * 3 } else { LIMIT.mul_f32(1.2) + Duration::from_millis(100) };
    assert!(begun.elapsed() < most, "{context}: call {k} took {:?}: {outcome:?}", begun.elapsed());
    outcome
}

/// Checks one answer against all that is known.
fn check(k: u32, outcome: &Result<Vec<u32>>, context: &str) {
    match outcome {
        Ok(seen) => {
            assert_eq!(seen.last(), Some(&k), "{context}: a wrong value for call {k}: {seen:?}");
            assert!(seen.is_sorted_by(|a, b| a < b), "{context}: user code ran twice: {seen:?}");
        }
        Err(
            Error::OutcomeUnknown { .. }
            | Error::TimedOut { .. }
            | Error::Lost { .. }
            | Error::Protocol { .. }
            | Error::Open { .. },
        ) => {}
        Err(error) => panic!("{context}: call {k}: {error:?}"),
    }
}

/// One round on one line: a deployment and three calls with a fault somewhere, then a call that must be right.
async fn round(device: &Device, context: &str) -> (usize, Option<Vec<u32>>) {
    let task = fresh_task();
    let mut errors = 0;
    for k in 1..=3 {
        let outcome = bump(device, task, k, context).await;
        check(k, &outcome, context);
        errors += usize::from(outcome.is_err());
    }
    let last = bump(device, task, 4, context).await;
    check(4, &last, context);
    (errors, last.ok())
}

fn step() -> usize {
    if std::env::var("BELAY_FAULTS").is_ok_and(|value| value == "all") { 1 } else { 7 }
}

fn quiet(kind: Kinds) -> Arc<Fault> {
    Arc::new(Fault { kind, left: AtomicI64::new(i64::MAX) })
}

/// How many bytes a round takes each way, without faults.
async fn round_size(trust: Trust) -> (usize, usize) {
    let board = Board::start(&Options::default()).unwrap();
    let device = Device::builder().trust(trust).connect("measure", board.connect()).await.unwrap();
    round(&device, "warm up").await;
    let before = device.session().traffic();
    round(&device, "measure").await;
    let used = device.session().traffic() - before;
    (used.bytes_out as usize, used.bytes_in as usize)
}

/// Faults that a line survives, on one board and one session for each kind and direction.
async fn survivable(trust: Trust, kinds: &[Kinds]) {
    let (out, back) = round_size(trust).await;
    let mut rounds = Vec::new();
    for &kind in kinds {
        for upwards in [true, false] {
            rounds.push(tokio::spawn(async move {
                let board = Board::start(&Options::default()).unwrap();
                let (up, down) = (quiet(kind), quiet(kind));
                let device = line(&board, up.clone(), down.clone());
                let device = Device::builder().trust(trust).connect("faulty", device).await.unwrap();
                let (armed, length) = if upwards { (&up, out) } else { (&down, back) };
                let (mut tried, mut errors) = (0, 0);
                for position in (0..length).step_by(step()) {
                    let way = if upwards { "to the board" } else { "from the board" };
                    let context = format!("{trust:?}, {kind:?} of byte {position} {way}");
                    armed.left.store(position as i64, SeqCst);
                    let (failed, last) = round(&device, &context).await;
                    armed.left.store(i64::MAX, SeqCst);
                    errors += failed;
                    // The fault is over, at the latest with the next call.
                    if last.is_none() {
                        let task = fresh_task();
                        let after = bump(&device, task, 1, &context).await;
                        assert_eq!(after.unwrap_or_else(|e| panic!("{context}: after recovery: {e}")), [1]);
                    }
                    tried += 1;
                }
                (tried, errors)
            }));
        }
    }
    let (mut tried, mut errors) = (0, 0);
    for one in rounds {
        let (positions, failed) = one.await.unwrap();
        tried += positions;
        errors += failed;
    }
    println!("{trust:?} line, {kinds:?}: {tried} positions, {errors} calls with a typed error");
    assert!(tried > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verified_line_survives_bytes_that_are_lost_changed_and_doubled() {
    survivable(Trust::Verified, &[Kinds::Drop, Kinds::Flip, Kinds::Double]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_line_may_stand_still() {
    survivable(Trust::Trusted, &[Kinds::Stall]).await;
    survivable(Trust::Verified, &[Kinds::Stall]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_is_cut_runs_nothing_twice() {
    let mut tried = 0;
    for trust in [Trust::Trusted, Trust::Verified] {
        let (out, back) = round_size(trust).await;
        let board = Board::start(&Options::default()).unwrap();
        for upwards in [true, false] {
            for position in (0..if upwards { out } else { back }).step_by(step()) {
                let context = format!("{trust:?}, cut at {position}, upwards: {upwards}");
                let (up, down) = (quiet(Kinds::Cut), quiet(Kinds::Cut));
                let ours = line(&board, up.clone(), down.clone());
                let device = Device::builder().trust(trust).connect("cut", ours).await.unwrap();
                let armed = if upwards { &up } else { &down };
                armed.left.store(position as i64, SeqCst);
                let task = fresh_task();
                for k in 1..=3 {
                    check(k, &bump(&device, task, k, &context).await, &context);
                }
                drop(device);
                // Another cable to the same boot of the board: it knows what ran.
                let device = Device::builder().trust(trust).connect("new cable", board.connect()).await;
                let device = device.unwrap_or_else(|e| panic!("{context}: {e}"));
                let seen = bump(&device, task, 4, &context).await.unwrap_or_else(|e| panic!("{context}: {e}"));
                check(4, &Ok(seen), &context);
                tried += 1;
            }
        }
    }
    println!("cut: {tried} positions");
    assert!(tried > 0);
}
