//! Stopping the board: deadlines, calls that are dropped, interrupts, and boards that do not listen.

use std::time::{Duration, Instant};

use belay::{AfterTimeout, Device, Error, Event};
use tokio::time::timeout;

use crate::{
    bench::Bench,
    rig::{Rig, assert_took, watch_timers},
};

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

#[tokio::test]
async fn callers_behind_a_call_that_is_stopped_lose_only_the_wait() {
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let limit = Duration::from_millis(300);
    let late = device.with_timeout(limit);
    let spin = tokio::spawn(async move { late.spin(1).await });
    let others: Vec<_> = (2..40)
        .map(|n| {
            let device = device.clone();
            tokio::spawn(async move { device.note(n).await })
        })
        .collect();
    let error = spin.await.unwrap().unwrap_err();
    // The second on a machine that is too busy to hear of it in time.
    assert!(
        matches!(&error, Error::TimedOut { board: AfterTimeout::Stopped | AfterTimeout::Interrupting, .. }),
        "{error}"
    );
    for (n, other) in (2..).zip(others) {
        assert_eq!(other.await.unwrap().unwrap(), n);
    }
    assert_eq!(device.ran().await.unwrap(), (0..40).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_call_that_is_dropped_in_the_queue_never_runs_and_stops_nothing() {
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let have = device.exclusive().await.unwrap();
    for n in 1..=20 {
        assert!(timeout(Duration::from_millis(1), device.note(n)).await.is_err());
    }
    let before = device.session().statistics();
    have.note(100).await.unwrap();
    drop(have);
    assert_eq!(device.ran().await.unwrap(), [0, 100]);
    assert_eq!((device.session().statistics() - before).interrupts, 0);
}

#[tokio::test]
async fn interrupting_cancels_what_runs_and_nothing_else() {
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let mut output = device.session().output();
    let mut events = device.session().events();
    for n in 0..3 {
        let runs = device.clone();
        // Not even what could be repeated is: the program wants it to end.
        let call =
            tokio::spawn(
                async move { if n == 2 { runs.spin_safely(1).await } else { runs.say_and_spin("it runs").await } },
            );
        if n < 2 {
            printed(&mut output, "it runs").await;
        } else {
            while device.session().statistics().calls < 6 {
                tokio::task::yield_now().await;
            }
        }
        let behind = device.clone();
        let behind = tokio::spawn(async move { behind.note(n + 10).await });
        device.session().interrupt().await.unwrap();
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(&error, Error::Cancelled { port, .. } if port == "bench"), "{error}");
        assert_eq!(behind.await.unwrap().unwrap(), n + 10);
    }
    let ran = device.ran().await.unwrap();
    assert_eq!(ran.iter().filter(|n| **n >= 10).collect::<Vec<_>>(), [&10, &11, &12]);
    assert!(std::iter::from_fn(|| events.try_next()).any(|event| event == Event::Interrupted));
    // With nothing under way it is no more than a proof that the board listens.
    device.session().interrupt().await.unwrap();
}

#[tokio::test]
async fn a_setup_can_be_interrupted_too() {
    #[belay::device]
    trait Slow {
        #[belay::setup]
        async fn open(&self) -> belay::Result<()> {
            "while True: pass"
        }

        #[belay::task]
        async fn nothing(&self) -> belay::Result<()> {
            "pass"
        }
    }
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let slow = device.clone();
    let call = tokio::spawn(async move { slow.nothing().await });
    let used = device.session().traffic();
    while device.session().traffic().bytes_out == used.bytes_out {
        tokio::task::yield_now().await;
    }
    device.session().interrupt().await.unwrap();
    let error = call.await.unwrap().unwrap_err();
    assert!(matches!(&error, Error::Cancelled { task, .. } if task.contains("open")), "{error}");
    assert_eq!(device.note(1).await.unwrap(), 1);
}

#[tokio::test]
async fn a_board_that_ignores_ctrl_c_is_reported_and_comes_back_when_it_listens_again() {
    watch_timers();
    let bench = Bench::new();
    // Its line cannot be opened anew.
    let device = Device::builder().connect("sulking", bench.board.connect()).await.unwrap();
    device.note(0).await.unwrap();
    let limit = Duration::from_millis(400);
    let late = device.with_timeout(limit);
    let begun = Instant::now();
    let error = late.sulk(2500).await.unwrap_err();
    assert_took(begun.elapsed(), limit);
    assert!(matches!(&error, Error::TimedOut { board: AfterTimeout::Interrupting, .. }), "{error}");
    let error = late.note(1).await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { board: AfterTimeout::Deaf | AfterTimeout::NotSent, .. }), "{error}");
    assert_eq!(device.note(2).await.unwrap(), 2);
    assert_eq!(device.ran().await.unwrap(), [0, 2]);
}

#[tokio::test]
async fn a_board_that_never_listens_again_is_given_up_with_what_was_tried() {
    watch_timers();
    let bench = Bench::new();
    let device = Device::builder()
        .recovery_timeout(Duration::from_millis(600))
        .connect("sulking", bench.board.connect())
        .await
        .unwrap();
    device.note(0).await.unwrap();
    let error = device.with_timeout(Duration::from_millis(200)).sulk(3_600_000).await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { board: AfterTimeout::Interrupting, .. }), "{error}");
    let (one, other, interrupt) = tokio::join!(device.note(1), device.note(2), device.session().interrupt());
    for error in [one.unwrap_err(), other.unwrap_err(), interrupt.unwrap_err()] {
        let text = error.to_string();
        assert!(matches!(&error, Error::Unresponsive { .. }) && text.contains("ignores Ctrl-C"), "{text}");
    }
    // With a deadline of its own a caller is not kept longer than that.
    let limit = Duration::from_millis(100);
    let begun = Instant::now();
    let error = device.with_timeout(limit).note(3).await.unwrap_err();
    assert_took(begun.elapsed(), limit);
    assert!(matches!(&error, Error::TimedOut { board: AfterTimeout::Deaf, .. }) && error.is_retryable(), "{error}");
    // The reset button helps.
    bench.board.reset();
    assert_eq!(device.note(4).await.unwrap(), 4);
    assert_eq!(device.ran().await.unwrap(), [4]);
}

#[tokio::test]
async fn opening_the_line_anew_helps_where_that_resets_the_board() {
    let bench = Bench::new();
    let device = bench.build(Device::builder().recovery_timeout(Duration::from_millis(600))).await;
    device.note(0).await.unwrap();
    bench.reset_by_opening();
    let error = device.with_timeout(Duration::from_millis(200)).sulk(3_600_000).await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { board: AfterTimeout::Interrupting, .. }), "{error}");
    assert_eq!(device.note(1).await.unwrap(), 1);
    assert_eq!(device.ran().await.unwrap(), [1]);
    assert_eq!(bench.opened(), 2);
    assert_eq!(device.session().statistics().resets, 1);
}
#[tokio::test]
async fn a_heap_filled_for_good_is_an_error_of_each_call_until_the_board_is_reset() {
    let device = Bench::new().device().await;
    device.note(0).await.unwrap();
    let full = |error: &Error| {
        let Error::Exception { exception, .. } = error else { panic!("{error}") };
        // There may not be enough left to say so.
        assert!(exception.kind() == "MemoryError" || exception.message().contains("memory full"), "{error}");
    };
    full(&device.fill().await.unwrap_err());
    for _ in 0..3 {
        match device.with_timeout(Duration::from_secs(2)).ran().await {
            Ok(ran) => assert_eq!(ran, [0]),
            Err(error) => full(&error),
        }
    }
    device.session().soft_reset().await.unwrap();
    assert_eq!(device.note(1).await.unwrap(), 1);
}
