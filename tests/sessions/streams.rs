//! Streams and objects of boards that are unplugged and reset.

use std::time::Duration;

use belay::{Error, Result, Stream};

use crate::{bench::Bench, rig::Rig};

#[belay::device]
trait Samples {
    #[belay::task]
    fn samples(&self, quick: u32, ms: u32) -> impl Stream<Item = Result<u32>> {
        r#"
        import time
        n = 0
        while True:
            if n >= quick:
                print("waiting")
                time.sleep_ms(ms)
            yield n
            n += 1
        "#
    }
}

#[tokio::test]
async fn a_stream_goes_on_when_the_plug_is_back() {
    let bench = Bench::new();
    let device = bench.device().await;
    let mut samples = device.samples(u32::MAX, 0);
    let kept = device.session().object("[7]").await.unwrap();
    for n in 0..200 {
        if n % 40 == 20 {
            bench.unplug();
            bench.plug_in();
        }
        // Between batches nothing is lost with the line.
        match samples.next().await {
            Some(Ok(item)) => assert_eq!(item, n),
            other => panic!("item {n}: {other:?}"),
        }
    }
    assert_eq!(kept.index::<u32>(0).await.unwrap(), 7);
}

#[tokio::test]
async fn what_happens_while_an_item_is_awaited_is_told_and_the_next_call_works() {
    for reset in [false, true] {
        let bench = Bench::new();
        let device = bench.device().await;
        let mut samples = device.with_timeout(Duration::from_secs(1)).samples(1, 60_000);
        assert_eq!(samples.next().await.unwrap().unwrap(), 0);
        let mut output = device.session().output();
        let next = tokio::spawn(async move { (samples.next().await, samples.next().await) });
        // It says so when it is at the item that does not come.
        output.next().await.unwrap();
        if reset {
            bench.board.reset();
        } else {
            bench.unplug();
            bench.plug_in();
        }
        let (outcome, after) = next.await.unwrap();
        match outcome {
            Some(Err(Error::OutcomeUnknown { .. })) if !reset => {}
            // A board that is reset while it runs something says nothing of it.
            Some(Err(Error::OutcomeUnknown { .. } | Error::TimedOut { .. })) if reset => {}
            other => panic!("reset {reset}: {other:?}"),
        }
        assert!(after.is_none());
        assert_eq!(device.note(1).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_reset_that_nobody_asked_for_ends_streams_and_objects() {
    let bench = Bench::new();
    let device = bench.device().await;
    let mut samples = device.samples(u32::MAX, 0);
    let kept = device.session().object("[7]").await.unwrap();
    assert_eq!(samples.next().await.unwrap().unwrap(), 0);
    bench.board.reset();
    assert!(matches!(samples.next().await, Some(Err(Error::Gone { .. }))));
    assert!(samples.next().await.is_none());
    assert!(matches!(kept.index::<u32>(0).await, Err(Error::Gone { .. })));
    assert_eq!(device.note(1).await.unwrap(), 1);
}
