//! Sixty-four tasks and one board that is stopped, reset and unplugged all the time: every call that survives is right,
//! none runs twice, none is lost without an error, and no deadline is missed.
//!
//! The board counts what runs in a file, which outlives resets. `BELAY_SOAK_CALLS` says how many calls are made. The resets
//! are in the first half: they give back what a board has lost, so that its memory is compared within the second.

use std::{
    collections::HashMap,
    ops::Range,
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

/// Whether the call was answered. Two in a hundred reset the board before, where `resets` says so.
async fn one(n: u32, resets: bool, device: &Device, bench: &Bench, tally: &Tally) -> bool {
    let mut random = Random(n.into());
    let limit = Duration::from_millis(600 + random.below(600));
    let busy = random.below(3) as u32;
    let kind = if n % 500 == 250 { 0 } else { 1 + random.below(1000) };
    let stuck = 201..=300;
    let begun = Instant::now();
    let outcome = match kind {
        0 => {
            bench.unplug();
            tokio::time::sleep(Duration::from_millis(random.below(40))).await;
            bench.plug_in();
            device.work(n, busy).await
        }
        1..=20 if resets => {
            let reset = device.session().soft_reset().await;
            assert!(reset.is_ok(), "{reset:?}");
            device.work(n, busy).await
        }
        101..=200 => {
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
        201..=300 => device.with_timeout(limit).work(n, 60_000).await,
        _ => device.work(n, busy).await,
    };
    if stuck.contains(&kind) {
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
        Err(Error::TimedOut { .. }) if stuck.contains(&kind) => tally.timed_out.fetch_add(1, Relaxed),
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

/// Makes the calls `numbers` from all tasks; which of them were answered.
async fn calls(numbers: Range<u32>, resets: bool, device: &Device, bench: &Bench, tally: &Arc<Tally>) -> Vec<u32> {
    let next = Arc::new(AtomicU32::new(numbers.start));
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let (device, bench, tally, next) = (device.clone(), bench.clone(), Arc::clone(tally), Arc::clone(&next));
        tasks.spawn(async move {
            let mut right = Vec::new();
            loop {
                let n = next.fetch_add(1, Relaxed);
                if n >= numbers.end {
                    return right;
                }
                if one(n, resets, &device, &bench, &tally).await {
                    right.push(n);
                }
            }
        });
    }
    tasks.join_all().await.concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_wrong_or_done_twice() {
    let all =
        std::env::var("BELAY_SOAK_CALLS").ok().map_or(CALLS, |n| n.parse().expect("BELAY_SOAK_CALLS is a number"));
    let bench = Bench::new();
    let device = bench.device().await.with_timeout(Duration::from_secs(60));
    device.work(0, 0).await.unwrap();
    let tally = Arc::new(Tally::default());
    tokio::spawn(lateness(Arc::clone(&tally.timers)));
    let begun = Instant::now();
    let (half, after) = (all / 2 + 1, all + 1);
    let mut right = calls(1..half, true, &device, &bench, &tally).await;
    // One boot of the board from here on, on which everything has happened that the other half will do to it.
    right.extend(calls(half..half + TASKS, false, &device, &bench, &tally).await);
    let (resets, resident_early) = (device.session().statistics().resets, resident());
    let free_before = device.free().await.unwrap();
    right.extend(calls(half + TASKS..after, false, &device, &bench, &tally).await);
    let free_after = device.free().await.unwrap();
    let (statistics, resident_late) = (device.session().statistics(), resident());
    let took = begun.elapsed();
    assert_eq!(statistics.resets, resets, "a reset would give back what the board lost");
    assert!(resets > 0 && statistics.reconnections > 0, "{statistics:?}");
    // The board tells what it ran.
    device.session().soft_reset().await.unwrap();
    let ran = String::from_utf8(bench.board.read_file("/ran.txt").unwrap()).unwrap();
    let mut times: HashMap<u32, u32> = HashMap::new();
    for n in ran.lines() {
        *times.entry(n.parse().unwrap_or_else(|_| panic!("{n:?} was written"))).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?} ran more than once");
    let not: Vec<_> = right.iter().filter(|n| !times.contains_key(n)).collect();
    assert!(not.is_empty(), "{not:?} answered and did not run");
    println!(
        "{all} calls in {took:?}, {} ran: {tally:?}\n{statistics:?}\nin the second half: board: {free_before} bytes free \
         at its beginning, {free_after} at its end; host: {resident_early} KB, {resident_late} KB",
        times.len(),
    );
    assert!(tally.worst_lateness.load(Relaxed) <= 200, "a deadline was missed by more than a fifth");
    assert!(free_after + 256 >= free_before, "the board lost memory: {free_before} bytes free, then {free_after}");
    assert!(resident_late <= resident_early + 4 * 1024, "the host lost memory");
    let ends = [&tally.right, &tally.dropped, &tally.timed_out, &tally.unknown].map(|count| count.load(Relaxed));
    assert_eq!(ends.iter().sum::<u32>(), all, "every call came to an end");
}
