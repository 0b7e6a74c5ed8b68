//! Boards for programs without async: the same calls, waited for.

use std::{
    future::IntoFuture,
    ops::Deref,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
    time::Duration,
};

use futures_core::Stream;
use tokio::{
    runtime::{self, Handle},
    sync::oneshot,
    task::unconstrained,
    time::timeout,
};

use crate::{
    error::{Error, Result},
    output::Output,
    session::Shared,
};

/// How long the last handle waits for the session to let go of the board.
const FAREWELL: Duration = Duration::from_secs(1);

/// A board in a program without async. Cheap to clone.
///
/// It stands for a [`Device`](crate::Device), with all its methods and tasks; [`wait`](Self::wait) waits for what they
/// promise. A thread of its own looks after the line, so deadlines and recovery work while nobody waits.
///
/// ```
/// # extern crate belay_runtime as belay;
/// use belay::blocking;
///
/// # fn main() -> belay::Result<()> {
/// let board = blocking::Device::open("sim:pico")?;
/// board.wait(board.session().exec("x = 1"))?;
/// # Ok(())
/// # }
/// ```
///
/// A task that is called `wait` or `iter` cannot be called with a dot here: `Trait::wait(&*board)` calls it.
///
/// Within async code `wait` works too, and holds up the thread that it is called on as any blocking call does.
#[derive(Clone, Debug)]
pub struct Device {
    // Dropped before the worker, which waits until the session has ended.
    device: crate::Device,
    worker: Arc<Worker>,
}

impl Deref for Device {
    type Target = crate::Device;

    fn deref(&self) -> &crate::Device {
        &self.device
    }
}

impl AsRef<crate::Device> for Device {
    fn as_ref(&self) -> &crate::Device {
        &self.device
    }
}

impl Device {
    /// Opens the board that `spec` names, see [`Device::open`](crate::Device::open).
    ///
    /// # Errors
    /// As [`Device::open`](crate::Device::open).
    pub fn open(spec: &str) -> Result<Self> {
        Self::from_future(spec, crate::Device::open(spec))
    }

    /// The board that `opening` gives: for builders, lines of one's own, and services. `name` stands for it in the error
    /// that there is no thread for it.
    ///
    /// ```
    /// # extern crate belay_runtime as belay;
    /// use belay::{Device, blocking};
    ///
    /// # fn main() -> belay::Result<()> {
    /// let patient = Device::builder().call_timeout(std::time::Duration::from_secs(60));
    /// let board = blocking::Device::from_future("sim:pico", patient.open("sim:pico"))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `opening`, and [`Error::Open`] if the system gives no thread.
    pub fn from_future(name: &str, opening: impl Future<Output = Result<crate::Device>>) -> Result<Self> {
        let no_thread = |source: std::io::Error| Error::Open {
            port: name.to_owned(),
            reason: format!("no thread for it: {source}"),
            source: Some(Arc::new(source)),
        };
        let mut worker = Worker::start().map_err(no_thread)?;
        let device = worker.wait(opening)?;
        worker.shared = Some(Arc::clone(device.session().shared()));
        Ok(Self { device, worker: Arc::new(worker) })
    }

    /// Waits for a call, or for anything else that is awaited elsewhere.
    pub fn wait<F: IntoFuture>(&self, call: F) -> F::Output {
        self.worker.wait(call.into_future())
    }

    /// The items of a stream, each waited for.
    ///
    /// ```
    /// # use belay_runtime::{Result, blocking};
    /// # fn print(board: &blocking::Device, samples: impl futures_core::Stream<Item = Result<u16>>) -> Result<()> {
    /// for sample in board.iter(samples) {
    ///     println!("{}", sample?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter<S: Stream>(&self, stream: S) -> Iter<S> {
        Iter { stream: Box::pin(stream), worker: Arc::clone(&self.worker) }
    }
}

/// The items of a stream, see [`Device::iter`].
#[derive(Debug)]
pub struct Iter<S> {
    stream: Pin<Box<S>>,
    worker: Arc<Worker>,
}

impl<S: Stream> Iterator for Iter<S> {
    type Item = S::Item;

    fn next(&mut self) -> Option<S::Item> {
        self.worker.wait(std::future::poll_fn(|cx| self.stream.as_mut().poll_next(cx)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.stream.size_hint()
    }
}

/// The thread that looks after a line.
#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// The board's, once it has been opened.
    shared: Option<Arc<Shared>>,
    /// Tells the thread to end when the session has, which the end of the board's output tells.
    stop: Option<oneshot::Sender<Option<Output>>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn start() -> std::io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<Option<Output>>();
        let thread = thread::Builder::new().name("belay".to_owned()).spawn(move || {
            runtime.block_on(async {
                if let Ok(Some(mut output)) = stopped.await {
                    let ended = async { while output.next().await.is_some() {} };
                    // A clone of the device elsewhere keeps the session: it ends with this thread.
                    let _ = timeout(FAREWELL, ended).await;
                }
            });
        })?;
        Ok(Self { handle, shared: None, stop: Some(stop), thread: Some(thread) })
    }

    /// Waits on the calling thread, with the timers and ports of the worker's runtime.
    fn wait<F: Future>(&self, future: F) -> F::Output {
        let _context = self.handle.enter();
        // Not Tokio's own: that panics within async code.
        let mut future = pin!(unconstrained(future));
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let output = self.shared.take().map(|shared| shared.output());
        if let Some(stop) = self.stop.take() {
            // If the thread has gone, there is nothing to stop.
            let _ = stop.send(output);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Wakes a thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
