//! Who may be shown what is known, and as what.

use policies::freshness::{Standing, standing};
use policies::rules::FreshnessRules;
use policies::time::Timestamp;

use crate::lookup::{Asker, Known, Shelved, Way};

/// Whether the source has shown that `asker` may see `answer`: by a relation that it knows of, or
/// because it has answered the same caller not too long ago.
pub(super) fn is_related(
    answer: &Shelved,
    asker: &Asker,
    rules: &FreshnessRules,
    now: Timestamp,
) -> bool {
    let is_remembered =
        |&(caller, at)| caller == asker.caller && now.since(at) < rules.relation_for;
    answer.tags.iter().any(|tag| asker.tags.contains(tag))
        || answer.seen_by.iter().any(is_remembered)
}

/// What `answer` is good for now. Nobody knows how old one is whose age is at least what it seems:
/// it is never fresh.
pub(super) fn stands(answer: &Shelved, rules: &FreshnessRules, now: Timestamp) -> Standing {
    match standing(now.since(answer.fetched_at), rules) {
        Standing::Fresh if answer.age_is_floor => Standing::Stale,
        standing => standing,
    }
}

/// `answer` as it may be shown to `asker` without its source: as fresh, or as stale in the way that is
/// given; `None` where that is not allowed.
pub(super) fn show(
    answer: &Shelved,
    asker: &Asker,
    rules: &FreshnessRules,
    now: Timestamp,
    stale: Option<Way>,
) -> Option<Known> {
    let way = match stands(answer, rules, now) {
        Standing::Fresh => Way::Hit,
        Standing::Stale => stale?,
        Standing::Expired => return None,
    };
    let may_see = asker.breaks_glass || is_related(answer, asker, rules, now);
    may_see.then(|| known(answer, rules, now, way))
}

/// `answer`, to whoever may see it.
pub(super) fn known(answer: &Shelved, rules: &FreshnessRules, now: Timestamp, way: Way) -> Known {
    let age = now.since(answer.fetched_at);
    let is_fresh = stands(answer, rules, now) == Standing::Fresh;
    Known {
        body: answer.body.clone(),
        fetched_at: answer.fetched_at,
        age,
        fresh_for: is_fresh.then(|| rules.fresh_for.saturating_sub(age)),
        way,
    }
}
