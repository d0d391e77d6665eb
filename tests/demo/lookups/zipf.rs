//! Who is asked for: few persons often, most of them hardly ever.
//!
//! Zipf's law with exponent 1: the person of rank `n` is asked for `1/n` times as often as the first.

/// Draws ranks by the law.
#[derive(Debug, Clone)]
pub(crate) struct Zipf {
    /// The sum of `1/n` up to and with each rank.
    sums: Vec<f64>,
}

impl Zipf {
    /// Ranks from 0 to `ranks - 1`.
    ///
    /// # Panics
    ///
    /// When there is none.
    pub(crate) fn over(ranks: usize) -> Zipf {
        assert!(ranks > 0, "there must be somebody to ask for");
        let mut sum = 0.0;
        let sums = (1..=ranks).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        Zipf {
            sums: sums.collect(),
        }
    }

    /// The rank that `unit`, a number in `[0, 1)`, falls on.
    pub(crate) fn rank(&self, unit: f64) -> usize {
        let last = self.sums.len() - 1;
        let sought = unit * self.sums[last];
        self.sums.partition_point(|sum| *sum <= sought).min(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_asked_for_as_often_as_the_law_says() {
        let zipf = Zipf::over(10);
        let draws = 100_000;
        let mut counts = [0_u32; 10];
        for draw in 0..draws {
            counts[zipf.rank(f64::from(draw) / f64::from(draws))] += 1;
        }
        let whole: f64 = (1..=10).map(|rank| 1.0 / f64::from(rank)).sum();
        for (rank, count) in (1..).zip(counts) {
            let expected = f64::from(draws) / whole / f64::from(rank);
            assert!((f64::from(count) - expected).abs() <= 2.0, "rank {rank}");
        }
    }

    #[test]
    fn every_draw_falls_on_a_rank() {
        let zipf = Zipf::over(3);
        assert_eq!(zipf.rank(0.0), 0);
        assert_eq!(zipf.rank(1.0 - f64::EPSILON), 2);
        assert_eq!(zipf.rank(1.0), 2);
        assert_eq!(Zipf::over(1).rank(0.5), 0);
    }
}
