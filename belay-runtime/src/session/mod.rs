//! One board, one owner: a task that has the line to itself, and the handle through which everybody else speaks to it.

mod actor;
mod attach;
mod dispatch;
mod epoch;
mod install;
mod job;
mod owner;
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

use tokio::sync::{broadcast, mpsc};

pub(crate) use owner::Owner;
pub use wire::Traffic;

use crate::{
    agent::Capabilities,
    error::Result,
    executor::{Call, Executor, Reply, Table, Work},
    output::{CAPACITY, Output},
    transport::{Line, Trust},
};
use job::Job;
use wire::Counts;

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

    /// How long `call` may take if it does not say so itself.
    fn of(&self, call: &Call) -> Duration {
        match call.work {
            Work::SoftReset => self.open,
            Work::Task { .. } | Work::Exec { .. } => self.call,
        }
    }
}

/// What one session shares with its handles.
#[derive(Debug)]
pub(crate) struct Shared {
    port: String,
    next_id: AtomicU64,
    waiting: AtomicUsize,
    counts: Arc<Counts>,
    output: broadcast::Sender<Vec<u8>>,
    capabilities: Mutex<Option<Capabilities>>,
    held: Arc<Table>,
}

impl Shared {
    pub(crate) fn new(port: String) -> Self {
        Self {
            port,
            next_id: AtomicU64::new(1),
            waiting: AtomicUsize::new(0),
            counts: Arc::default(),
            output: broadcast::Sender::new(CAPACITY),
            capabilities: Mutex::new(None),
            held: Arc::new(Table::new(epoch::nonce())),
        }
    }

    /// What the board is called in messages.
    pub(crate) fn port(&self) -> &str {
        &self.port
    }

    /// How many calls wait for the board.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }
}

/// What a handle does to each of its calls before it hands it over.
type Edit = Arc<dyn Fn(Call) -> Call + Send + Sync>;

/// The session with one board: what concerns the board as a whole rather than one task.
///
/// What it is asked goes the way of the handle that it belongs to, through the same layers and with the same options.
/// A device that is made of a service ([`Device::from_service`](crate::Device::from_service)) has one too: it prints
/// nothing, has no [`capabilities`](Self::capabilities), and the rest is the service's to answer.
#[derive(Clone)]
pub struct Session {
    executor: Executor,
    shared: Arc<Shared>,
    limits: Limits,
    edit: Option<Edit>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("port", &self.shared.port).finish_non_exhaustive()
    }
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
        let shared = Arc::new(Shared::new(port));
        let mut actor = actor::Actor::new(Arc::clone(&shared), line, opener, inbox, trust, limits);
        actor.open().await?;
        tokio::spawn(actor.run());
        Ok(Self::new(Executor::session(Owner { commands, shared: Arc::clone(&shared), limits }), shared, limits))
    }

    /// A session whose calls `executor` carries.
    pub(crate) fn new(executor: Executor, shared: Arc<Shared>, limits: Limits) -> Self {
        Self { executor, shared, limits, edit: None }
    }

    /// The same session, reached through `executor`.
    pub(crate) fn through(&self, executor: Executor) -> Self {
        Self { executor, ..self.clone() }
    }

    /// The same session with `edit` done to every call, before what is done to it already.
    pub(crate) fn with(&self, edit: impl Fn(Call) -> Call + Send + Sync + 'static) -> Self {
        let edit: Edit = match self.edit.clone() {
            Some(before) => Arc::new(move |call| edit(before(call))),
            None => Arc::new(edit),
        };
        Self { edit: Some(edit), ..self.clone() }
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
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
    /// [`Error::Exception`](crate::Error::Exception) if the code raises, and whatever a call can fail with.
    pub async fn exec(&self, source: &str) -> Result<()> {
        let payload = self.carry(Call::new(Work::Exec { source: source.into() })).await?.into_payload();
        crate::call::check("exec", &payload, None)
    }

    /// Resets the interpreter (what Ctrl-D does). Tasks and setups come back by themselves with the next call.
    ///
    /// # Errors
    /// [`Error::TimedOut`](crate::Error::TimedOut) if the board does not come back, [`Error::Lost`](crate::Error::Lost) if the line ended: MicroPython's unix port
    /// exits instead.
    pub async fn soft_reset(&self) -> Result<()> {
        self.carry(Call::new(Work::SoftReset)).await.map(drop)
    }

    /// What handles hold on the board.
    pub(crate) fn held(&self) -> &Arc<Table> {
        &self.shared.held
    }

    /// Hands a call over to whatever carries calls, and waits for what comes of it.
    pub(crate) async fn carry(&self, call: Call) -> Result<Reply> {
        let mut call = match &self.edit {
            Some(edit) => edit(call),
            None => call,
        };
        let deadline = call.due(self.limits.of(&call));
        self.executor.carry(call, deadline).await
    }
}
