//! Threads on a board that has them: MicroPython's unix port, whose program `BELAY_UNIX_PORT` names.
//!
//! Without it, what boards without threads say is tested all the same.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Poll,
    time::{Duration, Instant},
};

use belay::{AfterTimeout, Device, Error, HoldingKind, Result, Stream, Thread, Trust};

#[belay::device]
trait Board {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        beats = 0
        closed = []
        clinging = False
        "#
    }

    #[belay::thread]
    async fn beat(&self, step: u32) -> Result<Thread> {
        r#"
        global beats
        try:
            while True:
                beats += step
                yield
        finally:
            closed.append(step)
        "#
    }

    #[belay::thread]
    async fn ends(&self, how: &str) -> Result<Thread> {
        r#"
        yield
        if how:
            raise ValueError(how)
        "#
    }

    #[belay::thread]
    async fn chatters(&self, text: &str) -> Result<Thread> {
        r#"
        import time
        while True:
            print(text, end='')
            time.sleep_us(20)
            yield
        "#
    }

    /// Comes to its first `yield` when it is told to.
    #[belay::thread(timeout = "300ms")]
    async fn clings(&self) -> Result<Thread> {
        r#"
        import time
        while clinging:
            time.sleep_ms(1)
        yield
        "#
    }

    #[belay::task]
    async fn cling(&self, on: bool) -> Result<()> {
        r#"
        global clinging
        clinging = on
        "#
    }

    #[belay::task]
    fn items(&self, n: u32) -> impl Stream<Item = Result<u32>> {
        r#"
        try:
            for i in range(n):
                yield i
        finally:
            closed.append(77)
        "#
    }

    /// How many things the agent keeps for handles, from its own table.
    #[belay::task]
    async fn kept(&self) -> Result<usize> {
        r#"
        import __main__, gc
        gc.collect()
        return len([i for i in __main__._b.__globals__["S"] if i < 0])
        "#
    }

    #[belay::teardown]
    async fn end(&self) -> Result<()> {
        "print('the end:', closed, beats)"
    }

    #[belay::task]
    async fn counted(&self) -> Result<u64> {
        "return beats"
    }

    #[belay::task]
    async fn ended(&self) -> Result<Vec<u32>> {
        "return closed"
    }

    /// Waits until the threads have counted so far.
    #[belay::task]
    async fn counts_to(&self, n: u64) -> Result<()> {
        r#"
        import time
        while beats < n:
            time.sleep_ms(1)
        "#
    }

    /// Waits until so many threads and streams have ended.
    #[belay::task]
    async fn closes(&self, n: usize) -> Result<()> {
        r#"
        import time
        while len(closed) < n:
            time.sleep_ms(1)
        "#
    }

    #[belay::task]
    async fn forget_closed(&self) -> Result<()> {
        "closed.clear()"
    }

    #[belay::task]
    async fn blob(&self, n: u32) -> Result<serde_bytes::ByteBuf> {
        "return bytes([n & 255]) * n"
    }
}

#[tokio::test]
async fn a_board_without_threads_says_so_before_anything_is_sent() {
    let board = Device::open("sim:pico").await.unwrap();
    let sent = board.session().traffic();
    match board.beat(1).await {
        Err(Error::Unsupported { what, .. }) => assert_eq!(what, "the thread beat"),
        other => panic!("{other:?}"),
    }
    assert_eq!(board.session().traffic(), sent);
}

/// Has every task put on the board before a thread runs beside: the names of a namespace that grows are not to be found
/// for a moment, and without a lock a thread sees that as a `NameError` (docs/forms.md).
async fn put(board: &Device) -> Result<()> {
    board.beat(1).await?.stop().await?;
    board.ends("").await?.join().await?;
    board.chatters("").await?.stop().await?;
    board.clings().await?.stop().await?;
    board.cling(true).await?;
    assert!(board.items(0).next().await.is_none());
    board.kept().await?;
    board.counted().await?;
    board.counts_to(0).await?;
    board.blob(0).await?;
    board.closes(2).await?;
    board.ended().await?;
    board.forget_closed().await
}

async fn the_longest_times(board: Device) -> Result<()> {
    let thread = board.with_timeout(Duration::MAX).beat(1).await?;
    assert!(thread.is_alive().await?);
    thread.stop().await?;
    board.close().await
}

#[tokio::test]
async fn the_longest_times_are_as_good_as_others() {
    alive_once_in_three(Trust::Trusted, the_longest_times).await;
}

async fn everything(board: Device) -> Result<()> {
    // It runs beside everything else, until it is stopped.
    let thread = board.beat(2).await?;
    assert!(thread.is_alive().await?);
    let before = board.counted().await?;
    board.counts_to(before + 100).await?;
    assert!(board.ended().await?.is_empty());
    thread.stop().await?;
    assert!(!thread.is_alive().await?);
    assert_eq!(board.ended().await?, [2]);
    let stopped = board.counted().await?;
    assert_eq!(board.counted().await?, stopped);
    // Stopping what has ended is no error.
    thread.stop().await?;

    // What ended it.
    board.ends("").await?.join().await?;
    let ended = board.ends("went wrong").await?;
    match ended.join().await {
        Err(Error::Exception { task, exception }) => {
            assert_eq!((task.as_str(), exception.kind(), exception.message()), ("ends", "ValueError", "went wrong"));
            let line = exception.frames().iter().find_map(|frame| frame.source).unwrap();
            assert!(line.text.contains("raise ValueError(how)") && line.file == file!(), "{line:?}");
        }
        Err(error) => return Err(error),
        Ok(()) => panic!("nothing ended it"),
    }
    assert!(!ended.is_alive().await?);

    // Several at once.
    let threads = [board.beat(3).await?, board.beat(5).await?];
    for thread in &threads {
        assert!(thread.is_alive().await?);
    }
    for thread in &threads {
        thread.stop().await?;
    }
    assert_eq!(board.ended().await?, [2, 3, 5]);
    Ok(())
}

#[tokio::test]
async fn threads_on_a_trusted_line() {
    alive_once_in_three(Trust::Trusted, everything).await;
}

#[tokio::test]
async fn threads_on_a_verified_line() {
    alive_once_in_three(Trust::Verified, everything).await;
}

/// The threads that the session holds, by name.
fn threads(board: &Device) -> Vec<String> {
    let holdings = board.session().holdings().into_iter();
    holdings.filter(|holding| holding.kind == HoldingKind::Thread).map(|holding| holding.name).collect()
}

/// A thread whose handle is dropped, one that is released, one that does not stop, and the end.
async fn from_handle_to_close(board: Device) -> Result<()> {
    // Without its handle it goes on, and is listed.
    drop(board.beat(2).await?);
    assert_eq!(threads(&board), ["beat"]);
    let before = board.counted().await?;
    board.counts_to(before + 10).await?;
    let other = board.beat(3).await?;
    assert_eq!(threads(&board), ["beat", "beat"]);
    assert_eq!(board.kept().await?, 2);
    for holding in board.session().holdings() {
        if holding.kind == HoldingKind::Thread {
            board.session().release(&holding).await?;
        }
    }
    assert!(threads(&board).is_empty());
    let sent = board.session().traffic();
    assert!(matches!(other.is_alive().await, Err(Error::Released { .. })));
    assert!(matches!(other.stop().await, Err(Error::Released { .. })));
    drop(other);
    assert_eq!(board.session().traffic(), sent, "something was sent");
    board.closes(2).await?;
    assert_eq!(board.kept().await?, 0);

    // Those that ended without a handle are forgotten when another one begins.
    for _ in 0..3 {
        drop(board.ends("").await?);
    }
    board.beat(4).await?.stop().await?;
    // The board says that one has ended a little before its handle does.
    for _ in 0..100 {
        let last = board.ends("").await?;
        last.join().await?;
        drop(last);
        if board.kept().await? <= 1 {
            break;
        }
    }
    assert!(board.kept().await? <= 1 && threads(&board).len() <= 1, "{} {:?}", board.kept().await?, threads(&board));

    // One that does not come to a `yield` stops when it does.
    let clings = board.clings().await?;
    let begun = Instant::now();
    match clings.stop().await {
        Err(Error::TimedOut { what, board: AfterTimeout::Running, .. }) => assert_eq!(what, "clings"),
        other => panic!("{other:?}"),
    }
    let took = begun.elapsed();
    assert!((300..2000).contains(&took.as_millis()), "{took:?}");
    assert!(clings.is_alive().await?);
    board.cling(false).await?;
    clings.stop().await?;
    drop(clings);

    // The end: threads are stopped, generators closed, then the teardowns run.
    drop(board.beat(5).await?);
    let beat = board.beat(6).await?;
    let mut items = board.items(1000);
    assert_eq!(items.next().await.transpose()?, Some(0));
    let mut output = board.session().output();
    board.close().await?;
    let text = output.take_text();
    let closed = text.split_once("the end: [").and_then(|(_, rest)| rest.split_once(']')).map(|(list, _)| list);
    let mut closed: Vec<u32> =
        closed.unwrap_or_default().split(", ").filter_map(|number| number.parse().ok()).collect();
    closed.sort_unstable();
    assert!(closed.ends_with(&[6, 77]) && closed.contains(&5), "{text}");
    assert!(board.session().holdings().is_empty());
    assert!(matches!(beat.is_alive().await, Err(Error::Closed { .. })));
    Ok(())
}

#[tokio::test]
async fn threads_without_a_handle_released_late_and_at_the_end() {
    for trust in [Trust::Trusted, Trust::Verified] {
        alive_once_in_three(trust, from_handle_to_close).await;
    }
}

/// Long replies beside a thread that prints.
async fn beside_a_printing_thread(board: Device) -> Result<()> {
    let mut output = board.session().output();
    let thread = board.chatters("<chatter>").await?;
    for n in (0..20).map(|n| n * n * 5) {
        let blob = board.blob(n).await?;
        assert!(blob.len() == n as usize && blob.iter().all(|&byte| byte == n as u8), "{n}: {} bytes", blob.len());
    }
    thread.stop().await?;
    let printed = tokio::time::timeout(Duration::from_secs(5), output.next()).await;
    assert!(matches!(printed, Ok(Some(_))), "{printed:?}");
    Ok(())
}

#[tokio::test]
async fn what_threads_print_never_gets_into_a_reply() {
    for trust in [Trust::Trusted, Trust::Verified] {
        alive_once_in_three(trust, beside_a_printing_thread).await;
    }
}

/// The port's threads run without a lock, and now and then its interpreter hangs or dies of a segmentation fault; a
/// script alone that counts in one thread and collects in another does so, too. Whatever it does, no answer may be wrong;
/// and of three interpreters one lives to the end.
async fn alive_once_in_three(trust: Trust, life: impl AsyncFn(Device) -> Result<()>) {
    let Ok(program) = std::env::var("BELAY_UNIX_PORT") else {
        assert!(std::env::var_os("CI").is_none(), "BELAY_UNIX_PORT does not name MicroPython's unix port");
        println!("left out: BELAY_UNIX_PORT does not name MicroPython's unix port");
        return;
    };
    for left in (0..3).rev() {
        let board = Device::builder().trust(trust).open(&format!("exec:{program} -i")).await.unwrap();
        let mut life = std::pin::pin!(async {
            put(&board).await?;
            life(board.clone()).await
        });
        let lived = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| life.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        });
        let why = match lived.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            // What it had begun is gone with the interpreter.
            Err(_) if board.session().statistics().reconnections > 0 => "it died unnoticed".to_owned(),
            Err(panic) => resume_unwind(panic),
        };
        assert!(left > 0, "three interpreters in a row did not live: {why}");
        println!("an interpreter did not live to the end: {why}");
    }
}
