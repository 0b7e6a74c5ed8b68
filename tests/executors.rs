//! What carries calls: layers around a session, and services that stand in its place.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use belay::{
    AfterTimeout, Call, CallKind, Device, Error, Executor, Reply, Result, State, Stream, Trust,
    layers::{Metrics, Retry, TraceLayer},
};
use tower::{
    BoxError, ServiceBuilder,
    layer::layer_fn,
    limit::ConcurrencyLimitLayer,
    load_shed::LoadShedLayer,
    retry::RetryLayer,
    service_fn,
    timeout::TimeoutLayer,
    util::{MapRequestLayer, ServiceExt},
};

mod common;

use common::Counter;

#[belay::device]
trait Board: Counter {
    #[belay::task]
    async fn double(&self, n: u32) -> Result<u32> {
        "return n * 2"
    }

    #[belay::task(timeout = "5s")]
    async fn wait(&self, ms: u32) -> Result<u32> {
        r#"
        from time import sleep_ms
        sleep_ms(ms)
        return ms
        "#
    }

    #[belay::task(idempotent)]
    async fn describe(&self, name: &str, on: bool) -> Result<String> {
        "return name + str(on)"
    }
}

async fn board() -> Device {
    Device::open("sim:pico").await.expect("a virtual board opens")
}

/// A device whose every call becomes what `answer` says.
fn mock<F>(answer: F) -> Device
where
    F: Fn(&Call) -> std::result::Result<u32, BoxError> + Clone + Send + Sync + 'static,
{
    Device::from_service(
        "mock",
        service_fn(move |call: Call| {
            let answer = answer(&call).and_then(|value| Ok(Reply::new(rmp_serde::to_vec(&value)?)));
            async move { answer }
        }),
    )
}

#[tokio::test]
async fn a_call_is_a_value_that_says_all_about_itself() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let board = board().await.with_layer(MapRequestLayer::new(move |call: Call| {
        log.lock().unwrap().push(call.clone());
        call
    }));
    assert_eq!(board.describe("led ü", true).await.unwrap(), "led üTrue");
    board.session().exec("x = 1").await.unwrap();
    board.session().soft_reset().await.unwrap();
    board.with_timeout(Duration::from_secs(7)).wait(1).await.unwrap();

    let calls = std::mem::take(&mut *seen.lock().unwrap());
    let kinds: Vec<_> = calls.iter().map(|call| (call.kind(), call.name())).collect();
    let expected = [
        (CallKind::Task, "describe"),
        (CallKind::Exec, "exec"),
        (CallKind::SoftReset, "soft reset"),
        (CallKind::Task, "wait"),
    ];
    assert_eq!(kinds, expected);
    let [describe, exec, reset, wait] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(describe.arguments(), "'led ü',True");
    assert_eq!(describe.scope(), Some(concat!(module_path!(), "::Board")));
    assert_eq!(describe.source().map(|source| source.contains("name+str(on)")), Some(true), "{:?}", describe.source());
    assert!(describe.is_idempotent() && reset.is_idempotent() && !exec.is_idempotent() && !wait.is_idempotent());
    assert_eq!((exec.source(), exec.arguments().as_ref()), (Some("x = 1"), ""));
    assert!(describe.hash() != wait.hash() && exec.hash().is_some() && reset.hash().is_none());
    assert_eq!(describe.timeout(), Some(Duration::from_secs(10)), "the session's own");
    assert_eq!(wait.timeout(), Some(Duration::from_secs(7)), "the handle's before the task's");
    assert!(calls.iter().all(|call| call.deadline().is_some()));
}

#[tokio::test]
async fn what_a_handle_attaches_a_layer_finds() {
    #[derive(Clone, Debug, PartialEq)]
    struct User(&'static str);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let board = mock(move |call| {
        log.lock().unwrap().push((call.extension::<User>().cloned(), call.extension::<u8>().copied()));
        Ok(1)
    });
    board.count().await.unwrap();
    let anna = board.with(|call| call.with_extension(User("anna")));
    anna.count().await.unwrap();
    anna.with(|call| call.with_extension(1_u8).with_extension(User("ben"))).count().await.unwrap();
    anna.session().exec("pass").await.unwrap();
    let expected = [(None, None), (Some(User("anna")), None), (Some(User("ben")), Some(1)), (Some(User("anna")), None)];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn errors_of_layers_become_ours() {
    let broken = mock(|_| Err("no power".into()));
    let error = broken.count().await.unwrap_err();
    assert_eq!(error.to_string(), "count on mock: a layer failed: no power");
    assert!(matches!(error, Error::Layer { .. }) && !error.is_retryable());

    let ours = mock(|_| Err(Error::Unsupported { what: "x".into(), reason: "y".into() }.into()));
    let error = ours.with_layer(TimeoutLayer::new(Duration::from_secs(1))).count().await.unwrap_err();
    assert!(matches!(error, Error::Unsupported { .. }), "{error}");

    // The session's own errors come through layers that box them.
    let board = board().await;
    let layered = board.with_layer(TimeoutLayer::new(Duration::from_secs(5)));
    // A tenth of it is for the board to show that it stopped.
    let error = layered.with_timeout(Duration::from_secs(1)).wait(10_000).await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { board: AfterTimeout::Stopped, .. }), "{error}");

    let layered = board.with_layer(TimeoutLayer::new(Duration::from_millis(50)));
    let error = layered.wait(10_000).await.unwrap_err();
    let Error::TimedOut { what, limit, board: AfterTimeout::TakenBack, .. } = &error else { panic!("{error}") };
    assert_eq!(what, "wait");
    assert!(*limit >= Duration::from_millis(50) && *limit < Duration::from_secs(1), "{limit:?}");
    assert_eq!(board.double(4).await.unwrap(), 8, "the board was stopped and listens");
}

#[tokio::test]
async fn a_limit_sheds_or_makes_wait_but_never_beyond_the_deadline() {
    let board = board().await;
    board.count().await.unwrap();
    let busy = board.with_layer(ServiceBuilder::new().layer(LoadShedLayer::new()).layer(ConcurrencyLimitLayer::new(1)));
    let first = busy.wait(300);
    let (first, second) = tokio::join!(first, busy.double(1));
    assert_eq!(first.unwrap(), 300);
    let second = second.unwrap_err();
    assert!(matches!(second, Error::Busy { waiting: 1, .. }) && second.is_retryable(), "{second}");

    // The same across two layers, each erased by itself, and without shedding.
    let shedding = board.with_layer(ConcurrencyLimitLayer::new(1)).with_layer(LoadShedLayer::new());
    let (_, second) = tokio::join!(shedding.wait(300), shedding.double(1));
    assert!(matches!(second, Err(Error::Busy { .. })), "{second:?}");

    let limited = board.with_layer(ConcurrencyLimitLayer::new(1));
    let begun = Instant::now();
    let short = limited.with_timeout(Duration::from_millis(100));
    let (first, second) = tokio::join!(limited.wait(1000), async { (short.double(1).await, begun.elapsed()) });
    assert_eq!(first.unwrap(), 1000);
    let (second, took) = second;
    assert!(matches!(second, Err(Error::TimedOut { board: AfterTimeout::NotSent, .. })), "{second:?}");
    assert!(took >= Duration::from_millis(100) && took < Duration::from_millis(800), "{took:?}");
    assert_eq!(limited.double(2).await.unwrap(), 4);
}

/// A layer may make a call wait after it took it: a limit behind a retry, a buffer.
#[tokio::test]
async fn a_call_that_waits_inside_of_a_layer_keeps_its_deadline_and_never_runs_late() {
    let board = board().await;
    board.count().await.unwrap();
    // Ready at once, and then it waits for the limit behind it.
    let patient = || {
        layer_fn(|inner: Executor| {
            service_fn(move |call: Call| {
                let inner = inner.clone();
                async move { inner.oneshot(call).await }
            })
        })
    };
    let buffer = board.with_layer(ConcurrencyLimitLayer::new(1)).with_layer(patient());
    let retried = board
        .with_layer(ConcurrencyLimitLayer::new(1))
        .with_layer(patient())
        .with_layer(RetryLayer::new(Retry::times(3)));
    for limited in [buffer, retried] {
        let begun = Instant::now();
        let short = limited.with_timeout(Duration::from_millis(100));
        let (first, second) = tokio::join!(limited.wait(1000), async { (short.count().await, begun.elapsed()) });
        assert_eq!(first.unwrap(), 1000);
        let (second, took) = second;
        assert!(matches!(second, Err(Error::TimedOut { board: AfterTimeout::NotSent, .. })), "{second:?}");
        assert!(took >= Duration::from_millis(100) && took < Duration::from_millis(800), "{took:?}");
    }
    assert_eq!(board.count().await.unwrap(), 2, "neither ran later");
}

/// What the session has, it answers itself: a deployment does not count against the deadline of its call.
#[tokio::test]
async fn a_call_that_has_reached_the_session_is_not_cut_short_by_its_layers() {
    let board = board().await.with_layer(ConcurrencyLimitLayer::new(1));
    let error = board.with_timeout(Duration::from_millis(100)).wait(10_000).await.unwrap_err();
    let board_says = matches!(error, Error::TimedOut { board: AfterTimeout::Stopped | AfterTimeout::Interrupting, .. });
    assert!(board_says, "{error}");
    // A layer that is slow with an answer that came in time.
    let slow = board.with_layer(layer_fn(|inner: Executor| {
        service_fn(move |call: Call| {
            let inner = inner.clone();
            async move {
                let reply = inner.oneshot(call).await;
                tokio::time::sleep(Duration::from_millis(1200)).await;
                reply
            }
        })
    }));
    assert_eq!(slow.with_timeout(Duration::from_secs(1)).double(4).await.unwrap(), 8);
    // An attempt that was refused, and a layer that does not come back from it.
    let stuck = mock(|_| Err(Error::Busy { port: "mock".into(), waiting: 1 }.into())).with_layer(layer_fn(
        |inner: Executor| {
            service_fn(move |call: Call| {
                let inner = inner.clone();
                async move {
                    drop(inner.oneshot(call).await);
                    std::future::pending::<Result<Reply>>().await
                }
            })
        },
    ));
    let error = stuck.with_timeout(Duration::from_millis(50)).count().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { board: AfterTimeout::TakenBack, .. }), "{error}");
}

#[belay::device]
trait Large {
    #[belay::setup]
    async fn prepare(&self) -> Result<()> {
        "ready = True"
    }

    #[belay::task(file = "py/large.py")]
    async fn large(&self) -> Result<u32>;
}

/// A time that cannot be counted is as long as can be.
#[tokio::test]
async fn the_longest_times_are_as_good_as_others() {
    for trust in [Trust::Trusted, Trust::Verified] {
        let builder = Device::builder()
            .trust(trust)
            .open_timeout(Duration::MAX)
            .call_timeout(Duration::MAX)
            .deploy_timeout(Duration::MAX)
            .recovery_timeout(Duration::MAX);
        let board = builder.open("sim:pico").await.unwrap().with_layer(ConcurrencyLimitLayer::new(2));
        let board = board.with_timeout(Duration::MAX).with(|call| call.with_timeout(Duration::MAX));
        assert_eq!(board.count().await.unwrap(), 1);
        assert_eq!(board.large().await.unwrap(), 300);
        let mut numbers = Box::pin(board.numbers(3));
        assert_eq!(poll_fn(|cx| numbers.as_mut().poll_next(cx)).await.unwrap().unwrap(), 0);
        drop(numbers);
        let alone = board.exclusive().await.unwrap();
        assert_eq!(alone.count().await.unwrap(), 2);
        drop(alone);
        assert!(tokio::time::timeout(Duration::from_millis(50), board.wait(10_000)).await.is_err());
        assert_eq!(board.count().await.unwrap(), 3, "the board was stopped");
        board.session().soft_reset().await.unwrap();
        assert_eq!(board.count().await.unwrap(), 1);
        board.close().await.unwrap();
    }
    let mute = Device::from_service("mute", service_fn(|_: Call| std::future::pending::<Result<Reply>>()));
    let mute = mute.with_timeout(Duration::MAX);
    assert!(tokio::time::timeout(Duration::from_millis(20), mute.count()).await.is_err());
}

#[tokio::test]
async fn layers_are_called_from_the_outside_in() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let order = Arc::clone(&order);
        MapRequestLayer::new(move |call: Call| {
            order.lock().unwrap().push(name);
            call
        })
    };
    let builder = Device::builder().layer(note("first")).layer(note("second"));
    let board = builder.open("sim:pico").await.unwrap();
    assert_eq!(board.with_layer(note("handle")).double(1).await.unwrap(), 2);
    assert_eq!(std::mem::take(&mut *order.lock().unwrap()), ["handle", "second", "first"]);
    board.double(1).await.unwrap();
    assert_eq!(std::mem::take(&mut *order.lock().unwrap()), ["second", "first"], "the other handle is as it was");
}

#[tokio::test]
async fn a_layer_may_answer_in_the_boards_place() {
    let board = board().await;
    let calls = Arc::new(AtomicUsize::new(0));
    let cached = {
        let calls = Arc::clone(&calls);
        board.with_layer(layer_fn(move |inner: Executor| {
            let calls = Arc::clone(&calls);
            service_fn(move |call: Call| {
                let (inner, calls) = (inner.clone(), Arc::clone(&calls));
                async move {
                    if call.name() == "double" {
                        calls.fetch_add(1, Ordering::Relaxed);
                        return Ok(Reply::new(vec![42]));
                    }
                    inner.oneshot(call).await
                }
            })
        }))
    };
    assert_eq!(cached.double(1).await.unwrap(), 42);
    assert_eq!(cached.count().await.unwrap(), 1);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_service_without_a_board_is_a_device_with_deadlines() {
    let mute = Device::from_service("mute", service_fn(|_: Call| std::future::pending::<Result<Reply>>()));
    let error = mute.with_timeout(Duration::from_millis(30)).count().await.unwrap_err();
    assert!(matches!(&error, Error::TimedOut { port, .. } if port == "mute"), "{error}");
    let session = mute.session();
    assert_eq!((session.port(), session.state()), ("mute", State::Ready));
    assert!(session.capabilities().is_none());
    assert_eq!((session.traffic().bytes_out, session.statistics().calls), (0, 0));
    assert!(session.output().try_next().is_none());
    assert!(matches!(session.interrupt().await, Err(Error::Unsupported { .. })));
    let error = mute.exclusive().await.map(drop).unwrap_err();
    assert_eq!(error.to_string(), "exclusive use is not supported: mute is a service and no session with a board");

    let layered = mute.with_layer(ConcurrencyLimitLayer::new(1));
    mute.close().await.unwrap();
    for closed in [mute, layered] {
        assert_eq!(closed.session().state(), State::Closed);
        assert!(matches!(closed.count().await, Err(Error::Closed { .. })));
    }
}

#[tokio::test]
async fn streams_pass_layers_and_play_from_records() {
    let tape = Arc::new(Mutex::new(VecDeque::new()));
    let records = Arc::clone(&tape);
    let recorder = layer_fn(move |board: Executor| {
        let tape = Arc::clone(&records);
        service_fn(move |call: Call| {
            let (board, tape, kind) = (board.clone(), Arc::clone(&tape), call.kind());
            async move {
                let reply = board.oneshot(call).await?;
                tape.lock().unwrap().push_back((kind, reply.clone()));
                Ok::<_, Error>(reply)
            }
        })
    });
    let board = board().await.with_layer(recorder);
    let all = async |device: &Device| {
        let mut numbers = Box::pin(device.numbers(50));
        let mut seen = Vec::new();
        while let Some(number) = poll_fn(|cx| numbers.as_mut().poll_next(cx)).await {
            seen.push(number.unwrap());
        }
        seen
    };
    assert_eq!(all(&board).await, (0..50).collect::<Vec<_>>());
    let kinds: Vec<_> = tape.lock().unwrap().iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds[0], CallKind::Open);
    assert!(kinds.len() > 1 && kinds[1..].iter().all(|kind| *kind == CallKind::Pull), "{kinds:?}");

    let player = Device::from_service(
        "tape",
        service_fn(move |call: Call| {
            let next = tape.lock().unwrap().pop_front().filter(|(kind, _)| *kind == call.kind());
            async move { next.map(|(_, reply)| reply).ok_or("the tape has ended") }
        }),
    );
    assert_eq!(all(&player).await, (0..50).collect::<Vec<_>>());
}

/// The most calls that were inside of a layer at a time.
#[derive(Clone, Default)]
struct Crowd {
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

#[tokio::test]
async fn under_load_limits_hold_retries_help_and_nothing_runs_twice() {
    const TASKS: usize = 32;
    const CALLS: usize = 25;
    const LIMIT: usize = 4;
    let board = board().await;
    let crowd = Crowd::default();
    let refused = Arc::new(AtomicUsize::new(0));
    let inner = crowd.clone();
    // Every third call that comes so far is turned away, which it may be as often as it likes.
    let flaky = {
        let (seen, refused) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&refused));
        layer_fn(move |board: Executor| {
            let (seen, refused, crowd) = (Arc::clone(&seen), Arc::clone(&refused), inner.clone());
            service_fn(move |call: Call| {
                let (board, crowd) = (board.clone(), crowd.clone());
                let turned_away = seen.fetch_add(1, Ordering::Relaxed) % 3 == 2;
                refused.fetch_add(usize::from(turned_away), Ordering::Relaxed);
                async move {
                    if turned_away {
                        return Err(Error::Busy { port: "flaky".into(), waiting: 0 });
                    }
                    crowd.most.fetch_max(crowd.now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                    let outcome = board.oneshot(call).await;
                    crowd.now.fetch_sub(1, Ordering::Relaxed);
                    outcome
                }
            })
        })
    };
    let (outside, inside) = (Metrics::default(), Metrics::default());
    let stack = ServiceBuilder::new()
        .layer(TraceLayer)
        .layer(outside.layer())
        .layer(RetryLayer::new(Retry::times(50)))
        .layer(ConcurrencyLimitLayer::new(LIMIT))
        .layer(inside.layer())
        .layer(TimeoutLayer::new(Duration::from_secs(20)))
        .layer(flaky);
    let busy = board.with_layer(stack).with_timeout(Duration::from_secs(60));
    let callers: Vec<_> = (0..TASKS)
        .map(|_| {
            let busy = busy.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for _ in 0..CALLS {
                    answers.push(busy.count().await.unwrap());
                }
                answers
            })
        })
        .collect();
    let mut answers = Vec::new();
    for caller in callers {
        answers.extend(caller.await.unwrap());
    }
    answers.sort_unstable();
    assert_eq!(answers, (1..=(TASKS * CALLS) as u32).collect::<Vec<_>>(), "each call ran once");
    assert_eq!(board.count().await.unwrap() as usize, TASKS * CALLS + 1);
    assert_eq!(crowd.most.load(Ordering::Relaxed), LIMIT);

    let [outside, inside] = [outside, inside].map(|metrics| metrics.tasks().remove(0));
    assert_eq!((outside.name.as_str(), outside.scope), ("count", Some(concat!(module_path!(), "::common::Counter"))));
    assert_eq!((outside.answered, outside.failed, outside.dropped), ((TASKS * CALLS) as u64, 0, 0));
    assert_eq!(inside.failed, refused.load(Ordering::Relaxed) as u64);
    assert_eq!(inside.answered, outside.answered);
    assert!(outside.took.max() >= inside.took.max() && inside.took.quantile(0.5) > Duration::ZERO);
}

#[tokio::test]
async fn only_idempotent_calls_are_made_again_after_they_may_have_run() {
    let board = board().await;
    board.count().await.unwrap();
    // The first attempt of every call reaches the board, and is then held back until the timeout around it passes.
    let attempts = Arc::new(AtomicUsize::new(0));
    let slow = {
        let attempts = Arc::clone(&attempts);
        layer_fn(move |board: Executor| {
            let attempts = Arc::clone(&attempts);
            service_fn(move |call: Call| {
                let board = board.clone();
                let first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
                async move {
                    let reply = board.oneshot(call).await;
                    if first {
                        std::future::pending::<()>().await;
                    }
                    reply
                }
            })
        })
    };
    let stack = ServiceBuilder::new()
        .layer(RetryLayer::new(Retry::times(3)))
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .layer(slow);
    let retried = board.with_layer(stack);
    assert_eq!(retried.describe("a", true).await.unwrap(), "aTrue");
    assert_eq!(attempts.swap(0, Ordering::Relaxed), 2);

    let error = retried.count().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { board: AfterTimeout::TakenBack, .. }), "{error}");
    assert_eq!(attempts.swap(0, Ordering::Relaxed), 1, "it may have run");
    assert_eq!(board.count().await.unwrap(), 3, "as it had");
}

#[tokio::test]
async fn all_attempts_share_one_deadline() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&attempts);
    let busy = mock(move |_| {
        seen.fetch_add(1, Ordering::Relaxed);
        Err(Error::Busy { port: "mock".into(), waiting: 1 }.into())
    });
    let retried = busy.with_layer(RetryLayer::new(Retry::times(1000))).with_timeout(Duration::from_millis(200));
    let begun = Instant::now();
    let error = retried.count().await.unwrap_err();
    assert!(matches!(error, Error::Busy { .. }), "the last one's error: {error}");
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    assert!((3..10).contains(&attempts.load(Ordering::Relaxed)), "{attempts:?} with growing pauses");
}

#[tokio::test]
async fn metrics_tell_exceptions_errors_and_drops_apart() {
    let board = board().await;
    let metrics = Metrics::default();
    let measured = board.with_layer(metrics.layer());
    measured.double(1).await.unwrap();
    assert!(measured.session().exec("1/0").await.is_err());
    assert!(measured.with_timeout(Duration::from_millis(20)).wait(10_000).await.is_err());
    assert!(tokio::time::timeout(Duration::from_millis(20), measured.wait(10_000)).await.is_err());
    let tasks = metrics.tasks();
    let counts: Vec<_> =
        tasks.iter().map(|t| (t.name.as_str(), t.answered, t.exceptions, t.failed, t.dropped)).collect();
    assert_eq!(counts, [("exec", 1, 1, 0, 0), ("double", 1, 0, 0, 0), ("wait", 0, 0, 1, 1)]);
}
