//! How far transfers to the board have come, for whoever wants to see it.

use std::time::{Duration, Instant};

use tokio::sync::broadcast::{
    Receiver,
    error::{RecvError, TryRecvError},
};

use crate::topic::Topic;

/// How many states are kept for a subscriber that does not read.
pub(crate) const CAPACITY: usize = 256;

/// How far a transfer has come.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Transfer {
    /// What is being sent: the agent, a task, a piece of code.
    pub what: String,
    /// Bytes handed to the line so far.
    pub bytes: usize,
    /// Bytes that are to be sent. Those of a transfer that has to be begun anew are counted anew.
    pub total: usize,
    /// Bytes a second since it began; 0 at the beginning.
    pub rate: f64,
    /// What is left at this rate; `None` at the beginning.
    pub time_left: Option<Duration>,
}

impl Transfer {
    /// Whether all of it has been handed to the line.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.bytes >= self.total
    }
}

/// A subscription to the progress of all transfers of a session, oldest first.
#[derive(Debug)]
pub struct Progress {
    receiver: Receiver<Transfer>,
}

impl Progress {
    pub(crate) fn new(receiver: Receiver<Transfer>) -> Self {
        Self { receiver }
    }

    /// The next state of a transfer; `None` once the session has ended. A subscriber that falls behind misses the oldest.
    pub async fn next(&mut self) -> Option<Transfer> {
        loop {
            match self.receiver.recv().await {
                Ok(transfer) => return Some(transfer),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// The next state that is there already.
    pub fn try_next(&mut self) -> Option<Transfer> {
        loop {
            match self.receiver.try_recv() {
                Ok(transfer) => return Some(transfer),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return None,
            }
        }
    }
}

/// A transfer under way.
#[derive(Debug)]
pub(crate) struct Under {
    what: String,
    total: usize,
    begun: Instant,
}

impl Under {
    pub(crate) fn begin(to: &Topic<Transfer>, what: &str, total: usize) -> Self {
        let under = Self { what: what.to_owned(), total, begun: Instant::now() };
        under.reached(to, 0);
        under
    }

    /// How much there is to send.
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    pub(crate) fn reached(&self, to: &Topic<Transfer>, bytes: usize) {
        to.tell(|| {
            let bytes = bytes.min(self.total);
            let seconds = self.begun.elapsed().as_secs_f64();
            let rate = if seconds > 0.0 { bytes as f64 / seconds } else { 0.0 };
            let time_left =
                (rate > 0.0).then(|| Duration::try_from_secs_f64((self.total - bytes) as f64 / rate).ok()).flatten();
            Transfer { what: self.what.clone(), bytes, total: self.total, rate, time_left }
        });
    }
}
