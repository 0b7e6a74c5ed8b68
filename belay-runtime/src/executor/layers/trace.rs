//! A span for every call.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::Instant;
use tower::{Layer, Service};
use tracing::Instrument;

use super::super::{Call, Reply};

/// Puts every call into a `tracing` span `call` (target `belay::call`) with its kind, its task and the scope of that,
/// and tells in one event at its end how long it took and what came of it. Arguments and values are not told: they may
/// be large, or nobody's business.
///
/// ```
/// # extern crate belay_runtime as belay;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> belay::Result<()> {
/// use belay::{Device, layers::TraceLayer};
///
/// let board = Device::builder().layer(TraceLayer).open("sim:pico").await?;
/// board.session().exec("x = 1").await?; // call{kind=Exec task="exec"}: took=2.1ms
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceLayer;

impl<S> Layer<S> for TraceLayer {
    type Service = Trace<S>;

    fn layer(&self, inner: S) -> Trace<S> {
        Trace { inner }
    }
}

/// What [`TraceLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct Trace<S> {
    inner: S,
}

impl<S> Service<Call> for Trace<S>
where
    S: Service<Call, Response = Reply>,
    S::Error: std::fmt::Display,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let (kind, task, scope) = (call.kind(), call.name(), call.scope());
        let span = tracing::info_span!(target: "belay::call", "call", ?kind, task, scope);
        // What the inner service does at once belongs to the call as well.
        let outcome = span.in_scope(|| self.inner.call(call));
        let begun = Instant::now();
        let traced = async move {
            let outcome = outcome.await;
            let took = begun.elapsed();
            match &outcome {
                Ok(reply) => match reply.exception() {
                    None => tracing::debug!(target: "belay::call", ?took),
                    Some(raised) => tracing::warn!(target: "belay::call", ?took, exception = raised.kind()),
                },
                Err(error) => tracing::warn!(target: "belay::call", ?took, %error),
            }
            outcome
        };
        Box::pin(traced.instrument(span))
    }
}
