//! The thin typed shell: what the macro's three lines a method call into.
//!
//! Arguments go in one by one, so that a type that cannot be sent is underlined where it stands; the result type comes
//! out of the signature. Everything else is untyped and stands in the session.

use std::{fmt, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    codec::{args, reply},
    device::Device,
    error::{Error, Result},
    exception::Exception,
    object::Kept,
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

/// The result of a task: `belay::Result<T>` with a `T` that implements [`serde::Deserialize`] and borrows nothing, or
/// `belay::Result<Object>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a task",
    label = "a task returns `belay::Result<T>`, and `T` is read from the board's reply",
    note = "results of tasks implement `serde::Deserialize` and own their data: add `#[derive(serde::Deserialize)]` to the type inside, and to a generic one the bound `serde::de::DeserializeOwned`",
    note = "what cannot be sent stays on the board as a `Result<belay::Object>`, alone and not inside of another type"
)]
pub trait Returns {
    /// What the body gives back stays on the board.
    #[doc(hidden)]
    const STAYS: bool;
    #[doc(hidden)]
    fn from_call(outcome: Outcome) -> Self;
}

/// An item of a stream: `belay::Result<T>` with a `T` that implements [`serde::Deserialize`] and borrows nothing.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an item of a stream",
    label = "the items are `belay::Result<T>`, and `T` is read from the board's reply",
    note = "items of streams implement `serde::Deserialize` and own their data: add `#[derive(serde::Deserialize)]` to the type inside, and to a generic one the bound `serde::de::DeserializeOwned`"
)]
pub trait Item {
    #[doc(hidden)]
    fn from_item(outcome: Outcome) -> Self;
}

/// What came of a call.
pub type Outcome = Result<Answer>;

/// The board's answer to a call.
#[derive(Debug)]
pub struct Answer {
    pub(crate) task: &'static Task,
    pub(crate) payload: Vec<u8>,
    /// The way to what stays on the board.
    pub(crate) kept: Option<Kept>,
}

impl Answer {
    /// A value, or an exception.
    pub(crate) fn value(task: &'static Task, payload: Vec<u8>) -> Self {
        Self { task, payload, kept: None }
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Returns for Result<T> {
    const STAYS: bool = false;

    fn from_call(outcome: Outcome) -> Self {
        Self::from_item(outcome)
    }
}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Item for Result<T> {
    fn from_item(outcome: Outcome) -> Self {
        let Answer { task, payload, .. } = outcome?;
        check(task.name, &payload, Some(task))?;
        reply::decode(&payload)
            .map_err(|source| Error::WrongType { task: task.name.to_owned(), source: Box::new(source) })
    }
}

/// How the outcome of a call becomes a task's result.
pub struct Returning<R> {
    stays: bool,
    read: fn(Outcome) -> R,
}

impl<R> fmt::Debug for Returning<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Returning").field("stays", &self.stays).finish_non_exhaustive()
    }
}

/// How the outcome of a call becomes an `R`. The bound stands here and not on [`call`], because the future of `call` would
/// carry it, and the compiler would report a result that cannot be read twice.
#[must_use]
pub fn returns<R: Returns>() -> Returning<R> {
    Returning { stays: R::STAYS, read: R::from_call }
}

/// The outcome of a call as an item of a stream.
pub fn item<R: Item>(outcome: Outcome) -> R {
    R::from_item(outcome)
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
pub fn call<R>(device: &Device, args: Args, returning: Returning<R>) -> impl Future<Output = R> + Send + use<R> {
    let device = device.clone();
    async move {
        let Args { task, values, error } = args;
        let Returning { stays, read } = returning;
        read(match error {
            Some(error) => Err(error),
            None if stays => {
                // In a box: the future of every call would have room for it.
                let kept = Box::pin(Kept::call(&device, task, values)).await;
                kept.map(|(payload, kept)| Answer { task, payload, kept: Some(kept) })
            }
            None => device.call(task, Arc::new(values)).await.map(|payload| Answer::value(task, payload)),
        })
    }
}
