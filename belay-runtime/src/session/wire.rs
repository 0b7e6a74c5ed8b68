//! A line and the REPL machine that reads and writes it: events one at a time, every byte counted and traced.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

use crate::{
    board::Step,
    repl::{Event, Repl},
    trace::Trace,
    transport::Line,
};

/// What went over a line, counted where the bytes are handed over.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    bytes_out: AtomicU64,
    bytes_in: AtomicU64,
    writes: AtomicU64,
    turns: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) resent: AtomicU64,
    pub(crate) fetched_again: AtomicU64,
    /// Whether the last thing that happened was a read.
    reading: AtomicBool,
}

/// A reading of the counters of a line. Two readings subtracted give what happened between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes handed to the line.
    pub bytes_out: u64,
    /// Bytes that came.
    pub bytes_in: u64,
    /// Write operations.
    pub writes: u64,
    /// How often something new was asked after something had come: each is at least one trip there and back. Going on
    /// with a transfer when the board gives credit is none.
    pub turns: u64,
}

/// What a session had to do again because its line lost or changed bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repairs {
    /// Requests that the board refused because they arrived damaged, or because an interrupt had come between.
    pub refused: u64,
    /// Requests that were sent again, with proof that they had not run.
    pub resent: u64,
    /// Replies that were written again because they arrived damaged: their requests ran once.
    pub fetched_again: u64,
}

/// One more of what is counted.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    pub(crate) fn read(&self) -> Traffic {
        Traffic {
            bytes_out: self.bytes_out.load(Ordering::Relaxed),
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            writes: self.writes.load(Ordering::Relaxed),
            turns: self.turns.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn repairs(&self) -> Repairs {
        Repairs {
            refused: self.refused.load(Ordering::Relaxed),
            resent: self.resent.load(Ordering::Relaxed),
            fetched_again: self.fetched_again.load(Ordering::Relaxed),
        }
    }

    fn wrote(&self, n: usize, asks: bool) {
        self.bytes_out.fetch_add(n as u64, Ordering::Relaxed);
        self.writes.fetch_add(1, Ordering::Relaxed);
        if asks && (self.reading.swap(false, Ordering::Relaxed) || self.turns.load(Ordering::Relaxed) == 0) {
            self.turns.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn got(&self, n: usize) {
        self.bytes_in.fetch_add(n as u64, Ordering::Relaxed);
        self.reading.store(true, Ordering::Relaxed);
    }
}

impl std::ops::Sub for Traffic {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            bytes_out: self.bytes_out.saturating_sub(earlier.bytes_out),
            bytes_in: self.bytes_in.saturating_sub(earlier.bytes_in),
            writes: self.writes.saturating_sub(earlier.writes),
            turns: self.turns.saturating_sub(earlier.turns),
        }
    }
}

/// A line and its REPL machine.
pub(crate) struct Wire {
    line: Box<dyn Line>,
    pub(crate) repl: Repl,
    counts: Arc<Counts>,
    trace: Option<Arc<Trace>>,
    unflushed: bool,
    pace: Option<Pace>,
    /// Nothing is written before this.
    gap: Pin<Box<Sleep>>,
    /// Why nothing can be written any more, while what has arrived is read.
    unwritable: Option<io::Error>,
    /// Why nothing more comes.
    ended: Option<io::Error>,
}

/// How long a line that takes nothing any more is listened to.
const LAST_WORDS: Duration = Duration::from_millis(20);

/// How fast a board without flow control is written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) bytes: usize,
    pub(crate) every: Duration,
}

impl Pace {
    /// The pace of a step of raw-paste; `None`: as fast as there is credit.
    pub(crate) fn of(step: Step, window: u16) -> Option<Self> {
        match step {
            Step::HalfChunks => Some(Self { bytes: usize::from(window / 2).max(32), every: Duration::from_millis(5) }),
            Step::SmallChunks => Some(Self { bytes: 32, every: Duration::from_millis(10) }),
            Step::RawPaste | Step::Pieces => None,
        }
    }
}

impl Wire {
    pub(crate) fn new(line: Box<dyn Line>, mut repl: Repl, counts: Arc<Counts>, trace: Option<Arc<Trace>>) -> Self {
        if trace.is_some() {
            repl.keep_notes();
        }
        let gap = Box::pin(sleep(Duration::ZERO));
        Self { line, repl, counts, trace, unflushed: false, pace: None, gap, unwritable: None, ended: None }
    }

    /// Writes no faster than this from now on.
    pub(crate) fn set_pace(&mut self, pace: Option<Pace>) {
        self.pace = pace;
    }

    /// How long writing so many more bytes takes at the pace that was set.
    pub(crate) fn time_to_write(&mut self, more: usize) -> Duration {
        let bytes = self.repl.outgoing().len() + more;
        self.pace.map_or(Duration::ZERO, |pace| pace.every * u32::try_from(bytes / pace.bytes + 1).unwrap_or(u32::MAX))
    }

    /// The next thing that happens. Writes what is to be written meanwhile. May be dropped at any time.
    ///
    /// # Errors
    /// The line has ended. Everything that had arrived by then has come out before.
    pub(crate) async fn event(&mut self) -> io::Result<Event> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Event>> {
        loop {
            // Reading goes on while a write waits: a board that prints may take nothing before it is rid of it.
            if self.unwritable.is_none()
                && let Poll::Ready(Err(error)) = self.poll_write(cx)
            {
                // What the board said before may lie here unread.
                self.unwritable = Some(error);
                self.gap.as_mut().reset(Instant::now() + LAST_WORDS);
            }
            if let Some(event) = self.repl.next_event() {
                return Poll::Ready(Ok(event));
            }
            if let Some(error) = self.ended.take() {
                return Poll::Ready(Err(self.unwritable.take().unwrap_or(error)));
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => self.end(error),
                Poll::Pending if self.unwritable.is_none() => return Poll::Pending,
                Poll::Pending => {
                    ready!(self.gap.as_mut().poll(cx));
                    self.end(io::ErrorKind::BrokenPipe.into());
                }
            }
        }
    }

    fn end(&mut self, error: io::Error) {
        self.repl.hang_up();
        if let Some(trace) = &self.trace {
            trace.took(&self.repl.take_spans());
        }
        self.ended = Some(error);
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.repl.outgoing().is_empty() {
            let mut most = self.repl.outgoing().len();
            if let Some(pace) = self.pace {
                ready!(self.gap.as_mut().poll(cx));
                most = most.min(pace.bytes);
            }
            let n = ready!(Pin::new(&mut self.line).poll_write(cx, &self.repl.outgoing()[..most]))?;
            if let Some(pace) = self.pace {
                self.gap.as_mut().reset(Instant::now() + pace.every);
            }
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            tracing::trace!(target: "belay::line", to_board = %self.repl.outgoing()[..n].escape_ascii());
            if let Some(trace) = &self.trace {
                self.repl.take_inputs().iter().for_each(|input| trace.input(input));
                let wrote = self.repl.outgoing()[..n].to_vec();
                trace.wrote(&wrote, &self.repl.wrote(n));
            } else {
                self.repl.wrote(n);
            }
            self.counts.wrote(n, self.repl.take_asks());
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.line).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut space = [const { MaybeUninit::uninit() }; 4096];
        let mut buf = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut self.line).poll_read(cx, &mut buf))?;
        let bytes = buf.filled();
        if bytes.is_empty() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the other end closed the line")));
        }
        tracing::trace!(target: "belay::line", from_board = %bytes.escape_ascii());
        if let Some(trace) = &self.trace {
            self.repl.take_inputs().iter().for_each(|input| trace.input(input));
            trace.came(bytes);
        }
        self.counts.got(bytes.len());
        self.repl.receive(bytes);
        if let Some(trace) = &self.trace {
            trace.took(&self.repl.take_spans());
        }
        Poll::Ready(Ok(()))
    }
}
