//! Boards that are reset in the middle of a call, lines that end: who learns what, how soon, and that nothing which had
//! arrived by then is lost.

use std::time::{Duration, Instant};

use belay::{Builder, Device, Error, Result, Trust};
use belay_sim::{Options, families};

use crate::bench::Bench;

#[belay::device]
trait Losses {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import time
        try: import machine
        except ImportError: machine = None
        "#
    }

    #[belay::task]
    async fn wait_after(&self, text: &str, ms: u32) -> Result<u32> {
        r#"
        print(text)
        until = time.monotonic() + ms / 1000 if hasattr(time, 'monotonic') else time.ticks_add(time.ticks_ms(), ms)
        if hasattr(time, 'monotonic'):
            while time.monotonic() < until: pass
        else:
            while time.ticks_diff(until, time.ticks_ms()) > 0: pass
        return ms
        "#
    }

    /// Waits the first time that it is called on this board.
    #[belay::task(idempotent)]
    async fn wait_once(&self, text: &str) -> Result<bool> {
        r#"
        try:
            open('waited.txt').close()
            return False
        except OSError:
            open('waited.txt', 'w').close()
        print(text)
        while True: pass
        "#
    }

    #[belay::task]
    async fn reset_itself(&self) -> Result<()> {
        "machine.reset()"
    }

    #[belay::task]
    async fn add(&self, a: u32, b: u32) -> Result<u32> {
        "return a + b"
    }
}

/// Waits until `text` has been printed.
async fn printed(output: &mut belay::Output, text: &str) {
    let mut seen = String::new();
    while !seen.contains(text) {
        match output.next().await {
            Some(belay::Printed::Bytes(bytes)) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            other => panic!("{other:?} after {seen:?}"),
        }
    }
}

/// The families that come back after a reset, on lines of both kinds.
fn boards() -> impl Iterator<Item = (String, Bench, Builder)> {
    let families = families().filter(|family| *family != "unix").collect::<Vec<_>>();
    families.into_iter().flat_map(|family| {
        [Trust::Trusted, Trust::Verified].map(|trust| {
            let bench = Bench::with(&Options::for_family(family).unwrap());
            (format!("{family}, {trust:?}"), bench, Device::builder().trust(trust))
        })
    })
}

/// How long a reset stays unnoticed at most, of calls that may take a minute.
const AT_ONCE: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_reset_in_the_middle_of_a_call_ends_it_long_before_its_deadline() {
    for (name, bench, builder) in boards() {
        let device = bench.build(builder).await.with_timeout(LIMIT);
        assert_eq!(device.add(1, 2).await.unwrap(), 3, "{name}");
        let mut output = device.session().output();
        for silent in [false, true] {
            let runs = device.clone();
            let text = if silent { "" } else { "it runs" };
            let call = tokio::spawn(async move { runs.wait_after(text, 3_600_000).await });
            printed(&mut output, text).await;
            while device.session().waiting() == 0 || silent && device.session().statistics().calls % 3 != 0 {
                tokio::task::yield_now().await;
            }
            let begun = Instant::now();
            bench.board.reset();
            let error = call.await.unwrap().unwrap_err();
            let took = begun.elapsed();
            println!("{name}: known {took:?} after the reset, {LIMIT:?} before the deadline");
            assert!(matches!(&error, Error::OutcomeUnknown { .. }), "{name}: {error}");
            assert!(took < AT_ONCE, "{name}: {took:?}");
            // The board is set up again, and those who come now notice nothing.
            assert_eq!(device.add(3, 4).await.unwrap(), 7, "{name}");
        }
        let statistics = device.session().statistics();
        assert_eq!((statistics.resets, statistics.retries), (2, 0), "{name}: {statistics:?}");
    }
}
