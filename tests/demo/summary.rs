//! What came of the morning: the practices' own record against the SAC's book.

mod promises;

use std::collections::{BTreeMap, BTreeSet};

use ::tests::upstreams::sac::book::Book;
use serde_json::{Value, json};

use crate::doubles::Doubles;
use crate::inbox::{Event, Read};
use crate::log::{Cancel, Offered, RedForm};
use crate::lookups::account::Account;
use crate::lookups::sweep::Sweep;
use crate::morning::Spell;
use crate::standing::Standings;
pub(crate) use promises::broken_promises;

/// Draws up the account of prescriptions.
pub(crate) fn draw(log: &[Offered], standings: &Standings, read: &Read, book: &Book) -> Value {
    let in_state = |states: &[&str]| {
        let standings = standings.values();
        standings
            .filter(|standing| states.contains(&standing.state.as_str()))
            .count()
    };
    let count = |is: fn(&Offered) -> bool| log.iter().filter(|offered| is(offered)).count();
    // The SAC's own no, told at once with 422: on disk, and no entry the practice must follow.
    let rejected_at_once = count(|offered| offered.status == 422);
    let outage_accepted = count(|offered| was_in_outage(offered) && offered.accepted_in_spell);
    let doubles = Doubles::count(log, standings, read, book);
    json!({
        "prescriptions": {
            "offered": log.len(),
            "accepted": count(|offered| offered.accepted),
            "registered": in_state(&["registered", "cancelling"]),
            "rejected": in_state(&["rejected"]) + rejected_at_once,
            "red_recipe": in_state(&["red-recipe"]),
            "withdrawn": in_state(&["withdrawn"]),
            "cancelled": in_state(&["cancelled"]),
            "waiting": in_state(&["accepted", "sending"]),
            "uncertain": in_state(&["uncertain", "verifying"]),
            "parked": in_state(&["parked", "needs-authorization"]),
            "conflict": in_state(&["conflict"]),
            "lost": lost(log, standings, book),
            "duplicated": doubles.unraised(),
        },
        "doubles": doubles.as_json(),
        "desk": desk(log, read),
        "cancels": cancels(log, standings),
        "doctors": doctors(standings, read),
        "nre": { "issued": issued(book).len(), "reused": reused(book) },
        "outage": {
            "prescriptions_accepted_pct": percent(outage_accepted, count(was_in_outage)),
        },
    })
}

/// Adds the account of look-ups.
pub(crate) fn with_lookups(mut summary: Value, account: &Account<'_>, sweep: &Sweep) -> Value {
    let (known, served) = (account.outage_known(), account.outage_served());
    summary["lookups"] = account.lookups();
    summary["strangers"] = account.strangers();
    summary["sweep"] = sweep.as_json();
    summary["outage"]["lookups_known"] = json!(known);
    summary["outage"]["lookups_known_served_pct"] = json!(percent(served, known));
    summary
}

/// Adds in how many files of the store somebody can be read: null if there was none to look into.
pub(crate) fn with_store(mut summary: Value, in_clear: Option<usize>) -> Value {
    summary["store"] = json!({ "planted_in_clear": in_clear });
    summary
}

/// A patient at the desk leaves with a red form: only the others can be accepted while nobody answers.
fn was_in_outage(offered: &Offered) -> bool {
    offered.spell == Spell::Outage && !offered.waiting
}

/// Every red form that a desk was told to write is confirmed, or its practice has read that it is
/// missing, or that there is a conflict, which no form settles.
fn desk(log: &[Offered], read: &Read) -> Value {
    let raised = read.of(|event| event.is_paper_missing() || event.is_conflict());
    let is_raised = |offered: &&Offered| {
        let id = offered.id.as_deref();
        id.is_some_and(|id| raised.contains(id))
    };
    let forms = |stands: RedForm| log.iter().filter(move |one| one.red_form == stands);
    json!({
        "red_forms_told": log.iter().filter(|one| one.told_red_form()).count(),
        "paper_confirmed": forms(RedForm::Confirmed).count(),
        "paper_missing": forms(RedForm::Told).filter(is_raised).count(),
    })
}

/// Where every prescription ended that was taken back.
fn cancels(log: &[Offered], standings: &Standings) -> Value {
    let (mut withdrawn, mut cancelled, mut refused) = (0, 0, 0);
    let asked = || log.iter().filter(|offered| offered.cancel != Cancel::None);
    for offered in asked() {
        let standing = offered.id.as_ref().and_then(|id| standings.get(id));
        let Some(standing) = standing else { continue };
        match standing.state.as_str() {
            _ if offered.cancel == Cancel::Refused => refused += 1,
            "withdrawn" => withdrawn += 1,
            "cancelled" => cancelled += 1,
            "rejected" => refused += 1,
            "registered" if standing.reason == "cancel-refused" => refused += 1,
            _ => {}
        }
    }
    json!({
        "asked": asked().count(),
        "withdrawn": withdrawn,
        "cancelled": cancelled,
        "refused": refused,
    })
}

/// What practices have read of what they must know.
fn doctors(standings: &Standings, read: &Read) -> Value {
    let told = read.of(Event::is_conflict);
    let conflicts = standings.iter().filter(|(_, one)| one.state == "conflict");
    let (told, untold): (Vec<_>, Vec<_>) =
        conflicts.partition(|(id, _)| told.contains(id.as_str()));
    json!({
        "conflicts_told": told.len(),
        "conflicts_untold": untold.len(),
        "acknowledged": read.acknowledged(),
    })
}

/// On disk, it was said, and now unknown to the gateway; or registered, it says, and not in the SAC's
/// book.
fn lost(log: &[Offered], standings: &Standings, book: &Book) -> usize {
    let is_lost = |id: &String| match standings.get(id) {
        None => true,
        Some(standing) if standing.state.is_empty() => true,
        Some(standing) if standing.state == "registered" => standing
            .nre
            .as_ref()
            .is_none_or(|nre| book.prescription(nre).is_none()),
        Some(_) => false,
    };
    log.iter()
        .filter_map(|offered| offered.id.as_ref())
        .filter(|id| is_lost(id))
        .count()
}

/// Every number that ever reached the SAC, with the contents it was sent for.
fn issued(book: &Book) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut numbers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for received in &book.received {
        numbers
            .entry(&received.nre)
            .or_default()
            .insert(&received.content);
    }
    numbers
}

fn reused(book: &Book) -> usize {
    issued(book)
        .values()
        .filter(|contents| contents.len() > 1)
        .count()
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        100.0
    } else {
        (part as f64 * 10_000.0 / whole as f64).round() / 100.0
    }
}

#[cfg(test)]
mod tests;
