//! What a virtual board costs, in this build, on this machine:
//!
//! ```text
//! cargo run --release -p belay-sim --example figures
//! ```
//!
//! CPU time is this process's, so that it means something on a busy machine too; wall time does not there. The program
//! fails when a boot or an exec takes more of it than it may; a debug build may take more than a release build.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use belay_sim::{Board, Options, Port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const BOARDS: u32 = 20;
const EXECUTIONS: u32 = 1000;

/// Milliseconds of CPU time.
const MOST_FOR_A_BOOT: f64 = if cfg!(debug_assertions) { 200.0 } else { 60.0 };
const MOST_FOR_AN_EXEC: f64 = if cfg!(debug_assertions) { 2.0 } else { 1.0 };

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode> {
    let mut boards = Vec::new();
    let first = Meter::start()?;
    boards.push(boot().await?);
    let mut good = first.show("first boot of the process, to the prompt", 1, MOST_FOR_A_BOOT)?;

    let memory = resident()?;
    let more = Meter::start()?;
    for _ in 0..BOARDS {
        boards.push(boot().await?);
    }
    good &= more.show("another boot", BOARDS, MOST_FOR_A_BOOT)?;
    let each = resident()?.saturating_sub(memory) / u64::from(BOARDS);
    println!("{:<42} {each:>6} KB", "memory of another board");

    let Some((_, port)) = boards.first_mut() else { return Err("there is no board".into()) };
    port.write_all(b"\r\x01").await?;
    until(port, b"exit\r\n>").await?;
    let raw = Meter::start()?;
    for _ in 0..EXECUTIONS {
        port.write_all(b"print(1)\x04").await?;
        until(port, b"\x04\x04>").await?;
    }
    good &= raw.show("raw exec of print(1)", EXECUTIONS, MOST_FOR_AN_EXEC)?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn boot() -> Result<(Board, Port)> {
    let board = Board::start(&Options::default())?;
    let mut port = board.connect();
    until(&mut port, b">>> ").await?;
    Ok((board, port))
}

async fn until(port: &mut Port, end: &[u8]) -> Result<()> {
    let mut seen = Vec::new();
    while !seen.ends_with(end) {
        seen.push(port.read_u8().await?);
    }
    Ok(())
}

/// Kilobytes of this process that are in memory.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

struct Meter {
    wall: Instant,
    cpu: Duration,
}

impl Meter {
    fn start() -> Result<Self> {
        Ok(Self { wall: Instant::now(), cpu: cpu()? })
    }

    /// Whether so much CPU time, in milliseconds, was enough for one of so many.
    fn show(&self, what: &str, times: u32, most: f64) -> Result<bool> {
        let [wall, cpu] =
            [self.wall.elapsed(), cpu()? - self.cpu].map(|time| time.as_secs_f64() * 1e3 / f64::from(times));
        let good = cpu <= most;
        let missed = if good { "" } else { "  MISSED" };
        println!("{what:<42} {wall:>9.3} ms {cpu:>9.3} ms CPU, at most {most}{missed}");
        Ok(good)
    }
}

/// CPU time of all threads that live, as Linux counts it.
fn cpu() -> Result<Duration> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir("/proc/self/task")? {
        let figures = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += figures.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}
