//! The handle that programs hold, and how it is made.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::Instant;
use tower::{BoxError, Layer, Service};

use crate::{
    board::Learned,
    codec::args::Args,
    error::{Error, Result},
    executor::{Call, Executor, Reply, Work},
    preset::Preset,
    session::{Exclusive, Limits, Opener, Session, Shared, Start},
    task::Task,
    trace::Trace,
    transport::{self, Line, Opened, Trust, Usb},
};

/// A board. Cheap to clone: all clones share one session, and the line is closed when the last one is gone.
///
/// The methods that matter are those of your own traits, see the attribute `belay::device`. What concerns the board as
/// a whole stands behind [`Device::session`].
#[derive(Clone, Debug)]
pub struct Device {
    session: Arc<Session>,
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
    /// | `exec:micropython -i` | a program that speaks the REPL on its standard input and output |
    /// | `sim:pico` | a virtual one in this process (feature `sim`) |
    ///
    /// Any of them may say with `trust=trusted` or `trust=verified` among its options whether calls travel bare or with
    /// checks, whatever the line is: `tcp://host:port?trust=trusted`. See [`Trust`].
    ///
    /// # Errors
    /// [`Error::Open`](crate::Error::Open) says what is wrong with the port and what to do about it.
    pub async fn open(spec: &str) -> Result<Self> {
        Self::builder().open(spec).await
    }

    /// Opens a board with other limits than the default ones, or on a line of one's own.
    pub fn builder() -> Builder {
        Builder { limits: Limits::DEFAULT, trust: None, trace: None, learned: None, layers: Vec::new() }
    }

    /// What concerns the board as a whole: output, resets, ad-hoc code, counters.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The same board with another deadline for every call that goes through this handle.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        self.with(move |call| call.with_timeout(timeout))
    }

    /// The same board with `edit` done to every call that goes through this handle, before any layer sees it.
    ///
    /// What is done here counts before what the task says, and after what the handle did already.
    ///
    /// ```
    /// # extern crate belay_runtime as belay;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> belay::Result<()> {
    /// # use std::time::Duration;
    /// # use belay::Device;
    /// /// Who asks, for a layer that writes a log.
    /// struct User(&'static str);
    ///
    /// let board = Device::open("sim:pico").await?;
    /// let hers = board.with(|call| call.with_timeout(Duration::from_secs(2)).with_extension(User("ada")));
    /// hers.session().exec("x = 1").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with(&self, edit: impl Fn(Call) -> Call + Send + Sync + 'static) -> Self {
        Self::on(self.session.with(edit))
    }

    /// The same board, reached through `layer`: every call of this handle and of its [`session`](Self::session) goes
    /// through it. It wraps the layers that are there already.
    ///
    /// ```
    /// # extern crate belay_runtime as belay;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> belay::Result<()> {
    /// # use belay::Device;
    /// use tower::limit::ConcurrencyLimitLayer;
    ///
    /// let board = Device::open("sim:pico").await?;
    /// // At most two calls at a time come through this handle, and there is room for others between them.
    /// let background = board.with_layer(ConcurrencyLimitLayer::new(2));
    /// background.session().exec("x = 1").await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_layer<L>(&self, layer: L) -> Self
    where
        L: Layer<Executor>,
        L::Service: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
        <L::Service as Service<Call>>::Error: Into<BoxError>,
        <L::Service as Service<Call>>::Future: Send + 'static,
    {
        Self::on(self.session.through(self.session.executor().layer(&layer)))
    }

    /// What carries the calls of this handle, as a tower service.
    #[must_use]
    pub fn executor(&self) -> Executor {
        self.session.executor().clone()
    }

    /// A device without a board: `service` answers its calls. `name` stands for it in messages.
    ///
    /// A mock, a player of recorded calls, a board that hangs on another machine are made like this. All calls reach the
    /// service, within their deadlines: tasks, streams, and what [`session`](Self::session) has to offer. What no call
    /// stands for (interrupting, exclusive use) is [`Error::Unsupported`].
    ///
    /// ```
    /// # extern crate belay_runtime as belay;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> belay::Result<()> {
    /// use belay::{Call, Device, Error, Reply};
    /// use tower::service_fn;
    ///
    /// let mock = Device::from_service("mock", service_fn(|call: Call| async move {
    ///     match call.name() {
    ///         "eval" => Ok(Reply::new(vec![42])), // MessagePack of 42
    ///         what => Err(Error::Unsupported { what: what.into(), reason: "this is a mock".into() }),
    ///     }
    /// }));
    /// assert_eq!(mock.session().eval::<u8>("6 * 7").await?, 42);
    /// assert!(mock.session().soft_reset().await.is_err());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn from_service<S>(name: &str, service: S) -> Self
    where
        S: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let shared = Arc::new(Shared::of_service(name.to_owned()));
        let executor = Executor::service(Arc::clone(&shared), service);
        Self::on(Session::new(executor, shared, Limits::DEFAULT))
    }

    /// Waits until it is this handle's turn, and then has the board to itself: until what this returns is dropped, only
    /// its calls pass, and those of all others wait.
    ///
    /// It has its place among the calls that wait. Giving up on it disturbs nobody.
    ///
    /// # Errors
    /// [`Error::TimedOut`](crate::Error::TimedOut) if its turn does not come within the deadline of a call,
    /// [`Error::Busy`](crate::Error::Busy), [`Error::Closed`](crate::Error::Closed), and
    /// [`Error::Unsupported`](crate::Error::Unsupported) on a handle that has the board to itself already.
    pub async fn exclusive(&self) -> Result<Exclusive> {
        let lease = self.session.lease().await?;
        let id = lease.id;
        Ok(Exclusive::new(self.with(move |call| call.with_lease(id)), lease))
    }

    /// Ends the session for all handles, see [`Session::close`].
    ///
    /// # Errors
    /// As [`Session::close`].
    pub async fn close(&self) -> Result<()> {
        self.session.close().await
    }

    fn on(session: Session) -> Self {
        Self { session: Arc::new(session) }
    }

    pub(crate) fn call(&self, task: &'static Task, args: Arc<Args>) -> impl Future<Output = Result<Vec<u8>>> + Send {
        self.submit(Call::new(Work::Task { task, args, via: None }))
    }

    pub(crate) fn submit(&self, call: Call) -> impl Future<Output = Result<Vec<u8>>> + Send {
        let carried = self.session.carry(call);
        async { carried.await.map(Reply::into_payload) }
    }
}

/// Puts a layer whose type is not known around an executor.
type AddLayer = Arc<dyn Fn(&Executor) -> Executor + Send + Sync>;

/// How a [`Device`] is made.
#[derive(Clone)]
#[must_use]
pub struct Builder {
    limits: Limits,
    trust: Option<Trust>,
    trace: Option<PathBuf>,
    learned: Option<Learned>,
    /// From the inside out.
    layers: Vec<AddLayer>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limits, trust, trace, learned, layers } = self;
        let layers = &layers.len();
        f.debug_struct("Builder")
            .field("limits", limits)
            .field("trust", trust)
            .field("trace", trace)
            .field("learned", learned)
            .field("layers", layers)
            .finish()
    }
}

impl Builder {
    /// Limits that belong together: [`Preset::DEVELOPMENT`], [`Preset::PRODUCTION`], [`Preset::HIGH_THROUGHPUT`].
    pub fn preset(mut self, preset: Preset) -> Self {
        let Preset { open, call, deploy, in_flight } = preset;
        self.limits = Limits { open, call, deploy, in_flight, ..self.limits };
        self
    }

    /// Writes every byte in both directions to a file, with what the session asked of its REPL machine: arguments,
    /// sources and replies are in it as they are. Every session that this builder opens begins the file anew.
    pub fn trace(mut self, path: impl Into<PathBuf>) -> Self {
        self.trace = Some(path.into());
        self
    }

    /// Begins with what an earlier session learned of the same board ([`Session::learned`]). It is not used if the board
    /// turns out to be another one.
    pub fn learned(mut self, learned: Learned) -> Self {
        self.learned = Some(learned);
        self
    }

    fn start(&self, port: &str, trust: Option<Trust>, usb: Option<&Usb>, deadline: Instant) -> Result<Start> {
        let trace = self.trace.as_ref().map(|path| {
            Trace::create(path).map(Arc::new).map_err(|error| Error::Open {
                port: port.to_owned(),
                reason: format!("its trace cannot be written to {}: {error}", path.display()),
                source: Some(Arc::new(error)),
            })
        });
        let trust = self.trust.or(trust);
        let usb = usb.filter(|_| trust.is_none()).map(|usb| usb.serial_number.clone());
        Ok(Start {
            trust: trust.unwrap_or(Trust::Verified),
            usb,
            limits: self.limits.bounded(),
            deadline,
            trace: trace.transpose()?,
            learned: self.learned.clone(),
        })
    }

    fn deadline(&self) -> Instant {
        Instant::now() + self.limits.bounded().open
    }

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

    /// How long a board that was told to stop, or that no longer answers, may take to show that it listens; then its
    /// line is opened anew, or the session gives up on it for the time being. 5 s unless set.
    pub fn recovery_timeout(mut self, limit: Duration) -> Self {
        self.limits.recover = limit;
        self
    }

    /// Whether calls travel bare or with checks. Unless set, it follows from what the line is: see [`Trust`].
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = Some(trust);
        self
    }

    /// Puts a layer around the calls of the device, around the layers that were given before. It is told of every call
    /// of every handle, but of nothing that the session does by itself (attaching, deploying, setups).
    ///
    /// Layers that are to be read from the outside in go through one `tower::ServiceBuilder`.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Executor> + Send + Sync + 'static,
        L::Service: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
        <L::Service as Service<Call>>::Error: Into<BoxError>,
        <L::Service as Service<Call>>::Future: Send + 'static,
    {
        self.layers.push(Arc::new(move |executor| executor.layer(&layer)));
        self
    }

    /// Opens the board that `spec` names, see [`Device::open`].
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn open(self, spec: &str) -> Result<Device> {
        let deadline = self.deadline();
        let port = spec.to_owned();
        let opening = async move { transport::open(&port).await };
        let Opened { line, trust, board } = transport::open_by(deadline, spec, opening).await?;
        let start = self.start(spec, trust, board.as_ref(), deadline)?;
        let again = (spec.to_owned(), board);
        let opener: Opener = Arc::new(move || {
            let (spec, board) = again.clone();
            Box::pin(async move { transport::open_again(&spec, board.as_ref()).await })
        });
        let session = Session::attach(spec.to_owned(), line, Some(opener), start).await?;
        Ok(layered(session, &self.layers))
    }

    /// Gets hold of the board at the other end of `line`; `name` stands for it in messages. The line is trusted unless
    /// the builder says otherwise.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn connect(self, name: &str, line: impl Line + 'static) -> Result<Device> {
        let start = self.start(name, Some(Trust::Trusted), None, self.deadline())?;
        let session = Session::attach(name.to_owned(), Box::new(line), None, start).await?;
        Ok(layered(session, &self.layers))
    }

    /// Gets hold of the board at the other end of the lines that `open` makes: one now, and another one whenever the
    /// last one has ended and calls wait for the board. Otherwise as [`Builder::connect`].
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn connect_with<F, Opening, L>(self, name: &str, open: F) -> Result<Device>
    where
        F: Fn() -> Opening + Send + Sync + 'static,
        Opening: Future<Output = io::Result<L>> + Send + 'static,
        L: Line + 'static,
    {
        let port = name.to_owned();
        let opener: Opener = Arc::new(move || {
            let (opening, port) = (open(), port.clone());
            Box::pin(async move {
                match opening.await {
                    Ok(line) => Ok(Box::new(line) as Box<dyn Line>),
                    Err(error) => Err(Error::Open { port, reason: error.to_string(), source: Some(Arc::new(error)) }),
                }
            })
        });
        let deadline = self.deadline();
        let start = self.start(name, Some(Trust::Trusted), None, deadline)?;
        let first = Arc::clone(&opener);
        let line = transport::open_by(deadline, name, async move { first().await }).await?;
        let session = Session::attach(name.to_owned(), line, Some(opener), start).await?;
        Ok(layered(session, &self.layers))
    }
}

/// A device with `layers` around the session, from the inside out.
fn layered(session: Session, layers: &[AddLayer]) -> Device {
    let executor = layers.iter().fold(session.executor().clone(), |executor, layer| layer(&executor));
    Device::on(session.through(executor))
}
