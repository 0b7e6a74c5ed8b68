//! One board, one owner: a task that has the line to itself, and the handle through which everybody else speaks to it.

mod actor;
mod adhoc;
mod attach;
mod banter;
mod control;
mod dispatch;
mod epoch;
mod exclusive;
mod fetch;
mod holdings;
mod install;
mod job;
mod modules;
mod owner;
mod queue;
mod reach;
mod sealed;
mod settle;
mod silence;
mod status;
#[cfg(test)]
mod trust_tests;
mod wire;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

pub(crate) use adhoc::ADHOC;
pub(crate) use epoch::scope_key;
pub use exclusive::Exclusive;
pub use holdings::{Holding, HoldingKind};
pub(crate) use owner::Owner;
pub use status::{Event, Events, State, Statistics};
pub use wire::{Repairs, Traffic};

use crate::{
    agent::Capabilities,
    board::Learned,
    error::{Error, Result},
    executor::{Call, Executor, LONGEST, Reply, Table, Work},
    output::{self, Output},
    preset::Preset,
    progress::{self, Progress, Transfer},
    task::Scope,
    topic::Topic,
    trace::Trace,
    transport::{Line, Trust},
};
use job::Job;
use status::Status;
use wire::Counts;

/// How long the steps of a session may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) open: Duration,
    pub(crate) call: Duration,
    /// One source put on the board, or one setup run.
    pub(crate) deploy: Duration,
    pub(crate) recover: Duration,
    /// How many calls are handed to the board before the first of them has answered.
    pub(crate) in_flight: usize,
}

/// What a session begins with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) trust: Trust,
    /// The serial number of the USB device that the line goes through, by which the board may prove that it is its own.
    pub(crate) usb: Option<String>,
    pub(crate) limits: Limits,
    /// Until when the board has to take calls.
    pub(crate) deadline: Instant,
    pub(crate) trace: Option<Arc<Trace>>,
    pub(crate) learned: Option<Learned>,
}

impl Limits {
    pub(crate) const DEFAULT: Self = Self {
        open: Preset::PRODUCTION.open,
        call: Preset::PRODUCTION.call,
        deploy: Preset::PRODUCTION.deploy,
        recover: Duration::from_secs(5),
        in_flight: Preset::PRODUCTION.in_flight,
    };

    /// The same with times that can be counted.
    pub(crate) fn bounded(self) -> Self {
        let Self { open, call, deploy, recover, in_flight } = self;
        let [open, call, deploy, recover] = [open, call, deploy, recover].map(|limit| limit.min(LONGEST));
        Self { open, call, deploy, recover, in_flight }
    }

    /// How long `call` may take if it does not say so itself.
    fn of(&self, call: &Call) -> Duration {
        match call.work {
            Work::SoftReset | Work::HardReset => self.open,
            _ => self.call,
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
    output: Topic<Vec<u8>>,
    capabilities: Mutex<Option<Capabilities>>,
    learned: Mutex<Option<Learned>>,
    progress: Topic<Transfer>,
    status: Status,
    /// The way to the owner of the line for what is no call. It does not keep the owner alive.
    commands: OnceLock<mpsc::WeakUnboundedSender<Command>>,
    /// The namespaces whose tasks have been called.
    scopes: Mutex<Vec<&'static Scope>>,
    held_tasks: holdings::Tasks,
    held: Arc<Table>,
}

impl Shared {
    pub(crate) fn new(port: String) -> Self {
        Self {
            port,
            next_id: AtomicU64::new(1),
            waiting: AtomicUsize::new(0),
            counts: Arc::default(),
            output: Topic::new(output::CAPACITY),
            capabilities: Mutex::new(None),
            learned: Mutex::new(None),
            progress: Topic::new(progress::CAPACITY),
            status: Status::new(),
            commands: OnceLock::new(),
            scopes: Mutex::default(),
            held_tasks: holdings::Tasks::default(),
            held: Arc::new(Table::new(epoch::nonce())),
        }
    }

    /// What stands for a session where a service answers the calls.
    pub(crate) fn of_service(name: String) -> Self {
        let shared = Self::new(name);
        shared.status.enter(State::Ready);
        shared
    }

    /// Fails where there is no board that `what` could be done to.
    fn needs_board(&self, what: &str) -> Result<()> {
        if self.is_session() {
            return Ok(());
        }
        let reason = format!("{} is a service and no session with a board", self.port);
        Err(Error::Unsupported { what: what.to_owned(), reason })
    }

    fn is_session(&self) -> bool {
        self.commands.get().is_some()
    }

    /// Fails if it has been closed.
    pub(crate) fn still_open(&self) -> Result<()> {
        if self.status.state() == State::Closed { Err(self.closed()) } else { Ok(()) }
    }

    /// What the board is called in messages.
    pub(crate) fn port(&self) -> &str {
        &self.port
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Tells the owner of the line what is no call.
    fn tell(&self, command: Command) -> Result<()> {
        let commands = self.commands.get().and_then(mpsc::WeakUnboundedSender::upgrade);
        let told = commands.is_some_and(|commands| commands.send(command).is_ok());
        told.then_some(()).ok_or_else(|| self.closed())
    }

    fn closed(&self) -> Error {
        Error::Closed { port: self.port.clone() }
    }

    fn scopes(&self) -> MutexGuard<'_, Vec<&'static Scope>> {
        self.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the board prints from now on; it ends when nobody holds this any more.
    pub(crate) fn output(&self) -> Output {
        Output::new(self.output.subscribe())
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
    Call(Box<Job>),
    /// Nobody waits for this call any more.
    Forget(u64),
    /// The exclusive use with this number is over.
    GiveBack(u64),
    /// Stop what runs.
    Interrupt(oneshot::Sender<Result<()>>),
    Close(oneshot::Sender<Result<()>>),
}

/// Something that opens the line anew after it was lost.
pub(crate) type Opener =
    Arc<dyn Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<Box<dyn Line>>> + Send>> + Send + Sync>;

impl Session {
    /// Attaches to the board on `line`. The owner of the line ends when the last handle is gone.
    pub(crate) async fn attach(
        port: String,
        line: Box<dyn Line>,
        opener: Option<Opener>,
        start: Start,
    ) -> Result<Self> {
        let (limits, deadline) = (start.limits, start.deadline);
        let (commands, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared::new(port));
        let _ = shared.commands.set(commands.downgrade());
        let mut actor = actor::Actor::new(Arc::clone(&shared), line, opener, inbox, start);
        actor.open(deadline).await?;
        tokio::spawn(async move { actor.run().await });
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

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
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

    /// What had to be done again so far because the line lost or changed bytes.
    #[must_use]
    pub fn repairs(&self) -> Repairs {
        self.shared.counts.repairs()
    }

    /// What the session has learned of its board and line, to be given to [`Builder::learned`](crate::Builder::learned)
    /// when the same board is opened again; `None` before it has been attached to.
    #[must_use]
    pub fn learned(&self) -> Option<Learned> {
        self.shared.learned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How far transfers to the board come from now on: tasks, setups and pieces of code that are put on it.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress::new(self.shared.progress.subscribe())
    }

    /// Everything the board prints from now on, never mixed with replies.
    ///
    /// There may be any number of subscribers, and none of them can hold up a call: one that falls behind is told how
    /// much it missed.
    #[must_use]
    pub fn output(&self) -> Output {
        self.shared.output()
    }

    /// How the session is now.
    #[must_use]
    pub fn state(&self) -> State {
        self.shared.status.state()
    }

    /// How the session is, to wait for changes of it.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<State> {
        self.shared.status.watch()
    }

    /// How many calls wait for the board or run on it.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.waiting()
    }

    /// What happens to the session from now on. There may be any number of subscribers, as of [`Session::output`].
    #[must_use]
    pub fn events(&self) -> Events {
        self.shared.status.events()
    }

    /// What the session has done so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.shared.status.read()
    }

    /// What handles hold on the board.
    pub(crate) fn held(&self) -> &Arc<Table> {
        &self.shared.held
    }

    /// A call as this handle makes it, with its deadline.
    pub(crate) fn made(&self, call: Call) -> (Call, Instant) {
        let mut call = match &self.edit {
            Some(edit) => edit(call),
            None => call,
        };
        let deadline = call.due(self.limits.of(&call));
        (call, deadline)
    }

    /// Hands a call over to whatever carries calls, and waits for what comes of it.
    pub(crate) fn carry(&self, call: Call) -> impl Future<Output = Result<Reply>> + Send {
        let (call, deadline) = self.made(call);
        // Futures within futures move it several times before it is under way.
        self.executor.carry(Box::new(call), deadline)
    }
}
