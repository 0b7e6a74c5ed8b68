//! One suite for any board.
//!
//! Without anything set it runs against every family of virtual boards, against one on lines as they should not be, and against MicroPython 1.9.2 for the micro:bit
//! in QEMU where that is installed, and against MicroPython's unix port if `BELAY_UNIX_PORT` names its program.
//! `BELAY_TEST_PORT=<spec>` runs it against that port only.
//!
//! A case that a board cannot do is listed as ignored, with the board's own words as the reason; a board on which fewer
//! than [`AT_LEAST`] cases run fails the whole run.

mod board;
mod cases;
mod microbit;

use std::{process::ExitCode, sync::Arc, time::Duration};

use belay::Device;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio::{runtime::Runtime, sync::Mutex};

use cases::{CASES, Case, Facts, obeys_ctrl_c};

/// Lines as they should not be: a small input with small windows and one with windows that promise more, far away, slow, delivering single bytes, and with a
/// board that keeps its input at Ctrl-C (those of the families empty it or keep it as the board does).
const HARD: [&str; 6] = [
    "pico?buffer=64&window=32",
    "pico?buffer=64&trust=verified",
    "pico?latency=40ms",
    "pico?baud=9600",
    "pico?chunk=1",
    "pico?ctrl_c=keep",
];
/// How many cases must run on any board.
const AT_LEAST: usize = 20;
/// Boards with less heap than this are reset before each case.
const SMALL_HEAP: u32 = 32 * 1024;
/// How long one case may take on the slowest board.
const LONGEST_CASE: Duration = Duration::from_secs(120);

/// A board that the suite runs against.
struct Target {
    name: String,
    device: Mutex<Device>,
    facts: Facts,
    /// Whatever has to live as long as the board.
    _guard: Option<microbit::Microbit>,
}

fn main() -> ExitCode {
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => Arc::new(runtime),
        Err(error) => {
            eprintln!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (targets, mut broken) = runtime.block_on(targets());
    let mut trials = Vec::new();
    for target in targets {
        let target = Arc::new(target);
        println!("{}: {:#}", target.name, target.facts.capabilities);
        let mut runs = 0;
        for case in CASES {
            let reason = (case.left_out)(&target.facts);
            match &reason {
                Some(reason) => println!("{}: left out: {}: {reason}", target.name, case.name),
                None => runs += 1,
            }
            trials.push(trial(&runtime, &target, case, reason.is_some()));
        }
        println!("{}: {runs} of {} cases", target.name, CASES.len());
        if runs < AT_LEAST {
            broken.push(format!("{}: only {runs} cases can run, and {AT_LEAST} must", target.name));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    for problem in &broken {
        eprintln!("error: {problem}");
    }
    if broken.is_empty() { conclusion.exit_code() } else { ExitCode::FAILURE }
}

fn trial(runtime: &Arc<Runtime>, target: &Arc<Target>, case: &'static Case, left_out: bool) -> Trial {
    let (runtime, target) = (Arc::clone(runtime), Arc::clone(target));
    Trial::test(format!("{}::{}", target.name, case.name), move || {
        runtime.block_on(async {
            let device = target.device.lock().await;
            // What the cases before it deployed would fill a small heap.
            if target.facts.capabilities.free_heap < SMALL_HEAP {
                device.session().soft_reset().await.map_err(|error| Failed::from(error.to_string()))?;
            }
            match tokio::time::timeout(LONGEST_CASE, (case.run)(device.clone())).await {
                Ok(outcome) => outcome.map_err(Failed::from),
                Err(_) => Err(Failed::from(format!("it took longer than {LONGEST_CASE:?}"))),
            }
        })
    })
    .with_ignored_flag(left_out)
}

/// The boards, and what is wrong with those that should be there.
async fn targets() -> (Vec<Target>, Vec<String>) {
    let (mut found, mut broken) = (Vec::new(), Vec::new());
    if let Ok(spec) = std::env::var("BELAY_TEST_PORT") {
        match open(&spec, &spec, None).await {
            Ok(target) => found.push(target),
            Err(problem) => broken.push(problem),
        }
        return (found, broken);
    }
    for family in belay_sim::families().chain(HARD) {
        match open(family, &format!("sim:{family}"), None).await {
            Ok(target) => found.push(target),
            Err(problem) => broken.push(problem),
        }
    }
    // Only that port has threads; over pipes it never sees a Ctrl-C while it runs something.
    match std::env::var("BELAY_UNIX_PORT") {
        Ok(program) => match open("unix-port", &format!("exec:{program} -i"), None).await {
            Ok(target) => found.push(target),
            Err(problem) => broken.push(problem),
        },
        Err(_) => absent("unix-port", "BELAY_UNIX_PORT does not name its program", &mut broken),
    }
    match microbit::Microbit::start().await {
        Ok(microbit) => match open("microbit", &microbit.port.clone(), Some(microbit)).await {
            Ok(target) => found.push(target),
            Err(problem) => broken.push(problem),
        },
        Err(reason) => absent("microbit", &reason, &mut broken),
    }
    (found, broken)
}

/// A board that is not there: in CI, where all are, that is an error.
fn absent(name: &str, reason: &str, broken: &mut Vec<String>) {
    if std::env::var_os("CI").is_some() {
        broken.push(format!("{name}: {reason}"));
    } else {
        println!("{name}: left out: {reason}");
    }
}

async fn open(name: &str, spec: &str, guard: Option<microbit::Microbit>) -> Result<Target, String> {
    let device = Device::builder().open_timeout(Duration::from_secs(30)).open(spec).await;
    let device = device.map_err(|error| format!("{name}: {error}"))?;
    let capabilities = device.session().capabilities().ok_or_else(|| format!("{name}: it says nothing of itself"))?;
    let obeys_ctrl_c = obeys_ctrl_c(&device).await.map_err(|error| format!("{name}: {error}"))?;
    let facts = Facts { capabilities, obeys_ctrl_c };
    Ok(Target { name: name.to_owned(), device: Mutex::new(device), facts, _guard: guard })
}
