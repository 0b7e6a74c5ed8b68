//! The handle that programs hold, and how it is made.

use std::{sync::Arc, time::Duration};

use crate::{
    codec::args::Args,
    error::Result,
    executor::{Call, Work},
    session::{Limits, Session},
    task::Task,
    transport::{self, Line, Opened, Trust},
};

/// A board. Cheap to clone: all clones share one session, and the line is closed when the last one is gone.
///
/// The methods that matter are those of your own traits, see the attribute `belay::device`. What concerns the board as
/// a whole stands behind [`Device::session`].
#[derive(Clone, Debug)]
pub struct Device {
    session: Arc<Session>,
    timeout: Option<Duration>,
}

impl AsRef<Device> for Device {
    fn as_ref(&self) -> &Device {
        self
    }
}

impl Device {
    /// Opens the board that `spec` names and gets hold of it: interrupts what runs there, enters the raw REPL, installs
    /// the agent unless it is there already.
    ///
    /// | spec | board |
    /// |---|---|
    /// | `/dev/ttyACM0`, `COM3`, with `?baud=9600` | on a serial port |
    /// | `tcp://host:port` | behind a TCP bridge |
    /// | `exec:micropython` | a program that speaks the REPL on its standard input and output |
    /// | `sim:pico` | a virtual one in this process (feature `sim`) |
    ///
    /// # Errors
    /// [`Error::Open`](crate::Error::Open) says what is wrong with the port and what to do about it.
    pub async fn open(spec: &str) -> Result<Self> {
        Self::builder().open(spec).await
    }

    /// Opens a board with other limits than the default ones, or on a line of one's own.
    pub fn builder() -> Builder {
        Builder { limits: Limits::DEFAULT, trust: None }
    }

    /// What concerns the board as a whole: output, resets, ad-hoc code, counters.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The same board with another deadline for every call that goes through this handle.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { session: Arc::clone(&self.session), timeout: Some(timeout) }
    }

    pub(crate) async fn call(&self, task: &'static Task, args: Arc<Args>) -> Result<Vec<u8>> {
        let mut call = Call::new(Work::Task { task, args });
        // What the handle says counts before what the task says.
        call.limit = self.timeout.or(call.limit);
        self.session.submit(call).await
    }
}

/// How a [`Device`] is made.
#[derive(Clone, Debug)]
#[must_use]
pub struct Builder {
    limits: Limits,
    trust: Option<Trust>,
}

impl Builder {
    /// How long opening may take, with everything that belongs to it. 10 s unless set.
    pub fn open_timeout(mut self, limit: Duration) -> Self {
        self.limits.open = limit;
        self
    }

    /// The deadline of a call whose task sets none, from handing it over to its result. 10 s unless set.
    pub fn call_timeout(mut self, limit: Duration) -> Self {
        self.limits.call = limit;
        self
    }

    /// How long putting one source on the board, or running one setup, may take. 10 s unless set.
    pub fn deploy_timeout(mut self, limit: Duration) -> Self {
        self.limits.deploy = limit;
        self
    }

    /// Whether calls travel bare or with checks. Unless set, it follows from what the line is: see [`Trust`].
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Opens the board that `spec` names, see [`Device::open`].
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn open(self, spec: &str) -> Result<Device> {
        let Opened { line, trust } = transport::open(spec).await?;
        let again = spec.to_owned();
        let opener: crate::session::Opener = Box::new(move || {
            let spec = again.clone();
            Box::pin(async move { Ok(transport::open(&spec).await?.line) })
        });
        let trust = self.trust.unwrap_or(trust);
        let session = Session::attach(spec.to_owned(), line, Some(opener), trust, self.limits).await?;
        Ok(Device { session: Arc::new(session), timeout: None })
    }

    /// Gets hold of the board at the other end of `line`; `name` stands for it in messages. The line is trusted unless
    /// the builder says otherwise.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn connect(self, name: &str, line: impl Line + 'static) -> Result<Device> {
        let trust = self.trust.unwrap_or(Trust::Trusted);
        let session = Session::attach(name.to_owned(), Box::new(line), None, trust, self.limits).await?;
        Ok(Device { session: Arc::new(session), timeout: None })
    }
}
