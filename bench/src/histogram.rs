//! Counts durations in buckets whose width grows with their value, so that a p99.9 is as exact as a p50.
//!
//! Called by the load generator for each answer; 64 buckets for each power of two keep every value within 1.6 %.

use std::time::Duration;

const SUB_BITS: u32 = 6;
const SUB: usize = 1 << SUB_BITS;
/// Powers of two above the linear part: up to 2^40 ns, a quarter of an hour; longer ones count as that.
const POWERS: usize = 34;

/// A histogram of durations.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
    longest: u64,
}

impl Histogram {
    /// Makes an empty one.
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; SUB * (POWERS + 1)], total: 0, longest: 0 }
    }

    /// Counts one duration.
    pub(crate) fn record(&mut self, took: Duration) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
        }
        self.total += 1;
        self.longest = self.longest.max(nanos);
    }

    /// Adds all that another one has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.longest = self.longest.max(other.longest);
    }

    /// Returns how many were counted.
    pub(crate) fn count(&self) -> u64 {
        self.total
    }

    /// Returns the duration that this share of all did not exceed; zero when nothing was counted.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let rank = ((share * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank && *count > 0 {
                return Duration::from_nanos(upper_end(index).min(self.longest));
            }
        }
        Duration::from_nanos(self.longest)
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < SUB as u64 {
        return nanos as usize;
    }
    let power = nanos.ilog2() - SUB_BITS;
    let index = SUB * (power as usize + 1) + ((nanos >> power) as usize - SUB);
    index.min(SUB * (POWERS + 1) - 1)
}

fn upper_end(index: usize) -> u64 {
    if index < SUB {
        return index as u64;
    }
    let power = index / SUB - 1;
    (((SUB + index % SUB) as u64 + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_lies_in_its_bucket_and_the_bucket_is_narrow() {
        for nanos in (0..4000).chain([1 << 20, (1 << 20) + 12_345, 1 << 33, (1 << 39) + 77]) {
            let end = upper_end(bucket(nanos));
            assert!(end >= nanos, "{nanos} is above its bucket's end {end}");
            assert!(end - nanos <= nanos / 60 + 1, "the bucket of {nanos} ends at {end}");
        }
    }

    #[test]
    fn quantiles_of_a_ramp_are_where_they_should_be() {
        let mut ramp = Histogram::new();
        (1..=10_000).for_each(|micros| ramp.record(Duration::from_micros(micros)));
        for (share, micros) in [(0.5, 5_000.0), (0.99, 9_900.0), (0.999, 9_990.0), (1.0, 10_000.0)] {
            let found = ramp.quantile(share).as_secs_f64() * 1e6;
            assert!((found / micros - 1.0).abs() < 0.016, "{share}: {found} µs, expected {micros}");
        }
    }

    #[test]
    fn a_duration_beyond_the_range_is_still_counted() {
        let mut histogram = Histogram::new();
        histogram.record(Duration::from_secs(86_400));
        assert_eq!(histogram.count(), 1);
        assert!(histogram.quantile(0.5) > Duration::from_secs(600));
    }

    #[test]
    fn two_histograms_become_one() {
        let (mut low, mut high) = (Histogram::new(), Histogram::new());
        low.record(Duration::from_millis(1));
        high.record(Duration::from_millis(9));
        low.merge(&high);
        assert_eq!(low.count(), 2);
        assert!(low.quantile(1.0) >= Duration::from_millis(9));
    }
}
