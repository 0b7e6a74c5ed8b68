//! An example as a process of its own, on a board that the test holds and can look at afterwards.

use std::{process::Stdio, time::Duration};

use belay::sim;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// How long anything here may take on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A board of a family behind a pseudo-terminal, for `--port`.
pub(crate) fn board(family: &str) -> (sim::Board, sim::Pty, String) {
    let options = sim::Options::for_family(family).expect("a family");
    let board = sim::Board::start(&options).expect("a virtual board");
    let terminal = board.pty().expect("a pseudo-terminal");
    let port = terminal.path().to_str().expect("it is text").to_owned();
    (board, terminal, port)
}

/// A program that runs.
pub(crate) struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    /// What it printed so far.
    pub(crate) printed: String,
}

impl Program {
    pub(crate) fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, output, printed: String::new() }
    }

    /// Reads until it has printed so many lines in all.
    pub(crate) async fn lines(&mut self, lines: usize) {
        while self.printed.lines().count() < lines {
            let read = timeout(PATIENCE, self.output.read_line(&mut self.printed)).await;
            if !matches!(read, Ok(Ok(1..))) {
                let _ = self.child.start_kill();
                let errors = self.errors().await;
                panic!("{read:?}, after {:?}; {errors}", self.printed);
            }
        }
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let id = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("it runs");
        kill_process(id, Signal::INT).expect("it is there");
    }

    /// Reads to its end: whether it was content, and what it said on its error output.
    pub(crate) async fn end(&mut self) -> (bool, String) {
        let read = timeout(PATIENCE, self.output.read_to_string(&mut self.printed)).await;
        assert!(matches!(read, Ok(Ok(_))), "{read:?}, after {:?}", self.printed);
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it can be waited for");
        (status.success(), self.errors().await)
    }

    async fn errors(&mut self) -> String {
        let mut errors = String::new();
        if let Some(mut stream) = self.child.stderr.take() {
            let _ = timeout(PATIENCE, stream.read_to_string(&mut errors)).await;
        }
        errors
    }
}

/// The `text` block of an example's README.
pub(crate) fn shown(readme: &str) -> &str {
    let (_, rest) = readme.split_once("```text\n").expect("a block");
    rest.split_once("```\n").expect("it ends").0
}
