//! How long things take, in little memory and within an eighth.

use std::{fmt, time::Duration};

/// Buckets for each doubling.
const STEPS: u64 = 8;

/// A histogram of durations: microseconds up to hours, each known to within 12.5 %, in a few kilobytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Grows up to the longest duration there was.
    buckets: Vec<u64>,
    count: u64,
    total: Duration,
    longest: Duration,
}

impl Histogram {
    /// Adds a duration.
    pub(super) fn record(&mut self, took: Duration) {
        let bucket = bucket(took);
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.total += took;
        self.longest = self.longest.max(took);
    }

    /// How many durations were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean; zero if there are none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        Duration::try_from_secs_f64(self.total.as_secs_f64() / self.count.max(1) as f64).unwrap_or_default()
    }

    /// The longest; zero if there are none.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.longest
    }

    /// The duration that the share `q` (0 to 1) of all stay within: `quantile(0.5)` is the median. Zero if there are
    /// none. At most 12.5 % above the true one.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = (q.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_micros(upper(bucket as u64)).min(self.longest);
            }
        }
        self.longest
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count)
            .field("mean", &self.mean())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.longest)
            .finish()
    }
}

/// The bucket of a duration: one for each microsecond at first, then [`STEPS`] for each doubling.
fn bucket(took: Duration) -> usize {
    let micros = took.as_micros().min(u128::from(u32::MAX)) as u64;
    if micros < STEPS {
        return micros as usize;
    }
    let doublings = u64::from(micros.ilog2() - STEPS.ilog2());
    (doublings * STEPS + (micros >> doublings)) as usize
}

/// The longest duration of a bucket, in microseconds.
fn upper(bucket: u64) -> u64 {
    if bucket < STEPS {
        return bucket;
    }
    let doublings = bucket / STEPS - 1;
    ((bucket % STEPS + STEPS + 1) << doublings) - 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_bucket_is_within_an_eighth(micros in 0..u64::from(u32::MAX)) {
            let took = Duration::from_micros(micros);
            let top = upper(bucket(took) as u64);
            prop_assert!(top >= micros && (top - micros) * 8 <= micros, "{micros} µs in a bucket up to {top}");
        }

        #[test]
        fn quantiles_are_those_of_the_sorted_list(mut all in prop::collection::vec(0..10_000_000u64, 1..200)) {
            let mut histogram = Histogram::default();
            all.iter().for_each(|micros| histogram.record(Duration::from_micros(*micros)));
            all.sort_unstable();
            for (q, at) in [(0.0, 0), (0.5, (all.len() - 1) / 2), (1.0, all.len() - 1)] {
                let (exact, told) = (all[at], histogram.quantile(q).as_micros() as u64);
                prop_assert!(told >= exact && (told - exact) * 8 <= exact, "{q}: {told} for {exact}");
            }
            prop_assert_eq!(histogram.max().as_micros() as u64, all[all.len() - 1]);
            prop_assert_eq!(histogram.count(), all.len() as u64);
            let mean = all.iter().sum::<u64>() / all.len() as u64;
            prop_assert!((histogram.mean().as_micros() as u64).abs_diff(mean) <= 1);
        }
    }

    #[test]
    fn nothing_recorded_is_zero() {
        let none = Histogram::default();
        assert_eq!((none.quantile(0.5), none.mean(), none.max()), Default::default());
    }
}
