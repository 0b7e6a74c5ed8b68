//! Both agents, in both forms, installed both ways, on a real interpreter: what each must do, and what it leaves free.

use belay_runtime::{
    __private::{Args, Argument, Kind, Origin, Scope, Task, call, decode},
    Device, Error, Exception, Result, Trust,
};
use belay_sim::{Board, Options, RawPaste};
use serde::de::DeserializeOwned;

/// Runs what must hold of every agent on each of them. This is the one list of them.
macro_rules! on_every_agent {
    ($everything:path) => {
        on_every_agent! { $everything;
            the_full_agent_of_a_trusted_line: FULL, Trusted, Windows;
            the_full_agent_of_a_verified_line: FULL, Verified, Windows;
            the_full_agent_without_raw_paste: FULL, Verified, Refused;
            the_tiny_agent_of_a_trusted_line: TINY, Trusted, Windows;
            the_tiny_agent_of_a_verified_line: TINY, Verified, Windows;
            the_tiny_agent_without_raw_paste: TINY, Verified, Unknown;
        }
    };
    ($everything:path; $($name:ident: $heap:ident, $trust:ident, $raw_paste:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            $everything(&crate::Agent {
                heap: crate::$heap,
                trust: belay_runtime::Trust::$trust,
                raw_paste: belay_sim::RawPaste::$raw_paste,
            })
            .await;
        }
    )*};
}

mod calls;
mod objects;
mod streams;

/// Heap for the full agent.
const FULL: u32 = 96 * 1024;
/// So little that a board gets the tiny one.
const TINY: u32 = 30 * 1024;

/// What decides which agent a board gets, and how.
struct Agent {
    heap: u32,
    trust: Trust,
    raw_paste: RawPaste,
}

impl Agent {
    const USUAL: Self = Self { heap: FULL, trust: Trust::Trusted, raw_paste: RawPaste::Windows };

    fn board(&self) -> Board {
        let mut options = Options::default();
        options.heap = self.heap;
        options.raw_paste = self.raw_paste;
        Board::start(&options).unwrap()
    }

    async fn attach(&self, board: &Board) -> Device {
        Device::builder().trust(self.trust).connect("agents", board.connect()).await.unwrap()
    }
}

static SCOPE: Scope =
    Scope { key: "agents::Everything", place: || "agents::Everything", setups: &[], tasks: &[], teardowns: &[] };

/// What the macro would write.
const fn task(kind: Kind, name: &'static str, source: &'static str) -> Task {
    let mut hash = 1;
    let mut i = 0;
    while i < source.len() {
        hash = hash * 31 % 1_000_000_007 + source.as_bytes()[i] as u64;
        i += 1;
    }
    Task {
        name,
        kind,
        params: &["x"],
        source,
        hash,
        timeout: None,
        idempotent: false,
        origin: Origin { file: "agents.rs", lines: &[1, 2, 3, 4], text: &["", "", "", ""] },
        scope: &SCOPE,
    }
}

static FREE: Task = task(Kind::Task, "free", "def free():\n import gc\n gc.collect()\n return gc.mem_free()");

fn args(task: &'static Task, arg: impl Argument) -> Args {
    let mut args = Args::new(task);
    args.push(&arg);
    args
}

async fn plain<R: DeserializeOwned>(device: &Device, task: &'static Task) -> Result<R> {
    call(device, Args::new(task), decode).await
}

async fn ask<R: DeserializeOwned>(device: &Device, task: &'static Task, arg: impl Argument) -> Result<R> {
    call(device, args(task, arg), decode).await
}

fn exception<T: std::fmt::Debug>(outcome: Result<T>) -> Box<Exception> {
    match outcome {
        Err(Error::Exception { exception, .. }) => exception,
        other => panic!("an exception was expected, not {other:?}"),
    }
}
