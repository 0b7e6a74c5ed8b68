//! Large sources on their way to real interpreters: how many bytes they take, that the line does not idle, what is told
//! of their progress, and that a trace of it all can be replayed.

use std::{path::PathBuf, sync::Arc};

use belay_sim::{Board, Line, LineOptions, Options, Way};

use crate::{
    Capabilities, Device, Learned, Preset, Step, Trust,
    codec::args::Args,
    executor::{Call, Work},
    repl::{Event, Input, Lane, Repl},
    task::{Kind, Origin, Scope, Task},
    trace::replay::{Record, read, replay},
};

/// 21 KB of Python as somebody wrote it.
const STATION: &str = include_str!("../../tests/py/weather_station.py");

fn task(name: &'static str, source: &'static str) -> &'static Task {
    Box::leak(Box::new(Task {
        name,
        kind: Kind::Task,
        params: &["count"],
        source,
        hash: crate::task::fnv1a(source.as_bytes(), crate::task::FNV_BASIS),
        timeout: None,
        idempotent: false,
        origin: Origin { file: file!(), lines: &[], text: &[] },
        scope: &Scope { key: "transfer_tests", place: || "transfer_tests", setups: &[], tasks: &[], teardowns: &[] },
    }))
}

async fn call(device: &Device, task: &'static Task, n: u32) -> crate::Result<Vec<u8>> {
    let mut args = Args::new();
    args.push(&n).unwrap();
    let work = Work::Task { task, args: Arc::new(args), via: None };
    Ok(device.session().carry(Call::new(work)).await?.into_payload())
}

fn options(family: &str) -> Options {
    Options::for_family(family).unwrap()
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("belay-{}-{name}.trace", std::process::id()))
}

/// A line of 115,200 baud and a millisecond each way.
fn uart(board: &Board) -> Line {
    let way = Way { latency: std::time::Duration::from_millis(1), baud: 115_200 };
    Line::new(board.connect(), &LineOptions { to_board: way, to_host: way, ..LineOptions::default() })
}

#[tokio::test]
async fn twenty_kilobytes_of_source_take_less_than_half_of_their_bytes_on_a_slow_line() {
    let board = Board::start(&options("pico2")).unwrap();
    let trace = path("station");
    let station = task("weather_station", STATION);
    let mut stalls = 0;
    let (device, mut progress, reply, used) = loop {
        let device = Device::builder().trace(&trace).connect("pico2 at 115200 baud", uart(&board)).await.unwrap();
        let progress = device.session().progress();
        let before = device.session().traffic();
        let reply = call(&device, station, 20).await.unwrap();
        let used = device.session().traffic() - before;
        if device.session().learned().is_some_and(|learned| learned.step == Step::RawPaste) {
            break (device, progress, reply, used);
        }
        // This machine was so busy that the board gave no credit for a second: what is measured is the other case.
        stalls += 1;
        println!("a transfer stalled: once more");
        assert!(stalls < 3, "it takes the slower steps each time");
        let _ = device.session().soft_reset().await;
    };
    let got: Vec<u32> = crate::codec::reply::decode(&reply).unwrap();
    assert_eq!(got, [20, 48, 20, 146, 18]);
    let share = used.bytes_out as f64 / STATION.len() as f64;
    println!(
        "tests/py/weather_station.py: {} bytes, {} on the wire for deployment and call ({:.1} %)",
        STATION.len(),
        used.bytes_out,
        share * 100.0
    );
    assert!(share <= 0.45, "{share}");

    // What was told of it: from nothing to all, never backwards.
    let told: Vec<_> = std::iter::from_fn(|| progress.try_next()).collect();
    assert!(told.len() > 10, "{told:?}");
    assert!(told.iter().all(|transfer| transfer.what == "deploying weather_station"), "{told:?}");
    assert!(told.is_sorted_by_key(|transfer| transfer.bytes));
    assert!(told.first().is_some_and(|first| first.bytes == 0) && told.last().is_some_and(crate::Transfer::is_done));
    assert!(told[told.len() / 2].rate > 0.0 && told[told.len() / 2].time_left.is_some());

    // The trace, through a machine of its own.
    drop(device);
    let records = read(&std::fs::read_to_string(&trace).unwrap());
    std::fs::remove_file(&trace).unwrap();
    let events = replay(&records);
    assert!(events.contains(&Event::Banner));
    let answers = events.iter().filter(|event| matches!(event, Event::Reply { .. })).count();
    assert!(answers >= 5, "greeting, probe, agent, deployment, call: {answers}");
    never_idle(&records);
}

/// Whenever something came that gave credit, all of it was used before anything else was read.
fn never_idle(records: &[Record]) {
    let mut repl = Repl::new(64, crate::codec::msgpack::Limits::default());
    let (mut pastes, mut windows) = (0, 0);
    for record in records {
        match record {
            Record::Input(Input::Buffer(bytes)) => repl.set_buffer(*bytes),
            Record::Input(Input::Sync) => repl.sync(),
            Record::Input(Input::Control(bytes)) => repl.control(bytes),
            Record::Input(Input::Submit(request)) => {
                pastes += usize::from(matches!(request.lane, Lane::RawPaste { .. }));
                repl.submit(request.clone());
            }
            Record::Came(bytes) => {
                let left = repl.outgoing().len();
                assert!(left == 0 || repl.unused_credit().is_none(), "{left} bytes waited while the line was read");
                repl.receive(bytes);
                windows += usize::from(repl.unused_credit().is_some());
            }
            Record::Wrote(bytes) => drop(repl.outgoing().drain(..bytes.len())),
            Record::Was(..) => {}
        }
        assert!(
            repl.unused_credit().is_none_or(|credit| credit == 0),
            "{:?} bytes of credit unused",
            repl.unused_credit()
        );
    }
    println!("{pastes} pastes, {windows} reads while one was under way: no credit was left unused at any of them");
    assert!(pastes >= 3 && windows >= 20);
}

#[tokio::test]
async fn a_line_that_is_faster_than_the_board_can_inflate_carries_sources_as_they_are() {
    let board = Board::start(&options("pico")).unwrap();
    let device = Device::builder().connect("memory", board.connect()).await.unwrap();
    let mut learned = device.session().learned().unwrap();
    let source: String = (0..60).map(|i| format!("def f{i}(x):\n return x+{i}\n")).collect();
    let mut sent = Vec::new();
    for (name, rate) in [("slow", 11_520), ("fast", 10_000_000)] {
        learned.rate = Some(rate);
        let device = Device::builder().learned(learned.clone()).connect("memory", board.connect()).await.unwrap();
        let before = device.session().traffic();
        let source = format!("{source}def {name}(count):\n return f7(count)\n").leak();
        assert_eq!(call(&device, task(name, source), 5).await.unwrap(), [12]);
        sent.push((device.session().traffic() - before).bytes_out as usize);
    }
    println!("{} bytes of source took {} on the slow line and {} on the fast one", source.len(), sent[0], sent[1]);
    assert!(sent[0] * 2 < source.len() && sent[1] > source.len(), "{sent:?}");
}

/// A line that loses what comes in bursts: only short pieces with time between them arrive.
#[tokio::test]
async fn a_line_that_loses_bursts_is_gone_down_step_by_step() {
    let board = Board::start(&options("pico2")).unwrap();
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    tokio::spawn(lossy(theirs, board.connect()));
    let device = Device::builder().trust(Trust::Verified).connect("bursts", ours).await.unwrap();
    let source: String = (0..40).map(|i| format!("def g{i}(x):\n return x*{i}+1\n")).collect();
    let source = format!("{source}def steps(count):\n return g3(count)\n").leak();
    assert_eq!(call(&device, task("steps", source), 5).await.unwrap(), [16]);
    let learned = device.session().learned().unwrap();
    let repairs = device.session().repairs();
    println!("learned {learned:?}, {repairs:?}");
    assert_ne!(learned.step, Step::RawPaste);
}

/// Drops the end of every burst of more than 100 bytes.
async fn lossy(mut host: tokio::io::DuplexStream, mut board: belay_sim::Port) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut up, mut down) = ([0; 4096], [0; 4096]);
    loop {
        tokio::select! {
            n = host.read(&mut up) => match n {
                Ok(n) if n > 0 => if board.write_all(&up[..n.min(100)]).await.is_err() { break },
                _ => break,
            },
            n = board.read(&mut down) => match n {
                Ok(n) if n > 0 => if host.write_all(&down[..n]).await.is_err() { break },
                _ => break,
            },
        }
    }
}

#[tokio::test]
async fn what_was_learned_is_taken_up_by_the_next_session_and_by_no_other_board() {
    let (pico, esp32) = (Board::start(&options("pico")).unwrap(), Board::start(&options("esp32")).unwrap());
    let device = Device::builder().connect("pico", pico.connect()).await.unwrap();
    let mut learned = device.session().learned().unwrap();
    drop(device);
    learned.step = Step::SmallChunks;
    learned.piece = 100;
    let kept = serde_json::to_string(&learned).unwrap();
    let learned: Learned = serde_json::from_str(&kept).unwrap();
    let device = Device::builder().learned(learned.clone()).connect("pico", pico.connect()).await.unwrap();
    let again = device.session().learned().unwrap();
    assert_eq!((again.step, again.piece, again.board), (Step::SmallChunks, 100, learned.board.clone()));
    let device = Device::builder().learned(learned).connect("esp32", esp32.connect()).await.unwrap();
    let other = device.session().learned().unwrap();
    assert_eq!(other.step, Step::RawPaste);
    assert_ne!(other.piece, 100);
}

#[tokio::test]
async fn capabilities_say_what_the_board_is_and_what_its_line_is_like() {
    let board = Board::start(&options("pico")).unwrap();
    let device = Device::builder().preset(Preset::DEVELOPMENT).connect("pico", board.connect()).await.unwrap();
    let found = device.session().capabilities().unwrap();
    println!("{found:#}");
    assert_eq!((found.raw_paste, found.input_credit, found.trust), (Some(128), 256, Trust::Trusted));
    assert_eq!(found.unique_id.as_deref(), Some("e6614104031f672c"));
    assert!(found.has("deflate") && found.has("binascii") && found.turn_time.is_some());
    assert_eq!(found.obeys_ctrl_c, None, "nothing had to be stopped yet");
    let text = serde_json::to_string(&found).unwrap();
    assert_eq!(serde_json::from_str::<Capabilities>(&text).unwrap(), found);
}
