//! Tasks that tell what ran, and how long things may take.

use std::{
    collections::VecDeque,
    sync::{Mutex, Once},
    time::{Duration, Instant},
};

use belay::Result;

#[belay::device]
pub(crate) trait Rig {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import micropython, time
        log = []
        kept = []
        "#
    }

    /// Notes that `n` ran.
    #[belay::task]
    async fn note(&self, n: u32) -> Result<u32> {
        r#"
        log.append(n)
        return n
        "#
    }

    /// All that ran since the last reset.
    #[belay::task]
    async fn ran(&self) -> Result<Vec<u32>> {
        "return log"
    }

    #[belay::task]
    async fn spin(&self, n: u32) -> Result<()> {
        r#"
        log.append(n)
        while True: pass
        "#
    }

    #[belay::task(idempotent)]
    async fn spin_safely(&self, n: u32) -> Result<()> {
        r#"
        log.append(n)
        while True: pass
        "#
    }

    /// Ignores Ctrl-C for so long.
    #[belay::task]
    async fn sulk(&self, ms: u32) -> Result<()> {
        r#"
        micropython.kbd_intr(-1)
        until = time.ticks_add(time.ticks_ms(), ms)
        while time.ticks_diff(until, time.ticks_ms()) > 0: pass
        micropython.kbd_intr(3)
        "#
    }

    #[belay::task]
    async fn say_and_spin(&self, text: &str) -> Result<()> {
        r#"
        print(text)
        while True: pass
        "#
    }

    #[belay::task]
    async fn fill(&self) -> Result<()> {
        r#"
        while True: kept.append(bytes(64))
        "#
    }
}

/// When this machine's own timers were late, and by how much: what a session cannot make up for.
static LATE: Mutex<VecDeque<(Instant, Duration)>> = Mutex::new(VecDeque::new());

/// Begins to look at this machine's timers.
pub(crate) fn watch_timers() {
    const TICK: Duration = Duration::from_millis(5);
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        std::thread::spawn(|| {
            loop {
                let due = Instant::now() + TICK;
                std::thread::sleep(TICK);
                let mut late = LATE.lock().unwrap();
                late.push_back((Instant::now(), due.elapsed()));
                if late.len() > 10_000 {
                    late.pop_front();
                }
            }
        });
    });
}

/// Asserts that what ends now took so long, with a fifth, a little for the scheduler, and the longest that a timer of
/// this machine was late meanwhile on top.
pub(crate) fn assert_took(took: Duration, limit: Duration) {
    watch_timers();
    let begun = Instant::now() - took;
    let late = LATE.lock().unwrap().iter().filter(|(at, _)| *at >= begun).map(|(_, late)| *late).max();
    let most = limit.mul_f32(1.2) + Duration::from_millis(100) + late.unwrap_or_default();
    assert!(took >= limit && took <= most, "{took:?} for {limit:?}, with timers that were {late:?} late");
}
