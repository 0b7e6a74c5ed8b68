//! What becomes of calls in flight: answered, interrupted, lost, or sent again because they certainly did not run.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    actor::{Actor, Flying, Lost, Step},
    attach::comes_of_damage,
    epoch::nonce,
    status::{Event as Happened, State},
    wire::count,
};
use crate::{
    agent::{self, Status},
    error::{AfterTimeout, Error, Result},
    exception::Exception,
    repl::{Event, Expect, Form, Lane, REFUSED, Request},
    transport::Trust,
};

/// How long a board may say nothing while it writes a kept reply again.
const KEPT_PATIENCE: Duration = Duration::from_secs(2);
/// After what time a board that does nothing else has read a call.
const SURELY_READ: Duration = Duration::from_secs(1);

impl Actor {
    pub(super) fn on_event(&mut self, event: Event) {
        match event {
            Event::Reply { id, .. } if self.is_ping(id) => {}
            Event::Done { id } | Event::Ended { id, .. } if self.is_ping(id) => self.pings.clear(),
            // Everything before it has ended, and the board may have been reset since: the greeting tells.
            Event::Echo { id } if self.is_ping(id) => {
                self.epoch = None;
                self.ping_is_over();
            }
            Event::Reply { id, payload } => self.on_reply(id, payload),
            Event::Doubtful { id, payload, between } => self.on_doubtful(id, payload, between),
            Event::Done { id } => {
                self.flying.retain(|f| f.job.id != id || !f.answered);
                self.asked_at = Instant::now();
                self.doubtful = false;
            }
            Event::Suspect { .. } | Event::Echo { .. } if self.pings.is_empty() => self.send_ping(),
            Event::Ended { id, error } => {
                if let Some(flying) = self.flying.iter_mut().find(|f| f.job.id == id) {
                    flying.ended = Some(error);
                }
            }
            // It had raw-paste before.
            Event::RawPaste { id, window: None } | Event::NotRun { id } => self.spare(id),
            // It may have been reset: ask before the next call.
            Event::Announced => self.epoch = None,
            Event::Progress { .. } => self.silence.put_off(),
            Event::Output(_) | Event::Banner | Event::RawPaste { .. } | Event::Suspect { .. } | Event::Echo { .. } => {}
        }
    }

    /// A call has ended, and has probably not run: the board's count decides.
    fn spare(&mut self, id: u64) {
        if let Some(flying) = self.flying.iter_mut().find(|f| f.job.id == id) {
            flying.ended = Some(Vec::new());
            flying.spared = true;
        }
    }

    /// An answer that may have lost bytes is none: what the board kept of it decides.
    fn on_doubtful(&mut self, id: u64, payload: Vec<u8>, between: Vec<u8>) {
        if let Some(flying) = self.flying.iter_mut().find(|f| f.job.id == id) {
            flying.doubtful = Some(Box::new((payload, between)));
            flying.ended = Some(Vec::new());
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
            self.spare(id);
            return;
        }
        self.note_interrupt(&payload);
        let flying = &mut self.flying[at];
        flying.answered = true;
        flying.job.answer(Ok(payload));
    }

    fn is_ping(&self, id: u64) -> bool {
        self.pings.contains(&id)
    }

    /// Asks for proof that a request has ended, as soon as the question fits beside what the board has not read.
    pub(super) fn send_ping(&mut self) {
        self.doubtful = !self.ask();
    }

    /// Asks, if there is room for the question.
    fn ask(&mut self) -> bool {
        let id = self.next_id();
        let Some(wire) = &mut self.wire else { return false };
        let (code, expect) = agent::ping(nonce());
        let fits = wire.repl.takes_plain(code.len() + 1);
        if fits {
            wire.repl.submit(Request { id, code, lane: Lane::Plain, expect });
            self.pings.push(id);
            self.asked_at = Instant::now();
        }
        fits
    }

    /// When a question that nothing stands before is taken for lost: a program may have read it.
    pub(super) fn answer_due(&self) -> Option<Instant> {
        let waits = !self.pings.is_empty() && self.flying.iter().all(Flying::is_over);
        waits.then(|| self.asked_at + SURELY_READ)
    }

    /// Asks, and lets happen what happens until the answer comes; false if it has not come in time.
    pub(super) async fn ask_and_wait(&mut self, until: Instant) -> Result<bool> {
        self.ask();
        while !self.pings.is_empty() {
            match self.next(Some(until)).await {
                Step::Event(event) => self.on_event(event),
                Step::Changed => {}
                Step::TimeUp => return Ok(false),
                Step::Lost(error) => return Err(self.lost(error)),
            }
        }
        Ok(true)
    }

    /// What was handed to the board runs, and nothing has been heard of it for a while: perhaps the board was reset. If
    /// it was not, the question waits until the call has ended.
    pub(super) async fn break_silence(&mut self) {
        let asked = self.ask();
        self.silence.asked();
        let unread = |first: &Flying| {
            let read = self.wire.as_ref().is_some_and(|wire| wire.repl.is_running(first.job.id));
            !read && first.since.elapsed() > SURELY_READ
        };
        // It fills the board's input, and the board does not read it.
        if !asked && self.flying.front().is_some_and(unread) {
            self.recount().await;
        }
    }

    /// Finds out what became of calls that have ended without an answer.
    pub(super) async fn recount(&mut self) {
        self.shared.status.enter(State::Recovering);
        match self.resync_with_backlog(self.limits.recover).await {
            Ok(status) => {
                self.deaf = false;
                let status = self.of_this_epoch(status);
                let fetched = self.fetch_kept(&status).await;
                let flying = std::mem::take(&mut self.flying);
                self.settle(flying, &status, fetched);
                match status {
                    Status::Present(present) if self.suits(&present) => {
                        self.adopt(*present);
                        self.shared.status.enter(State::Ready);
                    }
                    _ => self.epoch = None,
                }
            }
            // It answers, but there is no room left for a greeting.
            Err(Error::Exception { .. }) => self.doubt(),
            // What is known of the calls then is known from `lost`.
            Err(Error::Lost { .. }) => {}
            Err(_) => {
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
        self.stop_board().await;
    }

    /// Stops whatever runs, and finds out what became of the calls in flight.
    pub(super) async fn stop_board(&mut self) {
        self.shared.status.interrupts.count();
        self.shared.status.tell(Happened::Interrupted);
        self.recount().await;
    }

    /// An agent that counts for another epoch knows nothing of the calls of this one.
    fn of_this_epoch(&self, status: Status) -> Status {
        match status {
            Status::Present(present) if self.last_epoch.is_some_and(|last| last != present.epoch) => Status::Absent,
            status => status,
        }
    }

    /// The reply of the last call that ran, if it ended without one that could be believed: the board kept it.
    async fn fetch_kept(&mut self, status: &Status) -> Option<Vec<u8>> {
        let Status::Present(present) = status else { return None };
        let is_it = |flying: &Flying| {
            let is_its_own = flying.lost.as_ref().is_none_or(|lost| lost.began);
            flying.n == present.calls && flying.ended.is_some() && !flying.is_unwanted() && is_its_own
        };
        let lost = self.flying.iter().any(|flying| is_it(flying) && flying.lost.is_some());
        if present.agent.verifies || !self.flying.iter().any(|flying| is_it(flying) && !flying.answered) {
            return None;
        }
        let form = Form { n: present.calls, way: present.capabilities.way_out, verified: false };
        let until = Instant::now() + self.limits.recover;
        let code = agent::again(false).to_vec();
        let kept = self.exchange(code, Lane::Plain, Expect::Frame(form), until, KEPT_PATIENCE).await.ok().flatten();
        // An earlier attempt to get hold of the board again may have done that.
        kept.filter(|kept| !lost || Exception::from_reply(kept).is_none_or(|e| e.kind() != "KeyboardInterrupt"))
    }

    /// Decides about calls that have not answered, from what the agent counted. `fetched` is the reply that the board
    /// kept of the last of them.
    fn settle(&mut self, mut flying: VecDeque<Flying>, status: &Status, fetched: Option<Vec<u8>>) {
        // The agent refuses all calls behind one that was interrupted.
        let spared = flying.iter().any(|one| one.spared);
        let damaged = match status {
            Status::Present(present) if !spared && self.trust == Trust::Trusted => {
                let fetched = fetched.as_deref();
                flying.iter().enumerate().any(|(place, one)| is_damaged(one, place == 0, present.calls, fetched))
            }
            _ => false,
        };
        if let (Status::Present(present), Some(payload)) = (status, fetched)
            && let Some(last) = flying.iter_mut().find(|f| f.n == present.calls && !f.answered)
        {
            if let Some(doubtful) = last.doubtful.take().filter(|doubtful| doubtful.0 == payload) {
                self.print(doubtful.1);
            }
            self.note_interrupt(&payload);
            last.answered = true;
            last.job.answer(Ok(payload));
        }
        if damaged {
            self.distrust();
        }
        // From the last to the first, because those that did not run go back to the front of the queue.
        for mut flying in flying.into_iter().rev() {
            if flying.answered {
                continue;
            }
            let ran = match status {
                Status::Present(present) => flying.n <= present.calls,
                // An agent that was not there cannot have run anything; a call that found it may have.
                Status::Absent => !flying.spared && flying.ended.as_ref().is_none_or(|error| !is_name_error(error)),
            };
            if flying.abandoned {
                let board = if ran { AfterTimeout::Stopped } else { AfterTimeout::NotSent };
                flying.job.time_out(&self.shared.port, board);
            } else if flying.cancelled {
                flying.job.cancelled(&self.shared.port);
            } else if !ran
                && (damaged
                    || spared
                    || flying.lost.is_some()
                    || flying.ended.as_ref().is_none_or(|error| is_name_error(error)))
            {
                self.queue.put_back(flying.job);
            } else if let Some(error) = flying.exception() {
                flying.job.answer(Err(error));
            } else if flying.job.call.is_idempotent() {
                self.queue.put_back(flying.job);
            } else {
                flying.unknown(&self.shared.port, "the board was interrupted or reset while the call was under way");
            }
        }
    }

    /// Nothing is known of the calls in flight any more.
    fn doubt(&mut self) {
        self.ping_is_over();
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
                flying.unknown(&self.shared.port, "the board no longer answers as it should");
            }
        }
    }

    /// A resync answers what a ping would have.
    pub(super) fn ping_is_over(&mut self) {
        self.pings.clear();
        self.doubtful = false;
    }

    /// The line has ended: what was under way may have run. Where another one can be opened, its callers wait for that.
    pub(super) fn lost(&mut self, error: io::Error) -> Error {
        let (wire, epoch) = (self.wire.take(), self.epoch.take());
        self.deaf = false;
        self.shared.status.tell(Happened::Lost { reason: error.to_string() });
        self.shared.status.enter(State::Lost);
        self.ping_is_over();
        for mut flying in std::mem::take(&mut self.flying).into_iter().rev() {
            if flying.answered {
            } else if flying.job.call.is_idempotent() && !flying.is_unwanted() {
                self.queue.put_back(flying.job);
            } else {
                flying.lost.get_or_insert_with(|| {
                    Box::new(Lost {
                        reason: format!("the line was lost: {error}"),
                        began: wire.as_ref().is_some_and(|wire| wire.repl.is_running(flying.job.id)),
                        expect: epoch.as_ref().map(|epoch| epoch.answer(flying.n)),
                    })
                });
                if self.opener.is_some() && !flying.is_unwanted() && flying.job.is_waited_for() {
                    self.adrift.push_front(flying);
                } else {
                    flying.unknown(&self.shared.port, "");
                }
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
                if !interrupted && payload != REFUSED {
                    self.on_reply(id, payload);
                }
            }
            Event::Doubtful { id, payload, between } => self.on_doubtful(id, payload, between),
            Event::Done { id } => self.flying.retain(|f| f.job.id != id || !f.answered),
            Event::NotRun { id } => self.spare(id),
            _ => {}
        }
    }
}

/// Whether what became of a call shows that an unchecked line loses or changes bytes: of the `calls` that were let through,
/// this one has no reply that could be believed, or it was not let through at all.
fn is_damaged(flying: &Flying, is_first: bool, calls: u32, fetched: Option<&[u8]>) -> bool {
    let ran = flying.n <= calls;
    match &flying.ended {
        _ if flying.answered || flying.lost.is_some() => false,
        // An interrupt may be quicker than a board that has just been given the call.
        None => is_first && !ran && (!flying.is_unwanted() || flying.since.elapsed() > SURELY_READ),
        Some(error) => match Exception::from_traceback(error) {
            Some(exception) => comes_of_damage(&exception),
            // Something may have been printed between the reply and the prompt: then the reply was right.
            None => flying
                .doubtful
                .as_ref()
                .is_none_or(|doubtful| doubtful.1.is_empty() || Some(doubtful.0.as_slice()) != fetched),
        },
    }
}

/// Whether an error text says that the agent was not there.
pub(super) fn is_name_error(error: &[u8]) -> bool {
    Exception::from_traceback(error).is_some_and(|e| e.kind() == "NameError" && e.message().contains("_b"))
}
