//! One request to a board, as a value: what is asked of it, and within which time.

use std::{sync::Arc, time::Duration};

use crate::{codec::args::Args, task::Task};

/// One request to a board. Cheap to clone: it owns or shares all that it needs, and knows no board.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) work: Work,
    /// How long it may take from handing it over to its result, if it says so itself.
    pub(crate) limit: Option<Duration>,
}

/// What is asked of a board.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Task { task: &'static Task, args: Arc<Args> },
    Exec { source: Arc<str> },
    SoftReset,
}

impl Call {
    pub(crate) fn new(work: Work) -> Self {
        let limit = match &work {
            Work::Task { task, .. } => task.timeout,
            Work::Exec { .. } | Work::SoftReset => None,
        };
        Self { work, limit }
    }

    /// The Python name of the task, or what is done instead of calling one.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.work {
            Work::Task { task, .. } => task.name,
            Work::Exec { .. } => "exec",
            Work::SoftReset => "soft reset",
        }
    }

    /// Whether it may be made again when nobody can know if it ran.
    #[must_use]
    pub fn is_idempotent(&self) -> bool {
        match &self.work {
            Work::Task { task, .. } => task.idempotent,
            Work::Exec { .. } => false,
            Work::SoftReset => true,
        }
    }

    /// How long it may take, if it says so itself; otherwise the session's own limit counts.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.limit
    }

    /// The same call with a deadline of its own, counted from handing it over to its result.
    #[must_use]
    pub fn with_timeout(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }
}
