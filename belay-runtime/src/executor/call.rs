//! One request to a board, as a value: what is asked of it, and within which time.

use std::{
    any::Any,
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Freeing, Held, Key};
use crate::{
    agent::library::{Function, KEEP, OBJ, THREAD},
    codec::args::Args,
    error::{AfterTimeout, Error},
    task::{FNV_BASIS, Scope, Task, fnv1a},
};

/// The longest time that is counted, ten years: a program that sets more means that it waits for ever.
pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// One request to a board. Cheap to clone: it owns or shares all that it needs, and knows no board.
#[derive(Clone)]
pub struct Call {
    pub(crate) work: Work,
    /// How long it may take from handing it over to its result, if it says so itself.
    pub(crate) limit: Option<Duration>,
    /// Whose exclusive use of the board it belongs to.
    pub(crate) lease: Option<u64>,
    /// When that time is up, once it has been handed over.
    pub(crate) deadline: Option<Instant>,
    /// How far it has come, for whoever waits outside of all layers.
    way: Option<Arc<Way>>,
    extensions: Option<Arc<Extension>>,
}

/// How far a call has come on its way through layers, all its attempts together.
#[derive(Debug, Default)]
pub(crate) struct Way {
    /// How many attempts are with the session, or have been answered by it.
    inside: AtomicUsize,
    /// There has been an attempt.
    tried: AtomicBool,
}

impl Way {
    /// What its time up means while it is with a layer; `None` if the session has it, which keeps the deadline itself.
    pub(crate) fn with_a_layer(&self) -> Option<AfterTimeout> {
        match (self.inside.load(Ordering::Acquire), self.tried.load(Ordering::Acquire)) {
            (0, false) => Some(AfterTimeout::NotSent),
            (0, true) => Some(AfterTimeout::TakenBack),
            _ => None,
        }
    }
}

/// An attempt that has come to the session.
#[derive(Debug)]
pub(crate) struct Inside(Option<Arc<Way>>);

impl Inside {
    /// It has been answered: the way back is not cut short any more.
    pub(crate) fn answered(mut self) {
        self.0 = None;
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(way) = &self.0 {
            way.inside.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

/// What is asked of a board.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Task {
        task: &'static Task,
        args: Arc<Args>,
        via: Option<Via>,
    },
    /// `name` stands for the source in tracebacks.
    Exec {
        source: Arc<str>,
        name: Arc<str>,
        scope: &'static Scope,
    },
    Eval {
        expression: Arc<str>,
        scope: &'static Scope,
    },
    /// Forgetting a namespace.
    Release {
        scope: &'static Scope,
    },
    /// Freeing what handles held.
    Free(Arc<Freeing>),
    SoftReset,
    HardReset,
    /// Having the board for calls with this lease alone.
    Exclusive {
        lease: u64,
    },
}

impl Work {
    /// Whether nothing else may be under way meanwhile.
    pub(crate) fn needs_line_alone(&self) -> bool {
        matches!(self, Self::SoftReset | Self::HardReset | Self::Exclusive { .. })
    }
}

/// How a task that leaves something on the board is called: a function of ours gets the task's index, the number of what
/// is left there, and the arguments. What is there already is used with 0 in place of an index, and never on a board that
/// has been reset since.
#[derive(Clone, Debug)]
pub(crate) struct Via {
    pub(crate) function: &'static Function,
    /// What is there already.
    pub(crate) uses: Option<Key>,
    /// What the call leaves there.
    pub(crate) makes: Option<Key>,
}

impl Via {
    pub(crate) fn makes(function: &'static Function, held: &Held) -> Self {
        Self { function, uses: None, makes: Some(held.key()) }
    }

    pub(crate) fn uses(function: &'static Function, held: &Held) -> Self {
        Self { function, uses: Some(held.key()), makes: None }
    }

    /// What it is about.
    pub(crate) fn subject(&self) -> Option<&Key> {
        self.uses.as_ref().or(self.makes.as_ref())
    }
}

/// What a [`Call`] asks of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallKind {
    /// Calling a task.
    Task,
    /// Calling a task that is a generator, and asking it for its first items.
    Open,
    /// Asking a generator for more items.
    Pull,
    /// Starting a thread, or asking for it.
    Thread,
    /// Making, asking or calling an object that stays on the board.
    Object,
    /// Running Python that belongs to no task.
    Exec,
    /// Evaluating an expression.
    Eval,
    /// Letting go of something on the board.
    Release,
    /// Resetting the interpreter.
    SoftReset,
    /// Resetting the processor.
    HardReset,
    /// Having the board to oneself: answered with anything when that begins.
    Exclusive,
}

/// What somebody attached to a call, before what was attached earlier.
struct Extension {
    value: Box<dyn Any + Send + Sync>,
    earlier: Option<Arc<Extension>>,
}

impl Call {
    pub(crate) fn new(work: Work) -> Self {
        let limit = match &work {
            Work::Task { task, .. } => task.timeout,
            _ => None,
        };
        Self { work, limit, deadline: None, way: None, extensions: None, lease: None }
    }

    /// What is asked.
    #[must_use]
    pub fn kind(&self) -> CallKind {
        match &self.work {
            Work::Task { via: None, .. } => CallKind::Task,
            Work::Task { via: Some(via), .. } => match via {
                Via { function, .. } if std::ptr::eq(*function, &THREAD) => CallKind::Thread,
                Via { function, .. } if std::ptr::eq(*function, &OBJ) || std::ptr::eq(*function, &KEEP) => {
                    CallKind::Object
                }
                Via { uses: None, .. } => CallKind::Open,
                Via { uses: Some(_), .. } => CallKind::Pull,
            },
            Work::Exec { .. } => CallKind::Exec,
            Work::Eval { .. } => CallKind::Eval,
            Work::Release { .. } | Work::Free(_) => CallKind::Release,
            Work::SoftReset => CallKind::SoftReset,
            Work::HardReset => CallKind::HardReset,
            Work::Exclusive { .. } => CallKind::Exclusive,
        }
    }

    /// The Python name of the task, or what is done instead of calling one.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.work {
            Work::Task { task, .. } => task.name,
            Work::Exec { .. } => "exec",
            Work::Eval { .. } => "eval",
            Work::Release { .. } | Work::Free(_) => "release",
            Work::SoftReset => "soft reset",
            Work::HardReset => "hard reset",
            Work::Exclusive { .. } => "exclusive",
        }
    }

    /// What on the board it is about, or its own name.
    pub(crate) fn subject(&self) -> String {
        match &self.work {
            Work::Task { via: Some(via), .. } => via.subject().and_then(Key::name),
            _ => None,
        }
        .unwrap_or_else(|| self.name().to_owned())
    }

    /// Where the task was written: its module, and its trait if it has one. `my_crate::sensors::Thermometer`.
    #[must_use]
    pub fn scope(&self) -> Option<&'static str> {
        self.task().map(|task| task.scope.key)
    }

    /// The Python that the board runs: that of the task as it is put on the board, or the code to execute.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        match &self.work {
            Work::Task { task, .. } => Some(task.source),
            Work::Exec { source, .. } => Some(source),
            Work::Eval { expression, .. } => Some(expression),
            _ => None,
        }
    }

    /// What the source is known by: FNV-1a, 64 bit, over its text.
    #[must_use]
    pub fn hash(&self) -> Option<u64> {
        match &self.work {
            Work::Task { task, .. } => Some(task.hash),
            _ => self.source().map(|source| fnv1a(source.as_bytes(), FNV_BASIS)),
        }
    }

    /// The arguments as they were passed, as Python shows values, with commas between: `26,'led',None`. How they are
    /// written for a board is the session's choice.
    #[must_use]
    pub fn arguments(&self) -> Cow<'_, str> {
        let Work::Task { args, .. } = &self.work else { return Cow::Borrowed("") };
        Cow::Owned(args.shown())
    }

    /// Whether it may be made again when nobody can know if it ran.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        match &self.work {
            // Asking a generator again would lose what it gave the first time; what is kept under a number can be put there
            // again.
            Work::Task { task, via, .. } => {
                task.idempotent && via.as_ref().is_none_or(|via| std::ptr::eq(via.function, &KEEP))
            }
            Work::Exec { .. } | Work::Eval { .. } | Work::Release { .. } | Work::Free(_) => false,
            Work::SoftReset | Work::HardReset | Work::Exclusive { .. } => true,
        }
    }

    /// How long it may take from handing it over to its result. Layers always see one; before that there is one only if
    /// the task or the handle sets it, and the session's own counts otherwise.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.limit
    }

    /// When its time is up. It is fixed when the call is handed over, before any layer sees it, so repeating a call
    /// does not prolong it.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The same call with another deadline. In a layer, the time counts from when the session gets the call.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self.deadline = None;
        self
    }

    /// The same call with a value attached, for layers to find by its type.
    ///
    /// Of several values of one type, the last one attached is found.
    #[must_use]
    pub fn with_extension<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.extensions = Some(Arc::new(Extension { value: Box::new(value), earlier: self.extensions.take() }));
        self
    }

    /// The value of type `T` that was attached, by a handle (see [`Device::with`](crate::Device::with)) or by a layer.
    #[must_use]
    pub fn extension<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let mut next = self.extensions.as_deref();
        while let Some(extension) = next {
            if let Some(value) = extension.value.downcast_ref() {
                return Some(value);
            }
            next = extension.earlier.as_deref();
        }
        None
    }

    /// The same call as part of an exclusive use of the board.
    pub(crate) fn with_lease(mut self, lease: u64) -> Self {
        self.lease = Some(lease);
        self
    }

    pub(crate) fn task(&self) -> Option<&'static Task> {
        match &self.work {
            Work::Task { task, .. } => Some(task),
            _ => None,
        }
    }

    /// Fixes the deadline, unless that has happened; `limit` is for calls that set none.
    pub(crate) fn due(&mut self, limit: Duration) -> Instant {
        let limit = *self.limit.get_or_insert(limit);
        *self.deadline.get_or_insert_with(|| Instant::now() + limit.min(LONGEST))
    }

    /// Begins its way through layers.
    pub(crate) fn set_out(&mut self) -> Arc<Way> {
        Arc::clone(self.way.insert(Arc::default()))
    }

    /// It has come to the session, or to what stands in its place.
    pub(crate) fn arrive(&self) -> Inside {
        if let Some(way) = &self.way {
            way.inside.fetch_add(1, Ordering::AcqRel);
            way.tried.store(true, Ordering::Release);
        }
        Inside(self.way.clone())
    }

    /// The error that its time is up, or that somebody found so before it was.
    pub(crate) fn timed_out(&self, port: &str, board: AfterTimeout) -> Error {
        let limit = self.limit.unwrap_or_default();
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = limit.saturating_sub(left.unwrap_or_default());
        Error::TimedOut { what: self.name().to_owned(), port: port.to_owned(), limit, board }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("kind", &self.kind())
            .field("name", &self.name())
            .field("arguments", &self.arguments())
            .field("timeout", &self.limit)
            .finish_non_exhaustive()
    }
}
