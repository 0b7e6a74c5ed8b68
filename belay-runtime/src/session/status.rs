//! How a session is: its state, its events and its counters, for whoever wants to watch.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{
    broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    watch,
};

use super::job::Job;
use crate::{executor::Work, topic::Topic};

/// How many events are kept for a subscriber that does not read.
const KEPT: usize = 128;

/// How a session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// It gets hold of the board for the first time.
    Connecting,
    /// The board takes calls.
    Ready,
    /// The board is being stopped, or was reset and is being set up again.
    Recovering,
    /// The line has ended. The next call opens it again, if it can be opened again.
    Lost,
    /// It has been closed, or its last handle is gone.
    Closed,
}

/// Something that happened to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The session is in another state now.
    State(State),
    /// The line ended.
    Lost {
        /// What ended it.
        reason: String,
    },
    /// The line has been opened again, and the board at its other end takes calls.
    Reconnected,
    /// The board has been reset since it was last spoken to: what it held is gone.
    Reset,
    /// The Python of a task or of a setup was put on the board.
    Deployed {
        /// Its name.
        name: String,
    },
    /// What ran on the board was stopped.
    Interrupted,
    /// This subscriber fell behind: so many events are gone.
    Missed(u64),
}

/// A subscription to what happens to a session.
#[derive(Debug)]
pub struct Events {
    receiver: Receiver<Event>,
}

impl Events {
    /// The next event; `None` once the session has ended and everything was read.
    pub async fn next(&mut self) -> Option<Event> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    /// What has happened and was not read yet, without waiting; `None` if there is nothing.
    pub fn try_next(&mut self) -> Option<Event> {
        match self.receiver.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Lagged(missed)) => Some(Event::Missed(missed)),
            Err(TryRecvError::Empty | TryRecvError::Closed) => None,
        }
    }
}

/// What a session has done so far. Two readings subtracted give what happened between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Calls that were handed to the board, each once however often it had to be sent.
    pub calls: u64,
    /// Calls of tasks whose Python was on the board already.
    pub cache_hits: u64,
    /// Sources of tasks and setups that were put on the board.
    pub deployments: u64,
    /// Calls that were sent again because it was certain that they had not run, or because they are idempotent.
    pub retries: u64,
    /// Calls that were turned away because too many waited.
    pub refused: u64,
    /// How often something that ran on the board was stopped.
    pub interrupts: u64,
    /// Resets of the board that were found or asked for.
    pub resets: u64,
    /// How often the line was opened again.
    pub reconnections: u64,
}

impl std::ops::Sub for Statistics {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            calls: self.calls.saturating_sub(earlier.calls),
            cache_hits: self.cache_hits.saturating_sub(earlier.cache_hits),
            deployments: self.deployments.saturating_sub(earlier.deployments),
            retries: self.retries.saturating_sub(earlier.retries),
            refused: self.refused.saturating_sub(earlier.refused),
            interrupts: self.interrupts.saturating_sub(earlier.interrupts),
            resets: self.resets.saturating_sub(earlier.resets),
            reconnections: self.reconnections.saturating_sub(earlier.reconnections),
        }
    }
}

/// One of the counters of [`Statistics`].
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Where a session says how it is.
#[derive(Debug)]
pub(super) struct Status {
    state: watch::Sender<State>,
    events: Topic<Event>,
    pub(super) calls: Counter,
    pub(super) cache_hits: Counter,
    pub(super) deployments: Counter,
    pub(super) retries: Counter,
    pub(super) refused: Counter,
    pub(super) interrupts: Counter,
    pub(super) resets: Counter,
    pub(super) reconnections: Counter,
}

impl Status {
    pub(super) fn new() -> Self {
        Self {
            state: watch::Sender::new(State::Connecting),
            events: Topic::new(KEPT),
            calls: Counter::default(),
            cache_hits: Counter::default(),
            deployments: Counter::default(),
            retries: Counter::default(),
            refused: Counter::default(),
            interrupts: Counter::default(),
            resets: Counter::default(),
            reconnections: Counter::default(),
        }
    }

    pub(super) fn state(&self) -> State {
        *self.state.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(super) fn events(&self) -> Events {
        Events { receiver: self.events.subscribe() }
    }

    /// Says so if it is news.
    pub(super) fn enter(&self, state: State) {
        let news = self.state.send_if_modified(|now| std::mem::replace(now, state) != state);
        if news {
            self.tell(Event::State(state));
        }
    }

    pub(super) fn tell(&self, event: Event) {
        self.events.tell(|| event);
    }

    /// Counts a call that is handed to the board.
    pub(super) fn count_call(&self, job: &mut Job) {
        if std::mem::replace(&mut job.sent, true) {
            self.retries.count();
            return;
        }
        self.calls.count();
        if !job.deployed && matches!(job.call.work, Work::Task { .. }) {
            self.cache_hits.count();
        }
    }

    pub(super) fn read(&self) -> Statistics {
        Statistics {
            calls: self.calls.read(),
            cache_hits: self.cache_hits.read(),
            deployments: self.deployments.read(),
            retries: self.retries.read(),
            refused: self.refused.read(),
            interrupts: self.interrupts.read(),
            resets: self.resets.read(),
            reconnections: self.reconnections.read(),
        }
    }
}
