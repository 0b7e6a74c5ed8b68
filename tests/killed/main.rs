//! A host process that is killed in the middle of whatever it does: the next one finds a board that works.
//!
//! The board lives in this process behind a TCP port; the host that is killed is this program again, started with the
//! address and what to do. `BELAY_KILLS` says how often each of the three is killed, at another moment each time.

use std::{
    io::{BufRead, BufReader},
    pin::pin,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use belay::{Device, Result, Stream};
use belay_sim::{Board, Options};
use libtest_mimic::{Arguments, Failed, Trial};

const KILLS: u32 = 10;
const HOST: &str = "BELAY_KILLED_HOST";

#[belay::device]
trait Killed {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import time
        "#
    }

    /// Busy for so long.
    #[belay::task]
    async fn busy(&self, ms: u32) -> Result<u32> {
        r#"
        until = time.ticks_add(time.ticks_ms(), ms)
        while time.ticks_diff(until, time.ticks_ms()) > 0: pass
        return ms
        "#
    }

    #[belay::task]
    fn items(&self, n: u32) -> impl Stream<Item = Result<u32>> {
        r#"
        for i in range(n):
            yield i
        "#
    }
}

/// What the process that is killed does: it says when it begins.
async fn host(address: &str, what: &str) -> Result<()> {
    let device = Device::open(address).await?;
    device.busy(0).await?;
    #[allow(clippy::print_stdout, reason = "this is how the other process knows")]
    {
        println!("begun");
    }
    // A text that no board has seen, long enough to be under way for a while.
    let comment = "# what a long source is made of\n".repeat(200);
    for n in 0_u64.. {
        match what {
            "deployment" => device.session().exec(&format!("{comment}x = {n}")).await?,
            "call" => drop(device.busy(5).await?),
            _ => {
                let mut items = pin!(device.items(1000));
                while let Some(item) = std::future::poll_fn(|cx| items.as_mut().poll_next(cx)).await {
                    item?;
                }
            }
        }
    }
    Ok(())
}

fn start(address: &str, what: &str) -> std::io::Result<Child> {
    let mut child =
        Command::new(std::env::current_exe()?).env(HOST, format!("{address} {what}")).stdout(Stdio::piped()).spawn()?;
    let mut said = String::new();
    if let Some(output) = child.stdout.take() {
        BufReader::new(output).read_line(&mut said)?;
    }
    assert_eq!(said, "begun\n", "the host did not begin");
    Ok(child)
}

/// Kills hosts that do `what`, each a little later after it has begun than the one before.
async fn killed(what: &str) -> std::result::Result<(), Failed> {
    let kills = std::env::var("BELAY_KILLS").ok().map_or(Ok(KILLS), |n| n.parse())?;
    let board = Board::start(&Options::default())?;
    let tcp = board.listen("127.0.0.1:0").await?;
    let address = format!("tcp://{}", tcp.address());
    let mut slowest = Duration::ZERO;
    for n in 0..kills {
        let mut child = start(&address, what)?;
        // The moments are spread over some milliseconds: that is what is tried here.
        tokio::time::sleep(Duration::from_micros(u64::from(n) * 617 % 20_000)).await;
        // SIGKILL, on Unix.
        child.kill()?;
        child.wait()?;
        let begun = Instant::now();
        let device = Device::open(&address).await?;
        assert_eq!(device.busy(n % 3).await?, n % 3, "after kill {n}");
        assert_eq!(device.session().eval::<u32>(&format!("{n} + 1")).await?, n + 1, "after kill {n}");
        let mut items = pin!(device.items(3));
        for expected in 0..3 {
            let item = std::future::poll_fn(|cx| items.as_mut().poll_next(cx)).await;
            assert_eq!(item.transpose()?, Some(expected), "after kill {n}");
        }
        assert_eq!(device.session().statistics().resets, 0, "after kill {n}");
        slowest = slowest.max(begun.elapsed());
    }
    println!("{what}: {kills} hosts were killed; the next one had its answers after {slowest:?} at most");
    Ok(())
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if let Ok(host_of) = std::env::var(HOST) {
        let (address, what) = host_of.split_once(' ').expect("an address and what to do");
        let error = runtime.block_on(host(address, what)).expect_err("it ends with the line or by being killed");
        eprintln!("{error}");
        std::process::exit(1);
    }
    let trials = ["deployment", "call", "stream"].map(|what| {
        let handle = runtime.handle().clone();
        Trial::test(format!("killed_in_the_middle_of_a_{what}"), move || handle.block_on(killed(what)))
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit();
}
