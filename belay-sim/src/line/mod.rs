//! A serial line as lines are: it takes time, it has small buffers, and it has faults.
//!
//! A [`Line`] is the program's end of a line whose other end is anything that tokio can read and write: a virtual
//! board's [`Port`](crate::Port), or a scripted peer. It uses tokio's clock only, so that a test without an interpreter
//! behind it is deterministic under `start_paused`. That clock ticks in milliseconds: a byte arrives at the last tick
//! before its time, and rates are exact over many bytes.

mod fault;
mod pump;
mod transit;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::families::{self, Family};

pub use fault::{Direction, Fault, FaultKind, Noise};
use transit::Transit;

/// Speed of one way of a line. The default is as fast as memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Way {
    /// Time from the end of a byte's transmission to its arrival.
    pub latency: Duration,
    /// Bits a second, ten of them a byte; 0 is no limit.
    pub baud: u32,
}

/// What becomes of the board's output while the program does not read and the operating system's buffer is full.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unread {
    /// The board waits, as behind native USB.
    #[default]
    Wait,
    /// It is lost, as behind a UART without flow control.
    Drop,
}

/// What a line is like. The default one is perfect.
#[derive(Debug, Clone, PartialEq)]
pub struct LineOptions {
    /// From the program to the board.
    pub to_board: Way,
    /// From the board to the program.
    pub to_host: Way,
    /// Bytes that one read returns at most.
    pub chunk: usize,
    /// Bytes kept at the board's end while the peer does not take them; what arrives beyond is lost. `None` loses
    /// nothing, which is right for virtual boards: they have an input buffer of their own.
    pub input_buffer: Option<usize>,
    /// What becomes of output that nobody reads.
    pub unread: Unread,
    /// Faults on a script.
    pub faults: Vec<Fault>,
    /// Faults at random, both ways.
    pub noise: Noise,
}

impl LineOptions {
    /// The latency and the rate of an undisturbed line to a board of the family with that name, one of
    /// [`families`](crate::families): a frame of USB for each turn, and where there is a bridge the UART's usual rate.
    #[must_use]
    pub fn typical(family: &str) -> Option<Self> {
        let Family { turn, baud, .. } = families::find(family)?;
        Some(Self {
            to_board: Way { latency: Duration::ZERO, baud: *baud },
            to_host: Way { latency: *turn, baud: *baud },
            ..Self::default()
        })
    }
}

impl Default for LineOptions {
    fn default() -> Self {
        Self {
            to_board: Way::default(),
            to_host: Way::default(),
            chunk: usize::MAX,
            input_buffer: None,
            unread: Unread::default(),
            faults: Vec::new(),
            noise: Noise::default(),
        }
    }
}

/// What has crossed the program's end of a line since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes that the program has written.
    pub to_board: u64,
    /// Bytes that the program has read.
    pub to_host: u64,
    /// Writes of the program.
    pub writes: u64,
    /// How often the program has read something after it had written something.
    pub turns: u64,
}

/// The program's end of a modelled line: an open port.
///
/// Reads end-of-file, and fails to write, once the line is cut or unplugged, was opened anew by
/// [`LineHandle::replug`], or has a peer that hung up. Dropping it closes the port; what was written still arrives.
#[derive(Debug)]
pub struct Line {
    owner: Arc<Owner>,
    session: u64,
}

impl Line {
    /// A line to `peer`, which a background task serves until the line and all its handles are dropped.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time enabled, as everything that spawns a task.
    pub fn new<T>(peer: T, options: &LineOptions) -> Self
    where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::new(Shared { state: Mutex::new(State::new(options)) });
        tokio::spawn(pump::run(peer, shared.clone()));
        Self { owner: Arc::new(Owner(shared)), session: 0 }
    }

    /// A handle to count and to unplug, which outlives this port.
    #[must_use]
    pub fn handle(&self) -> LineHandle {
        LineHandle { owner: self.owner.clone() }
    }
}

/// The cable rather than the port: counts what passes, and can be pulled and plugged in. Clones are cheap.
#[derive(Debug, Clone)]
pub struct LineHandle {
    owner: Arc<Owner>,
}

impl LineHandle {
    /// What has crossed the program's end so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.owner.0.lock().counters
    }

    /// Pulls the plug: the open port is dead, and what is on its way is lost. The board behind it keeps running.
    pub fn unplug(&self) {
        self.owner.0.lock().unplug();
    }

    /// Plugs in, and opens the port: a port that was open before is dead from now on.
    #[must_use]
    pub fn replug(&self) -> Line {
        let mut state = self.owner.0.lock();
        state.unplug();
        state.sessions += 1;
        state.session = Some(state.sessions);
        state.ended = state.peer_gone;
        Line { session: state.sessions, owner: self.owner.clone() }
    }
}

/// What lines and handles share; dropping the last one ends the background task.
#[derive(Debug)]
struct Owner(Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.abandoned = true;
        state.wake_pump();
    }
}

struct Shared {
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

struct State {
    to_board: Transit,
    to_host: Transit,
    /// Arrived at the program's end and not read yet.
    unread: VecDeque<u8>,
    chunk: usize,
    input_buffer: Option<usize>,
    drop_unread: bool,
    /// The port that is open; all others are dead.
    session: Option<u64>,
    sessions: u64,
    /// The open port is dead as soon as what has arrived is read.
    ended: bool,
    peer_gone: bool,
    abandoned: bool,
    counters: Counters,
    answer_due: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    pump: Option<Waker>,
}

impl State {
    fn new(options: &LineOptions) -> Self {
        Self {
            to_board: Transit::new(Direction::ToBoard, options.to_board, options),
            to_host: Transit::new(Direction::ToHost, options.to_host, options),
            unread: VecDeque::new(),
            chunk: options.chunk.max(1),
            input_buffer: options.input_buffer,
            drop_unread: options.unread == Unread::Drop,
            session: Some(0),
            sessions: 0,
            ended: false,
            peer_gone: false,
            abandoned: false,
            counters: Counters::default(),
            answer_due: false,
            reader: None,
            writer: None,
            pump: None,
        }
    }

    fn unplug(&mut self) {
        self.to_board.clear();
        self.close();
    }

    /// The line is cut: what is on its way is lost, what has arrived is not.
    fn end(&mut self) {
        self.ended = true;
        self.to_board.clear();
        self.to_host.clear();
        self.wake_program();
    }

    /// Nobody reads any more; what was written still arrives.
    fn close(&mut self) {
        self.session = None;
        self.to_host.clear();
        self.unread.clear();
        self.wake_program();
        self.wake_pump();
    }

    fn wake_program(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    fn wake_pump(&mut self) {
        if let Some(pump) = self.pump.take() {
            pump.wake();
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.owner.0.lock();
        if state.session != Some(self.session) || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if state.unread.is_empty() {
            if state.ended {
                return Poll::Ready(Ok(()));
            }
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = state.unread.len().min(buffer.remaining()).min(state.chunk);
        for byte in state.unread.drain(..count) {
            buffer.put_slice(&[byte]);
        }
        state.counters.to_host += count as u64;
        state.counters.turns += u64::from(std::mem::take(&mut state.answer_due));
        // The board may be waiting for room.
        state.wake_pump();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.owner.0.lock();
        if state.session != Some(self.session) || state.ended {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "the line to the virtual board is cut")));
        }
        let now = Instant::now();
        let room = state.to_board.room(now);
        if room == 0 && !data.is_empty() {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let data = data.get(..room).unwrap_or(data);
        state.to_board.send(now, data);
        state.counters.to_board += data.len() as u64;
        state.counters.writes += 1;
        state.answer_due = true;
        state.wake_pump();
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut state = self.owner.0.lock();
        if state.session == Some(self.session) {
            state.close();
        }
    }
}
