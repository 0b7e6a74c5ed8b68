//! Sixty-four tasks and one board that is stopped, reset and unplugged all the time: every call that survives is right,
//! none runs twice, none is lost without an error, and no deadline is missed.
//!
//! The board counts what runs in a file, which outlives resets. `BELAY_SOAK_CALLS` says how many calls are made.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use belay::{Device, Error, Result};
use tokio::{task::JoinSet, time::timeout};

#[path = "sessions/bench.rs"]
#[allow(dead_code, reason = "it has more for the other tests")]
mod bench;

use bench::Bench;

const TASKS: u32 = 64;
const CALLS: u32 = 1_000;

#[belay::device]
trait Soak {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import gc, time
        log = open('ran.txt', 'a')
        "#
    }

    /// Notes that `n` began, and is busy for a while.
    #[belay::task]
    async fn work(&self, n: u32, busy_ms: u32) -> Result<u32> {
        r#"
        log.write(str(n) + '\n')
        log.flush()
        until = time.ticks_add(time.ticks_ms(), busy_ms)
        while time.ticks_diff(until, time.ticks_ms()) > 0: pass
        return n * 7 + 3
        "#
    }

    #[belay::task]
    async fn free(&self) -> Result<u32> {
        r#"
        gc.collect()
        return gc.mem_free()
        "#
    }
}

/// The SplitMix64 generator: the same seed makes the same choices.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ (x >> 31)) % limit
    }
}

/// What became of calls.
#[derive(Default, Debug)]
struct Tally {
    right: AtomicU32,
    dropped: AtomicU32,
    timed_out: AtomicU32,
    unknown: AtomicU32,
    /// How long after its deadline the latest answer came, in thousandths of that deadline.
    worst_lateness: AtomicU32,
    /// The longest that this machine's timers were late, in microseconds.
    timers: Arc<AtomicU32>,
}

/// The longest that this machine's own timers were late: what a session cannot make up for.
async fn lateness(worst: Arc<AtomicU32>) {
    loop {
        let due = Instant::now() + Duration::from_millis(5);
        tokio::time::sleep_until(due.into()).await;
        worst.fetch_max(due.elapsed().as_micros() as u32, Relaxed);
    }
}

async fn one(n: u32, device: &Device, bench: &Bench, random: &mut Random, tally: &Tally) -> bool {
    let limit = Duration::from_millis(600 + random.below(600));
    let busy = random.below(3) as u32;
    let kind = random.below(1000);
    let begun = Instant::now();
    let outcome = match kind {
        0..2 => {
            bench.unplug();
            tokio::time::sleep(Duration::from_millis(random.below(40))).await;
            bench.plug_in();
            device.work(n, busy).await
        }
        2..12 => {
            let reset = device.session().soft_reset().await;
            assert!(reset.is_ok(), "{reset:?}");
            device.work(n, busy).await
        }
        12..112 => {
            // Dropped at any moment, mostly while it waits or runs.
            let patience = Duration::from_micros(random.below(30_000));
            match timeout(patience, device.work(n, 20)).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    tally.dropped.fetch_add(1, Relaxed);
                    return false;
                }
            }
        }
        112..212 => device.with_timeout(limit).work(n, 60_000).await,
        _ => device.work(n, busy).await,
    };
    if (112..212).contains(&kind) {
        let timers = Duration::from_micros(tally.timers.load(Relaxed).into());
        let allowed = limit + timers;
        let late = begun.elapsed().saturating_sub(allowed).as_secs_f64() / limit.as_secs_f64();
        tally.worst_lateness.fetch_max((late * 1000.0) as u32, Relaxed);
    }
    match outcome {
        Ok(value) => {
            assert_eq!(value, n * 7 + 3, "call {n}");
            tally.right.fetch_add(1, Relaxed);
            return true;
        }
        Err(Error::TimedOut { .. }) if (112..212).contains(&kind) => tally.timed_out.fetch_add(1, Relaxed),
        // Only where the plug was pulled while it ran.
        Err(Error::OutcomeUnknown { reason, .. }) if reason.contains("lost") => tally.unknown.fetch_add(1, Relaxed),
        Err(error) => panic!("call {n}, kind {kind}: {error}"),
    };
    false
}

/// Kilobytes of this process that are in memory.
#[cfg(target_os = "linux")]
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[cfg(not(target_os = "linux"))]
fn resident() -> u64 {
    0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_wrong_or_done_twice() {
    let calls =
        std::env::var("BELAY_SOAK_CALLS").ok().map_or(CALLS, |n| n.parse().expect("BELAY_SOAK_CALLS is a number"));
    let bench = Bench::new();
    let device = bench.device().await.with_timeout(Duration::from_secs(60));
    device.work(0, 0).await.unwrap();
    let free_before = device.free().await.unwrap();
    let (tally, next) = (Arc::new(Tally::default()), Arc::new(AtomicU32::new(1)));
    tokio::spawn(lateness(Arc::clone(&tally.timers)));
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for seed in 0..TASKS {
        let (device, bench, tally, next) = (device.clone(), bench.clone(), Arc::clone(&tally), Arc::clone(&next));
        tasks.spawn(async move {
            let mut random = Random(u64::from(seed) << 32);
            let mut right = Vec::new();
            let mut resident_early = 0;
            loop {
                let n = next.fetch_add(1, Relaxed);
                if n > calls {
                    return (right, resident_early);
                }
                if n == calls / 4 {
                    resident_early = resident();
                }
                if one(n, &device, &bench, &mut random, &tally).await {
                    right.push(n);
                }
            }
        });
    }
    let done = tasks.join_all().await;
    let took = begun.elapsed();
    let resident_early: u64 = done.iter().map(|(_, early)| early).sum();
    let resident_late = resident();
    // The board tells what it ran.
    device.session().soft_reset().await.unwrap();
    let free_after = device.free().await.unwrap();
    let ran = String::from_utf8(bench.board.read_file("/ran.txt").unwrap()).unwrap();
    let mut times: HashMap<u32, u32> = HashMap::new();
    for n in ran.lines() {
        *times.entry(n.parse().unwrap_or_else(|_| panic!("{n:?} was written"))).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?} ran more than once");
    let not: Vec<_> = done.iter().flat_map(|(right, _)| right).filter(|n| !times.contains_key(n)).collect();
    assert!(not.is_empty(), "{not:?} answered and did not run");
    let statistics = device.session().statistics();
    println!(
        "{calls} calls in {took:?}, {} ran: {tally:?}\n{statistics:?}\nboard: {free_before} bytes free before, \
         {free_after} after; host: {resident_early} KB at a quarter, {resident_late} KB at the end",
        times.len(),
    );
    assert!(tally.worst_lateness.load(Relaxed) <= 200, "a deadline was missed by more than a fifth");
    assert!(free_after + 256 >= free_before, "the board lost memory");
    assert!(resident_late <= resident_early + 4 * 1024, "the host lost memory");
    let all = [&tally.right, &tally.dropped, &tally.timed_out, &tally.unknown].map(|count| count.load(Relaxed));
    assert_eq!(all.iter().sum::<u32>(), calls, "every call came to an end");
}
