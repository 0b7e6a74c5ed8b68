//! Counts and times of calls, for each task.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;
use tower::{Layer, Service};

use super::{
    super::{Call, Reply},
    Histogram,
};

/// Counts calls and measures how long they take, for each task. Clones count together.
///
/// Where it stands decides what is counted: outside of a layer that repeats calls each call once, inside of it every
/// attempt.
///
/// ```
/// # extern crate belay_runtime as belay;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> belay::Result<()> {
/// use belay::{Device, layers::Metrics};
///
/// let metrics = Metrics::default();
/// let board = Device::builder().layer(metrics.layer()).open("sim:pico").await?;
/// board.session().exec("x = 1").await?;
/// for task in metrics.tasks() {
///     println!("{}: {} calls, p99 {:?}", task.name, task.calls(), task.took.quantile(0.99));
/// }
/// # assert_eq!(metrics.tasks()[0].calls(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    tasks: Arc<Mutex<BTreeMap<Key, TaskMetrics>>>,
}

/// Scope and name.
type Key = (Option<&'static str>, String);

/// What is known of the calls of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskMetrics {
    /// The Python name of the task, or what was done instead of calling one ([`Call::name`]).
    pub name: String,
    /// Where the task was written ([`Call::scope`]).
    pub scope: Option<&'static str>,
    /// Calls that the board answered, with a value or with an exception.
    pub answered: u64,
    /// Those of them that were answered with an exception.
    pub exceptions: u64,
    /// Calls that ended with an error.
    pub failed: u64,
    /// Calls that their callers dropped.
    pub dropped: u64,
    /// How long those took that the board answered.
    pub took: Histogram,
}

impl TaskMetrics {
    fn new((scope, name): Key) -> Self {
        Self { name, scope, answered: 0, exceptions: 0, failed: 0, dropped: 0, took: Histogram::default() }
    }

    /// All calls that have ended.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.answered + self.failed + self.dropped
    }
}

enum End {
    Answered { took: Duration, exception: bool },
    Failed,
    Dropped,
}

impl Metrics {
    /// The layer that counts here.
    #[must_use]
    pub fn layer(&self) -> MetricsLayer {
        MetricsLayer { metrics: self.clone() }
    }

    /// What was counted so far, by scope and name.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskMetrics> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn count(&self, key: Key, end: End) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let task = tasks.entry(key).or_insert_with_key(|key| TaskMetrics::new(key.clone()));
        match end {
            End::Answered { took, exception } => {
                task.answered += 1;
                task.exceptions += u64::from(exception);
                task.took.record(took);
            }
            End::Failed => task.failed += 1,
            End::Dropped => task.dropped += 1,
        }
    }
}

/// The layer of [`Metrics`].
#[derive(Clone, Debug)]
pub struct MetricsLayer {
    metrics: Metrics,
}

impl<S> Layer<S> for MetricsLayer {
    type Service = Measured<S>;

    fn layer(&self, inner: S) -> Measured<S> {
        Measured { inner, metrics: self.metrics.clone() }
    }
}

/// What [`MetricsLayer`] makes of a service.
#[derive(Clone, Debug)]
pub struct Measured<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> Service<Call> for Measured<S>
where
    S: Service<Call, Response = Reply>,
    S::Future: Send + 'static,
{
    type Response = Reply;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Reply, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let key = (call.scope(), call.name().to_owned());
        let mut counting = Counting { metrics: self.metrics.clone(), key: Some(key) };
        let begun = Instant::now();
        let outcome = self.inner.call(call);
        Box::pin(async move {
            let outcome = outcome.await;
            counting.end(match &outcome {
                Ok(reply) => End::Answered { took: begun.elapsed(), exception: reply.exception().is_some() },
                Err(_) => End::Failed,
            });
            outcome
        })
    }
}

/// A call that has not ended: dropping it is an end too.
struct Counting {
    metrics: Metrics,
    key: Option<Key>,
}

impl Counting {
    fn end(&mut self, end: End) {
        if let Some(key) = self.key.take() {
            self.metrics.count(key, end);
        }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        self.end(End::Dropped);
    }
}
