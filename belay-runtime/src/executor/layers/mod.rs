//! Layers that know what a call is. For everything else (limits, timeouts, buffers, load shedding) there are tower's.

mod histogram;
mod metrics;
#[cfg(feature = "retry")]
mod retry;
mod trace;

pub use histogram::Histogram;
pub use metrics::{Measured, Metrics, MetricsLayer, TaskMetrics};
#[cfg(feature = "retry")]
pub use retry::Retry;
pub use trace::{Trace, TraceLayer};
