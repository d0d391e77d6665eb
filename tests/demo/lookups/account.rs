//! The account of the look-ups: what the desks were told against what the SAC's book says.

use std::time::Duration;

use serde_json::{Value, json};

use super::notes::{Asked, Millis, PersonAt, Shown, Told, Whom};
use super::people::People;
use super::source::Source;
use crate::morning::{Freshness, Spell};

/// What is cut to a second may be older by as much.
const CUT_MS: Millis = 1_000;

/// Everything an account is drawn up from.
pub(crate) struct Account<'a> {
    /// What the desks know.
    pub(crate) asked: &'a [Asked],
    /// Whose list everybody is on.
    pub(crate) people: &'a People,
    /// What the SAC has told.
    pub(crate) source: &'a Source,
    /// For how long answers may be shown.
    pub(crate) freshness: Freshness,
}

impl Account<'_> {
    /// The look-ups of persons whom their desk has to do with, or whom nobody has ever seen.
    pub(crate) fn lookups(&self) -> Value {
        let count = |is: &dyn Fn(&Asked) -> bool| self.usual().filter(|asked| is(asked)).count();
        let refused = count(&|asked| asked.told == Told::Refused);
        let refused_known = count(&|asked| self.is_refused_known(asked));
        let shown = |stale| count(&|asked| asked.shown().is_some_and(|shown| shown.stale == stale));
        json!({
            "offered": self.usual().count(),
            "fresh": shown(false),
            "stale": shown(true),
            "absent": count(&|asked| asked.told == Told::Absent),
            "refused": refused - refused_known,
            "refused_known": refused_known,
            "limited": count(&|asked| asked.limited),
            "persons_known": self.people.persons(),
            "past_bound": self.answers(|asked, person, shown| self.is_past(asked, person, shown)),
            "mislabelled": self.answers(|asked, person, shown| self.is_mislabelled(asked, person, shown)),
            "without_relation": self.answers(|asked, person, _| !self.is_related(asked, person)),
            "hit_us": self.hits(),
        })
    }

    /// The look-ups of persons of another doctor, which the SAC refuses.
    pub(crate) fn strangers(&self) -> Value {
        let strangers = || self.asked.iter().filter(|asked| is_of_stranger(asked));
        let refused = strangers().filter(|asked| asked.told == Told::Refused);
        json!({
            "offered": strangers().count(),
            "shown": strangers().filter(|asked| asked.shown().is_some()).count(),
            "refused": refused.count(),
        })
    }

    /// How many of those that were asked for in the outage are known, and not too long ago.
    pub(crate) fn outage_known(&self) -> usize {
        let in_outage = self.usual().filter(|asked| is_of_known_in_outage(asked));
        in_outage
            .filter(|asked| !self.is_refused_known(asked))
            .count()
    }

    /// How many of these were served.
    pub(crate) fn outage_served(&self) -> usize {
        let in_outage = self.usual().filter(|asked| is_of_known_in_outage(asked));
        in_outage.filter(|asked| asked.shown().is_some()).count()
    }

    fn usual(&self) -> impl Iterator<Item = &Asked> {
        self.asked.iter().filter(|asked| !is_of_stranger(asked))
    }

    /// How many answers about somebody, to whomever, are so.
    fn answers(&self, is: impl Fn(&Asked, PersonAt, &Shown) -> bool) -> usize {
        let shown = self.asked.iter().filter_map(|asked| {
            let shown = asked.shown()?;
            // Nobody has never been seen and is known: that has no source at all.
            Some(
                asked
                    .whom
                    .person()
                    .is_none_or(|person| is(asked, person, shown)),
            )
        });
        shown.filter(|is| *is).count()
    }

    /// Refused, and by the time of the last repeat the SAC had not answered for too long.
    fn is_refused_known(&self, asked: &Asked) -> bool {
        let Whom::Known(person) = asked.whom else {
            return false;
        };
        let fetched = self.last(asked, person, asked.sent);
        let is_past = |at| asked.ended - at >= millis(self.freshness.stale_for);
        asked.told == Told::Refused && fetched.is_none_or(is_past)
    }

    /// Too old to be shown as it was asked for: by its own account, or by the SAC's book.
    fn is_past(&self, asked: &Asked, person: PersonAt, shown: &Shown) -> bool {
        let stale_for = millis(self.freshness.stale_for);
        let fetched = self.last(asked, person, asked.ended);
        shown.age >= self.freshness.stale_for
            || asked.sent - shown.as_of >= stale_for + CUT_MS
            || fetched.is_none_or(|at| asked.sent - at >= stale_for)
    }

    /// Said to be fresh and is not, or the other way round; or to be younger than the SAC's last word.
    fn is_mislabelled(&self, asked: &Asked, person: PersonAt, shown: &Shown) -> bool {
        let age = shown.age;
        let fresh_for = self.freshness.fresh_for;
        let is_wrong = match shown.stale {
            true => age + Duration::from_millis(CUT_MS.unsigned_abs()) <= fresh_for,
            // What was loaded for this very question is not stale, however long it took.
            false => !shown.loaded && age >= fresh_for,
        };
        let fetched = self.last(asked, person, asked.ended);
        // The age was told at some moment between question and answer, and so was the hour.
        let took = asked.ended - asked.sent;
        is_wrong || fetched.is_none_or(|at| shown.as_of > at + took)
    }

    /// The doctor has the person on the list, or the SAC itself has answered this desk.
    fn is_related(&self, asked: &Asked, person: PersonAt) -> bool {
        let view = self.people.desks[asked.desk].view();
        self.people.is_listed(person, asked.desk)
            || self
                .source
                .has_answered(person, view, asked.desk, asked.ended)
    }

    /// When the SAC had last answered what was asked, by then.
    fn last(&self, asked: &Asked, person: PersonAt, by: Millis) -> Option<Millis> {
        let view = self.people.desks[asked.desk].view();
        self.source.last(person, view, by)
    }

    /// How long an answer took for which nobody was asked, in microseconds.
    fn hits(&self) -> Value {
        let took = self.asked.iter().filter_map(|asked| asked.shown()?.hit_in);
        let mut took: Vec<u128> = took.map(|took| took.as_micros()).collect();
        took.sort_unstable();
        let at = |share: f64| {
            took.get((took.len() as f64 * share) as usize)
                .map(|us| *us as u64)
        };
        json!({ "count": took.len(), "p50": at(0.5), "p99": at(0.99) })
    }
}

fn is_of_stranger(asked: &Asked) -> bool {
    matches!(asked.whom, Whom::Stranger(_))
}

fn is_of_known_in_outage(asked: &Asked) -> bool {
    asked.spell == Spell::Outage && matches!(asked.whom, Whom::Known(_))
}

fn millis(span: Duration) -> Millis {
    Millis::try_from(span.as_millis()).unwrap_or(Millis::MAX)
}

#[cfg(test)]
mod tests;
