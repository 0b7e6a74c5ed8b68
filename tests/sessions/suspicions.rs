//! What only looks like a reset, an end or a trusted line gone bad: nothing runs twice for it, and nobody waits for ever.

use std::time::{Duration, Instant};

use belay::{Device, Error, Result, Trust};
use tokio::time::timeout;

use crate::{bench::Bench, cable::Cable, rig::Rig};

#[belay::device]
trait Drains {
    /// Reads what is sent to it until a question has come.
    #[belay::task]
    async fn drain(&self) -> Result<u32> {
        r#"
        import sys
        while sys.stdin.read(1) != '\x04': pass
        return 1
        "#
    }

    #[belay::task]
    async fn stop_like_a_person(&self) -> Result<()> {
        "raise KeyboardInterrupt"
    }

    #[belay::task]
    async fn nap(&self, ms: u32) -> Result<u32> {
        r#"
        import time
        until = time.ticks_add(time.ticks_ms(), ms)
        while time.ticks_diff(until, time.ticks_ms()) > 0: pass
        return ms
        "#
    }
}

const LIMIT: Duration = Duration::from_secs(20);

async fn on(cable: &Cable, trust: Trust) -> Device {
    let device = Device::builder().trust(trust).connect("talkative", cable.end()).await.unwrap().with_timeout(LIMIT);
    device.note(0).await.unwrap();
    device
}

/// What a timer or a thread of the program may print at any time.
const TEXTS: [&str; 4] =
    [">>> temp 21\r\n", "_b(3,26)\r\n", "\rpr\rprint(~1)\r#\r\n", "raw REPL; CTRL-B to exit\r\n>>> "];

#[tokio::test]
async fn what_is_printed_before_a_call_begins_does_not_run_it_twice() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let bench = Bench::new();
        let cable = Cable::new(bench.board.connect());
        let device = on(&cable, trust).await;
        let mut expected = vec![0];
        for (round, text) in (1..).zip(TEXTS) {
            let mut output = device.session().output();
            cable.interject(b"", text);
            let calls: Vec<_> = (0..4)
                .map(|n| {
                    let (device, n) = (device.clone(), round * 10 + n);
                    expected.push(n);
                    tokio::spawn(async move { (n, device.note(n).await) })
                })
                .collect();
            for call in calls {
                let (n, outcome) = call.await.unwrap();
                assert_eq!(outcome.unwrap(), n, "{trust:?}: {text:?}");
            }
            let printed = output.take_text();
            // A banner is what a terminal shows, wherever it comes from.
            let shown = text.trim_end().strip_prefix("raw REPL; CTRL-B to exit\r\n>").unwrap_or(text).trim_end();
            assert!(printed.contains(shown), "{trust:?}: {printed:?}");
        }
        assert_eq!(device.ran().await.unwrap(), expected, "{trust:?}");
        let statistics = device.session().statistics();
        assert_eq!((statistics.resets, statistics.interrupts), (0, 0), "{trust:?}: {statistics:?}");
    }
}

#[tokio::test]
async fn a_reply_counts_whatever_is_printed_behind_it() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let bench = Bench::new();
        let cable = Cable::new(bench.board.connect());
        let device = on(&cable, trust).await;
        device.nap(0).await.unwrap();
        for text in TEXTS {
            // Silent for so long that it is asked behind the call whether it runs: the answer is mixed with the text.
            cable.interject(b"\x04\x04>", text);
            assert_eq!(device.nap(1500).await.unwrap(), 1500, "{trust:?}: {text:?}");
            device.note(1).await.unwrap();
        }
        assert_eq!(device.ran().await.unwrap(), [0, 1, 1, 1, 1], "{trust:?}");
        assert_eq!(device.session().statistics().resets, 0, "{trust:?}");
    }
}

#[tokio::test]
async fn a_question_that_a_program_has_read_holds_nobody_up() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let device = Bench::new().build(Device::builder().trust(trust)).await.with_timeout(LIMIT);
        device.note(0).await.unwrap();
        assert_eq!(device.drain().await.unwrap(), 1);
        let begun = Instant::now();
        assert_eq!(device.note(1).await.unwrap(), 1, "{trust:?}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{trust:?}: {:?}", begun.elapsed());
        assert_eq!(device.ran().await.unwrap(), [0, 1], "{trust:?}");
        assert_eq!(device.session().statistics().resets, 0, "{trust:?}");
    }
}

#[tokio::test]
async fn an_interrupt_that_nobody_asked_for_leaves_the_calls_behind_it_in_order() {
    let bench = Bench::new();
    let cable = Cable::new(bench.board.connect());
    let device = on(&cable, Trust::Trusted).await;
    let error = device.stop_like_a_person().await.unwrap_err();
    assert!(error.to_string().contains("KeyboardInterrupt"), "{error}");
    device.note(1).await.unwrap();
    assert_eq!(device.ran().await.unwrap(), [0, 1]);
    let before = device.session().statistics();
    let stops = device.clone();
    let stop = tokio::spawn(async move { stops.stop_like_a_person().await });
    let behind: Vec<_> = (2..9)
        .map(|n| {
            let device = device.clone();
            tokio::spawn(async move { device.note(n).await })
        })
        .collect();
    assert!(matches!(stop.await.unwrap().unwrap_err(), Error::Exception { .. }));
    for (n, call) in (2..).zip(behind) {
        assert_eq!(call.await.unwrap().unwrap(), n);
    }
    assert_eq!(device.ran().await.unwrap(), (0..9).collect::<Vec<_>>());
    let after = device.session().statistics();
    assert_eq!((after.resets, after.deployments), (before.resets, before.deployments), "{after:?}");
}

#[tokio::test]
async fn an_interrupt_stops_what_runs_and_nothing_else() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let device = Bench::new().build(Device::builder().trust(trust)).await.with_timeout(LIMIT);
        device.note(0).await.unwrap();
        device.nap(1).await.unwrap();
        let busy: Vec<_> = (0..4)
            .map(|_| {
                let device = device.clone();
                tokio::spawn(async move {
                    let mut cancelled = 0;
                    for _ in 0..40 {
                        match device.nap(5).await {
                            Ok(5) => {}
                            Err(Error::Cancelled { .. }) => cancelled += 1,
                            // It was on its way behind the one that was stopped, and may have begun.
                            Err(Error::OutcomeUnknown { .. }) if trust == Trust::Trusted => {}
                            other => panic!("{other:?}"),
                        }
                    }
                    cancelled
                })
            })
            .collect();
        for _ in 0..5 {
            tokio::task::yield_now().await;
            // It comes to an end though there is always another call.
            timeout(Duration::from_secs(5), device.session().interrupt()).await.expect("in time").unwrap();
        }
        let mut cancelled = 0;
        for caller in busy {
            cancelled += caller.await.unwrap();
        }
        assert!(cancelled <= 5, "{trust:?}: {cancelled}");
    }
}
