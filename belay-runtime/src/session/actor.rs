//! The owner of a line: takes calls from the queue, keeps their deadlines, and waits for whatever comes next.

use std::{collections::VecDeque, io, pin::Pin, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    task::coop::consume_budget,
    time::{Instant, Sleep, sleep},
};

use super::{
    Command, Limits, Opener, Shared, Start, banter::Banter, control::Asked, epoch::Epoch, job::Job, modules::Modules,
    queue::Queue, silence::Silence, status::State, wire::Wire,
};
use crate::{
    board::Learned,
    codec::msgpack,
    error::{AfterTimeout, Error, Result},
    exception::Exception,
    progress::Under,
    repl::{Event, Expect, Repl},
    task::Scope,
    trace::Trace,
    transport::{Line, Trust},
};

pub(super) struct Actor {
    pub(super) shared: Arc<Shared>,
    pub(super) limits: Limits,
    pub(super) wire: Option<Wire>,
    pub(super) opener: Option<Opener>,
    pub(super) trust: Trust,
    /// See [`Start::usb`]; forgotten when it has been answered for.
    pub(super) usb: Option<String>,
    inbox: mpsc::UnboundedReceiver<Command>,
    /// Handles are gone: finish what is queued, then end.
    ending: bool,
    pub(super) queue: Queue,
    pub(super) flying: VecDeque<Flying>,
    /// Calls that were under way when the line ended, until there is another one.
    pub(super) adrift: VecDeque<Flying>,
    /// What this boot of the board holds; `None` until the board has been greeted, and after any doubt.
    pub(super) epoch: Option<Epoch>,
    /// Questions that are under way: an answer to any of them proves that what was sent before it has ended.
    pub(super) pings: Vec<u64>,
    /// When the last of them was sent, or what stood before it ended.
    pub(super) asked_at: Instant,
    pub(super) silence: Silence,
    /// A request seems to have ended without an answer, and the question did not fit into the board's input yet.
    pub(super) doubtful: bool,
    /// What the session was asked to do at once, whoever waits.
    pub(super) asked: Asked,
    /// The call for which the board is being reset.
    pub(super) restarting: Option<Box<Job>>,
    /// The line had the last turn: whoever asks for something has the next.
    heard: bool,
    /// The board did not stop when it was told to, and nothing has been heard of it since.
    pub(super) deaf: bool,
    /// The number of the last epoch that was spoken to.
    pub(super) last_epoch: Option<u32>,
    /// The namespaces that this session has used in that epoch, in the order in which that began.
    pub(super) scopes: Vec<&'static Scope>,
    pub(super) modules: Modules,
    /// The board greets people now: that is no output of a program.
    pub(super) leaving: bool,
    pub(super) banter: Banter,
    /// How long to wait before the line is opened again; nothing at first.
    pub(super) pause: Duration,
    /// What this board and line have shown themselves to be like.
    pub(super) learned: Learned,
    /// What another session learned, for as long as it is not known whether it was of this board.
    pub(super) preloaded: Option<Learned>,
    trace: Option<Arc<Trace>>,
    /// Wakes it when a deadline may have passed. Deadlines move on with each call: it stays as it is until it rings, unless
    /// one comes sooner, so that a call sets no timer of its own.
    alarm: Pin<Box<Sleep>>,
    /// What is being sent just now.
    pub(super) transfer: Option<Under>,
    _end: End,
}

/// Says that the session has ended, however it does: with its runtime, too.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.status.enter(State::Closed);
    }
}

/// A call that has been handed to the board.
pub(super) struct Flying {
    pub(super) job: Box<Job>,
    /// The agent's number of it.
    pub(super) n: u32,
    /// Nobody waits for it any more, or its deadline has passed.
    pub(super) abandoned: bool,
    /// The program asked for the board to be stopped while this one ran.
    pub(super) cancelled: bool,
    pub(super) answered: bool,
    /// It ended without an answer; what the board printed as an error.
    pub(super) ended: Option<Vec<u8>>,
    /// It ended because the board refused it, or had not read it as it should. If the count agrees, it has not run.
    pub(super) spared: bool,
    /// What may have been its answer, and what was printed between that and the prompt.
    pub(super) doubtful: Option<Box<(Vec<u8>, Vec<u8>)>>,
    /// When it was handed over.
    pub(super) since: Instant,
    /// The line ended while it was under way.
    pub(super) lost: Option<Box<Lost>>,
}

/// What is known of a call whose line ended.
pub(super) struct Lost {
    pub(super) reason: String,
    /// The board had begun to run it: its number is its own, whoever calls something else meanwhile.
    pub(super) began: bool,
    /// How its answer is recognised.
    pub(super) expect: Option<Expect>,
}

impl Flying {
    pub(super) fn new(job: Box<Job>, n: u32) -> Self {
        let since = Instant::now();
        Self {
            job,
            n,
            abandoned: false,
            cancelled: false,
            answered: false,
            ended: None,
            spared: false,
            doubtful: None,
            since,
            lost: None,
        }
    }

    /// What the REPL said when this ended without an answer. The agent could not even report it: the heap is full, or
    /// the text of the call was refused.
    pub(super) fn exception(&self) -> Option<Error> {
        let exception = Exception::from_traceback(self.ended.as_ref()?)?;
        Some(Error::Exception { task: self.job.call.name().to_owned(), exception: Box::new(exception) })
    }

    /// Tells its caller that nobody can know what became of it.
    pub(super) fn unknown(&mut self, port: &str, reason: &str) {
        let lost = self.lost.as_ref().map(|lost| lost.reason.clone());
        self.job.unknown(port, lost.as_deref().unwrap_or(reason));
    }

    /// Whether nothing of it is under way any more.
    pub(super) fn is_over(&self) -> bool {
        self.answered || self.ended.is_some()
    }

    /// Whether the board is to be stopped if it runs this.
    pub(super) fn is_unwanted(&self) -> bool {
        self.abandoned || self.cancelled
    }
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
        start: Start,
    ) -> Self {
        let Start { trust, usb, limits, trace, learned, .. } = start;
        let mut actor = Self {
            _end: End(Arc::clone(&shared)),
            shared,
            limits,
            wire: None,
            opener,
            trust,
            usb,
            inbox,
            ending: false,
            queue: Queue::default(),
            flying: VecDeque::new(),
            adrift: VecDeque::new(),
            epoch: None,
            pings: Vec::new(),
            asked_at: Instant::now(),
            silence: Silence::default(),
            doubtful: false,
            asked: Asked::default(),
            restarting: None,
            heard: false,
            deaf: false,
            last_epoch: None,
            scopes: Vec::new(),
            modules: Modules::default(),
            leaving: false,
            banter: Banter::default(),
            pause: Duration::ZERO,
            learned: Learned::nothing(),
            preloaded: learned,
            trace,
            alarm: Box::pin(sleep(Duration::MAX)),
            transfer: None,
        };
        actor.take_line(line);
        actor
    }

    pub(super) fn take_line(&mut self, line: Box<dyn Line>) {
        let repl = Repl::new(super::attach::SMALLEST_BUFFER, msgpack::Limits::default());
        self.wire = Some(Wire::new(line, repl, Arc::clone(&self.shared.counts), self.trace.clone()));
    }

    /// Attaches for the first time.
    pub(super) async fn open(&mut self, deadline: Instant) -> Result<()> {
        self.ensure_attached(deadline).await?;
        self.shared.status.enter(State::Ready);
        Ok(())
    }

    // What is seldom done is boxed: it would be most of what a session takes.
    pub(super) async fn run(&mut self) {
        loop {
            if self.doubtful {
                self.send_ping();
            }
            // Counting interrupts what runs: those behind it may end first.
            if self.pings.is_empty() && self.has_ended() && self.flying.iter().all(Flying::is_over) {
                Box::pin(self.recount()).await;
            }
            self.obey().await;
            if self.is_adrift() && !self.asked.closes() {
                Box::pin(self.reach()).await;
            }
            self.start_ready().await;
            if self.asked.interrupts() || self.is_adrift() && !self.asked.closes() {
                continue;
            }
            if (self.ending || self.asked.closes()) && self.queue.is_empty() && self.flying.is_empty() {
                break;
            }
            let runs = self.flying.front().filter(|f| !f.answered);
            let late = runs.map(|f| if f.is_unwanted() { Instant::now() } else { f.job.deadline });
            let ask = runs.filter(|f| !f.is_unwanted()).and_then(|f| self.silence.due(f.job.id));
            let unanswered = self.answer_due();
            match self.next([late, ask, unanswered].into_iter().flatten().min()).await {
                Step::Event(event) => self.on_event(event),
                Step::Changed => {}
                Step::TimeUp if unanswered.is_some_and(|due| due <= Instant::now()) => Box::pin(self.recount()).await,
                Step::TimeUp if late.is_none_or(|late| late > Instant::now()) => Box::pin(self.break_silence()).await,
                Step::TimeUp => Box::pin(self.interrupt()).await,
                Step::Lost(error) => drop(self.lost(error)),
            }
        }
        Box::pin(self.close()).await;
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
            // A board that never stops printing keeps nobody from being heard.
            if std::mem::take(&mut self.heard)
                && !self.ending
                && let Ok(command) = self.inbox.try_recv()
            {
                self.take_up(command);
                return Step::Changed;
            }
            let shared = Arc::clone(&self.shared);
            let wake = [until, patience].into_iter().flatten().min();
            if let Some(wake) = wake
                && (self.alarm.is_elapsed() || wake < self.alarm.deadline())
            {
                self.alarm.as_mut().reset(wake);
            }
            tokio::select! {
                biased;
                event = async { match &mut self.wire {
                    Some(wire) => wire.event().await,
                    None => std::future::pending().await,
                } } => match event {
                    Ok(Event::Output(bytes)) if self.leaving => drop(bytes),
                    Ok(Event::Output(bytes)) => {
                        let bytes = self.banter.without(bytes);
                        self.print(bytes);
                        self.heard = true;
                        if self.silence.broken() {
                            return Step::Changed;
                        }
                        consume_budget().await;
                    }
                    Ok(event) => {
                        self.heard = true;
                        if let Event::Progress { sent, .. } = event {
                            self.reached(sent);
                        }
                        return Step::Event(event);
                    }
                    Err(error) => return Step::Lost(error),
                },
                command = self.inbox.recv(), if !self.ending => {
                    match command {
                        Some(command) => self.take_up(command),
                        None => self.ending = true,
                    }
                    return Step::Changed;
                }
                () = shared.held.changed() => return Step::Changed,
                () = self.alarm.as_mut(), if wake.is_some() => {}
            }
        }
    }

    fn take_up(&mut self, command: Command) {
        match command {
            Command::Call(job) => self.queue_up(job),
            Command::Forget(id) => self.forget(id),
            Command::GiveBack(lease) => {
                self.queue.give_back(lease);
                self.shared.held.retry();
            }
            Command::Interrupt(done) => self.ask_to_interrupt(done),
            Command::Close(done) => self.ask_to_close(done),
        }
    }

    /// Begins to tell how far something that is sent has come.
    pub(super) fn begin_transfer(&mut self, what: &str, total: usize) {
        self.transfer = Some(Under::begin(&self.shared.progress, what, total));
    }

    pub(super) fn reached(&self, bytes: usize) {
        if let Some(transfer) = &self.transfer {
            transfer.reached(&self.shared.progress, bytes);
        }
    }

    pub(super) fn end_transfer(&mut self) {
        if let Some(transfer) = self.transfer.take() {
            transfer.reached(&self.shared.progress, transfer.total());
        }
    }

    /// Whether a call has ended without an answer.
    pub(super) fn has_ended(&self) -> bool {
        self.flying.iter().any(|flying| flying.ended.is_some() && !flying.answered)
    }

    pub(super) fn print(&self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            self.shared.output.tell(|| bytes);
        }
    }

    fn forget(&mut self, id: u64) {
        drop(self.queue.take(id));
        self.adrift.retain(|flying| flying.job.id != id);
        if let Some(flying) = self.flying.iter_mut().find(|f| f.job.id == id) {
            flying.abandoned = true;
            flying.job.reply = None;
        }
    }

    /// Tells callers whose deadline has passed; gives back the next deadline.
    fn expire(&mut self, now: Instant) -> Option<Instant> {
        let port = &self.shared.port;
        let unsent = match (&self.wire, self.deaf) {
            (None, _) => AfterTimeout::Away,
            (_, true) => AfterTimeout::Deaf,
            _ => AfterTimeout::NotSent,
        };
        let mut next = self.queue.expire(now, port, unsent);
        let mut soonest = |at: Instant| next = Some(next.map_or(at, |next| next.min(at)));
        if let Some(job) = self.restarting.as_mut().filter(|job| job.reply.is_some()) {
            if job.deadline > now {
                soonest(job.deadline);
            } else {
                job.time_out(port, AfterTimeout::Interrupting);
            }
        }
        self.adrift.retain_mut(|flying| {
            let waits = flying.job.deadline > now;
            if waits {
                soonest(flying.job.deadline);
            } else {
                flying.unknown(port, "");
            }
            waits
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

    /// Whether this request is to be stopped.
    pub(super) fn is_unwanted(&self, id: u64) -> bool {
        if !self.is_flying(id) {
            return self.asked.interrupts();
        }
        self.flying.iter().any(|flying| flying.job.id == id && flying.is_unwanted())
    }

    pub(super) fn next_id(&self) -> u64 {
        self.shared.next_id.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    }
}
