//! What a virtual board costs, in this build, on this machine:
//!
//! ```text
//! cargo run --release -p belay-sim --example figures
//! ```
//!
//! CPU time is this process's, so that it means something on a busy machine too; wall time does not there.

use std::time::{Duration, Instant};

use belay_sim::{Board, Options, Port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const BOARDS: u32 = 20;
const EXECUTIONS: u32 = 1000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut boards = Vec::new();
    let first = Meter::start()?;
    boards.push(boot().await?);
    first.show("first boot of the process, to the prompt", 1)?;

    let memory = resident()?;
    let more = Meter::start()?;
    for _ in 0..BOARDS {
        boards.push(boot().await?);
    }
    more.show("another boot", BOARDS)?;
    let each = resident()?.saturating_sub(memory) / u64::from(BOARDS);
    println!("{:<42} {each:>6} KB", "memory of another board");

    let Some((_, port)) = boards.first_mut() else { return Ok(()) };
    port.write_all(b"\r\x01").await?;
    until(port, b"exit\r\n>").await?;
    let raw = Meter::start()?;
    for _ in 0..EXECUTIONS {
        port.write_all(b"print(1)\x04").await?;
        until(port, b"\x04\x04>").await?;
    }
    raw.show("raw exec of print(1)", EXECUTIONS)?;
    Ok(())
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

    fn show(&self, what: &str, times: u32) -> Result<()> {
        let [wall, cpu] =
            [self.wall.elapsed(), cpu()? - self.cpu].map(|time| time.as_secs_f64() * 1e3 / f64::from(times));
        println!("{what:<42} {wall:>9.3} ms {cpu:>9.3} ms CPU");
        Ok(())
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
