//! Calls as values, and the stack of tower services that carries them to a board.

mod call;
mod held;
pub mod layers;
mod stack;

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::{Instant, timeout_at};
use tower::{BoxError, Layer, Service};

pub use call::{Call, CallKind};
pub(crate) use call::{LONGEST, Via, Work};
pub(crate) use held::{Freeing, Held, Key, Standing, Table};

use crate::{
    error::{AfterTimeout, Error, Result},
    session::{Owner, Shared},
};
use stack::{Erased, Stack};

/// What a board answered to a call: a MessagePack value, or an exception in the same form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    payload: Vec<u8>,
}

impl Reply {
    /// The reply whose MessagePack is `payload`.
    #[must_use]
    pub fn new(payload: Vec<u8>) -> Self {
        Self { payload }
    }

    /// The value as MessagePack; what is in it, [`codec::reply::decode`](crate::codec::reply::decode) tells.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The value as MessagePack.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }

    /// The exception that the Python code raised, if it did.
    ///
    /// To a layer a raised exception is a reply like any other: the board did what it was asked.
    #[must_use]
    pub fn exception(&self) -> Option<crate::Exception> {
        crate::Exception::from_reply(&self.payload)
    }
}

/// What carries calls to a board: a tower [`Service`] from [`Call`] to [`Reply`], cheap to clone.
///
/// Innermost stands the session with the board, or whatever service takes its place
/// ([`Device::from_service`](crate::Device::from_service)); around it stand the layers that a handle or its builder was
/// given. It is what those layers wrap, and a program that wants a board as a plain service gets it from
/// [`Device::executor`](crate::Device::executor).
#[derive(Clone)]
pub struct Executor {
    inner: Inner,
    shared: Arc<Shared>,
}

#[derive(Clone)]
enum Inner {
    Session(Owner),
    Stack(Box<dyn Stack>),
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("port", &self.shared.port()).finish_non_exhaustive()
    }
}

impl Executor {
    /// Calls go straight to the owner of a line.
    pub(crate) fn session(owner: Owner) -> Self {
        let shared = Arc::clone(owner.shared());
        Self { inner: Inner::Session(owner), shared }
    }

    /// Calls go to a service that is no session.
    pub(crate) fn service<S>(shared: Arc<Shared>, service: S) -> Self
    where
        S: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        let stack = Erased { service, shared: Arc::clone(&shared), is_innermost: true };
        Self { inner: Inner::Stack(Box::new(stack)), shared }
    }

    /// The same with `layer` around it.
    pub(crate) fn layer<L>(&self, layer: &L) -> Self
    where
        L: Layer<Self>,
        L::Service: Service<Call, Response = Reply> + Clone + Send + Sync + 'static,
        <L::Service as Service<Call>>::Error: Into<BoxError>,
        <L::Service as Service<Call>>::Future: Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let stack = Erased { service: layer.layer(self.clone()), shared, is_innermost: false };
        Self { inner: Inner::Stack(Box::new(stack)), shared: Arc::clone(&self.shared) }
    }

    /// Carries a call that has its deadline.
    pub(crate) async fn carry(&self, call: Box<Call>, deadline: Instant) -> Result<Reply> {
        match &self.inner {
            Inner::Session(owner) => owner.submit(call).await,
            // In a box: the future of every call would have room for it.
            Inner::Stack(stack) => Box::pin(self.carry_through(stack.clone(), *call, deadline)).await,
        }
    }

    async fn carry_through(&self, mut stack: Box<dyn Stack>, mut call: Call, deadline: Instant) -> Result<Reply> {
        // Most are ready at once, and need no timer.
        let ready = poll_fn(|cx| Poll::Ready(stack.poll_ready(cx))).await;
        match ready {
            Poll::Ready(ready) => ready?,
            Poll::Pending => match timeout_at(deadline, poll_fn(|cx| stack.poll_ready(cx))).await {
                Ok(ready) => ready?,
                Err(_) => return Err(call.timed_out(self.shared.port(), AfterTimeout::NotSent)),
            },
        }
        // Layers may make it wait here, too; only the session knows what becomes of it once it is there.
        let (way, seen) = (call.set_out(), call.clone());
        let mut carried = stack.call(call);
        match timeout_at(deadline, &mut carried).await {
            Ok(outcome) => outcome,
            Err(_) => match way.with_a_layer() {
                Some(board) => Err(seen.timed_out(self.shared.port(), board)),
                None => carried.await,
            },
        }
    }
}

/// What a call through an [`Executor`] becomes.
type Carried = Pin<Box<dyn Future<Output = Result<Reply>> + Send>>;

impl Service<Call> for Executor {
    type Response = Reply;
    type Error = Error;
    type Future = Carried;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        match &mut self.inner {
            Inner::Session(_) => Poll::Ready(Ok(())),
            Inner::Stack(stack) => stack.poll_ready(cx),
        }
    }

    fn call(&mut self, call: Call) -> Carried {
        match &mut self.inner {
            Inner::Session(owner) => {
                let owner = owner.clone();
                Box::pin(async move { owner.submit(Box::new(call)).await })
            }
            Inner::Stack(stack) => stack.call(call),
        }
    }
}
