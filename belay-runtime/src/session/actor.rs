//! The owner of a line: takes calls from the queue, keeps their deadlines, and waits for whatever comes next.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::{Command, Limits, Opener, Shared, epoch::Epoch, job::Job, wire::Wire};
use crate::{
    board::Learned,
    codec::msgpack,
    error::{AfterTimeout, Result},
    repl::{Event, Repl},
    transport::{Line, Trust},
};

pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    pub(super) wire: Option<Wire>,
    pub(super) opener: Option<Opener>,
    pub(super) trust: Trust,
    inbox: mpsc::UnboundedReceiver<Command>,
    /// Handles are gone: finish what is queued, then end.
    ending: bool,
    pub(super) queue: VecDeque<Job>,
    pub(super) flying: VecDeque<Flying>,
    /// What this boot of the board holds; `None` until the board has been greeted, and after any doubt.
    pub(super) epoch: Option<Epoch>,
    /// A question is under way whose answer proves that what was sent before it has ended.
    pub(super) ping: Option<u64>,
    /// A request seems to have ended without an answer, and the question did not fit into the board's input yet.
    pub(super) doubtful: bool,
    /// What this board and line have shown themselves to be like.
    pub(super) learned: Learned,
}

/// A call that has been handed to the board.
pub(super) struct Flying {
    pub(super) job: Job,
    /// The agent's number of it.
    pub(super) n: u32,
    /// Nobody waits for it any more, or its deadline has passed.
    pub(super) abandoned: bool,
    pub(super) answered: bool,
    /// It ended without an answer; what the board printed as an error.
    pub(super) ended: Option<Vec<u8>>,
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
            learned: Learned::nothing(),
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
        // The port is free before the output of the session ends.
        self.wire = None;
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
            let shared = Arc::clone(&self.shared);
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
                () = shared.held.changed() => return Step::Changed,
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

    pub(super) fn is_flying(&self, id: u64) -> bool {
        self.flying.iter().any(|flying| flying.job.id == id)
    }

    /// Whether nobody waits for this call any more.
    pub(super) fn is_abandoned(&self, id: u64) -> bool {
        self.flying.iter().any(|flying| flying.job.id == id && flying.abandoned)
    }

    pub(super) fn next_id(&self) -> u64 {
        self.shared.next_id.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }
}
