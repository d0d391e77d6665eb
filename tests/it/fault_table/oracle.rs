//! What must hold in every cell, whatever the gateway's own rules say.
//!
//! It knows the caller's answers, what the gateway shows of the prescription, and the SAC's book; it
//! shares no code with what it judges.
//!
//! # Invariants
//!
//! 1. No silent loss: what was told to be on disk is there, once, and comes to rest.
//! 2. No unraised double: more than one number that someone may be served on, or one beside a paper form
//!    or a cancel, is a conflict that its prescriber is told of.
//! 3. What was told is true.

use std::collections::BTreeSet;

use tests::upstreams::sac::book::Prescription;
use tests::world::prescription::OTHER_PATIENT;

use super::cells::Verb;
use super::run::{Heard, Seen};

/// Reasons that tell a prescriber what became of a number, or of a form.
const NEWS: [&str; 7] = [
    "late-commit",
    "annulled",
    "paper-missing",
    "dispensed",
    "possible-double",
    "paper-issued",
    "cancel-refused",
];

/// What the SAC holds for the prescription, and what reached it.
#[derive(Debug)]
pub(super) struct Effects {
    /// The state of every number that it holds.
    pub(super) numbers: Vec<u8>,
    pub(super) live: usize,
    pub(super) closed: usize,
    /// Requests for it that were looked at, refused ones included.
    pub(super) received: usize,
}

pub(super) fn effects(seen: &Seen) -> Effects {
    let ours = ours(seen);
    let contents: BTreeSet<&str> = others(seen).map(|other| other.content.as_str()).collect();
    let received = seen.book.received.iter();
    Effects {
        numbers: ours.iter().map(|held| held.state).collect(),
        live: ours.iter().filter(|held| held.is_live()).count(),
        closed: ours.iter().filter(|held| !held.is_live()).count(),
        received: received
            .filter(|received| !contents.contains(received.content.as_str()))
            .count(),
    }
}

fn ours(seen: &Seen) -> Vec<&Prescription> {
    let held = seen.book.prescriptions.iter();
    held.filter(|held| held.patient != OTHER_PATIENT).collect()
}

fn others(seen: &Seen) -> impl Iterator<Item = &Prescription> {
    let held = seen.book.prescriptions.iter();
    held.filter(|held| held.patient == OTHER_PATIENT)
}

/// What its prescriber was told on the way, each once, in order.
pub(super) fn raised(seen: &Seen) -> Vec<&str> {
    let mut raised: Vec<&str> = Vec::new();
    for reason in seen.reasons.iter().map(String::as_str) {
        if NEWS.contains(&reason) && !raised.contains(&reason) {
            raised.push(reason);
        }
    }
    raised
}

/// Where the prescription stands, and why.
pub(super) fn place(seen: &Seen) -> String {
    let (state, reason) = (seen.entry.text("/state"), seen.entry.text("/reason"));
    if reason.is_empty() {
        state
    } else {
        format!("{state}/{reason}")
    }
}

/// The outcome in the words of `expected`.
pub(super) fn outcome(seen: &Seen) -> String {
    let Effects { live, closed, .. } = effects(seen);
    let place = place(seen);
    let raised = raised(seen);
    if raised.is_empty() {
        return format!("{place} {live}+{closed}");
    }
    format!("{place} {live}+{closed} [{}]", raised.join(", "))
}

/// Every rule that a cell breaks.
pub(super) fn broken(seen: &Seen) -> Vec<String> {
    let mut broken = Vec::new();
    let mut rule = |holds: bool, says: &str| {
        if !holds {
            broken.push(says.to_owned());
        }
    };
    rule(seen.is_at_rest, "it does not come to rest");
    rule(
        is_stored_once(seen),
        "it is not on disk, once, under the id that was told",
    );
    rule(
        is_answered_in_the_end(seen),
        "the same key is left without an answer",
    );
    doubles(seen, &mut rule);
    truths(seen, &mut rule);
    raises(seen, &mut rule);
    broken
}

fn state(seen: &Seen) -> String {
    seen.entry.text("/state")
}

/// A conflict of which an event tells, and which stays on the list until someone takes note.
fn is_conflict_told(seen: &Seen) -> bool {
    let reason = seen.entry.text("/reason");
    state(seen) == "conflict" && seen.is_unacknowledged && seen.reasons.contains(&reason)
}

fn every(seen: &Seen) -> impl Iterator<Item = &Heard> {
    seen.told.iter().chain(&seen.finally)
}

fn is_stored_once(seen: &Seen) -> bool {
    let ids: BTreeSet<&str> = every(seen)
        .map(|heard| heard.id.as_str())
        .filter(|id| !id.is_empty())
        .collect();
    seen.stored == 1 && ids.len() == 1 && ids.contains(seen.entry.id().as_str())
}

/// Nobody is left with *perhaps*. That a person must decide is an answer.
fn is_answered_in_the_end(seen: &Seen) -> bool {
    let is_clear = |heard: &Heard| {
        let needs_a_person = ["conflict", "cancel-failed"].contains(&heard.word.as_str());
        heard.status.is_some() && (heard.outcome != "unknown" || needs_a_person)
    };
    seen.finally.iter().all(is_clear)
}

fn doubles(seen: &Seen, rule: &mut impl FnMut(bool, &str)) {
    let Effects { live, .. } = effects(seen);
    let is_told = is_conflict_told(seen);
    rule(
        live <= 1 || is_told,
        "two numbers are live, and nobody is told",
    );
    let is_on_paper = every(seen).any(|heard| {
        heard.word == "issue-red-recipe" || (heard.verb == Verb::Paper && heard.is_success())
    });
    rule(
        !is_on_paper || live == 0 || is_told,
        "a number is live beside a paper form, and nobody is told",
    );
    let is_given_up = matches!(
        state(seen).as_str(),
        "withdrawn" | "red-recipe" | "cancelled"
    );
    rule(
        !is_given_up || live == 0,
        "a number is live of what was given up",
    );
}

fn truths(seen: &Seen, rule: &mut impl FnMut(bool, &str)) {
    let ours = ours(seen);
    let Effects { live, .. } = effects(seen);
    let is_conflict = state(seen) == "conflict";
    let is_held = |nre: &str| ours.iter().any(|held| held.nre == nre);
    for heard in every(seen) {
        rule(
            heard.nre.is_empty() || is_held(&heard.nre),
            "a number was given out that the SAC does not hold",
        );
        let is_registered = heard.verb == Verb::Create && heard.status == Some(201);
        rule(
            !is_registered || is_held(&heard.nre),
            "201, and no number of it is registered",
        );
        rule(
            heard.word != "upstream-rejected" || live == 0 || is_conflict,
            "422, and it is registered",
        );
        let is_taken_back = matches!(heard.word.as_str(), "cancelled" | "withdrawn");
        rule(
            !(is_taken_back && heard.is_success()) || live == 0 || is_conflict,
            "told that it is taken back, and it is live",
        );
    }
    let may_wait = seen.entry.text("/fallback") == "hold";
    let is_wrong_promise = |heard: &&Heard| match heard.verb {
        Verb::Create if may_wait => heard.word == "issue-red-recipe",
        Verb::Create => heard.status == Some(202),
        _ => false,
    };
    rule(
        every(seen).find(is_wrong_promise).is_none(),
        "what may wait was sent to paper, or what may not was accepted",
    );
    not_done(seen, rule);
    if state(seen) == "registered" {
        let nre = seen.entry.text("/nre");
        let held = ours.iter().find(|held| held.nre == nre);
        let code = seen.entry.text("/codice_autenticazione");
        let is_true = held.is_some_and(|held| held.is_live() && held.codice_autenticazione == code);
        rule(
            is_true,
            "registered, and its number or code is not the SAC's",
        );
    }
}

/// *Not done* is said before anything was done; later, of what is surely undone.
fn not_done(seen: &Seen, rule: &mut impl FnMut(bool, &str)) {
    let Effects { live, received, .. } = effects(seen);
    let is_not_done = |heard: &Heard| heard.outcome == "not-done" && heard.verb == Verb::Create;
    let first = seen.told.iter().find(|heard| heard.verb == Verb::Create);
    rule(
        !first.is_some_and(is_not_done) || received == 0,
        "told that nothing was done, and something was",
    );
    let is_annulled = seen.reasons.iter().any(|reason| reason == "annulled");
    rule(
        !every(seen).any(is_not_done) || received == 0 || (live == 0 && is_annulled),
        "told that nothing is done, and nobody undid it",
    );
}

fn raises(seen: &Seen, rule: &mut impl FnMut(bool, &str)) {
    let Effects { closed, .. } = effects(seen);
    let (state, reason) = (state(seen), seen.entry.text("/reason"));
    let must_be_listed = matches!(state.as_str(), "conflict" | "parked" | "rejected")
        || matches!(reason.as_str(), "paper-missing" | "cancel-refused");
    rule(
        !must_be_listed || (seen.is_unacknowledged && seen.reasons.contains(&reason)),
        "its prescriber must know, and is not told",
    );
    let is_wanted = reason == "cancel-requested";
    let is_given_up = matches!(state.as_str(), "withdrawn" | "red-recipe") && !is_wanted;
    rule(
        !is_given_up || closed == 0 || seen.reasons.iter().any(|reason| reason == "annulled"),
        "it was annulled, and nobody is told",
    );
}

impl Heard {
    fn is_success(&self) -> bool {
        self.status
            .is_some_and(|status| (200..300).contains(&status))
    }
}
