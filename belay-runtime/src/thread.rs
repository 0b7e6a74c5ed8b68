//! A generator that runs on a board beside everything else, and the handle by which it is stopped.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{
    agent::library::THREAD,
    call::{Args, check},
    codec::{args, reply},
    device::Device,
    error::{AfterTimeout, Error, Result},
    executor::{Call, Held, Via, Work},
    session::HoldingKind,
    task::Task,
};

/// How often the end of a thread is looked for, at first and at last.
const SOON: Duration = Duration::from_millis(2);
const LATER: Duration = Duration::from_millis(100);

/// A thread on a board: it runs from `yield` to `yield` until it ends or is stopped.
///
/// It is bound to one boot of the board: after a reset it is [`Error::Gone`]. Dropping the handle leaves the thread
/// running, as dropping one of [`std::thread`] does: [`Session::release`](crate::Session::release) stops it then, and
/// [`Session::close`](crate::Session::close) stops all threads.
#[must_use = "without its handle a thread is stopped only by `Session::release` or when the session is closed"]
pub struct Thread {
    device: Device,
    task: &'static Task,
    held: Held,
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("task", &self.task.name).finish_non_exhaustive()
    }
}

/// What is asked of a thread.
#[derive(Clone, Copy)]
pub(crate) enum Ask {
    /// Whether it runs.
    Alive,
    /// To stop at its next `yield`.
    Stop,
    /// Whether it runs, or the exception that ended it.
    End,
}

/// Starts a thread. Nothing happens before the future is polled.
pub fn thread(device: &Device, args: Args) -> impl Future<Output = Result<Thread>> + Send + 'static + use<> {
    let device = device.clone();
    async move {
        let Args { task, values, error } = args;
        if let Some(error) = error {
            return Err(error);
        }
        if device.session().capabilities().is_some_and(|capabilities| !capabilities.threads) {
            let reason = "this board's firmware has no `_thread`. A stream whose items are not needed, or a \
                          `machine.Timer`, may do instead";
            return Err(Error::Unsupported { what: format!("the thread {}", task.name), reason: reason.to_owned() });
        }
        let table = device.session().held();
        // Those that nobody waits for have nobody else to see that they have ended.
        for held in table.detached() {
            let detached = Thread { device: device.clone(), task, held };
            // What is wrong with the board, the new one will find out.
            let _ = detached.is_alive().await;
        }
        let held = Held::new(table, HoldingKind::Thread, task.name);
        let thread = Thread { device, task, held };
        thread.ask(values, true).await?;
        thread.held.stays(true);
        Ok(thread)
    }
}

impl Thread {
    /// Whether it still runs.
    ///
    /// # Errors
    /// [`Error::Gone`] after a reset of the board, and whatever a call can fail with.
    pub async fn is_alive(&self) -> Result<bool> {
        self.is(Ask::Alive).await
    }

    /// Has it stop at its next `yield`, and waits until it has. Its `finally` blocks run.
    ///
    /// # Errors
    /// [`Error::Exception`] with what it raised, before or while it stopped. [`Error::TimedOut`] if it has not stopped
    /// within the timeout of the task or of the handle that it was started with: it still stops at its next `yield`.
    /// Otherwise as [`is_alive`](Self::is_alive).
    pub async fn stop(&self) -> Result<()> {
        let (call, deadline) = self.device.session().made(self.call(args::Args::new(), false));
        self.is(Ask::Stop).await?;
        if self.ends_by(Some(deadline)).await? {
            return Ok(());
        }
        Err(call.timed_out(self.device.session().port(), AfterTimeout::Running))
    }

    /// Waits until it has ended, however long that takes. The board is asked for it now and then, and other calls run
    /// between.
    ///
    /// # Errors
    /// [`Error::Exception`] with what ended it; otherwise as [`is_alive`](Self::is_alive).
    pub async fn join(&self) -> Result<()> {
        self.ends_by(None).await.map(drop)
    }

    /// Waits until it has ended; false if it has not until then.
    async fn ends_by(&self, deadline: Option<Instant>) -> Result<bool> {
        let mut pause = SOON;
        loop {
            match self.is(Ask::End).await {
                Ok(false) => return Ok(true),
                // A question that is under way is waited for: giving up on it would interrupt the board.
                Ok(true) if deadline.is_some_and(|deadline| deadline <= Instant::now()) => return Ok(false),
                Ok(true) => {}
                Err(error @ Error::Exception { .. }) => {
                    // What the board raised may be the thread's or its own.
                    let _ = self.is(Ask::Alive).await;
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
            let again = Instant::now() + pause;
            sleep_until(deadline.map_or(again, |deadline| again.min(deadline))).await;
            pause = (pause * 2).min(LATER);
        }
    }

    async fn is(&self, what: Ask) -> Result<bool> {
        let task = self.task.name.to_owned();
        let mut args = args::Args::new();
        if let Err(source) = args.push(&(what as u8)) {
            return Err(Error::Argument { task, param: "what".to_owned(), source: Box::new(source) });
        }
        let payload = self.ask(args, false).await?;
        let alive: u8 =
            reply::decode(&payload).map_err(|source| Error::WrongType { task, source: Box::new(source) })?;
        if alive == 0 {
            self.held.stays(false);
        }
        Ok(alive == 1)
    }

    fn call(&self, args: args::Args, starts: bool) -> Call {
        let via = if starts { Via::makes(&THREAD, &self.held) } else { Via::uses(&THREAD, &self.held) };
        Call::new(Work::Task { task: self.task, args: Arc::new(args), via: Some(via) })
    }

    async fn ask(&self, args: args::Args, starts: bool) -> Result<Vec<u8>> {
        let task = self.task;
        let payload = self.device.submit(self.call(args, starts)).await?;
        check(task.name, &payload, Some(task))?;
        Ok(payload)
    }
}
