//! A virtual board whose plug can be pulled, and tasks that tell what ran.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use belay::{Builder, Device, Result};
use belay_sim::{Board, Options, Port};

#[belay::device]
pub(crate) trait Rig {
    #[belay::setup]
    async fn open(&self) -> Result<()> {
        r#"
        import micropython, time
        log = []
        kept = []
        "#
    }

    /// Notes that `n` ran.
    #[belay::task]
    async fn note(&self, n: u32) -> Result<u32> {
        r#"
        log.append(n)
        return n
        "#
    }

    /// All that ran since the last reset.
    #[belay::task]
    async fn ran(&self) -> Result<Vec<u32>> {
        "return log"
    }

    #[belay::task]
    async fn spin(&self, n: u32) -> Result<()> {
        r#"
        log.append(n)
        while True: pass
        "#
    }

    #[belay::task(idempotent)]
    async fn spin_safely(&self, n: u32) -> Result<()> {
        r#"
        log.append(n)
        while True: pass
        "#
    }

    /// Ignores Ctrl-C for so long.
    #[belay::task]
    async fn sulk(&self, ms: u32) -> Result<()> {
        r#"
        micropython.kbd_intr(-1)
        until = time.ticks_add(time.ticks_ms(), ms)
        while time.ticks_diff(until, time.ticks_ms()) > 0: pass
        micropython.kbd_intr(3)
        "#
    }

    #[belay::task]
    async fn say_and_spin(&self, text: &str) -> Result<()> {
        r#"
        print(text)
        while True: pass
        "#
    }

    #[belay::task]
    async fn fill(&self) -> Result<()> {
        r#"
        while True: kept.append(bytes(64))
        "#
    }
}

/// A board and the cable to it.
#[derive(Clone)]
pub(crate) struct Bench {
    pub(crate) board: Board,
    cable: Arc<Mutex<Cable>>,
}

#[derive(Default)]
struct Cable {
    unplugged: bool,
    opened: u32,
    /// Opening the line resets the board.
    resets: bool,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(&Options::default())
    }

    pub(crate) fn with(options: &Options) -> Self {
        Self { board: Board::start(options).expect("a virtual board starts"), cable: Arc::default() }
    }

    /// Pulls the plug: the line ends, the board goes on.
    pub(crate) fn unplug(&self) {
        self.cable.lock().unwrap().unplugged = true;
        // Whoever connects last has the line; this one hangs up at once.
        drop(self.board.connect());
    }

    pub(crate) fn plug_in(&self) {
        self.cable.lock().unwrap().unplugged = false;
    }

    /// From now on opening the line resets the board, as DTR does on some.
    pub(crate) fn reset_by_opening(&self) {
        self.cable.lock().unwrap().resets = true;
    }

    /// How often the line was opened.
    pub(crate) fn opened(&self) -> u32 {
        self.cable.lock().unwrap().opened
    }

    fn line(&self) -> io::Result<Port> {
        let mut cable = self.cable.lock().unwrap();
        if cable.unplugged {
            return Err(io::Error::new(io::ErrorKind::NotFound, "nothing is plugged in"));
        }
        cable.opened += 1;
        if cable.resets {
            self.board.reset();
        }
        Ok(self.board.connect())
    }

    /// A session that can open the line again.
    pub(crate) async fn device(&self) -> Device {
        self.build(Device::builder()).await
    }

    pub(crate) async fn build(&self, builder: Builder) -> Device {
        let bench = self.clone();
        builder
            .connect_with("bench", move || {
                let line = bench.line();
                async move { line }
            })
            .await
            .expect("it is attached to")
    }
}

/// Asserts that something took so long, with a fifth and a little for the scheduler on top.
pub(crate) fn assert_took(took: Duration, limit: Duration) {
    assert!(took >= limit && took <= limit.mul_f32(1.2) + Duration::from_millis(60), "{took:?} for {limit:?}");
}
