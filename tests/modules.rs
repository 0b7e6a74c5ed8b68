//! Setups with parameters and teardowns: when they run, with which arguments, and what is said when one is missing.

use belay::{Device, Error, Result, Trust};

#[belay::device]
trait Pump {
    #[belay::setup]
    async fn begin(&self) -> Result<()> {
        r#"
        log = ["begin"]
        "#
    }

    #[belay::setup]
    async fn configure(&self, pin: u8, name: &str, levels: Vec<u16>) -> Result<()> {
        r#"
        if pin > 40:
            raise ValueError("no such pin")
        total = sum(levels)
        log.append("%s on %d, %d" % (name, pin, total))
        "#
    }

    #[belay::setup]
    async fn finish(&self) -> Result<()> {
        r#"
        log.append("finish")
        "#
    }

    #[belay::task]
    async fn history(&self) -> Result<Vec<String>> {
        "return log"
    }

    #[belay::task]
    async fn where_is_it(&self) -> Result<(u8, String)> {
        "return pin, name"
    }

    #[belay::teardown]
    async fn drain(&self) -> Result<()> {
        r#"
        print("drained", pin)
        "#
    }

    #[belay::teardown]
    async fn stop(&self) -> Result<()> {
        r#"
        print("stopped", name)
        "#
    }
}

async fn everything(trust: Trust, heap: u32) {
    let mut options = belay_sim::Options::default();
    options.heap = heap;
    let sim = belay_sim::Board::start(&options).unwrap();
    let open = async || Device::builder().trust(trust).connect("pump", sim.connect()).await.unwrap();
    let board = open().await;

    // Nothing is sent for a task whose setup was never called.
    let sent = board.session().traffic();
    for outcome in [board.history().await.map(drop), board.stop().await] {
        match outcome {
            Err(error @ Error::SetupMissing { .. }) => {
                assert!(error.to_string().contains("call configure(pin, name, levels)"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(board.session().traffic(), sent);

    // Calling it runs it, behind what is written before it.
    board.configure(3, "inlet", vec![300; 40]).await.unwrap();
    assert_eq!(board.history().await.unwrap(), ["begin", "inlet on 3, 12000", "finish"]);
    assert_eq!(board.where_is_it().await.unwrap(), (3, "inlet".to_owned()));
    // Once more, with other arguments; those without any have run.
    board.configure(4, "outlet's", vec![]).await.unwrap();
    board.begin().await.unwrap();
    board.finish().await.unwrap();
    assert_eq!(board.history().await.unwrap()[2..], ["finish", "outlet's on 4, 0"]);
    // One that fails says where, and is not what is repeated.
    match board.configure(41, "nowhere", vec![]).await {
        Err(Error::Exception { exception, .. }) => {
            let source = exception.frames().iter().find_map(|frame| frame.source);
            if heap > 32 * 1024 {
                assert!(source.unwrap().text.contains("raise ValueError"), "{exception}");
            }
            assert_eq!(exception.kind(), "ValueError");
        }
        other => panic!("{other:?}"),
    }

    // A new epoch repeats them as they are written.
    board.session().soft_reset().await.unwrap();
    assert_eq!(board.history().await.unwrap(), ["begin", "outlet's on 4, 0", "finish"]);
    sim.reset();
    assert_eq!(board.where_is_it().await.unwrap(), (4, "outlet's".to_owned()));

    // Another process finds it done.
    drop(board);
    let board = open().await;
    assert_eq!(board.history().await.unwrap(), ["begin", "outlet's on 4, 0", "finish"]);

    // Teardowns run in reverse, and none twice.
    let mut output = board.session().output();
    board.stop().await.unwrap();
    assert_eq!(output.take_text(), "stopped outlet's\r\n");
    board.session().close().await.unwrap();
    assert_eq!(output.take_text(), "drained 4\r\n");
    assert!(matches!(board.history().await, Err(Error::Closed { .. })));

    let board = open().await;
    let mut output = board.session().output();
    board.history().await.unwrap();
    board.session().close().await.unwrap();
    assert_eq!(output.take_text(), "stopped outlet's\r\ndrained 4\r\n");

    // After a reset, a process that never called it has to.
    let board = open().await;
    board.session().soft_reset().await.unwrap();
    assert!(matches!(board.history().await, Err(Error::SetupMissing { .. })));
    board.session().close().await.unwrap();
}

#[tokio::test]
async fn the_full_agent_of_a_trusted_line() {
    everything(Trust::Trusted, 96 * 1024).await;
}

#[tokio::test]
async fn the_full_agent_of_a_verified_line() {
    everything(Trust::Verified, 96 * 1024).await;
}

#[tokio::test]
async fn the_tiny_agent_of_a_trusted_line() {
    everything(Trust::Trusted, 30 * 1024).await;
}

#[tokio::test]
async fn the_tiny_agent_of_a_verified_line() {
    everything(Trust::Verified, 30 * 1024).await;
}
