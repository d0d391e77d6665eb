//! Who may be shown what is known, and as what.

use policies::freshness::{Standing, standing};
use policies::rules::FreshnessRules;
use policies::time::Timestamp;

use crate::lookup::{Asker, Known, Shelved, Tag, Way};

/// Whether the source has shown that `asker` may see `answer`: by a relation that it knows of, or
/// because it has answered the same caller not too long ago, where that counts.
pub(super) fn is_related(
    answer: &Shelved,
    asker: &Asker,
    rules: &FreshnessRules,
    now: Timestamp,
) -> bool {
    answer.tags.iter().any(|tag| asker.lent.contains(tag))
        || is_related_itself(answer, asker, rules, now)
}

/// The same for `asker` alone, whomever it stands in for.
pub(super) fn is_related_itself(
    answer: &Shelved,
    asker: &Asker,
    rules: &FreshnessRules,
    now: Timestamp,
) -> bool {
    let has_answered = |&(caller, at)| caller == asker.caller && now.since(at) < rules.relation_for;
    answer.tags.iter().any(|tag| asker.tags.contains(tag))
        || (asker.is_remembered && answer.seen_by.iter().any(has_answered))
}

/// Whether the source knows of the same relations in both.
pub(super) fn has_same_tags(one: &[Tag], other: &[Tag]) -> bool {
    let all_in = |few: &[Tag], many: &[Tag]| few.iter().all(|tag| many.contains(tag));
    all_in(one, other) && all_in(other, one)
}

/// What `answer` is good for now. Nobody knows how old one is whose age is at least what it seems:
/// it is never fresh.
pub(super) fn stands(answer: &Shelved, rules: &FreshnessRules, now: Timestamp) -> Standing {
    match standing(now.since(answer.fetched_at), rules) {
        Standing::Fresh if answer.age_is_floor => Standing::Stale,
        standing => standing,
    }
}

/// `answer` as it may be shown to `asker` without its source: as fresh, and if the source has failed as
/// stale in the way that is given; `None` where that is not allowed. Who breaks the glass must have
/// asked the source first, in their own name.
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
    let has_asked = stale.is_some();
    let may_see = is_related(answer, asker, rules, now) || (asker.breaks_glass && has_asked);
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
        age_is_floor: answer.age_is_floor,
        fresh_for: is_fresh.then(|| rules.fresh_for.saturating_sub(age)),
        way,
    }
}
