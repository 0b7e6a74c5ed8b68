//! What a program asks of a board beside its tasks: code and expressions of the moment, resets, an end.

use std::{path::Path, sync::Arc};

use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::{Command, Session, exclusive::Lease};
use crate::{
    codec::reply,
    error::{Error, Result},
    executor::{Call, Work},
    task::Scope,
};

/// The namespace of code that belongs to no trait.
pub(crate) static ADHOC: Scope = Scope { key: "exec", place: || "exec", setups: &[], tasks: &[], teardowns: &[] };

impl Session {
    /// Runs Python on the board, in a namespace of its own that lives as long as this boot of the board.
    ///
    /// # Errors
    /// [`Error::Exception`] if the code raises, and whatever a call can fail with.
    pub async fn exec(&self, source: &str) -> Result<()> {
        self.run(source, "exec", &ADHOC).await
    }

    /// Runs Python in the namespace of a trait, where its setups' globals and its tasks are.
    ///
    /// The trait is named by its path, `my_crate::sensors::Thermometer`, or by as much of its end as is unmistakable.
    /// One of its tasks must have been called through this session before.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if no such trait has been used; otherwise as [`Session::exec`].
    pub async fn exec_in(&self, namespace: &str, source: &str) -> Result<()> {
        self.run(source, "exec", self.namespace(namespace)?).await
    }

    /// The value of a Python expression, in the namespace of [`Session::exec`].
    ///
    /// # Errors
    /// [`Error::Exception`] if it raises, [`Error::WrongType`] if it is no `T`, and whatever a call can fail with.
    pub async fn eval<T: DeserializeOwned>(&self, expression: &str) -> Result<T> {
        self.value(expression, &ADHOC).await
    }

    /// The value of a Python expression in the namespace of a trait, named as for [`Session::exec_in`].
    ///
    /// # Errors
    /// As [`Session::eval`] and [`Session::exec_in`].
    pub async fn eval_in<T: DeserializeOwned>(&self, namespace: &str, expression: &str) -> Result<T> {
        self.value(expression, self.namespace(namespace)?).await
    }

    /// Runs a Python file of this machine on the board, in the namespace of [`Session::exec`]. Tracebacks name the file.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read; otherwise as [`Session::exec`].
    pub async fn run_file(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let source = tokio::fs::read_to_string(path)
            .await
            .map_err(|error| Error::File { path: path.display().to_string(), source: Arc::new(error) })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.run(&source, &name, &ADHOC).await
    }

    async fn run(&self, source: &str, name: &str, scope: &'static Scope) -> Result<()> {
        let work = Work::Exec { source: source.into(), name: name.into(), scope };
        let payload = self.carry(Call::new(work)).await?.into_payload();
        crate::call::check("exec", &payload, None)
    }

    async fn value<T: DeserializeOwned>(&self, expression: &str, scope: &'static Scope) -> Result<T> {
        // What stands in front of an expression is indentation to Python.
        let work = Work::Eval { expression: expression.trim().into(), scope };
        let payload = self.carry(Call::new(work)).await?.into_payload();
        crate::call::check("eval", &payload, None)?;
        reply::decode(&payload).map_err(|source| Error::WrongType { task: "eval".to_owned(), source: Box::new(source) })
    }

    /// The namespace whose name is `name` or ends in it.
    pub(crate) fn namespace(&self, name: &str) -> Result<&'static Scope> {
        let scopes = self.shared.scopes();
        let ends = |scope: &&&'static Scope| {
            scope.key.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with("::"))
        };
        let known = || scopes.iter().map(|scope| scope.key).collect::<Vec<_>>().join(", ");
        let reason = match scopes.iter().filter(ends).collect::<Vec<_>>()[..] {
            [scope] => return Ok(scope),
            [] if scopes.is_empty() => "no task has been called through this session".to_owned(),
            [] => format!("tasks have been called of {}", known()),
            _ => format!("several traits are called so: {}", known()),
        };
        Err(Error::Unsupported { what: format!("the namespace `{name}`"), reason })
    }

    /// Lets go of a trait's namespace, named as for [`Session::exec_in`]: runs its teardowns, and frees the memory that
    /// its globals and tasks take on the board. With the next call of one of its tasks it is set up again.
    ///
    /// # Errors
    /// Those of the first teardown that failed, though everything is freed; otherwise as [`Session::exec_in`].
    pub async fn release(&self, namespace: &str) -> Result<()> {
        let scope = self.namespace(namespace)?;
        self.carry(Call::new(Work::Release { scope })).await.map(drop)
    }

    /// Resets the interpreter (what Ctrl-D does). Tasks and setups come back by themselves with the next call.
    ///
    /// MicroPython's unix port exits instead; it is started anew if it was opened by a spec.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if the board does not come back, [`Error::Lost`] if the line ended and cannot be opened again.
    pub async fn soft_reset(&self) -> Result<()> {
        self.carry(Call::new(Work::SoftReset)).await.map(drop)
    }

    /// Resets the processor (`machine.reset()`), waits until the board is there again, and attaches to it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] if the board has no such function, [`Error::Lost`] if its line ended and did not come
    /// back or cannot be opened again.
    pub async fn hard_reset(&self) -> Result<()> {
        self.carry(Call::new(Work::HardReset)).await.map(drop)
    }

    /// Stops what runs on the board now, whoever called it: that call ends with [`Error::Cancelled`]. Calls that wait
    /// lose nothing but the time that it takes. Returns when the board has proved that it listens.
    ///
    /// # Errors
    /// [`Error::Unresponsive`] if what runs ignores Ctrl-C, [`Error::Lost`] if the line has ended,
    /// [`Error::Unsupported`] of a device that is made of a service.
    pub async fn interrupt(&self) -> Result<()> {
        self.shared.needs_board("interrupting")?;
        let (done, answer) = oneshot::channel();
        self.shared.tell(Command::Interrupt(done))?;
        answer.await.map_err(|_| self.shared.closed())?
    }

    /// Ends the session for all its handles: waits for the calls that run, runs the teardowns of all traits that were
    /// used in the reverse of that order, and leaves the board in the REPL for people. Calls that wait get
    /// [`Error::Closed`], and so do all later ones. Closing what is closed is no error.
    ///
    /// # Errors
    /// Those of the first teardown that failed. The session is closed nevertheless.
    pub async fn close(&self) -> Result<()> {
        if !self.shared.is_session() {
            self.shared.status.enter(super::State::Closed);
            return Ok(());
        }
        let (done, answer) = oneshot::channel();
        match self.shared.tell(Command::Close(done)) {
            Ok(()) => answer.await.unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    /// Waits for its turn, and then keeps everybody else waiting.
    pub(crate) async fn lease(&self) -> Result<Lease> {
        self.shared.needs_board("exclusive use")?;
        let lease = Lease::new(&self.shared);
        self.carry(Call::new(Work::Exclusive { lease: lease.id })).await?;
        Ok(lease)
    }
}
