//! Services of any type behind one: the layers of a handle, with their errors turned back into ours.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::timeout_at;
use tower::{BoxError, Service, load_shed::error::Overloaded, timeout::error::Elapsed};

use super::{Call, Carried, Reply};
use crate::{
    error::{AfterTimeout, Error, Result},
    session::Shared,
};

/// A service whose type is not known.
///
/// tower's `BoxCloneSyncService` is the same; it would bring `futures-util` into every program, which takes longer to
/// build than all else that is needed of tower.
pub(super) trait Stack: Send + Sync {
    fn boxed_clone(&self) -> Box<dyn Stack>;
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>>;
    fn call(&mut self, call: Call) -> Carried;
}

impl Clone for Box<dyn Stack> {
    fn clone(&self) -> Self {
        // Not the box's own: that would box the box.
        (**self).boxed_clone()
    }
}

/// A service that turns into a [`Stack`].
#[derive(Clone)]
pub(super) struct Erased<S> {
    pub(super) service: S,
    pub(super) shared: Arc<Shared>,
    /// It stands in a session's place: deadlines are kept for it, and it is closed for it.
    pub(super) is_innermost: bool,
}

impl<S> Stack for Erased<S>
where
    S: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    fn boxed_clone(&self) -> Box<dyn Stack> {
        Box::new(self.clone())
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.is_innermost {
            self.shared.still_open()?;
        }
        self.service.poll_ready(cx).map_err(|error| ours(error.into(), None, &self.shared))
    }

    fn call(&mut self, call: Call) -> Carried {
        let seen = call.clone();
        let shared = Arc::clone(&self.shared);
        let deadline = call.deadline.filter(|_| self.is_innermost);
        let inside = self.is_innermost.then(|| call.arrive());
        let outcome = self.service.call(call);
        Box::pin(async move {
            let outcome = match deadline {
                Some(deadline) => timeout_at(deadline, outcome)
                    .await
                    .map_err(|_| seen.timed_out(shared.port(), AfterTimeout::TakenBack))?,
                None => outcome.await,
            };
            if let Some(inside) = inside.filter(|_| outcome.is_ok()) {
                inside.answered();
            }
            outcome.map_err(|error| ours(error.into(), Some(&seen), &shared))
        })
    }
}

/// What a layer said went wrong, as one of our errors.
fn ours(error: BoxError, call: Option<&Call>, shared: &Shared) -> Error {
    let error = match error.downcast::<Error>() {
        Ok(ours) => return *ours,
        Err(other) => other,
    };
    if error.is::<Overloaded>() {
        return Error::Busy { port: shared.port().to_owned(), waiting: shared.waiting() };
    }
    if let Some(call) = call.filter(|_| error.is::<Elapsed>()) {
        return call.timed_out(shared.port(), AfterTimeout::TakenBack);
    }
    let task = call.map_or("a call", Call::name).to_owned();
    Error::Layer { task, port: shared.port().to_owned(), source: error.into() }
}
