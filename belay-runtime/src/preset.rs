//! Three ways of driving boards, for programs that do not want to choose every limit.

use std::time::Duration;

/// Limits that belong together, for [`Builder::preset`](crate::Builder::preset). What is set on the builder afterwards
/// counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Preset {
    /// See [`Builder::open_timeout`](crate::Builder::open_timeout).
    pub open: Duration,
    /// See [`Builder::call_timeout`](crate::Builder::call_timeout).
    pub call: Duration,
    /// See [`Builder::deploy_timeout`](crate::Builder::deploy_timeout).
    pub deploy: Duration,
    /// How many calls are handed to the board before the first of them has answered.
    pub in_flight: usize,
}

impl Preset {
    /// For work at the desk: one call after the other, so that traces and prints read in order and an exception stops
    /// the next one, and deadlines that leave time to look at the board.
    pub const DEVELOPMENT: Self = Self {
        open: Duration::from_secs(30),
        call: Duration::from_secs(60),
        deploy: Duration::from_secs(60),
        in_flight: 1,
    };

    /// For programs that run by themselves: what a builder begins with.
    pub const PRODUCTION: Self = Self {
        open: Duration::from_secs(10),
        call: Duration::from_secs(10),
        deploy: Duration::from_secs(10),
        in_flight: 16,
    };

    /// For many short calls: as many in flight as the board's credit allows, and a board that is slow is found out soon.
    pub const HIGH_THROUGHPUT: Self = Self {
        open: Duration::from_secs(10),
        call: Duration::from_secs(2),
        deploy: Duration::from_secs(10),
        in_flight: 64,
    };
}
