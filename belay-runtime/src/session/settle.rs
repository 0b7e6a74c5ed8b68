//! What becomes of calls in flight: answered, interrupted, lost, or sent again because they certainly did not run.

use std::{collections::VecDeque, io, sync::Arc};

use super::{
    actor::{Actor, Flying},
    epoch::nonce,
    status::{Event as Happened, State},
    wire::count,
};
use crate::{
    agent::{self, Status},
    error::{AfterTimeout, Error},
    exception::Exception,
    repl::{Event, Lane, REFUSED, Request},
    transport::Trust,
};

impl Actor {
    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Reply { id, .. } if self.is_ping(id) => {}
            Event::Done { id } | Event::Ended { id, .. } if self.is_ping(id) => self.ping = None,
            Event::Reply { id, payload } => self.on_reply(id, payload),
            Event::Done { id } => {
                self.flying.retain(|f| f.job.id != id || !f.answered);
                self.doubtful = false;
            }
            Event::Suspect { .. } => self.send_ping(),
            Event::Ended { id, error } => {
                if let Some(flying) = self.flying.iter_mut().find(|f| f.job.id == id) {
                    flying.ended = Some(error);
                }
            }
            Event::RawPaste { id, window: None } => {
                // It had raw-paste before: whatever this is now, the call did not run.
                self.epoch = None;
                if let Some(at) = self.flying.iter().position(|f| f.job.id == id)
                    && let Some(flying) = self.flying.remove(at)
                {
                    self.again(flying);
                }
            }
            // It may have been reset: ask before the next call.
            Event::Announced => self.epoch = None,
            Event::Echo { .. } => {
                self.epoch = None;
                for flying in std::mem::take(&mut self.flying).into_iter().rev().filter(|flying| !flying.answered) {
                    self.again(flying);
                }
            }
            Event::Output(_) | Event::Banner | Event::RawPaste { .. } | Event::Progress { .. } => {}
        }
    }

    fn on_reply(&mut self, id: u64, payload: Vec<u8>) {
        let Some(at) = self.flying.iter().position(|f| f.job.id == id) else { return };
        if payload == REFUSED {
            count(&self.shared.counts.refused);
            count(&self.shared.counts.resent);
            // An interrupt that nobody asked for: greet the agent, then send this one again.
            if let Some(epoch) = &mut self.epoch {
                epoch.locked = true;
            }
            if let Some(flying) = self.flying.remove(at) {
                self.again(flying);
            }
            return;
        }
        self.note_interrupt(&payload);
        let flying = &mut self.flying[at];
        flying.answered = true;
        flying.job.answer(Ok(payload));
    }

    /// Puts a call that certainly did not run back to where it came from.
    fn again(&mut self, mut flying: Flying) {
        if flying.cancelled {
            flying.job.cancelled(&self.shared.port);
        } else if !flying.abandoned {
            self.queue.put_back(flying.job);
        }
    }

    fn is_ping(&self, id: u64) -> bool {
        self.ping == Some(id)
    }

    /// Asks for proof that a request has ended, as soon as the question fits beside what the board has not read.
    pub(super) fn send_ping(&mut self) {
        let id = self.next_id();
        let (None, Some(wire)) = (self.ping, &mut self.wire) else { return };
        let (code, expect) = agent::ping(nonce());
        if wire.repl.takes_plain(code.len() + 1) {
            wire.repl.submit(Request { id, code, lane: Lane::Plain, expect });
            self.ping = Some(id);
            self.doubtful = false;
        } else {
            self.doubtful = true;
        }
    }

    /// Finds out what became of calls that have ended without an answer.
    pub(super) async fn recount(&mut self) {
        self.shared.status.enter(State::Recovering);
        match self.resync_with_backlog(self.limits.recover).await {
            Ok(status) => {
                self.deaf = false;
                let flying = std::mem::take(&mut self.flying);
                self.settle(flying, &status);
                match status {
                    Status::Present(present) if present.agent.verifies || self.trust == Trust::Trusted => {
                        self.adopt(*present);
                        self.shared.status.enter(State::Ready);
                    }
                    _ => self.epoch = None,
                }
            }
            // It answers, but there is no room left for a greeting.
            Err(Error::Exception { .. }) => {
                self.epoch = None;
                self.doubt();
            }
            // What is known of the calls then is known from `lost`.
            Err(Error::Lost { .. }) => {}
            Err(_) => {
                self.epoch = None;
                self.deaf = true;
                self.learn_ctrl_c(false);
                self.doubt();
            }
        }
    }

    /// Stops the call that runs, and finds out what became of it and of those behind it.
    pub(super) async fn interrupt(&mut self) {
        if let Some(first) = self.flying.front_mut() {
            first.abandoned |= !first.cancelled;
        }
        self.shared.status.interrupts.count();
        self.shared.status.tell(Happened::Interrupted);
        self.recount().await;
    }

    /// Decides about calls that have not answered, from what the agent counted.
    fn settle(&mut self, flying: VecDeque<Flying>, status: &Status) {
        // What was handed over first and has not been let through at all was damaged on a line that was trusted.
        if let (Status::Present(present), Some(first)) = (status, flying.front())
            && first.n > present.calls
            && !first.answered
            && first.ended.is_none()
            && self.trust == Trust::Trusted
        {
            tracing::warn!(port = self.shared.port, "the line loses or changes bytes: from now on it is verified");
            self.trust = Trust::Verified;
            self.epoch = None;
        }
        // From the last to the first, because those that did not run go back to the front of the queue.
        for mut flying in flying.into_iter().rev() {
            if flying.answered {
                continue;
            }
            let ran = match status {
                Status::Present(present) => flying.n <= present.calls,
                // An agent that was not there cannot have run anything; a call that found it may have.
                Status::Absent => flying.ended.as_ref().is_none_or(|error| !is_name_error(error)),
            };
            if flying.abandoned {
                let board = if ran { AfterTimeout::Stopped } else { AfterTimeout::NotSent };
                flying.job.time_out(&self.shared.port, board);
            } else if flying.cancelled {
                flying.job.cancelled(&self.shared.port);
            } else if !ran && flying.ended.as_ref().is_none_or(|error| is_name_error(error)) {
                self.queue.put_back(flying.job);
            } else if let Some(error) = flying.exception() {
                flying.job.answer(Err(error));
            } else if flying.job.call.is_idempotent() {
                self.queue.put_back(flying.job);
            } else {
                flying
                    .job
                    .unknown(&self.shared.port, "the board was interrupted or reset while the call was under way");
            }
        }
    }

    /// Nothing is known of the calls in flight any more.
    fn doubt(&mut self) {
        self.ping = None;
        self.doubtful = false;
        for mut flying in std::mem::take(&mut self.flying).into_iter().rev() {
            if flying.answered {
            } else if let Some(error) = flying.exception() {
                flying.job.answer(Err(error));
            } else if flying.abandoned {
                flying.job.time_out(&self.shared.port, AfterTimeout::Interrupting);
            } else if flying.cancelled {
                flying.job.unknown(&self.shared.port, "the board was told to stop and has not answered");
            } else if flying.job.call.is_idempotent() {
                self.queue.put_back(flying.job);
            } else {
                flying.job.unknown(&self.shared.port, "the board no longer answers as it should");
            }
        }
    }

    /// A resync answers what a ping would have.
    pub(super) fn ping_is_over(&mut self) {
        self.ping = None;
        self.doubtful = false;
    }

    /// The line has ended: what was under way may have run.
    pub(super) fn lost(&mut self, error: io::Error) -> Error {
        self.wire = None;
        self.epoch = None;
        self.deaf = false;
        self.shared.status.tell(Happened::Lost { reason: error.to_string() });
        self.shared.status.enter(State::Lost);
        self.ping = None;
        self.doubtful = false;
        for mut flying in std::mem::take(&mut self.flying).into_iter().rev() {
            if flying.answered {
            } else if flying.job.call.is_idempotent() && !flying.is_unwanted() {
                self.queue.put_back(flying.job);
            } else {
                flying.job.unknown(&self.shared.port, &format!("the line was lost: {error}"));
            }
        }
        Error::Lost { port: self.shared.port.clone(), reason: error.to_string(), source: Some(Arc::new(error)) }
    }

    /// During a resync, answers of calls in flight still count.
    pub(super) fn late_event(&mut self, event: Event) {
        match event {
            Event::Reply { id, payload } => {
                let ours = self.flying.front().is_some_and(|f| f.job.id == id && f.is_unwanted());
                let interrupted = Exception::may_be_interrupt(&payload);
                if ours && interrupted {
                    self.learn_ctrl_c(true);
                }
                // What the interrupt did to a call is told by the agent's count.
                if !interrupted && (!ours || payload != REFUSED) {
                    self.on_reply(id, payload);
                }
            }
            Event::Done { id } => self.flying.retain(|f| f.job.id != id || !f.answered),
            _ => {}
        }
    }
}

/// Whether an error text says that the agent was not there.
pub(super) fn is_name_error(error: &[u8]) -> bool {
    Exception::from_traceback(error).is_some_and(|e| e.kind() == "NameError" && e.message().contains("_b"))
}
