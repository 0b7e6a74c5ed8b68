//! The two byte queues between a [`Port`](crate::Port) and the interpreter's thread, because one side is async and the
//! other one blocks.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use tokio::io::ReadBuf;

/// Bytes that may be on their way to the board before its receive interrupt has seen them.
const TO_BOARD: usize = 4096;
/// Output that waits in the board for its line: then `print` waits too.
const TO_HOST: usize = 1024;

/// What the board's owner wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    On,
    /// Start again as after pressing the reset button.
    Reset,
    /// Nobody holds the board any more.
    Off,
}

#[derive(Default)]
struct State {
    to_board: VecDeque<u8>,
    to_host: VecDeque<u8>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// The port that has the line now; ports that had it before read end-of-file.
    session: Option<u64>,
    sessions: u64,
    power: Option<Power>,
}

impl State {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()].into_iter().flatten() {
            waker.wake();
        }
    }
}

#[derive(Default)]
pub(crate) struct Wire {
    state: Mutex<State>,
    changed: Condvar,
    /// Something happened that the board has not looked at: checked between two slices of the interpreter without
    /// taking the lock.
    attention: AtomicBool,
}

/// The program's side.
impl Wire {
    /// Takes the line over and returns the number of the new session.
    pub(crate) fn connect(&self) -> u64 {
        let mut state = self.lock();
        state.wake();
        if state.sessions > 0 {
            state.to_host.clear();
        }
        state.to_board.clear();
        state.sessions += 1;
        state.session = Some(state.sessions);
        state.sessions
    }

    pub(crate) fn disconnect(&self, session: u64) {
        let mut state = self.lock();
        if state.session == Some(session) {
            state.session = None;
            state.to_host.clear();
            self.alert();
        }
    }

    /// Ends the current session: the line is dead.
    pub(crate) fn hang_up(&self) {
        let mut state = self.lock();
        state.session = None;
        state.wake();
    }

    pub(crate) fn poll_read(
        &self,
        session: u64,
        context: &Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.lock();
        if state.session != Some(session) || buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if state.to_host.is_empty() {
            state.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let was_full = state.to_host.len() >= TO_HOST;
        while buffer.remaining() > 0 {
            let (front, _) = state.to_host.as_slices();
            let count = front.len().min(buffer.remaining());
            let Some(part) = front.get(..count).filter(|part| !part.is_empty()) else { break };
            buffer.put_slice(part);
            state.to_host.drain(..count);
        }
        if was_full {
            self.alert();
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_write(&self, session: u64, context: &Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if state.session != Some(session) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "the virtual board is gone")));
        }
        let room = TO_BOARD.saturating_sub(state.to_board.len());
        if room == 0 && !data.is_empty() {
            state.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        let count = data.len().min(room);
        state.to_board.extend(data.iter().take(count));
        self.alert();
        Poll::Ready(Ok(count))
    }

    /// Makes the board look up from what it waits for.
    pub(crate) fn nudge(&self) {
        let _state = self.lock();
        self.alert();
    }

    pub(crate) fn set_power(&self, power: Power) {
        let mut state = self.lock();
        if state.power != Some(Power::Off) {
            state.power = Some(power);
        }
        self.alert();
    }
}

/// The board's side.
impl Wire {
    /// Whether [`Wire::receive`] has anything new to tell.
    pub(crate) fn has_news(&self) -> bool {
        self.attention.load(Ordering::Relaxed)
    }

    /// Moves what has arrived into `arrived`, and returns what the owner wants.
    pub(crate) fn receive(&self, arrived: &mut Vec<u8>) -> Power {
        let mut state = self.lock();
        self.attention.store(false, Ordering::Relaxed);
        arrived.extend(state.to_board.drain(..));
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        match state.power {
            Some(Power::Reset) => state.power.take().unwrap_or(Power::On),
            Some(power) => power,
            None => Power::On,
        }
    }

    /// Blocks until there are news or `deadline` has passed.
    pub(crate) fn wait(&self, deadline: Option<Instant>) {
        let mut state = self.lock();
        while !self.has_news() {
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return;
                    }
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Takes as much output as there is room for and returns how much. Where nobody listens any more, output is lost;
    /// what comes before the first port is open waits for it.
    pub(crate) fn send(&self, output: &[u8]) -> usize {
        let mut state = self.lock();
        if state.session.is_none() && (state.sessions > 0 || state.to_host.len() >= TO_HOST) {
            return output.len();
        }
        let count = output.len().min(TO_HOST.saturating_sub(state.to_host.len()));
        state.to_host.extend(output.iter().take(count));
        if count > 0
            && let Some(reader) = state.reader.take()
        {
            reader.wake();
        }
        count
    }
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be called with the lock held, or a waiting board may miss it.
    fn alert(&self) {
        self.attention.store(true, Ordering::Relaxed);
        self.changed.notify_all();
    }
}
