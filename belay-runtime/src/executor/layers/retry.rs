//! When a call may be made again.

use std::time::Duration;

use tokio::time::Sleep;
use tower::{
    BoxError,
    load_shed::error::Overloaded,
    retry::{
        Policy,
        backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff},
    },
    timeout::error::Elapsed,
    util::rng::HasherRng,
};

use super::super::{Call, Reply};
use crate::error::{AfterTimeout, Error};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How much longer a pause may be by chance, so that callers do not return all at once.
const JITTER: f64 = 0.5;

/// A policy for [`tower::retry`]: makes calls again that certainly did not run ([`Error::is_retryable`]), and idempotent
/// ones after every error that may pass.
///
/// An exception is a reply and not an error, and is never a reason to call again. All attempts share the deadline of
/// the call; pauses between them double from 10 ms up to 1 s, with some chance in them.
///
/// Load shedding belongs outside of it: tower's concurrency limit keeps a place in its queue for a caller that was shed,
/// and while that caller pauses, the place is lost to the others.
///
/// ```
/// # extern crate belay_runtime as belay;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> belay::Result<()> {
/// use belay::{Device, layers::Retry};
/// use tower::retry::RetryLayer;
///
/// let board = Device::builder().layer(RetryLayer::new(Retry::times(3))).open("sim:pico").await?;
/// board.session().exec("x = 1").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Retry {
    left: usize,
    backoff: ExponentialBackoff,
}

impl Retry {
    /// Makes a call again up to `times` times.
    #[must_use]
    pub fn times(times: usize) -> Self {
        // What is refused here is a shortest pause above the longest.
        let maker = ExponentialBackoffMaker::new(FIRST_PAUSE, LONGEST_PAUSE, JITTER, HasherRng::default());
        Self { left: times, backoff: maker.unwrap_or_default().make_backoff() }
    }
}

impl<E: Failure> Policy<Call, Reply, E> for Retry {
    type Future = Sleep;

    fn retry(&mut self, call: &mut Call, outcome: &mut Result<Reply, E>) -> Option<Sleep> {
        let error = outcome.as_ref().err()?;
        if self.left == 0 || !(error.did_not_run() || call.is_idempotent() && error.may_pass()) {
            return None;
        }
        self.left -= 1;
        let pause = self.backoff.next_backoff();
        // Otherwise the caller would learn later, and less, than it can now.
        call.deadline().is_none_or(|deadline| pause.deadline() < deadline).then_some(pause)
    }

    fn clone_request(&mut self, call: &Call) -> Option<Call> {
        Some(call.clone())
    }
}

/// The errors of a session, and those of tower's layers around one.
pub trait Failure {
    #[doc(hidden)]
    fn did_not_run(&self) -> bool;
    #[doc(hidden)]
    fn may_pass(&self) -> bool;
}

impl Failure for Error {
    fn did_not_run(&self) -> bool {
        self.is_retryable()
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::OutcomeUnknown { .. } | Self::Protocol { .. } => true,
            Self::TimedOut { board, .. } => matches!(board, AfterTimeout::TakenBack),
            _ => false,
        }
    }
}

impl Failure for BoxError {
    fn did_not_run(&self) -> bool {
        self.is::<Overloaded>() || self.downcast_ref::<Error>().is_some_and(Failure::did_not_run)
    }

    fn may_pass(&self) -> bool {
        self.is::<Elapsed>() || self.downcast_ref::<Error>().is_some_and(Failure::may_pass)
    }
}
