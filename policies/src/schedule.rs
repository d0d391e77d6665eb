//! When to try again: a list of waits that an operator reads, spread by jitter.

use std::time::Duration;

/// The wait before the attempt that follows `failures` failures in a row.
///
/// The last wait of the list repeats for ever: how long to go on is the entry's deadline, not a
/// count. `jitter_share` spreads the wait by up to that share to either side; `chance` is in
/// `[0, 1)`.
pub fn wait(waits: &[Duration], failures: u32, jitter_share: f64, chance: f64) -> Duration {
    let place = (failures.saturating_sub(1) as usize).min(waits.len().saturating_sub(1));
    let wait = waits.get(place).copied().unwrap_or_default();
    wait.mul_f64(1.0 + jitter_share * (2.0 * chance - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_the_list_and_stays_at_its_end() {
        let waits = [Duration::from_secs(5), Duration::from_secs(30)];
        for (failures, seconds) in [(0, 5), (1, 5), (2, 30), (3, 30), (u32::MAX, 30)] {
            assert_eq!(
                wait(&waits, failures, 0.0, 0.7),
                Duration::from_secs(seconds)
            );
        }
        assert_eq!(wait(&[], 1, 0.2, 0.5), Duration::ZERO);
    }

    #[test]
    fn jitter_stays_within_its_share() {
        let waits = [Duration::from_secs(10)];
        assert_eq!(wait(&waits, 1, 0.2, 0.0), Duration::from_secs(8));
        assert_eq!(wait(&waits, 1, 0.2, 0.5), Duration::from_secs(10));
        assert!(wait(&waits, 1, 0.2, 0.999) < Duration::from_secs(12));
    }
}
