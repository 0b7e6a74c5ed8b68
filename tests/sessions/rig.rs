//! Tasks that tell what ran, and how long things may take.

use std::time::Duration;

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

/// Asserts that something took so long, with a fifth and a little for the scheduler on top.
pub(crate) fn assert_took(took: Duration, limit: Duration) {
    assert!(took >= limit && took <= limit.mul_f32(1.2) + Duration::from_millis(100), "{took:?} for {limit:?}");
}
