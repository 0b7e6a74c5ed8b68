//! Times and bytes of something that was done several times, and what they say together.

use std::time::Duration;

use belay::Traffic;

/// Times and bytes of something that was done several times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    ms: Vec<f64>,
    traffic: Vec<Traffic>,
}

impl Samples {
    pub(crate) fn push(&mut self, time: Duration, traffic: Traffic) {
        self.ms.push(time.as_secs_f64() * 1000.0);
        self.traffic.push(traffic);
    }

    /// The same samples with other numbers.
    pub(crate) fn map(self, change: impl Fn(f64, Traffic) -> (f64, Traffic)) -> Self {
        let (ms, traffic) = self.ms.into_iter().zip(self.traffic).map(|(ms, traffic)| change(ms, traffic)).unzip();
        Self { ms, traffic }
    }

    pub(crate) fn len(&self) -> usize {
        self.ms.len()
    }

    /// Milliseconds in which this share of the samples was done; 0 without samples.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let sorted = self.sorted();
        let last = sorted.len().saturating_sub(1);
        // The nearest rank: a time that was measured, never one between two.
        sorted.get(((share * sorted.len() as f64).ceil() as usize).saturating_sub(1).min(last)).copied().unwrap_or(0.0)
    }

    pub(crate) fn mean(&self) -> f64 {
        if self.ms.is_empty() { 0.0 } else { self.ms.iter().sum::<f64>() / self.ms.len() as f64 }
    }

    /// The median of each counter.
    pub(crate) fn traffic(&self) -> Traffic {
        let median = |field: fn(&Traffic) -> u64| {
            let mut values: Vec<u64> = self.traffic.iter().map(field).collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied().unwrap_or(0)
        };
        Traffic {
            bytes_out: median(|traffic| traffic.bytes_out),
            bytes_in: median(|traffic| traffic.bytes_in),
            writes: median(|traffic| traffic.writes),
            turns: median(|traffic| traffic.turns),
        }
    }

    /// How many samples are in each of `count` equal steps from the fastest to the p99, and in one more for what is
    /// slower: from, to, how many.
    pub(crate) fn bins(&self, count: usize) -> Vec<(f64, f64, usize)> {
        let sorted = self.sorted();
        let (Some(&min), Some(&max)) = (sorted.first(), sorted.last()) else { return Vec::new() };
        let step = (self.quantile(0.99) - min) / count as f64;
        let edge = |n: usize| min + step * n as f64;
        let up_to = |end: f64| sorted.partition_point(|ms| *ms <= end);
        let mut bins = Vec::new();
        let mut seen = 0;
        for n in 0..count {
            // The last step ends at a sample, which rounding must not push out.
            let end = if n + 1 == count { self.quantile(0.99) } else { edge(n + 1) };
            let upto = up_to(end);
            bins.push((edge(n), end, upto.saturating_sub(seen)));
            seen = upto.max(seen);
        }
        if seen < sorted.len() {
            bins.push((self.quantile(0.99), max, sorted.len() - seen));
        }
        bins
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.ms.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// Milliseconds as JSON has them: to the microsecond, which is as much as such a figure can say.
pub(crate) fn microseconds(ms: f64) -> f64 {
    (ms * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(ms: impl IntoIterator<Item = u64>) -> Samples {
        let mut samples = Samples::default();
        for ms in ms {
            samples.push(Duration::from_millis(ms), Traffic { bytes_out: ms, ..Traffic::default() });
        }
        samples
    }

    #[test]
    fn quantiles_are_times_that_were_measured() {
        let hundred = samples((1..=100).rev());
        assert_eq!((hundred.quantile(0.0), hundred.quantile(1.0)), (1.0, 100.0));
        assert_eq!((hundred.quantile(0.5), hundred.quantile(0.99)), (50.0, 99.0));
        assert_eq!(hundred.mean(), 50.5);
        assert_eq!(hundred.traffic().bytes_out, 51);
        assert_eq!(samples([7]).quantile(0.99), 7.0);
        assert_eq!(samples([]).quantile(0.5), 0.0);
    }

    #[test]
    fn bins_hold_every_sample_once() {
        for set in [samples(1..=100), samples([5; 30]), samples([1, 1, 1, 900]), samples([3])] {
            let bins = set.bins(8);
            assert_eq!(bins.iter().map(|(_, _, count)| count).sum::<usize>(), set.len(), "{bins:?}");
            assert!(bins.iter().all(|(from, to, _)| from <= to), "{bins:?}");
        }
        assert!(samples([]).bins(8).is_empty());
    }
}
