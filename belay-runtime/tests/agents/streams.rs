//! Generators as streams: every item once and in order, other calls between, nothing left on the board.

use std::time::Duration;

use belay_runtime::{
    __private::{Argument, Kind, Streaming, Task, decode, stream},
    Device, Error, Result,
};
use belay_sim::RawPaste;
use proptest::prelude::*;
use serde::de::DeserializeOwned;

use crate::{Agent, FREE, args, ask, plain, task};

static COUNT: Task = task(Kind::Stream, "count", "def count(n):\n for i in range(n):\n  yield i");
static EACH: Task =
    task(Kind::Stream, "each", "def each(items):\n for x in items:\n  yield eval(x) if type(x)is str else x");
static NEGATE: Task = task(Kind::Task, "negate", "def negate(x):\n return -x");
static CLOSED: Task = task(Kind::Task, "closed_so_far", "closed=[]\ndef closed_so_far(x):\n return closed");
static CLOSES: Task = task(
    Kind::Stream,
    "closes",
    "def closes(n):\n big=bytearray(1500)\n try:\n  while 1:\n   yield len(big)\n finally:\n  closed.append(n)",
);
static THEN_SPINS: Task = Task {
    // A tenth of it is for the board to show that it stopped, and a slow line takes 40 ms for that alone.
    timeout: Some(Duration::from_secs(2)),
    ..task(Kind::Stream, "then_spins", "def then_spins(n):\n for i in range(n):\n  yield i\n while 1:pass")
};

fn open<R: DeserializeOwned>(device: &Device, task: &'static Task, arg: impl Argument) -> Streaming<Result<R>> {
    stream(device, args(task, arg), decode::<Result<R>>)
}

async fn all<R>(mut stream: Streaming<Result<R>>) -> Vec<Result<R>> {
    let mut items = Vec::new();
    while let Some(item) = stream.next().await {
        items.push(item);
    }
    items
}

on_every_agent!(everything);

async fn everything(agent: &Agent) {
    let board = agent.board();
    let device = agent.attach(&board).await;

    // Many items, and a call for each. A line without flow control is slow.
    let many = if agent.raw_paste == RawPaste::Windows { 1000 } else { 200 };
    let mut stream = open::<i32>(&device, &COUNT, many);
    let mut expected = 0;
    while let Some(item) = stream.next().await {
        assert_eq!(item.unwrap(), expected);
        assert_eq!(ask::<i32>(&device, &NEGATE, expected).await.unwrap(), -expected);
        expected += 1;
    }
    assert_eq!(expected, many);
    assert!(stream.next().await.is_none());

    // None, one, and items of every kind.
    assert!(all(open::<i32>(&device, &COUNT, 0)).await.is_empty());
    assert_eq!(all(open::<i32>(&device, &COUNT, 1)).await.len(), 1);
    let texts: Vec<String> = (0..20).map(|n| "'ä\u{4}'*".to_owned() + &n.to_string()).collect();
    let came: Vec<String> = all(open(&device, &EACH, &texts)).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(came, (0..20).map(|n| "ä\u{4}".repeat(n)).collect::<Vec<_>>());

    // What was yielded before an exception comes before it, and nothing after it.
    let mut came = all(open::<i32>(&device, &EACH, ["1", "2", "3", "4", "5", "1//0", "7"])).await;
    match came.pop() {
        Some(Err(Error::Exception { task, exception })) => {
            assert_eq!((task.as_str(), exception.kind()), ("each", "ZeroDivisionError"));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(came.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);

    // Of two at once neither sees the other.
    let (mut one, mut two) = (open::<i32>(&device, &COUNT, 30), open::<i32>(&device, &COUNT, 30));
    for n in 0..30 {
        assert_eq!((one.next().await.unwrap().unwrap(), two.next().await.unwrap().unwrap()), (n, n));
    }
    assert!(one.next().await.is_none() && two.next().await.is_none());

    // One that is dropped is closed, and leaves nothing behind.
    assert!(ask::<Vec<i32>>(&device, &CLOSED, 0).await.unwrap().is_empty());
    drop({
        let mut stream = open::<u32>(&device, &CLOSES, 0);
        stream.next().await.unwrap().unwrap();
        stream
    });
    ask::<i32>(&device, &NEGATE, 0).await.unwrap();
    let before: u32 = plain(&device, &FREE).await.unwrap();
    for n in 1..4 {
        let mut stream = open::<u32>(&device, &CLOSES, n);
        for _ in 0..3 {
            assert_eq!(stream.next().await.unwrap().unwrap(), 1500);
        }
    }
    ask::<i32>(&device, &NEGATE, 0).await.unwrap();
    assert_eq!(ask::<Vec<i32>>(&device, &CLOSED, 0).await.unwrap(), [0, 1, 2, 3]);
    let after: u32 = plain(&device, &FREE).await.unwrap();
    assert!(after + 400 > before, "{before} bytes free before, {after} after");

    // An item that does not come: what came before it counts.
    let mut came = all(open::<i32>(&device, &THEN_SPINS, 5)).await;
    match came.pop() {
        Some(Err(Error::TimedOut { what, .. })) => assert_eq!(what, "then_spins"),
        other => panic!("{other:?}"),
    }
    assert_eq!(came.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);

    // A reset ends a stream and nothing else.
    let mut stream = open::<i32>(&device, &COUNT, 100);
    stream.next().await.unwrap().unwrap();
    device.session().soft_reset().await.unwrap();
    let sent = device.session().traffic();
    match stream.next().await {
        Some(Err(Error::Gone { what, .. })) => assert_eq!(what, "count"),
        other => panic!("{other:?}"),
    }
    assert_eq!(device.session().traffic(), sent, "something was sent");
    assert!(stream.next().await.is_none());
    assert_eq!(ask::<i32>(&device, &NEGATE, 7).await.unwrap(), -7);
}

#[tokio::test]
async fn a_hundred_quick_items_take_at_most_four_turns() {
    let board = Agent::USUAL.board();
    let device = Agent::USUAL.attach(&board).await;
    assert_eq!(all(open::<i32>(&device, &COUNT, 1)).await.len(), 1);
    // The board collects for so many milliseconds, and this machine may do something else meanwhile.
    let mut fewest = u64::MAX;
    for _ in 0..5 {
        let before = device.session().traffic();
        assert_eq!(all(open::<i32>(&device, &COUNT, 100)).await.len(), 100);
        let used = device.session().traffic() - before;
        println!("{used:?}");
        fewest = fewest.min(used.turns);
    }
    assert!(fewest <= 4, "{fewest} turns");
}

#[tokio::test]
async fn a_stream_that_is_not_polled_does_nothing() {
    let board = Agent::USUAL.board();
    let device = Agent::USUAL.attach(&board).await;
    let before = device.session().traffic();
    drop(open::<i32>(&device, &COUNT, 100));
    tokio::task::yield_now().await;
    assert_eq!(device.session().traffic(), before);
}

#[tokio::test]
async fn an_argument_that_cannot_be_sent_is_the_streams_error() {
    let board = Agent::USUAL.board();
    let device = Agent::USUAL.attach(&board).await;
    let before = device.session().traffic();
    let unsendable = std::collections::BTreeMap::from([(vec![1], 2)]);
    let came = all(open::<i32>(&device, &EACH, unsendable)).await;
    assert!(matches!(came[..], [Err(Error::Argument { .. })]), "{came:?}");
    assert_eq!(device.session().traffic(), before);
}

#[tokio::test]
async fn items_that_cannot_be_sent_hide_none_before_them() {
    let board = Agent::USUAL.board();
    let device = Agent::USUAL.attach(&board).await;
    let mut came = all(open::<i32>(&device, &EACH, ["1", "2", "3", "4", "object()", "6"])).await;
    match came.pop() {
        Some(Err(Error::Exception { exception, .. })) => assert_eq!(exception.kind(), "TypeError"),
        other => panic!("{other:?}"),
    }
    assert_eq!(came.into_iter().map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn any_items_in_any_batches_are_the_same_items() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (_board, device) = runtime.block_on(async {
        let board = Agent::USUAL.board();
        let device = Agent::USUAL.attach(&board).await;
        (board, device)
    });
    let item = prop_oneof![
        (-300..300_i64).prop_map(|n| n.to_string()),
        any::<i64>().prop_map(|n| (n >> 2).to_string()),
        // Large items make small batches, slow ones end them.
        (0..900_usize).prop_map(|n| format!("{n}*(2**31)*(2**31)//2**62")),
        Just("(__import__('time').sleep_ms(8),5)[1]".to_owned()),
    ];
    proptest!(ProptestConfig::with_cases(40), |(items in prop::collection::vec(item, 0..150), text in any::<bool>())| {
        let sent: Vec<String> =
            items.iter().map(|item| if text { format!("str({item})*30") } else { item.clone() }).collect();
        let value = |item: &String| match item.strip_prefix('(') {
            Some(_) => 5,
            None => item.split('*').next().and_then(|n| n.parse::<i64>().ok()).unwrap_or_default(),
        };
        runtime.block_on(async {
            if text {
                let came: Result<Vec<String>> = all(open(&device, &EACH, &sent)).await.into_iter().collect();
                let expected: Vec<String> = items.iter().map(|item| value(item).to_string().repeat(30)).collect();
                assert_eq!(came.unwrap(), expected);
            } else {
                let came: Result<Vec<i64>> = all(open(&device, &EACH, &sent)).await.into_iter().collect();
                assert_eq!(came.unwrap(), items.iter().map(value).collect::<Vec<_>>());
            }
        });
    });
}
