//! Threads on a board that has them: MicroPython's unix port, whose program `BELAY_UNIX_PORT` names.
//!
//! Without it, what boards without threads say is tested all the same.

use std::time::{Duration, Instant};

use belay::{AfterTimeout, Device, Error, HoldingKind, Result, Stream, Thread, Trust};

#[belay::device]
trait Board {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        beats = 0
        closed = []
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
        global clinging
        clinging = True
        while clinging:
            time.sleep_ms(1)
        yield
        "#
    }

    #[belay::task]
    async fn let_loose(&self) -> Result<()> {
        r#"
        global clinging
        clinging = False
        "#
    }

    #[belay::task]
    fn items(&self) -> impl Stream<Item = Result<u32>> {
        r#"
        try:
            for i in range(1000):
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

async fn unix_port(trust: Trust) -> Option<Device> {
    let Ok(program) = std::env::var("BELAY_UNIX_PORT") else {
        assert!(std::env::var_os("CI").is_none(), "BELAY_UNIX_PORT does not name MicroPython's unix port");
        println!("left out: BELAY_UNIX_PORT does not name MicroPython's unix port");
        return None;
    };
    Some(Device::builder().trust(trust).open(&format!("exec:{program} -i")).await.unwrap())
}

#[tokio::test]
async fn the_longest_times_are_as_good_as_others() {
    let Some(board) = unix_port(Trust::Trusted).await else { return };
    let thread = board.with_timeout(Duration::MAX).beat(1).await.unwrap();
    assert!(thread.is_alive().await.unwrap());
    thread.stop().await.unwrap();
    board.close().await.unwrap();
}

async fn everything(trust: Trust) {
    let Some(board) = unix_port(trust).await else { return };
    // It runs beside everything else, until it is stopped.
    let thread = board.beat(2).await.unwrap();
    assert!(thread.is_alive().await.unwrap());
    let before = board.counted().await.unwrap();
    while board.counted().await.unwrap() <= before + 100 {}
    assert!(board.ended().await.unwrap().is_empty());
    thread.stop().await.unwrap();
    assert!(!thread.is_alive().await.unwrap());
    assert_eq!(board.ended().await.unwrap(), [2]);
    let stopped = board.counted().await.unwrap();
    assert_eq!(board.counted().await.unwrap(), stopped);
    // Stopping what has ended is no error.
    thread.stop().await.unwrap();

    // What ended it.
    board.ends("").await.unwrap().join().await.unwrap();
    let ended = board.ends("went wrong").await.unwrap();
    match ended.join().await {
        Err(Error::Exception { task, exception }) => {
            assert_eq!((task.as_str(), exception.kind(), exception.message()), ("ends", "ValueError", "went wrong"));
            let line = exception.frames().iter().find_map(|frame| frame.source).unwrap();
            assert!(line.text.contains("raise ValueError(how)") && line.file == file!(), "{line:?}");
        }
        other => panic!("{other:?}"),
    }
    assert!(!ended.is_alive().await.unwrap());

    // Several at once.
    let threads = [board.beat(3).await.unwrap(), board.beat(5).await.unwrap()];
    for thread in &threads {
        assert!(thread.is_alive().await.unwrap());
    }
    for thread in &threads {
        thread.stop().await.unwrap();
    }
    assert_eq!(board.ended().await.unwrap(), [2, 3, 5]);
}

#[tokio::test]
async fn threads_on_a_trusted_line() {
    everything(Trust::Trusted).await;
}

#[tokio::test]
async fn threads_on_a_verified_line() {
    everything(Trust::Verified).await;
}

/// The threads that the session holds, by name.
fn threads(board: &Device) -> Vec<String> {
    let holdings = board.session().holdings().into_iter();
    holdings.filter(|holding| holding.kind == HoldingKind::Thread).map(|holding| holding.name).collect()
}

/// A thread whose handle is dropped, one that is released, one that does not stop, and the end. `None`: there is no such
/// port.
async fn from_handle_to_close(trust: Trust) -> Option<Result<()>> {
    let board = unix_port(trust).await?;
    Some(
        async {
            // Without its handle it goes on, and is listed.
            drop(board.beat(2).await?);
            assert_eq!(threads(&board), ["beat"]);
            let before = board.counted().await?;
            while board.counted().await? <= before + 10 {}
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
            while board.ended().await?.len() < 2 {}
            assert_eq!(board.kept().await?, 0);

            // Those that ended without a handle are forgotten when another one begins.
            for _ in 0..3 {
                drop(board.ends("").await?);
            }
            board.beat(4).await?.stop().await?;
            let last = board.ends("").await?;
            last.join().await?;
            drop(last);
            assert!(board.kept().await? <= 1 && threads(&board).len() <= 1);

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
            board.let_loose().await?;
            clings.stop().await?;
            drop(clings);

            // The end: threads are stopped, generators closed, then the teardowns run.
            drop(board.beat(5).await?);
            let beat = board.beat(6).await?;
            let mut items = board.items();
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
        .await,
    )
}

#[tokio::test]
async fn threads_without_a_handle_released_late_and_at_the_end() {
    for trust in [Trust::Trusted, Trust::Verified] {
        alive_once_in_three(async || from_handle_to_close(trust).await).await;
    }
}

/// Long replies beside a thread that prints. `None`: there is no such port.
async fn beside_a_printing_thread(trust: Trust) -> Option<Result<()>> {
    let board = unix_port(trust).await?;
    let mut output = board.session().output();
    let calls = async {
        let thread = board.chatters("<chatter>").await?;
        for n in (0..20).map(|n| n * n * 5) {
            let blob = board.blob(n).await?;
            assert!(blob.len() == n as usize && blob.iter().all(|&byte| byte == n as u8), "{n}: {} bytes", blob.len());
        }
        thread.stop().await
    };
    if let Err(error) = calls.await {
        return Some(Err(error));
    }
    let printed = tokio::time::timeout(Duration::from_secs(5), output.next()).await;
    assert!(matches!(printed, Ok(Some(_))), "{printed:?}");
    Some(Ok(()))
}

#[tokio::test]
async fn what_threads_print_never_gets_into_a_reply() {
    for trust in [Trust::Trusted, Trust::Verified] {
        alive_once_in_three(async || beside_a_printing_thread(trust).await).await;
    }
}

/// The port's threads run without a lock, and now and then its interpreter hangs or dies of that. Whatever it does, no
/// answer may be wrong; and of three interpreters one lives to the end.
async fn alive_once_in_three(life: impl AsyncFn() -> Option<Result<()>>) {
    let mut left = 3;
    while let Some(Err(error)) = life().await {
        left -= 1;
        assert!(left > 0, "three interpreters in a row did not live: {error}");
        println!("an interpreter did not live to the end: {error}");
    }
}
