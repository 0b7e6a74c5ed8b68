//! Many boards: each opened once however many ask for it, shared, watched, and closed together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    pin, select,
    signal::ctrl_c,
    sync::{
        broadcast::{self, error::RecvError},
        watch,
    },
    task::JoinSet,
};

use crate::{
    device::{Builder, Device},
    error::{Error, Result},
    session::{Event, State},
    transport,
};

/// How many events are kept for a subscriber that does not read.
const KEPT: usize = 1024;

/// The boards of a program. Cheap to clone; all clones share the boards.
///
/// ```
/// # extern crate belay_runtime as belay;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> belay::Result<()> {
/// use belay::Manager;
///
/// let boards = Manager::default();
/// // Both ask for one board, and it is opened once.
/// let (one, two) = tokio::try_join!(boards.open("sim:pico"), boards.open("sim:pico"))?;
/// one.session().exec("x = 1").await?;
/// two.session().exec("assert x == 1").await?;
/// for board in boards.devices() {
///     println!("{}: {:?}", board.session().port(), board.session().statistics());
/// }
/// assert!(boards.close_all().await.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// A board stays open until it is closed, also if nobody else holds it. When the last clone of the manager and the last
/// handle of a board are gone, its session ends without teardowns: those need [`close_all`](Self::close_all).
#[derive(Clone, Debug)]
pub struct Manager {
    pool: Arc<Pool>,
}

impl Default for Manager {
    /// A manager that opens boards as [`Device::open`] does.
    fn default() -> Self {
        Self::new(Device::builder())
    }
}

#[derive(Debug)]
struct Pool {
    builder: Builder,
    /// By identity: one board may have several names.
    boards: Mutex<BTreeMap<String, Entry>>,
    events: broadcast::Sender<ManagerEvent>,
}

/// What came of opening a board, once something has.
type Opening = watch::Receiver<Option<Result<Device>>>;

/// A board that somebody asked for.
#[derive(Clone, Debug)]
struct Entry {
    port: String,
    opening: Opening,
}

impl Entry {
    /// What comes of opening it.
    async fn device(mut self) -> Result<Device> {
        match self.opening.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // What should have opened it panicked, or its runtime has ended.
            _ => Err(Error::Closed { port: self.port }),
        }
    }

    /// The board, if it is open.
    fn open(&self) -> Option<Device> {
        let device = self.opening.borrow().as_ref()?.clone().ok()?;
        (device.session().state() != State::Closed).then_some(device)
    }

    /// Whether it is of use to somebody who asks now.
    fn is_alive(&self) -> bool {
        let is_being_opened = self.opening.borrow().is_none() && self.opening.has_changed().is_ok();
        is_being_opened || self.open().is_some()
    }
}

impl Manager {
    /// A manager whose boards are made as `builder` says, with its limits and its layers.
    #[must_use]
    pub fn new(builder: Builder) -> Self {
        let events = broadcast::Sender::new(KEPT);
        Self { pool: Arc::new(Pool { builder, boards: Mutex::default(), events }) }
    }

    /// The board that `spec` names (see [`Device::open`]): opened now, or by whoever asked first.
    ///
    /// Serial ports are one board if they are one USB device, by whatever names; everything else goes by its spec. So a
    /// board that came back under another name is the same. Giving up on it disturbs nobody else who asks.
    ///
    /// # Errors
    /// As [`Device::open`]. All who asked at the time get the same error; who asks later tries again.
    pub async fn open(&self, spec: &str) -> Result<Device> {
        let (again, identity) = (spec.to_owned(), transport::identity(spec));
        let open = move |builder: Builder| async move { builder.open(&again).await };
        self.enter(identity.unwrap_or_else(|| spec.to_owned()), spec, open).await
    }

    /// The board called `name`: opened by `open` now, or by whoever asked first. For lines of one's own, and for
    /// services.
    ///
    /// # Errors
    /// Those of `open`, as with [`Manager::open`].
    pub async fn open_with<F, O>(&self, name: &str, open: F) -> Result<Device>
    where
        F: FnOnce(Builder) -> O,
        O: Future<Output = Result<Device>> + Send + 'static,
    {
        self.enter(name.to_owned(), name, open).await
    }

    async fn enter<F, O>(&self, identity: String, port: &str, open: F) -> Result<Device>
    where
        F: FnOnce(Builder) -> O,
        O: Future<Output = Result<Device>> + Send + 'static,
    {
        let entry = {
            let mut boards = self.pool.boards();
            // A board that is away has no identity, but the port that it was on.
            let unknown = identity == port;
            let there = |(key, entry): &(&String, &Entry)| **key == identity || unknown && entry.port == port;
            boards.retain(|_, entry| entry.is_alive());
            match boards.iter().find(there) {
                Some((_, entry)) => entry.clone(),
                None => {
                    let (tell, opening) = watch::channel(None);
                    let entry = Entry { port: port.to_owned(), opening };
                    boards.insert(identity, entry.clone());
                    let (pool, port) = (Arc::clone(&self.pool), port.to_owned());
                    let opening = open(pool.builder.clone());
                    // In a task of its own: whoever asked first may give up on it.
                    tokio::spawn(async move {
                        let outcome = opening.await;
                        pool.announce(port, &outcome);
                        tell.send_replace(Some(outcome));
                    });
                    entry
                }
            }
        };
        entry.device().await
    }

    /// The boards that are open, or were lost and may come back. What each of them did, its
    /// [`session`](Device::session) tells: state, traffic, statistics.
    #[must_use]
    pub fn devices(&self) -> Vec<Device> {
        self.pool.boards().values().filter_map(Entry::open).collect()
    }

    /// What happens to all boards from now on, also to those that are opened later.
    #[must_use]
    pub fn events(&self) -> ManagerEvents {
        ManagerEvents { receiver: self.pool.events.subscribe() }
    }

    /// Closes all boards at the same time, those that are being opened as well, each with its teardowns
    /// ([`Device::close`]). What failed is told by port; everything is closed nevertheless. Boards can be opened again
    /// afterwards.
    pub async fn close_all(&self) -> Vec<(String, Error)> {
        let entries = std::mem::take(&mut *self.pool.boards());
        let mut closing = JoinSet::new();
        for entry in entries.into_values() {
            closing.spawn(async move {
                // One that could not be opened need not be closed.
                let device = entry.device().await.ok()?;
                let error = device.close().await.err()?;
                Some((device.session().port().to_owned(), error))
            });
        }
        let mut failed: Vec<_> = closing.join_all().await.into_iter().flatten().collect();
        failed.sort_by(|(a, _), (b, _)| a.cmp(b));
        failed
    }

    /// Runs `program` to its end, or until somebody presses Ctrl-C on this machine; then closes all boards, with their
    /// teardowns. Gives back what the program did, `None` after Ctrl-C; the program is dropped then, which stops what it
    /// runs on boards.
    ///
    /// Once this has been called, Ctrl-C no longer ends the process by itself. Pressed again, it ends the wait for the
    /// boards.
    ///
    /// ```
    /// # extern crate belay_runtime as belay;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let boards = belay::Manager::default();
    /// let outcome = boards.until_ctrl_c(async {
    ///     let board = boards.open("sim:pico").await?;
    ///     board.session().exec("x = 1").await
    /// });
    /// assert!(matches!(outcome.await, Some(Ok(()))));
    /// # }
    /// ```
    pub async fn until_ctrl_c<P: Future>(&self, program: P) -> Option<P::Output> {
        let outcome = {
            pin!(program);
            select! {
                outcome = &mut program => Some(outcome),
                Ok(()) = ctrl_c() => None,
            }
        };
        select! {
            failed = self.close_all() => {
                for (port, error) in failed {
                    tracing::warn!(port, %error, "a board was not closed as it should be");
                }
            }
            Ok(()) = ctrl_c() => {}
        }
        outcome
    }
}

impl Pool {
    fn boards(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what came of opening a board.
    fn announce(&self, port: String, outcome: &Result<Device>) {
        match outcome {
            Ok(device) => {
                self.tell(ManagerEvent::Opened { port: port.clone() });
                self.forward(port, device);
            }
            Err(error) => self.tell(ManagerEvent::NotOpened { port, error: error.clone() }),
        }
    }

    /// Passes on what happens to one board, until its session ends.
    fn forward(&self, port: String, device: &Device) {
        let (mut events, everybody) = (device.session().events(), self.events.clone());
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                let _ = everybody.send(ManagerEvent::Board { port: port.clone(), event });
            }
        });
    }

    fn tell(&self, event: ManagerEvent) {
        // Nobody listening is no error.
        let _ = self.events.send(event);
    }
}

/// Something that happened to one of the boards of a [`Manager`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ManagerEvent {
    /// A board has been opened.
    Opened {
        /// Its spec.
        port: String,
    },
    /// A board could not be opened.
    NotOpened {
        /// Its spec.
        port: String,
        /// Why.
        error: Error,
    },
    /// Something happened to a board that is open.
    Board {
        /// Its spec.
        port: String,
        /// What.
        event: Event,
    },
    /// This subscriber fell behind: so many events are gone.
    Missed(u64),
}

/// A subscription to what happens to the boards of a [`Manager`].
#[derive(Debug)]
pub struct ManagerEvents {
    receiver: broadcast::Receiver<ManagerEvent>,
}

impl ManagerEvents {
    /// The next event; `None` once the manager and its boards are gone and everything was read.
    pub async fn next(&mut self) -> Option<ManagerEvent> {
        match self.receiver.recv().await {
            Ok(event) => Some(event),
            Err(RecvError::Lagged(missed)) => Some(ManagerEvent::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}
