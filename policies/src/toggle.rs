//! A value that an operator puts in force for a while, over what the files say.
//!
//! # Invariants
//!
//! 1. Every toggle ends. One of a `mode` ends on time, whatever its lane does: its gates find out by
//!    themselves. Any other is kept past its end, and alarmed, while the gates of its lane do not pass,
//!    so that no end of a Sunday night closes a region on Monday; but not for ever.
//!
//! # Limits
//!
//! A `mode` lasts 24 h at most, anything else seven days, and past its end [`OVERDUE_LASTS_MAX`];
//! longer, it is a matter for a file.
//!
//! # Not here
//!
//! Whether the target exists and its value fits: that shows when it is laid over the files.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::rules::RuleError;
use crate::time::Timestamp;

/// The longest time for a mode.
pub const MODE_LASTS_MAX: Duration = Duration::from_secs(24 * 3600);
/// The longest time for any other value.
pub const VALUE_LASTS_MAX: Duration = Duration::from_secs(7 * 86_400);
/// How long one may be kept past its end, while its lane is down.
pub const OVERDUE_LASTS_MAX: Duration = Duration::from_secs(7 * 86_400);
/// How long before its end people are told.
pub const WARN_BEFORE: Duration = Duration::from_secs(4 * 3600);

const TARGET_CHARS_MAX: usize = 128;
const VALUE_CHARS_MAX: usize = 1_000;
const REASON_CHARS_MAX: usize = 500;
const AUTHOR_CHARS_MAX: usize = 64;

/// One value, put in force for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Toggle {
    /// The key, dotted, with its upstream before it: `sac.prescriptions.mode`.
    pub target: String,
    /// The value as a policy file would write it, in TOML: `"forced-open"` with its quotes, `50`.
    pub value: String,
    /// Why. Read by whoever has the next shift.
    pub reason: String,
    /// Who.
    pub author: String,
    /// Since when.
    pub set_at: Timestamp,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What is to be done about a toggle now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    Keep,
    /// People are told that it ends soon; said once.
    Warn,
    /// It is over, and taken back.
    Expire,
    /// It is over and kept, because its lane is still down: alarmed for as long as that lasts.
    Overdue,
}

impl Toggle {
    /// Whether it says who decides, rather than by what.
    pub fn is_of_mode(&self) -> bool {
        self.target.rsplit('.').next() == Some("mode")
    }

    /// The lane that it is about: `sac.prescriptions`.
    pub fn lane(&self) -> &str {
        let mut dots = self.target.match_indices('.');
        let end = dots.nth(1).map_or(self.target.len(), |(at, _)| at);
        &self.target[..end]
    }

    /// How long it may last at most.
    pub fn lasts_max(&self) -> Duration {
        if self.is_of_mode() {
            MODE_LASTS_MAX
        } else {
            VALUE_LASTS_MAX
        }
    }

    /// Everything that is wrong with it; empty if nothing is.
    pub fn problems(&self) -> Vec<RuleError> {
        let lasts = self.expires_at.since(self.set_at);
        let too_long = if self.is_of_mode() {
            "must be at most 24h after it was set; it can be renewed"
        } else {
            "must be at most 7d after it was set; what is to last belongs in a file"
        };
        let rules = [
            (
                is_target(&self.target),
                "target",
                "must be a key with its upstream before it, as sac.prescriptions.mode",
            ),
            (
                is_text(&self.value, VALUE_CHARS_MAX),
                "value",
                "must be one value in TOML, of 1 to 1000 characters on one line",
            ),
            (
                is_text(&self.reason, REASON_CHARS_MAX),
                "reason",
                "must have 1 to 500 characters, on one line",
            ),
            (
                is_text(&self.author, AUTHOR_CHARS_MAX),
                "author",
                "must have 1 to 64 characters, on one line",
            ),
            (!lasts.is_zero(), "expires_at", "must lie after it was set"),
            (lasts <= self.lasts_max(), "expires_at", too_long),
        ];
        let broken = rules.into_iter().filter(|(holds, _, _)| !holds);
        broken
            .map(|(_, key, rule)| RuleError {
                key: key.to_owned(),
                rule,
            })
            .collect()
    }

    /// What is to be done about it at `now`, when it was looked at last at `looked_at`: the end that
    /// comes into sight between the two is told once. Who looks for the first time gives `set_at`.
    ///
    /// A toggle that lasts no longer than [`WARN_BEFORE`] is not told of: who has set it knows.
    pub fn due(&self, looked_at: Timestamp, now: Timestamp, lane_is_down: bool) -> Due {
        if now >= self.expires_at {
            let may_stay = !self.is_of_mode() && now.since(self.expires_at) < OVERDUE_LASTS_MAX;
            return match lane_is_down && may_stay {
                true => Due::Overdue,
                false => Due::Expire,
            };
        }
        let warn_at = self.expires_at - WARN_BEFORE;
        let is_seen_first = looked_at < warn_at && warn_at <= now;
        if warn_at > self.set_at && is_seen_first {
            Due::Warn
        } else {
            Due::Keep
        }
    }
}

/// Lower case, at least upstream, lane and key.
fn is_target(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    text.len() <= TARGET_CHARS_MAX && text.split('.').count() >= 3 && text.split('.').all(is_name)
}

/// Something that is said on one line: it is shown in lists and logged.
fn is_text(text: &str, chars_max: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= chars_max && !text.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Edit = fn(&mut Toggle, String);

    const HOUR: Duration = Duration::from_secs(3600);
    const SET_AT: Timestamp = Timestamp(1_790_000_000_000);

    fn toggle(target: &str, lasts: Duration) -> Toggle {
        Toggle {
            target: target.to_owned(),
            value: "\"forced-open\"".to_owned(),
            reason: "announced maintenance of the SAC".to_owned(),
            author: "shift leader".to_owned(),
            set_at: SET_AT,
            expires_at: SET_AT + lasts,
        }
    }

    fn broken(toggle: &Toggle) -> Vec<String> {
        let problems = toggle.problems().into_iter();
        problems.map(|problem| problem.key).collect()
    }

    #[test]
    fn a_mode_lasts_a_day_and_anything_else_a_week() {
        let mode = "sac.prescriptions.mode";
        let value = "sac.prescriptions.answer_within";
        let second = Duration::from_secs(1);
        for (target, lasts, expected) in [
            (mode, HOUR, true),
            (mode, HOUR * 24, true),
            (mode, HOUR * 24 + second, false),
            ("sac.registry.mode", HOUR * 25, false),
            (value, HOUR * 25, true),
            (value, HOUR * 168, true),
            (value, HOUR * 168 + second, false),
            // Not a mode, whatever it contains.
            ("sac.mode.answer_within", HOUR * 25, true),
            ("sac.prescriptions.fallback_mode", HOUR * 25, true),
            (mode, Duration::ZERO, false),
        ] {
            let keys = broken(&toggle(target, lasts));
            let problem = if expected { vec![] } else { vec!["expires_at"] };
            assert_eq!(keys, problem, "{target} for {lasts:?}");
        }
        let backwards = Toggle {
            set_at: SET_AT + HOUR,
            ..toggle(mode, Duration::ZERO)
        };
        assert_eq!(broken(&backwards), ["expires_at"]);
    }

    #[test]
    fn every_text_has_its_limits() {
        let sound = toggle("sac.prescriptions.mode", HOUR);
        let with = |edit: Edit, text: String| {
            let mut toggle = sound.clone();
            edit(&mut toggle, text);
            broken(&toggle)
        };
        let edits: [(&str, Edit, usize); 3] = [
            ("reason", |toggle, text| toggle.reason = text, 500),
            ("author", |toggle, text| toggle.author = text, 64),
            ("value", |toggle, text| toggle.value = text, 1_000),
        ];
        for (key, edit, max) in edits {
            assert_eq!(with(edit, "è".repeat(max)), [""; 0], "{key}");
            for bad in [
                String::new(),
                "  ".to_owned(),
                "è".repeat(max + 1),
                "a\nb".to_owned(),
            ] {
                assert_eq!(with(edit, bad.clone()), [key], "{bad:?}");
            }
        }
        let target: Edit = |toggle, text| toggle.target = text;
        for bad in [
            "",
            "mode",
            "sac.mode",
            "sac..mode",
            "sac.Lots.mode",
            "sac.lots.mode ",
            ".a.b",
        ] {
            assert_eq!(with(target, bad.to_owned()), ["target"], "{bad:?}");
        }
        assert_eq!(
            with(target, format!("sac.lots.{}", "a".repeat(128))),
            ["target"]
        );
    }

    #[test]
    fn the_lane_is_its_upstream_and_its_table() {
        for (target, lane) in [
            ("sac.prescriptions.mode", "sac.prescriptions"),
            ("sac.prescriptions.gate.open_for", "sac.prescriptions"),
            ("sac.lots.mode", "sac.lots"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(toggle(target, HOUR).lane(), lane);
        }
    }

    /// What is due when it was looked at last, and now, in hours after it was set.
    #[test]
    fn each_toggle_is_told_of_once_and_ends() {
        let (mode, value) = ("sac.lots.mode", "sac.lots.block");
        for (target, lasts, looked_at, now, is_down, expected) in [
            (mode, 24, 0, 19, false, Due::Keep),
            (mode, 24, 19, 20, false, Due::Warn),
            (mode, 24, 20, 21, false, Due::Keep),
            // Nobody looked for long: told once all the same.
            (mode, 24, 0, 23, true, Due::Warn),
            (mode, 24, 20, 23, true, Due::Keep),
            (mode, 24, 23, 24, false, Due::Expire),
            (mode, 24, 23, 24, true, Due::Expire),
            (mode, 24, 0, 1_000, true, Due::Expire),
            (value, 24, 19, 20, true, Due::Warn),
            (value, 24, 23, 24, false, Due::Expire),
            (value, 24, 23, 24, true, Due::Overdue),
            (value, 24, 24, 191, true, Due::Overdue),
            (value, 24, 191, 192, true, Due::Expire),
            (value, 24, 100, 101, false, Due::Expire),
            // Too short to be told of.
            (value, 4, 0, 0, false, Due::Keep),
            (value, 4, 0, 3, true, Due::Keep),
            (value, 4, 3, 4, false, Due::Expire),
            (value, 5, 0, 1, false, Due::Warn),
        ] {
            let at = |hours: u32| SET_AT + HOUR * hours;
            let due = toggle(target, HOUR * lasts).due(at(looked_at), at(now), is_down);
            assert_eq!(due, expected, "{target}: {lasts} h, {looked_at} to {now} h");
        }
    }

    /// However often it is looked at: one warning, and no end before its time.
    #[test]
    fn any_number_of_looks_tells_it_once() {
        for step in [1, 7, 61, 239, 600, 1_441] {
            let toggle = toggle("sac.lots.block", HOUR * 48);
            let (mut looked_at, mut told) = (SET_AT, Vec::new());
            for minutes in (0..48 * 60 + step).step_by(step as usize) {
                let now = SET_AT + Duration::from_secs(60) * minutes;
                let due = toggle.due(looked_at, now, false);
                told.extend(Some(due).filter(|due| *due != Due::Keep));
                assert_eq!(due == Due::Expire, now >= toggle.expires_at);
                looked_at = now;
            }
            let expected = match step {
                // Looked at too seldom to be told before it was over.
                600 | 1_441 => vec![Due::Expire],
                _ => vec![Due::Warn, Due::Expire],
            };
            assert_eq!(told, expected, "every {step} minutes");
        }
    }

    #[test]
    fn a_toggle_of_another_release_is_not_half_read() {
        let kept = "target = \"sac.lots.mode\"\nvalue = \"'forced-open'\"\nreason = \"r\"\n\
                    author = \"a\"\nset_at = 1\nexpires_at = 2\n";
        let read: Toggle = toml::from_str(kept).unwrap();
        assert_eq!((read.set_at, read.expires_at), (Timestamp(1), Timestamp(2)));
        let newer = format!("{kept}incident = \"4711\"\n");
        assert!(toml::from_str::<Toggle>(&newer).is_err());
    }
}
