//! What a session costs its host and how many callers of one board fare. Run it with `--release`.
//!
//! Each figure stands beside what it may be; the program fails when one is missed. A debug build does less work and is
//! allowed more time, so that it can be run wherever the tests are.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use belay_runtime::{
    __private::{Args, Kind, Origin, Scope, Task, call, returns},
    Device, Result,
};
use belay_sim::{Board, Line, LineOptions, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

static SCOPE: Scope = Scope { key: "session_cost", place: || "session_cost", setups: &[], tasks: &[], teardowns: &[] };
static READ_TEMP: Task = Task {
    name: "read_temp",
    kind: Kind::Task,
    params: &["pin"],
    source: "def read_temp(pin):\n return pin*2+.5",
    hash: 0x0123_4567_89ab_cdef,
    timeout: None,
    idempotent: false,
    origin: Origin { file: "session_cost.rs", lines: &[0, 0], text: &["", ""] },
    scope: &SCOPE,
};

const DEBUG: bool = cfg!(debug_assertions);
/// How many calls a cost is measured over.
const CALLS: u32 = if DEBUG { 20_000 } else { 50_000 };
/// How often each cost is measured. The least counts: what else a machine does, also to caches that it shares with others,
/// only ever adds to it.
const ROUNDS: usize = if DEBUG { 1 } else { 30 };
const CALLS_OVER_A_LINE: u32 = if DEBUG { 480 } else { 2_000 };
const CALLERS: u32 = 16;
const DEVICES: u32 = 1_000;
/// What the scripted board takes for a call where it takes any time.
const SERVICE: Duration = Duration::from_micros(100);
/// Microseconds of CPU time that a call may take.
const MOST_FOR_A_CALL: f64 = if DEBUG { 200.0 } else { 20.0 };
/// How many times faster the callers are together than one alone, and than one that spends two turns on each call.
const LEAST_TO_ONE: f64 = 2.5;
const LEAST_TO_TWO_TURNS: f64 = if DEBUG { 5.0 } else { 10.0 };

async fn read_temp(device: &Device) -> f64 {
    let mut args = Args::new(&READ_TEMP);
    args.push(&26);
    call(device, args, returns::<Result<f64>>()).await.expect("an answer")
}

/// A board that is played: it answers greetings as a real one with the task did, and each call with 52.5.
async fn play(mut line: DuplexStream, greeting: String, service: Duration) {
    let (mut request, mut bytes, mut calls) = (Vec::new(), [0; 4096], 0_u32);
    while let Ok(n @ 1..) = line.read(&mut bytes).await {
        let mut answers = Vec::new();
        for &byte in &bytes[..n] {
            match byte {
                0x03 => request.clear(),
                0x01 => answers.extend_from_slice(b"raw REPL; CTRL-B to exit\r\n>"),
                0x04 => {
                    answers.extend_from_slice(b"OK");
                    let text = String::from_utf8(std::mem::take(&mut request)).expect("text");
                    match text.strip_prefix("try:_b(-") {
                        Some(rest) => {
                            let nonce: u32 = rest.split(',').next().and_then(|n| n.parse().ok()).expect("a nonce");
                            let said = format!("{} {calls} {greeting} -{}\r\n", nonce - 1, nonce + 1);
                            answers.extend_from_slice(said.as_bytes());
                        }
                        None => {
                            assert!(text.starts_with("_b(1,"), "{text}");
                            if !service.is_zero() {
                                // Tokio's clock is too coarse for this.
                                let until = Instant::now() + service;
                                while Instant::now() < until {
                                    tokio::task::yield_now().await;
                                }
                            }
                            calls += 1;
                            let [.., high, low] = calls.wrapping_mul(1597).to_be_bytes();
                            answers.extend_from_slice(&[0xf8, high, low, 0xcb]);
                            answers.extend_from_slice(&52.5_f64.to_be_bytes());
                        }
                    }
                    answers.extend_from_slice(b"\x04\x04>");
                }
                _ => request.push(byte),
            }
            if !service.is_zero() && !answers.is_empty() {
                let _ = line.write_all(&std::mem::take(&mut answers)).await;
            }
        }
        if line.write_all(&answers).await.is_err() {
            return;
        }
    }
}

/// What a real board with the task on it says to a greeting, without what changes.
async fn greeting() -> String {
    let board = Board::start(&Options::default()).expect("a virtual board");
    let device = Device::builder().connect("real", board.connect()).await.expect("a session");
    read_temp(&device).await;
    drop(device);
    let mut port = board.connect();
    port.write_all(b"\r\x03\x03\r\x01_b(-150000000,1)\x04").await.expect("a line");
    let mut said = Vec::new();
    while !said.ends_with(b"-150000001") {
        said.push(port.read_u8().await.expect("an answer"));
    }
    let said = String::from_utf8_lossy(&said);
    let after = said.split("149999999 ").last().expect("the answer").trim_end_matches(" -150000001");
    // The count of calls.
    after.split_once(' ').expect("a count").1.to_owned()
}

async fn played(greeting: &str, service: Duration) -> Device {
    let (ours, theirs) = duplex(1024);
    tokio::spawn(play(theirs, greeting.to_owned(), service));
    Device::builder().connect("played", ours).await.expect("a session")
}

/// Time that this thread has spent on a processor.
fn cpu() -> Duration {
    // Linux adds up what a thread has used so far at each tick, and when it gives way.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

/// CPU time of one of `calls` calls that all `devices` make together, each device one at a time.
async fn cost(devices: &[Device], calls: u32) -> Duration {
    let each = calls / devices.len() as u32;
    let begun = cpu();
    let mut callers = Vec::new();
    for device in devices {
        let device = device.clone();
        callers.push(tokio::spawn(async move {
            for _ in 0..each {
                read_temp(&device).await;
            }
        }));
    }
    for caller in callers {
        caller.await.expect("a caller");
    }
    (cpu() - begun) / (each * devices.len() as u32)
}

/// Time of one of many calls that `callers` make of one device together; each is made of so many calls in turn.
async fn pace(device: &Device, callers: u32, in_turn: u32) -> Duration {
    let each = CALLS_OVER_A_LINE / callers;
    let begun = Instant::now();
    let mut all = Vec::new();
    for _ in 0..callers {
        let device = device.clone();
        all.push(tokio::spawn(async move {
            for _ in 0..each * in_turn {
                read_temp(&device).await;
            }
        }));
    }
    for caller in all {
        caller.await.expect("a caller");
    }
    begun.elapsed() / (each * callers)
}

struct Report(bool);

impl Report {
    #[allow(clippy::print_stdout, reason = "this program's output")]
    fn line(&mut self, what: &str, is: f64, unit: &str, most: Option<f64>, least: Option<f64>) {
        let good = most.is_none_or(|most| is <= most) && least.is_none_or(|least| is >= least);
        self.0 &= good;
        let bound = match (most, least) {
            (Some(most), _) => format!("at most {most}"),
            (_, Some(least)) => format!("at least {least}"),
            _ => String::new(),
        };
        println!("{what:<62} {is:>9.2} {unit:<5} {bound:<14} {}", if good { "" } else { "MISSED" });
    }
}

/// One caller, sixteen, and two turns for each call, over 1 ms each way.
async fn callers(report: &mut Report, name: &str, device: &Device) {
    read_temp(device).await;
    let one = pace(device, 1, 1).await;
    let two_turns = pace(device, 1, 2).await;
    let many = pace(device, CALLERS, 1).await;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    report.line(&format!("{name}: one caller"), ms(one), "ms", None, None);
    report.line(&format!("{name}: two turns for each call"), ms(two_turns), "ms", None, None);
    report.line(&format!("{name}: {CALLERS} callers"), ms(many), "ms", None, None);
    report.line(&format!("{name}: {CALLERS} callers to one"), ms(one) / ms(many), "times", None, Some(LEAST_TO_ONE));
    let to_two_turns = ms(two_turns) / ms(many);
    let name = format!("{name}: {CALLERS} callers to two turns");
    report.line(&name, to_two_turns, "times", None, Some(LEAST_TO_TWO_TURNS));
}

async fn costs(mut report: Report) -> Report {
    let greeting = greeting().await;
    let one = [played(&greeting, Duration::ZERO).await];
    cost(&one, CALLS / 10).await;
    let before = resident();
    let mut devices = Vec::new();
    for _ in 0..DEVICES {
        devices.push(played(&greeting, Duration::ZERO).await);
    }
    cost(&devices, CALLS / 10).await;
    let each = (resident() - before) / u64::from(DEVICES);
    report.line(
        &format!("memory of a device, {DEVICES} in one process"),
        each as f64 / 1024.0,
        "KB",
        Some(200.0),
        None,
    );
    // In turns: what else the machine does meanwhile concerns both.
    let (mut alone, mut together) = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        alone = alone.min(cost(&one, CALLS).await);
        together = together.min(cost(&devices, CALLS).await);
    }
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    report.line("CPU time of a call, the played board's included", us(alone), "us", Some(MOST_FOR_A_CALL), None);
    report.line(&format!("the same, {DEVICES} devices together"), us(together), "us", None, None);
    let ratio = us(alone) / us(together);
    report.line(&format!("calls a second and core, {DEVICES} devices to one"), ratio, "times", None, Some(0.8));

    let (ours, theirs) = duplex(1024);
    tokio::spawn(play(theirs, greeting, SERVICE));
    let mut options = LineOptions::default();
    options.to_board.latency = Duration::from_millis(1);
    options.to_host.latency = Duration::from_millis(1);
    let line = Line::new(ours, &options);
    let device = Device::builder().connect("played", line).await.expect("a session");
    let name = format!("played board of {} us a call, 1 ms each way", SERVICE.as_micros());
    callers(&mut report, &name, &device).await;
    report
}

async fn on_the_pico(report: &mut Report) {
    let board = Board::start(&Options::for_family("pico").expect("a pico")).expect("a virtual board");
    let mut options = LineOptions::default();
    options.to_board.latency = Duration::from_millis(1);
    options.to_host.latency = Duration::from_millis(1);
    let line = Line::new(board.connect(), &options);
    let device = Device::builder().connect("pico", line).await.expect("a session");
    callers(report, "sim:pico, 1 ms each way", &device).await;
}

fn main() -> ExitCode {
    // The scheduler of `#[tokio::main]` with a single worker, whose time is that of one core.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let mut report = runtime.block_on(async { tokio::spawn(costs(Report(true))).await }).expect("a report");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(on_the_pico(&mut report));
    if report.0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
