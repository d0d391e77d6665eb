//! Medians, spread, ratios, and when a run counts for nothing.

use serde::Serialize;

/// A generator that was less idle than this measured itself, not the server.
pub(crate) const GENERATOR_IDLE_MIN: f64 = 0.10;

/// Where repeated measurements of one thing lie.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// Half of them lie below.
    pub(crate) median: f64,
    /// The smallest.
    pub(crate) min: f64,
    /// A quarter of them lies below.
    pub(crate) q1: f64,
    /// A quarter of them lies above.
    pub(crate) q3: f64,
    /// The largest.
    pub(crate) max: f64,
    /// How many there are.
    pub(crate) rounds: usize,
}

impl Spread {
    /// The spread of `measured`; `None` where there is nothing, or something that is no number.
    pub(crate) fn of(measured: &[f64]) -> Option<Spread> {
        if measured.is_empty() || !measured.iter().all(|value| value.is_finite()) {
            return None;
        }
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Spread {
            median: quantile(&sorted, 0.5),
            min: quantile(&sorted, 0.0),
            q1: quantile(&sorted, 0.25),
            q3: quantile(&sorted, 0.75),
            max: quantile(&sorted, 1.0),
            rounds: sorted.len(),
        })
    }
}

/// The value below which `share` of `sorted` lies, between its neighbours where none is there.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (
        sorted[place.floor() as usize],
        sorted[place.ceil() as usize],
    );
    below + (above - below) * place.fract()
}

/// Ours over theirs, by medians; `None` where theirs is nothing.
pub(crate) fn ratio(ours: &Spread, peer: &Spread) -> Option<f64> {
    (peer.median > 0.0).then(|| ours.median / peer.median)
}

/// Why a run whose generators were this idle is void.
pub(crate) fn void(generator_idle: Option<f64>) -> Option<String> {
    let idle = generator_idle.filter(|idle| *idle < GENERATOR_IDLE_MIN)?;
    let (idle, least) = (idle * 100.0, GENERATOR_IDLE_MIN * 100.0);
    Some(format!(
        "the generator was {idle:.0} % idle in one round, at least {least:.0} % is asked"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(measured: &[f64]) -> Spread {
        Spread::of(measured).expect("there are measurements")
    }

    #[test]
    fn the_median_is_in_the_middle_of_the_sorted() {
        assert_eq!(spread(&[9.0, 1.0, 5.0]).median, 5.0);
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(spread(&[7.0]).median, 7.0);
    }

    #[test]
    fn the_spread_names_ends_and_quarters() {
        let five = spread(&[50.0, 10.0, 40.0, 20.0, 30.0]);
        assert_eq!(
            (five.min, five.q1, five.q3, five.max),
            (10.0, 20.0, 40.0, 50.0)
        );
        assert_eq!(five.rounds, 5);
        let two = spread(&[1.0, 3.0]);
        assert_eq!((two.q1, two.q3), (1.5, 2.5));
    }

    #[test]
    fn nothing_has_no_spread() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[1.0, f64::NAN]), None);
        assert_eq!(Spread::of(&[f64::INFINITY]), None);
    }

    #[test]
    fn the_ratio_is_of_medians() {
        let (ours, peer) = (spread(&[1.0, 6.0, 100.0]), spread(&[2.0, 3.0, 4.0]));
        assert_eq!(ratio(&ours, &peer), Some(2.0));
        assert_eq!(ratio(&ours, &spread(&[0.0])), None);
    }

    #[test]
    fn a_busy_generator_makes_a_run_void() {
        assert!(void(Some(0.099)).is_some());
        assert!(void(Some(0.0)).is_some());
        assert_eq!(void(Some(0.10)), None);
        assert_eq!(void(Some(0.9)), None);
        assert_eq!(void(None), None);
    }
}
