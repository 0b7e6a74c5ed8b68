//! The thin typed shell: what the macro's three lines a method call into.
//!
//! Arguments go in one by one, so that a type that cannot be sent is underlined where it stands; the result type comes
//! out of the signature. Everything else is untyped and stands in the session.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec::{args, reply},
    device::Device,
    error::{Error, Result},
    exception::Exception,
    task::{Scope, Task},
};

/// A value that can be sent to a board: everything that implements [`serde::Serialize`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to a board",
    label = "this argument cannot be written as Python",
    note = "arguments of tasks implement `serde::Serialize`: add `#[derive(serde::Serialize)]` to the type, and to a generic one the bound `serde::Serialize`"
)]
pub trait Argument: Serialize {}

// Without this the compiler names the bound of this implementation, `Serialize`, instead of saying the sentence above.
#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Argument for T {}

/// The result of a task: `belay::Result<T>` with a `T` that implements [`serde::Deserialize`] and borrows nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a task",
    label = "a task returns `belay::Result<T>`, and `T` is read from the board's reply",
    note = "results of tasks implement `serde::Deserialize` and own their data: add `#[derive(serde::Deserialize)]` to the type inside, and to a generic one the bound `serde::de::DeserializeOwned`"
)]
pub trait Returns {
    #[doc(hidden)]
    fn from_call(outcome: Outcome) -> Self;
}

/// What came of a call: the task and the board's reply to it.
pub type Outcome = Result<(&'static Task, Vec<u8>)>;

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Returns for Result<T> {
    fn from_call(outcome: Outcome) -> Self {
        let (task, payload) = outcome?;
        check(task.name, &payload, Some(task))?;
        reply::decode(&payload)
            .map_err(|source| Error::WrongType { task: task.name.to_owned(), source: Box::new(source) })
    }
}

/// The outcome of a call as the task's result. The bound stands here and not on [`call`], because the future of `call`
/// would carry it, and the compiler would report a result that cannot be read twice.
pub fn decode<R: Returns>(outcome: Outcome) -> R {
    R::from_call(outcome)
}

/// An exception in a reply as an error.
pub(crate) fn check(name: &str, payload: &[u8], task: Option<&'static Task>) -> Result<()> {
    let Some(mut exception) = Exception::from_reply(payload) else { return Ok(()) };
    if let Some(task) = task {
        // What a task calls may stand in a setup, or be a task too.
        let Scope { setups, tasks, teardowns, .. } = task.scope;
        for one in [task].iter().chain(*setups).chain(*tasks).chain(*teardowns) {
            exception.locate(one);
        }
    }
    Err(Error::Exception { task: name.to_owned(), exception: Box::new(exception) })
}

/// The arguments of one call, on their way into it.
#[derive(Debug)]
pub struct Args {
    pub(crate) task: &'static Task,
    pub(crate) values: args::Args,
    pub(crate) error: Option<Error>,
}

impl Args {
    /// No arguments yet.
    #[must_use]
    pub fn new(task: &'static Task) -> Self {
        Self { task, values: args::Args::new(), error: None }
    }

    /// Adds the next argument. A value that cannot be sent makes the call fail before anything is sent.
    pub fn push<T: Argument + ?Sized>(&mut self, value: &T) {
        if self.error.is_some() {
            return;
        }
        if let Err(source) = self.values.push(value) {
            let param = self.task.params.get(self.values.len()).copied().unwrap_or("?").to_owned();
            self.error = Some(Error::Argument { task: self.task.name.to_owned(), param, source: Box::new(source) });
        }
    }
}

/// Calls a task. Nothing happens before the future is polled.
pub fn call<R>(device: &Device, args: Args, decode: fn(Outcome) -> R) -> impl Future<Output = R> + Send + use<R> {
    let device = device.clone();
    async move {
        let Args { task, values, error } = args;
        decode(match error {
            Some(error) => Err(error),
            None => device.call(task, Arc::new(values)).await.map(|payload| (task, payload)),
        })
    }
}
