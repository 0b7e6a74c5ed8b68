//! The owner of a line: takes calls from the queue, keeps several in flight, and stops the board when one is late.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep_until},
};

use super::{
    Command, Job, Limits, Opener, Shared,
    epoch::{Epoch, nonce},
    sealed::{Fault, SMALLEST_PIECE},
    wire::Wire,
};
use crate::{
    agent::{self, Body, Status},
    codec::{msgpack, reply},
    error::{AfterTimeout, Error, Result},
    exception::Exception,
    executor::Work,
    repl::{Event, Lane, REFUSED, Repl, Request},
    task::{Kind, Task},
    transport::{Line, Trust},
};

/// How many calls are handed to the board before the first of them has answered.
const MOST_IN_FLIGHT: usize = 16;

pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    pub(super) wire: Option<Wire>,
    pub(super) opener: Option<Opener>,
    pub(super) trust: Trust,
    inbox: mpsc::UnboundedReceiver<Command>,
    /// Handles are gone: finish what is queued, then end.
    ending: bool,
    queue: VecDeque<Job>,
    flying: VecDeque<Flying>,
    /// What this boot of the board holds; `None` until the board has been greeted, and after any doubt.
    pub(super) epoch: Option<Epoch>,
    /// A question is under way whose answer proves that what was sent before it has ended.
    ping: Option<u64>,
    /// A request seems to have ended without an answer, and the question did not fit into the board's input yet.
    doubtful: bool,
    /// How large the pieces of a long request may be on a board without raw-paste.
    pub(super) piece: usize,
}

/// A call that has been handed to the board.
struct Flying {
    job: Job,
    /// The agent's number of it.
    n: u32,
    /// Nobody waits for it any more, or its deadline has passed.
    abandoned: bool,
    answered: bool,
    /// It ended without an answer; what the board printed as an error.
    ended: Option<Vec<u8>>,
}

/// What `next` saw.
pub(super) enum Step {
    Event(Event),
    /// The queue or the calls in flight have changed.
    Changed,
    /// The time that was given is up.
    TimeUp,
    Lost(io::Error),
}

impl Actor {
    pub(super) fn new(
        shared: Arc<Shared>,
        line: Box<dyn Line>,
        opener: Option<Opener>,
        inbox: mpsc::UnboundedReceiver<Command>,
        trust: Trust,
        limits: Limits,
    ) -> Self {
        let mut actor = Self {
            shared,
            limits,
            wire: None,
            opener,
            trust,
            inbox,
            ending: false,
            queue: VecDeque::new(),
            flying: VecDeque::new(),
            epoch: None,
            ping: None,
            doubtful: false,
            piece: 2 * SMALLEST_PIECE,
        };
        actor.take_line(line);
        actor
    }

    pub(super) fn take_line(&mut self, line: Box<dyn Line>) {
        let repl = Repl::new(super::attach::SMALLEST_BUFFER, msgpack::Limits::default());
        self.wire = Some(Wire::new(line, repl, Arc::clone(&self.shared.counts)));
    }

    /// Attaches for the first time.
    pub(super) async fn open(&mut self) -> Result<()> {
        let deadline = Instant::now() + self.limits.open;
        self.ensure_attached(deadline).await
    }

    pub(super) async fn run(mut self) {
        loop {
            if self.doubtful {
                self.send_ping();
            }
            if self.ping.is_none() && self.flying.iter().any(|flying| flying.ended.is_some()) {
                self.recount().await;
            }
            self.start_ready().await;
            if self.ending && self.queue.is_empty() && self.flying.is_empty() {
                break;
            }
            let late = self
                .flying
                .front()
                .filter(|f| !f.answered)
                .map(|f| if f.abandoned { Instant::now() } else { f.job.deadline });
            match self.next(late).await {
                Step::Event(event) => self.on_event(event),
                Step::Changed => {}
                Step::TimeUp => self.interrupt().await,
                Step::Lost(error) => drop(self.lost(error)),
            }
        }
        self.leave().await;
    }

    /// Leaves the board in the REPL for people, as far as it listens.
    async fn leave(&mut self) {
        if let Some(wire) = &mut self.wire {
            wire.repl.control(b"\x02");
            let until = Instant::now() + Duration::from_millis(100);
            while matches!(self.next(Some(until)).await, Step::Event(_) | Step::Changed) {
                if self.wire.as_mut().is_none_or(|wire| wire.repl.outgoing().is_empty()) {
                    break;
                }
            }
        }
    }

    /// Waits for the next thing that concerns the session, at most until `until`. The queue fills and its deadlines are
    /// kept whatever is being waited for.
    pub(super) async fn next(&mut self, until: Option<Instant>) -> Step {
        loop {
            let now = Instant::now();
            let patience = self.expire(now);
            if until.is_some_and(|until| until <= now) {
                return Step::TimeUp;
            }
            let wake = [until, patience].into_iter().flatten().min();
            tokio::select! {
                biased;
                event = async { match &mut self.wire {
                    Some(wire) => wire.event().await,
                    None => std::future::pending().await,
                } } => match event {
                    Ok(Event::Output(bytes)) => self.print(bytes),
                    Ok(event) => return Step::Event(event),
                    Err(error) => return Step::Lost(error),
                },
                command = self.inbox.recv(), if !self.ending => {
                    match command {
                        Some(Command::Call(job)) => self.queue.push_back(job),
                        Some(Command::Forget(id)) => self.forget(id),
                        None => self.ending = true,
                    }
                    return Step::Changed;
                }
                () = async { match wake {
                    Some(wake) => sleep_until(wake).await,
                    None => std::future::pending().await,
                } } => {}
            }
        }
    }

    fn print(&self, bytes: Vec<u8>) {
        // Nobody listening is no error.
        let _ = self.shared.output.send(bytes);
    }

    fn forget(&mut self, id: u64) {
        self.queue.retain(|job| job.id != id);
        if let Some(flying) = self.flying.iter_mut().find(|f| f.job.id == id) {
            flying.abandoned = true;
            flying.job.reply = None;
        }
    }

    /// Tells callers whose deadline has passed; gives back the next deadline.
    fn expire(&mut self, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut soonest = |at: Instant| next = Some(next.map_or(at, |next| next.min(at)));
        let port = &self.shared.port;
        self.queue.retain_mut(|job| {
            if job.deadline > now {
                soonest(job.deadline);
                return true;
            }
            job.time_out(port, AfterTimeout::NotSent);
            false
        });
        for (place, flying) in self.flying.iter_mut().enumerate() {
            if flying.answered || flying.job.reply.is_none() {
                continue;
            }
            // The first one is being run: it is stopped first, and its caller told how that went.
            let answer_by = flying.job.deadline + if place == 0 { flying.job.grace() } else { Duration::ZERO };
            if answer_by > now {
                soonest(answer_by);
            } else {
                flying.abandoned = true;
                let board = if place == 0 { AfterTimeout::Interrupting } else { AfterTimeout::Sent };
                flying.job.time_out(port, board);
            }
        }
        next
    }

    /// Hands over what can be handed over.
    async fn start_ready(&mut self) {
        while self.ping.is_none() && !self.doubtful && !self.queue.is_empty() && self.flying.len() < MOST_IN_FLIGHT {
            if self.epoch.as_ref().is_none_or(|epoch| epoch.locked) && !self.flying.is_empty() {
                return;
            }
            let Some(mut job) = self.queue.pop_front() else { return };
            let begun = Instant::now();
            if self.epoch.as_ref().is_none_or(|epoch| epoch.locked) {
                let deadline = begun + self.limits.recover.max(self.limits.open);
                if let Err(error) = self.ensure_attached(deadline).await {
                    job.answer(Err(error));
                    continue;
                }
                job.deadline += begun.elapsed();
            }
            match job.call.work.clone() {
                Work::SoftReset if self.flying.is_empty() => {
                    let outcome = self.soft_reset().await;
                    job.answer(outcome.map(|()| Vec::new()));
                }
                Work::SoftReset => {
                    self.queue.push_front(job);
                    return;
                }
                Work::Task { task, args } => {
                    let Some(epoch) = &self.epoch else { return self.queue.push_front(job) };
                    let Some(index) = epoch.index(task) else {
                        if !self.flying.is_empty() {
                            return self.queue.push_front(job);
                        }
                        let outcome = self.deploy(task).await;
                        job.deadline += begun.elapsed();
                        match outcome {
                            Ok(()) => self.queue.push_front(job),
                            Err(error) => job.answer(Err(error)),
                        }
                        continue;
                    };
                    let body = epoch.call(index, &args);
                    if let Some(job) = self.hand_over(job, body).await {
                        return self.queue.push_front(job);
                    }
                }
                Work::Exec { source } => {
                    let Some(epoch) = &self.epoch else { return self.queue.push_front(job) };
                    let body = epoch.exec(&source);
                    if let Some(job) = self.hand_over(job, body).await {
                        return self.queue.push_front(job);
                    }
                }
            }
        }
    }

    /// Sends a call, unless it has to wait for those in flight: then it comes back.
    async fn hand_over(&mut self, job: Job, body: Body) -> Option<Job> {
        let (Some(wire), Some(epoch)) = (&mut self.wire, &mut self.epoch) else { return Some(job) };
        let id = job.id;
        let n = epoch.calls + 1;
        if !epoch.verifies() {
            let code = agent::bare(&body.whole());
            let Some(lane) = epoch.lane(&wire.repl, code.len()) else { return Some(job) };
            epoch.calls = n;
            let expect = epoch.answer(n);
            wire.repl.submit(Request { id, code, lane, expect });
            self.flying.push_back(Flying { job, n, abandoned: false, answered: false, ended: None });
            return None;
        }
        if !self.flying.is_empty() {
            return Some(job);
        }
        let until = job.deadline;
        let what = job.call.name().to_owned();
        self.flying.push_back(Flying { job, n, abandoned: false, answered: false, ended: None });
        let outcome = self.request(id, body, &what, until).await;
        // An interrupt has already told its caller, or put it back into the queue.
        let mut job = self.flying.pop_front().filter(|flying| flying.job.id == id)?.job;
        match outcome {
            Ok(payload) => {
                self.note_interrupt(&payload);
                job.answer(Ok(payload));
            }
            Err(Fault::Gone) => self.queue.push_front(job),
            Err(Fault::Stopped) => {}
            Err(Fault::Error(Error::OutcomeUnknown { .. })) if job.call.is_idempotent() => self.queue.push_front(job),
            Err(Fault::Error(error)) => job.answer(Err(error)),
        }
        None
    }

    /// Puts a task on the board, after the setups of its scope.
    async fn deploy(&mut self, task: &'static Task) -> Result<()> {
        let setups = task.scope.setups.iter().filter(|setup| setup.params.is_empty());
        for one in setups.copied().chain([task]) {
            let Some(epoch) = self.epoch.as_ref().filter(|epoch| epoch.index(one).is_none()) else { continue };
            let body = epoch.deployment(one);
            let what = format!("deploying {}", one.name);
            let id = self.next_id();
            let until = Instant::now() + one.timeout.filter(|_| one.kind == Kind::Setup).unwrap_or(self.limits.deploy);
            let payload = match self.request(id, body, &what, until).await {
                Ok(payload) => payload,
                // The caller finds no epoch and attaches again.
                Err(Fault::Gone | Fault::Stopped) => {
                    self.epoch = None;
                    return Ok(());
                }
                Err(Fault::Error(error)) => return Err(error),
            };
            self.note_interrupt(&payload);
            crate::call::check(one.name, &payload, Some(one))?;
            let index: usize = reply::decode(&payload)
                .map_err(|source| Error::WrongType { task: one.name.to_owned(), source: Box::new(source) })?;
            if let Some(epoch) = &mut self.epoch {
                epoch.holds(one, index);
            }
        }
        Ok(())
    }

    /// After an exception that looks like an interrupt, the agent takes no calls until it is greeted.
    fn note_interrupt(&mut self, payload: &[u8]) {
        let interrupted = Exception::from_reply(payload).is_some_and(|e| e.kind() == "KeyboardInterrupt");
        if interrupted && let Some(epoch) = &mut self.epoch {
            epoch.locked = true;
        }
    }

    pub(super) fn is_flying(&self, id: u64) -> bool {
        self.flying.iter().any(|flying| flying.job.id == id)
    }

    /// Whether nobody waits for this call any more.
    pub(super) fn is_abandoned(&self, id: u64) -> bool {
        self.flying.iter().any(|flying| flying.job.id == id && flying.abandoned)
    }

    fn on_event(&mut self, event: Event) {
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
    fn again(&mut self, flying: Flying) {
        if !flying.abandoned {
            self.queue.push_front(flying.job);
        }
    }

    fn is_ping(&self, id: u64) -> bool {
        self.ping == Some(id)
    }

    /// Asks for proof that a request has ended, as soon as the question fits beside what the board has not read.
    fn send_ping(&mut self) {
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
    async fn recount(&mut self) {
        let until = Instant::now() + self.limits.recover;
        match self.resync(until).await {
            Ok(status) => {
                let flying = std::mem::take(&mut self.flying);
                self.settle(flying, &status);
                match status {
                    Status::Present(present) if present.agent.verifies || self.trust == Trust::Trusted => {
                        self.adopt(*present);
                    }
                    _ => self.epoch = None,
                }
            }
            Err(_) => {
                self.epoch = None;
                self.doubt();
            }
        }
    }

    /// Stops the call that runs, and finds out what became of it and of those behind it.
    pub(super) async fn interrupt(&mut self) {
        if let Some(first) = self.flying.front_mut() {
            first.abandoned = true;
        }
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
            } else if !ran && flying.ended.as_ref().is_none_or(|error| is_name_error(error)) {
                self.queue.push_front(flying.job);
            } else if let Some(exception) = flying.ended.as_ref().and_then(|e| Exception::from_traceback(e)) {
                // The agent could not even report it: the heap is full, or the call text itself was refused.
                let task = flying.job.call.name().to_owned();
                flying.job.answer(Err(Error::Exception { task, exception: Box::new(exception) }));
            } else if flying.job.call.is_idempotent() {
                self.queue.push_front(flying.job);
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
            } else if flying.abandoned {
                flying.job.time_out(&self.shared.port, AfterTimeout::Interrupting);
            } else if flying.job.call.is_idempotent() {
                self.queue.push_front(flying.job);
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
        self.ping = None;
        self.doubtful = false;
        for mut flying in std::mem::take(&mut self.flying).into_iter().rev() {
            if flying.answered {
            } else if flying.job.call.is_idempotent() && !flying.abandoned {
                self.queue.push_front(flying.job);
            } else {
                flying.job.unknown(&self.shared.port, &format!("the line was lost: {error}"));
            }
        }
        Error::Lost { port: self.shared.port.clone(), reason: error.to_string(), source: Some(Arc::new(error)) }
    }

    pub(super) fn next_id(&self) -> u64 {
        self.shared.next_id.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }

    /// During a resync, answers of calls in flight still count.
    pub(super) fn late_event(&mut self, event: Event) {
        match event {
            Event::Reply { id, payload } => {
                let ours = self.flying.front().is_some_and(|f| f.job.id == id && f.abandoned);
                let interrupted = Exception::from_reply(&payload).is_some_and(|e| e.kind() == "KeyboardInterrupt");
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

impl Job {
    /// How long after its deadline a caller waits at most for word of the board.
    fn grace(&self) -> Duration {
        (self.limit / 8).clamp(Duration::from_millis(5), Duration::from_secs(2))
    }

    fn answer(&mut self, outcome: Result<Vec<u8>>) {
        if let Some(reply) = self.reply.take() {
            // A caller that has gone needs no answer.
            let _: std::result::Result<(), _> = oneshot::Sender::send(reply, outcome);
        }
    }

    fn time_out(&mut self, port: &str, board: AfterTimeout) {
        let error =
            Error::TimedOut { what: self.call.name().to_owned(), port: port.to_owned(), limit: self.limit, board };
        self.answer(Err(error));
    }

    fn unknown(&mut self, port: &str, reason: &str) {
        let error = Error::OutcomeUnknown {
            task: self.call.name().to_owned(),
            port: port.to_owned(),
            reason: reason.to_owned(),
        };
        self.answer(Err(error));
    }
}

/// Whether an error text says that the agent was not there.
pub(super) fn is_name_error(error: &[u8]) -> bool {
    Exception::from_traceback(error).is_some_and(|e| e.kind() == "NameError" && e.message().contains("_b"))
}
