//! Threads on a board that has them: MicroPython's unix port, whose program `BELAY_UNIX_PORT` names.
//!
//! Without it, what boards without threads say is tested all the same.

use std::time::Duration;

use belay::{Device, Error, Result, Thread, Trust};

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
        // The port's threads run without a lock, and now and then its interpreter hangs or dies of that. Whatever it
        // does, no reply may be wrong; and of three interpreters one lives to the end.
        let mut left = 3;
        while let Some(Err(error)) = beside_a_printing_thread(trust).await {
            left -= 1;
            assert!(left > 0, "three interpreters in a row did not live: {error}");
            println!("an interpreter did not live to the end: {error}");
        }
    }
}
