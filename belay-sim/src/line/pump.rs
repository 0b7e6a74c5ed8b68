//! The task that moves bytes between the line and the peer, because both go on while the program does something else.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::transit::Arrival;
use super::{Shared, State};

/// Output that the operating system keeps while the program does not read.
const UNREAD: usize = 4096;
/// Input that waits for the peer where nothing is to be lost.
const INPUT: usize = 4096;

/// Just under a tick of tokio's clock. A timer fires at the tick after its time and is noticed later still, so that a
/// line of 1 ms would take two: what is due before the next tick arrives when the timer fires.
const TICK: Duration = Duration::from_micros(999);
/// Bytes read from the peer at once.
const READ: usize = 1024;

pub(super) async fn run<T: AsyncRead + AsyncWrite + Unpin>(peer: T, shared: Arc<Shared>) {
    let mut pump = Pump { peer, input: VecDeque::new(), timer: Box::pin(sleep_until(Instant::now())) };
    poll_fn(|context| pump.poll(context, &shared)).await;
}

struct Pump<T> {
    peer: T,
    /// Arrived at the board's end and not taken by the peer yet.
    input: VecDeque<u8>,
    timer: Pin<Box<Sleep>>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Pump<T> {
    fn poll(&mut self, context: &mut Context<'_>, shared: &Shared) -> Poll<()> {
        let mut early = Duration::ZERO;
        loop {
            let mut state = shared.lock();
            let state = &mut *state;
            state.pump = Some(context.waker().clone());
            let now = Instant::now();
            let arrived = now + std::mem::take(&mut early);
            let mut progress = self.arrive_at_board(state, arrived);
            progress |= self.feed(state, context);
            self.lose(state, arrived);
            progress |= self.listen(state, now, context);
            progress |= arrive_at_host(state, arrived);
            if progress {
                continue;
            }
            let for_board = state.to_board.next().filter(|_| self.input.len() < input_limit(state));
            if state.abandoned && for_board.is_none() {
                return Poll::Ready(());
            }
            let for_host = state.to_host.next().filter(|_| state.drop_unread || state.unread.len() < UNREAD);
            match [for_board, for_host].into_iter().flatten().min() {
                None => return Poll::Pending,
                Some(time) => {
                    let soonest = now + Duration::from_nanos(1);
                    self.timer.as_mut().reset(time.checked_sub(TICK).map_or(soonest, |time| time.max(soonest)));
                    if self.timer.as_mut().poll(context).is_pending() {
                        return Poll::Pending;
                    }
                    early = TICK;
                }
            }
        }
    }

    fn arrive_at_board(&mut self, state: &mut State, now: Instant) -> bool {
        let mut any = false;
        while self.input.len() < input_limit(state)
            && let Some(arrival) = state.to_board.arrival(now)
        {
            any = true;
            match arrival {
                Arrival::Byte(byte) => self.input.push_back(byte),
                Arrival::Lost => {}
                Arrival::Cut => state.end(),
            }
        }
        if any && let Some(writer) = state.writer.take() {
            writer.wake();
        }
        any
    }

    fn feed(&mut self, state: &mut State, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while !state.peer_gone && !self.input.is_empty() {
            match Pin::new(&mut self.peer).poll_write(context, self.input.as_slices().0) {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.input.drain(..count);
                    any = true;
                }
                Poll::Ready(_) => hang_up(state),
                Poll::Pending => break,
            }
        }
        if any {
            // A peer that buffers passes on what it can; one that cannot flush fails the next write.
            let _ = Pin::new(&mut self.peer).poll_flush(context);
        }
        any
    }

    /// What has arrived and finds the board's buffer full is lost.
    fn lose(&mut self, state: &mut State, now: Instant) {
        if state.input_buffer.is_some_and(|limit| self.input.len() >= limit) {
            while let Some(arrival) = state.to_board.arrival(now) {
                if arrival == Arrival::Cut {
                    state.end();
                }
            }
        }
    }

    fn listen(&mut self, state: &mut State, now: Instant, context: &mut Context<'_>) -> bool {
        let mut any = false;
        while !state.peer_gone {
            // Where nobody hears it, the peer must not wait for that.
            let room = if state.session.is_none() { READ } else { state.to_host.room(now).min(READ) };
            let mut buffer = [0; READ];
            let Some(buffer) = buffer.get_mut(..room).filter(|buffer| !buffer.is_empty()) else { break };
            let mut buffer = ReadBuf::new(buffer);
            match Pin::new(&mut self.peer).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    any = true;
                    if state.session.is_some() {
                        state.to_host.send(now, buffer.filled());
                    }
                }
                Poll::Ready(_) => hang_up(state),
                Poll::Pending => break,
            }
        }
        any
    }
}

fn arrive_at_host(state: &mut State, now: Instant) -> bool {
    let mut any = false;
    while (state.drop_unread || state.unread.len() < UNREAD)
        && let Some(arrival) = state.to_host.arrival(now)
    {
        any = true;
        match arrival {
            Arrival::Byte(byte) if state.unread.len() < UNREAD => state.unread.push_back(byte),
            Arrival::Byte(_) | Arrival::Lost => {}
            Arrival::Cut => state.end(),
        }
    }
    if any && let Some(reader) = state.reader.take() {
        reader.wake();
    }
    any
}

fn hang_up(state: &mut State) {
    state.peer_gone = true;
    state.to_host.send_end();
}

fn input_limit(state: &State) -> usize {
    state.input_buffer.unwrap_or(INPUT)
}
