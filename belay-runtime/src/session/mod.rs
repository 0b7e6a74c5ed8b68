//! One board, one owner: a task that has the line to itself, and the handle through which everybody else speaks to it.

mod actor;
mod attach;
mod dispatch;
mod epoch;
mod job;
mod sealed;
mod settle;
mod wire;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::Instant,
};

pub use wire::Traffic;

use crate::{
    agent::Capabilities,
    error::{Error, Result},
    executor::{Call, Work},
    output::{CAPACITY, Output},
    transport::{Line, Trust},
};
use job::Job;
use wire::Counts;

/// How many calls may wait for one board: more is a program that makes calls faster than the board answers.
const LONGEST_QUEUE: usize = 4096;

/// How long the steps of a session may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) open: Duration,
    pub(crate) call: Duration,
    /// One source put on the board, or one setup run.
    pub(crate) deploy: Duration,
    pub(crate) recover: Duration,
}

impl Limits {
    pub(crate) const DEFAULT: Self = Self {
        open: Duration::from_secs(10),
        call: Duration::from_secs(10),
        deploy: Duration::from_secs(10),
        recover: Duration::from_secs(5),
    };
}

/// What one session shares with its handles.
#[derive(Debug)]
struct Shared {
    port: String,
    next_id: AtomicU64,
    waiting: AtomicUsize,
    counts: Arc<Counts>,
    output: broadcast::Sender<Vec<u8>>,
    capabilities: Mutex<Option<Capabilities>>,
}

/// The session with one board: what concerns the board as a whole rather than one task.
#[derive(Debug)]
pub struct Session {
    commands: mpsc::UnboundedSender<Command>,
    shared: Arc<Shared>,
    limits: Limits,
}

/// What the owner of the line is asked for.
enum Command {
    Call(Job),
    /// Nobody waits for this call any more.
    Forget(u64),
}

/// Something that opens the line anew after it was lost.
pub(crate) type Opener =
    Box<dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<Box<dyn Line>>> + Send>> + Send + Sync>;

impl Session {
    /// Attaches to the board on `line`. The owner of the line ends when the last handle is gone.
    pub(crate) async fn attach(
        port: String,
        line: Box<dyn Line>,
        opener: Option<Opener>,
        trust: Trust,
        limits: Limits,
    ) -> Result<Self> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            port,
            next_id: AtomicU64::new(1),
            waiting: AtomicUsize::new(0),
            counts: Arc::default(),
            output: broadcast::Sender::new(CAPACITY),
            capabilities: Mutex::new(None),
        });
        let mut actor = actor::Actor::new(Arc::clone(&shared), line, opener, inbox, trust, limits);
        actor.open().await?;
        tokio::spawn(actor.run());
        Ok(Self { commands, shared, limits })
    }

    /// The spec that the session was opened with.
    #[must_use]
    pub fn port(&self) -> &str {
        &self.shared.port
    }

    /// What the board is and what it can do, as it said when it was last attached to.
    #[must_use]
    pub fn capabilities(&self) -> Option<Capabilities> {
        self.shared.capabilities.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What went over the line so far, counted where the bytes are handed over.
    #[must_use]
    pub fn traffic(&self) -> Traffic {
        self.shared.counts.read()
    }

    /// Everything the board prints from now on, never mixed with replies.
    ///
    /// There may be any number of subscribers, and none of them can hold up a call: one that falls behind is told how
    /// much it missed.
    #[must_use]
    pub fn output(&self) -> Output {
        Output::new(self.shared.output.subscribe())
    }

    /// Runs Python on the board, in a namespace of its own that lives as long as this boot of the board.
    ///
    /// # Errors
    /// [`Error::Exception`] if the code raises, and whatever a call can fail with.
    pub async fn exec(&self, source: &str) -> Result<()> {
        let payload = self.submit(Call::new(Work::Exec { source: source.into() })).await?;
        crate::call::check("exec", &payload, None)
    }

    /// Resets the interpreter (what Ctrl-D does). Tasks and setups come back by themselves with the next call.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if the board does not come back, [`Error::Lost`] if the line ended: MicroPython's unix port
    /// exits instead.
    pub async fn soft_reset(&self) -> Result<()> {
        self.submit(Call::new(Work::SoftReset)).await.map(drop)
    }

    /// Hands a call over to the owner of the line and waits for what comes of it: MessagePack, an exception included.
    pub(crate) async fn submit(&self, call: Call) -> Result<Vec<u8>> {
        let limit = call.limit.unwrap_or(match call.work {
            Work::SoftReset => self.limits.open,
            Work::Task { .. } | Work::Exec { .. } => self.limits.call,
        });
        let mut waiting = Waiting::enter(self)?;
        let (reply, answer) = oneshot::channel();
        let job = Job { id: waiting.id, call, limit, deadline: Instant::now() + limit, reply: Some(reply) };
        let closed = || Error::Closed { port: self.shared.port.clone() };
        self.commands.send(Command::Call(job)).map_err(|_| closed())?;
        let answer = answer.await;
        waiting.answered = true;
        answer.map_err(|_| closed())?
    }
}

/// A call that somebody waits for. Dropping it takes the call back.
struct Waiting<'a> {
    session: &'a Session,
    id: u64,
    answered: bool,
}

impl<'a> Waiting<'a> {
    fn enter(session: &'a Session) -> Result<Self> {
        let queued = session.shared.waiting.fetch_add(1, Ordering::Relaxed);
        let id = session.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let waiting = Self { session, id, answered: false };
        if queued >= LONGEST_QUEUE {
            return Err(Error::Busy { port: session.shared.port.clone(), waiting: queued });
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.session.shared.waiting.fetch_sub(1, Ordering::Relaxed);
        if !self.answered {
            // A session that has ended needs no telling.
            let _ = self.session.commands.send(Command::Forget(self.id));
        }
    }
}
