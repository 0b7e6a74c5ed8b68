//! A virtual board whose plug can be pulled.

use std::{
    io,
    sync::{Arc, Mutex},
};

use belay::{Builder, Device};
use belay_sim::{Board, Options, Port};

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
