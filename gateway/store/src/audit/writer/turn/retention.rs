//! Which segments were kept long enough, also where the clock was wrong while some were begun.

use std::fs;
use std::path::Path;
use std::time::Duration;

use policies::time::Timestamp;

use super::super::super::segment::TORN;

/// No gateway is off for longer unless something is wrong, and no clock steps so far if nothing is.
const STEP_MAX: Duration = Duration::from_secs(3 * 86_400);
/// How long the clock must have gone on quietly since it stepped: long enough for somebody to mend it.
const CALM_FOR: Duration = Duration::from_secs(7 * 86_400);

/// Whether the clock has not stepped lately, as far as the instants say at which segments were `begun`: the
/// last one now.
pub(super) fn is_calm(begun: &[Option<Timestamp>], now: Timestamp) -> bool {
    let known: Vec<Timestamp> = begun.iter().flatten().copied().collect();
    let mut steps = known.windows(2).filter(|pair| {
        let step = Duration::from_millis(pair[0].0.abs_diff(pair[1].0));
        step > STEP_MAX
    });
    !steps.any(|pair| now.since(pair[1]) < CALM_FOR)
}

/// How many segments from the first on hold nothing that is younger than `keep_for`.
///
/// One that says it was begun in the future, or nothing, was begun before the next one that can be believed.
pub(super) fn expired(begun: &[Option<Timestamp>], now: Timestamp, keep_for: Duration) -> usize {
    let limit = now - keep_for;
    // The latest that was said so far: one that says less than the one before it is wrong.
    let mut latest = Timestamp(0);
    let believed = (0..begun.len()).map(|index| {
        let mut later = begun[index..].iter().flatten();
        let began = later.find(|began| **began <= now)?;
        latest = latest.max(*began);
        Some(latest)
    });
    let is_old = |began: Option<Timestamp>| began.is_some_and(|began| began <= limit);
    // Whatever is in a segment is older than the next one; the last is never removed.
    believed
        .take_while(|began| is_old(*began))
        .count()
        .saturating_sub(1)
}

/// Removes what was kept aside from segments before `floor`. What stays is tried again with the next ones.
pub(super) fn remove_torn(directory: &Path, floor: u64) {
    let Ok(files) = fs::read_dir(directory) else {
        return;
    };
    let paths = files.filter_map(|file| Some(file.ok()?.path()));
    for path in paths.filter(|path| path.extension().is_some_and(|ending| ending == TORN)) {
        let name = path.file_name().and_then(|name| name.to_str());
        let first = name.and_then(|name| name.split('.').next()?.parse::<u64>().ok());
        if first.is_some_and(|first| first < floor) {
            drop(fs::remove_file(&path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: u64 = 365;
    const KEPT: Duration = Duration::from_secs(2 * YEAR * 86_400);

    fn day(day: u64) -> Timestamp {
        Timestamp(day * 86_400_000)
    }

    fn days(days: impl IntoIterator<Item = u64>) -> Vec<Option<Timestamp>> {
        days.into_iter().map(|at| Some(day(at))).collect()
    }

    #[test]
    fn what_began_and_ended_before_the_limit_is_over() {
        let begun = days(1_000..=1_000 + 2 * YEAR);
        assert!(is_calm(&begun, day(1_000 + 2 * YEAR)));
        assert_eq!(expired(&begun, day(1_000 + 2 * YEAR), KEPT), 0);
        assert_eq!(expired(&begun, day(1_003 + 2 * YEAR), KEPT), 3);
    }

    #[test]
    fn a_clock_that_steps_either_way_keeps_everything_for_a_week() {
        for to in [5_000, 10] {
            let mut begun = days(1_000..1_010);
            for after in 0..7 {
                begun.push(Some(day(to + after)));
                assert!(
                    !is_calm(&begun, day(to + after)),
                    "to {to}, {after} days after"
                );
            }
            assert!(is_calm(&begun, day(to + 7)));
            // And back again.
            begun.push(Some(day(1_020)));
            assert!(!is_calm(&begun, day(1_020)));
        }
    }

    #[test]
    fn a_header_of_the_future_or_none_does_not_keep_the_others_for_ever() {
        let mut begun = days([1_000, 9_000, 1_001, 1_002, 1_003]);
        begun.push(None);
        begun.extend(days(1_005..1_010));
        let now = day(1_005 + 2 * YEAR);
        assert_eq!(expired(&begun, now, KEPT), 6);
        // Nor does one of the past take its neighbours with it.
        let begun = days([1_000, 1_001, 2, 1_003, 1_004]);
        assert_eq!(expired(&begun, day(1_000 + 2 * YEAR), KEPT), 0);
        assert_eq!(expired(&begun, day(1_003 + 2 * YEAR), KEPT), 3);
    }
}
