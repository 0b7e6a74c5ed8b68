//! What a session holds on its board: listed, used, released, freed whatever happens, and counted on the board itself.

use std::time::Duration;

use belay::{Device, Error, Holding, HoldingKind, Object, Result, Stream, Trust};
use belay_sim::{Board, Options, RawPaste};

use crate::{bench::Bench, rig::Rig};

#[belay::device]
trait Things {
    #[belay::setup]
    async fn begin(&self) -> Result<()> {
        r#"
        import sys
        class Lamp:
            def __init__(self, pin):
                self.pin = pin
                self.big = bytearray(1000)
            def set(self, level):
                self.level = level
                return self.pin, level
        made = 0
        def say(what):
            sys.stdout.write(what)
        "#
    }

    #[belay::task]
    async fn lamp(&self, pin: u8) -> Result<Object> {
        r#"
        global made
        made += 1
        if pin > 40:
            raise ValueError("no such pin")
        return Lamp(pin)
        "#
    }

    #[belay::task(idempotent, timeout = "5s")]
    async fn slow_lamp(&self, ms: u32) -> Result<Object> {
        r#"
        global made
        made += 1
        import time
        print("slowly")
        if made < 2:
            time.sleep_ms(ms)
        return Lamp(made)
        "#
    }

    #[belay::task]
    fn count(&self, n: u32, farewell: &str) -> impl Stream<Item = Result<u32>> {
        r#"
        try:
            for i in range(n):
                yield i
        finally:
            say(farewell)
        "#
    }

    /// Its end takes for ever.
    #[belay::task]
    fn clings(&self) -> impl Stream<Item = Result<u32>> {
        r#"
        try:
            yield 1
            yield 2
        finally:
            while True:
                pass
        "#
    }

    #[belay::task]
    fn crawl(&self, ms: u32) -> impl Stream<Item = Result<u32>> {
        r#"
        import time
        n = 0
        while True:
            print("crawling")
            time.sleep_ms(ms)
            yield n
            n += 1
        "#
    }

    #[belay::teardown]
    async fn end(&self) -> Result<()> {
        "say('torn down. ')"
    }
}

/// The numbers of what the agent keeps for handles, from its own table.
#[belay::task]
async fn kept(device: &Device) -> Result<Vec<i64>> {
    r#"
    import __main__, gc
    gc.collect()
    return [i for i in __main__._b.__globals__["S"] if i < 0]
    "#
}

#[belay::task]
async fn free_heap(device: &Device) -> Result<u32> {
    r#"
    import gc
    gc.collect()
    return gc.mem_free()
    "#
}

fn kinds(holdings: &[Holding]) -> Vec<(HoldingKind, &str)> {
    holdings.iter().map(|holding| (holding.kind, holding.name.rsplit("::").next().unwrap_or_default())).collect()
}

/// What is held beside namespaces.
fn handles(device: &Device) -> Vec<Holding> {
    device.session().holdings().into_iter().filter(|holding| holding.kind != HoldingKind::Namespace).collect()
}

fn is_released<T: std::fmt::Debug>(outcome: Result<T>, of: &str) {
    match outcome {
        Err(error @ Error::Released { .. }) => {
            assert!(error.to_string().starts_with(of) && !error.is_retryable(), "{error}");
        }
        other => panic!("{of}: {other:?}"),
    }
}

async fn everything(heap: u32, trust: Trust, raw_paste: RawPaste) {
    let mut options = Options::default();
    (options.heap, options.raw_paste) = (heap, raw_paste);
    let board = Board::start(&options).unwrap();
    let device = Device::builder().trust(trust).connect("holdings", board.connect()).await.unwrap();
    let session = device.session();
    assert!(session.holdings().is_empty());
    let mut output = session.output();

    // A task gives back an object that stays where it is.
    let lamp = device.lamp(3).await.unwrap();
    assert_eq!(lamp.get::<u8>("pin").await.unwrap(), 3);
    assert_eq!(lamp.call::<(u8, u8)>("set", (7,)).await.unwrap(), (3, 7));
    match device.lamp(41).await {
        Err(Error::Exception { task, exception }) => {
            assert_eq!((task.as_str(), exception.kind()), ("lamp", "ValueError"));
        }
        other => panic!("{other:?}"),
    }
    let mut count = device.count(1000, "bye. ");
    assert!(handles(&device).iter().all(|holding| holding.kind != HoldingKind::Stream), "it has not begun");
    for n in 0..10 {
        assert_eq!(count.next().await.unwrap().unwrap(), n);
    }
    let list = session.object("[1, 2]").await.unwrap();
    let first = list.call_object("copy", ()).await.unwrap();

    // All of it is listed, and nothing is sent for that.
    let sent = session.traffic();
    let holdings = session.holdings();
    assert_eq!(session.traffic(), sent, "listing asked the board");
    use HoldingKind::{Namespace, Stream as Generator};
    let expected = [
        (Namespace, "Things"),
        (HoldingKind::Object, "lamp"),
        (Generator, "count"),
        (HoldingKind::Object, "[1, 2]"),
        (HoldingKind::Object, "[1, 2].copy"),
    ];
    assert_eq!(kinds(&holdings), expected);
    assert_eq!(holdings[0].tasks, ["lamp", "count"]);
    assert!(holdings[1].age >= holdings[2].age, "{holdings:?}");
    let shown = holdings[2].to_string();
    assert!(shown.starts_with("stream count, ") && shown.ends_with('s'), "{shown}");
    assert!(holdings[0].to_string().contains("Things (lamp, count), "), "{}", holdings[0]);
    let through_json: Vec<Holding> = serde_json::from_str(&serde_json::to_string(&holdings).unwrap()).unwrap();
    assert_eq!(through_json, holdings);
    assert_eq!(kept(&device).await.unwrap().len(), 4);
    let with = free_heap(&device).await.unwrap();

    // What is released is gone, and its handle never meets what comes after it.
    output.take_text();
    for holding in &through_json[1..] {
        session.release(holding).await.unwrap();
    }
    assert_eq!(output.take_text(), "bye. ");
    assert_eq!(kept(&device).await.unwrap(), [0_i64; 0]);
    assert!(handles(&device).is_empty());
    let without = free_heap(&device).await.unwrap();
    assert!(without >= with + 1000, "{with} bytes were free, and {without} afterwards");
    let other = session.object("'another'").await.unwrap();
    let sent = session.traffic();
    is_released(lamp.get::<u8>("pin").await, "lamp");
    is_released(list.index::<u8>(0).await, "[1, 2]");
    is_released(first.index_object(0).await.map(drop), "[1, 2].copy");
    // The items that are here already come before the error, and nothing after it.
    let mut expected = 10;
    let end = loop {
        match count.next().await {
            Some(Ok(n)) => {
                assert_eq!(n, expected);
                expected += 1;
            }
            Some(Err(error)) => break error,
            None => panic!("the stream ended as if it had come to its end"),
        }
    };
    is_released::<()>(Err(end), "count");
    assert!(count.next().await.is_none());
    for holding in &through_json[1..] {
        session.release(holding).await.unwrap();
    }
    drop((lamp, list, first, count));
    assert_eq!(session.traffic(), sent, "something was sent");
    assert_eq!(other.call::<String>("upper", ()).await.unwrap(), "ANOTHER");

    // What is dropped is listed no more, and off the board with the next call.
    drop(other);
    assert!(handles(&device).is_empty());
    assert_eq!(kept(&device).await.unwrap(), [0_i64; 0]);

    // A namespace is among them.
    let things = session.holdings().into_iter().find(|holding| holding.name.ends_with("Things")).unwrap();
    session.release(&things).await.unwrap();
    assert_eq!(output.take_text(), "torn down. ");
    assert!(session.holdings().iter().all(|holding| !holding.name.ends_with("Things")));
    session.release(&things).await.unwrap();

    // A reset leaves nothing, and what was listed before it cannot be released by mistake.
    let lamp = device.lamp(4).await.unwrap();
    let before = handles(&device);
    assert_eq!(before.len(), 1);
    session.soft_reset().await.unwrap();
    assert!(session.holdings().is_empty());
    let sent = session.traffic();
    session.release(&before[0]).await.unwrap();
    assert!(matches!(lamp.get::<u8>("pin").await, Err(Error::Gone { .. })));
    assert_eq!(session.traffic(), sent, "something was sent");
}

const FULL: u32 = 96 * 1024;
const TINY: u32 = 30 * 1024;

#[tokio::test]
async fn with_the_full_agent_of_a_trusted_line() {
    everything(FULL, Trust::Trusted, RawPaste::Windows).await;
}

#[tokio::test]
async fn with_the_full_agent_of_a_verified_line() {
    everything(FULL, Trust::Verified, RawPaste::Windows).await;
}

#[tokio::test]
async fn with_the_tiny_agent_of_a_trusted_line() {
    everything(TINY, Trust::Trusted, RawPaste::Windows).await;
}

#[tokio::test]
async fn with_the_tiny_agent_of_a_verified_line_without_raw_paste() {
    everything(TINY, Trust::Verified, RawPaste::Unknown).await;
}

#[tokio::test]
async fn an_object_may_be_made_again_if_its_task_may() {
    let bench = Bench::new();
    let device = bench.device().await;
    device.lamp(1).await.unwrap();
    device.session().soft_reset().await.unwrap();
    let mut output = device.session().output();
    let makes = device.clone();
    let made = tokio::spawn(async move { makes.slow_lamp(60_000).await });
    while !output.take_text().contains("slowly") {
        tokio::task::yield_now().await;
    }
    bench.unplug();
    bench.plug_in();
    let lamp = made.await.unwrap().unwrap();
    assert_eq!(lamp.get::<u8>("pin").await.unwrap(), 2, "it ran twice");
    assert_eq!(kept(&device).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_stream_that_is_released_while_an_item_is_awaited_gives_it_and_ends() {
    let device = Bench::new().device().await;
    let mut output = device.session().output();
    let mut crawl = device.crawl(100);
    let reads = tokio::spawn(async move {
        let mut items = Vec::new();
        while let Some(item) = crawl.next().await {
            items.push(item);
        }
        items
    });
    while !output.take_text().contains("crawling") {
        tokio::task::yield_now().await;
    }
    let holding = handles(&device).pop().unwrap();
    device.session().release(&holding).await.unwrap();
    let mut items = reads.await.unwrap();
    is_released(items.pop().unwrap(), "crawl");
    let items: Vec<u32> = items.into_iter().map(Result::unwrap).collect();
    assert_eq!(items, (0..items.len() as u32).collect::<Vec<_>>());
    assert_eq!(kept(&device).await.unwrap(), [0_i64; 0]);
}

#[tokio::test]
async fn what_is_dropped_while_the_line_is_away_is_freed_when_it_is_back() {
    let bench = Bench::new();
    let device = bench.device().await;
    let mut output = device.session().output();
    let mut count = device.count(1000, "bye. ");
    count.next().await.unwrap().unwrap();
    let lamp = device.lamp(1).await.unwrap();
    bench.unplug();
    device.session().watch().wait_for(|state| *state == belay::State::Lost).await.unwrap();
    drop((count, lamp));
    bench.plug_in();
    assert_eq!(kept(&device).await.unwrap(), [0_i64; 0]);
    assert_eq!(output.take_text(), "bye. ");
    assert_eq!(device.session().statistics().resets, 0);
}

#[tokio::test]
async fn what_is_freed_when_the_line_ends_is_freed_again() {
    let bench = Bench::new();
    let device = bench.build(Device::builder().call_timeout(Duration::from_millis(400))).await;
    let lamps = [device.lamp(1).await.unwrap(), device.lamp(2).await.unwrap()];
    let mut clings = device.clings();
    assert_eq!(clings.next().await.unwrap().unwrap(), 1);
    assert_eq!(kept(&device).await.unwrap().len(), 3);
    // It is closed first, and then nothing else is done until it is interrupted or the line has ended.
    drop(clings);
    let before = device.session().statistics().calls;
    while device.session().statistics().calls == before {
        tokio::task::yield_now().await;
    }
    drop(lamps);
    bench.unplug();
    device.session().watch().wait_for(|state| *state == belay::State::Lost).await.unwrap();
    bench.plug_in();
    while !kept(&device.with_timeout(Duration::from_secs(20))).await.unwrap().is_empty() {}
}

#[tokio::test]
async fn an_end_that_takes_for_ever_keeps_nothing_else_from_being_freed() {
    let bench = Bench::new();
    let device = bench.build(Device::builder().call_timeout(Duration::from_millis(300))).await;
    let (mut one, mut two) = (device.clings(), device.clings());
    one.next().await.unwrap().unwrap();
    two.next().await.unwrap().unwrap();
    let lamp = device.lamp(1).await.unwrap();
    assert_eq!(kept(&device).await.unwrap().len(), 3);
    // All in one call, which is stopped twice.
    drop((one, two, lamp));
    while !kept(&device.with_timeout(Duration::from_secs(20))).await.unwrap().is_empty() {}
    assert_eq!(device.session().statistics().interrupts, 2);
    assert_eq!(device.note(1).await.unwrap(), 1);
}

#[tokio::test]
async fn who_has_the_board_to_himself_frees_what_he_made_and_nothing_else() {
    let device = Bench::new().device().await;
    let mut output = device.session().output();
    let mut others = device.count(1000, "others. ");
    others.next().await.unwrap().unwrap();
    let alone = device.exclusive().await.unwrap();
    drop(others);
    let mut his = alone.count(1000, "his. ");
    his.next().await.unwrap().unwrap();
    drop(his);
    for n in 0..100 {
        alone.lamp(n % 40).await.unwrap();
    }
    // The one that nobody may free yet, and the last.
    assert!(kept(&alone).await.unwrap().len() <= 2);
    assert_eq!(output.take_text(), "his. ");
    drop(alone);
    while !kept(&device).await.unwrap().is_empty() {}
    assert_eq!(output.take_text(), "others. ");
}

#[tokio::test]
async fn closing_ends_generators_and_forgets_objects_before_it_tears_down() {
    let bench = Bench::new();
    let device = bench.build(Device::builder().deploy_timeout(Duration::from_secs(1))).await;
    let mut output = device.session().output();
    let mut streams = [device.count(9, "one. "), device.count(9, "two. ")];
    for stream in &mut streams {
        stream.next().await.unwrap().unwrap();
    }
    let mut clings = device.clings();
    clings.next().await.unwrap().unwrap();
    let lamp = device.lamp(1).await.unwrap();
    // What has just been dropped is closed with the others.
    let [one, two] = streams;
    drop(one);
    let error = device.close().await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { what, .. } if what == "free"), "{error}");
    let text = output.take_text();
    assert!(text.contains("one. ") && text.contains("two. ") && text.ends_with("torn down. "), "{text}");
    assert!(device.session().holdings().is_empty());
    assert!(matches!(lamp.get::<u8>("pin").await, Err(Error::Closed { .. })));
    drop((two, clings, lamp));
    let next = bench.device().await;
    assert_eq!(kept(&next).await.unwrap(), [0_i64; 0]);
}
