//! One request on its way through the session, and the answers that it may get.

use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};

use crate::{
    error::{AfterTimeout, Error, Result},
    executor::{Call, Work},
};

/// One request on its way through the session. It is handed from place to place, and boxed for that.
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) call: Box<Call>,
    pub(super) limit: Duration,
    pub(super) deadline: Instant,
    /// It has been handed to the board before.
    pub(super) sent: bool,
    /// Something had to be put on the board for it.
    pub(super) deployed: bool,
    /// Taken when the answer is given; gone early when the deadline passed and the board is still being stopped.
    pub(super) reply: Option<oneshot::Sender<Result<Vec<u8>>>>,
}

impl Job {
    pub(super) fn new(
        id: u64,
        call: Box<Call>,
        limit: Duration,
        deadline: Instant,
        reply: Option<oneshot::Sender<Result<Vec<u8>>>>,
    ) -> Box<Self> {
        Box::new(Self { id, call, limit, deadline, sent: false, deployed: false, reply })
    }

    pub(super) fn is_waited_for(&self) -> bool {
        self.reply.as_ref().is_some_and(|reply| !reply.is_closed())
    }

    /// One that nobody waits for.
    pub(super) fn unwatched(id: u64, call: Call, limit: Duration) -> Box<Self> {
        Self::new(id, Box::new(call), limit, Instant::now() + limit, None)
    }

    /// How long after its deadline a caller waits at most for word of the board.
    pub(super) fn grace(&self) -> Duration {
        (self.limit / 10).min(Duration::from_secs(2))
    }

    pub(super) fn answer(&mut self, outcome: Result<Vec<u8>>) {
        if let Work::Free(freeing) = &self.call.work {
            match &outcome {
                Ok(_) => freeing.is_done(),
                Err(
                    Error::TimedOut { .. }
                    | Error::Cancelled { .. }
                    | Error::OutcomeUnknown { .. }
                    | Error::Lost { .. },
                ) => {}
                Err(_) => freeing.is_refused(),
            }
        }
        if let Some(reply) = self.reply.take() {
            // A caller that has gone needs no answer.
            let _: std::result::Result<(), _> = oneshot::Sender::send(reply, outcome);
        }
    }

    pub(super) fn time_out(&mut self, port: &str, board: AfterTimeout) {
        let error =
            Error::TimedOut { what: self.call.name().to_owned(), port: port.to_owned(), limit: self.limit, board };
        self.answer(Err(error));
    }

    pub(super) fn cancelled(&mut self, port: &str) {
        let error = Error::Cancelled { task: self.call.name().to_owned(), port: port.to_owned() };
        self.answer(Err(error));
    }

    /// What it is about was on the board before the last reset.
    pub(super) fn gone(&mut self, port: &str) {
        self.answer(Err(Error::Gone { what: self.call.subject(), port: port.to_owned() }));
    }

    /// What it is about has been let go of.
    pub(super) fn released(&mut self, port: &str) {
        self.answer(Err(Error::Released { what: self.call.subject(), port: port.to_owned() }));
    }

    pub(super) fn unknown(&mut self, port: &str, reason: &str) {
        let error = Error::OutcomeUnknown {
            task: self.call.name().to_owned(),
            port: port.to_owned(),
            reason: reason.to_owned(),
        };
        self.answer(Err(error));
    }
}
