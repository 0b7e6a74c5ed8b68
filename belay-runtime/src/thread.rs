//! A generator that runs on a board beside everything else, and the handle by which it is stopped.

use std::{fmt, sync::Arc, time::Duration};

use crate::{
    agent::library::THREAD,
    call::{Args, check},
    codec::{args, reply},
    device::Device,
    error::{Error, Result},
    executor::{Call, Held, Via, Work},
    task::Task,
};

/// How often the end of a thread is looked for, at first and at last.
const SOON: Duration = Duration::from_millis(2);
const LATER: Duration = Duration::from_millis(100);

/// A thread on a board: it runs from `yield` to `yield` until it ends or is stopped.
///
/// It is bound to one boot of the board: after a reset it is [`Error::Gone`]. Dropping the handle leaves the thread
/// running, as dropping one of [`std::thread`] does.
#[must_use = "a thread without its handle cannot be stopped"]
pub struct Thread {
    device: Device,
    task: &'static Task,
    held: Arc<Held>,
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("task", &self.task.name).finish_non_exhaustive()
    }
}

/// What is asked of a thread.
#[derive(Clone, Copy)]
enum Ask {
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
        let held = Arc::new(Held::new(device.session().held()));
        let thread = Thread { device, task, held };
        thread.ask(values, true).await?;
        thread.held.is_detached(true);
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
    /// [`Error::Exception`] with what it raised, before or while it stopped; otherwise as [`is_alive`](Self::is_alive).
    pub async fn stop(&self) -> Result<()> {
        self.is(Ask::Stop).await?;
        self.join().await
    }

    /// Waits until it has ended. The board is asked for it now and then, and other calls run between.
    ///
    /// # Errors
    /// [`Error::Exception`] with what ended it; otherwise as [`is_alive`](Self::is_alive).
    pub async fn join(&self) -> Result<()> {
        let mut pause = SOON;
        while self.is(Ask::End).await? {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LATER);
        }
        Ok(())
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
            self.held.is_detached(false);
        }
        Ok(alive == 1)
    }

    async fn ask(&self, args: args::Args, makes: bool) -> Result<Vec<u8>> {
        let task = self.task;
        let via = Via { function: &THREAD, held: Arc::clone(&self.held), makes };
        let payload = self.device.submit(Call::new(Work::Task { task, args: Arc::new(args), via: Some(via) })).await?;
        check(task.name, &payload, Some(task))?;
        Ok(payload)
    }
}
