//! What came of the morning: the practices' own record against the SAC's book.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::upstreams::sac::book::Book;
use tests::world::caller::Caller;

use crate::morning::Spell;
use crate::traffic::Offered;

/// Where a prescription stands, and under which number, as its practice may see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    state: String,
    nre: Option<String>,
}

impl Standing {
    /// Whether the gateway will still move it.
    pub(crate) fn moves(&self) -> bool {
        ["accepted", "sending", "uncertain", "verifying"].contains(&self.state.as_str())
    }
}

/// Asks for every accepted prescription.
pub(crate) async fn ask(practices: &[Caller], log: &[Offered]) -> BTreeMap<String, Standing> {
    let mut standings = BTreeMap::new();
    for offered in log {
        let Some(id) = &offered.id else { continue };
        let reply = practices[offered.practice].prescription(id).await;
        let nre = reply.at("/nre").as_str().map(str::to_owned);
        standings.insert(
            id.clone(),
            Standing {
                state: reply.text("/state"),
                nre,
            },
        );
    }
    standings
}

/// Draws up the account.
pub(crate) fn draw(log: &[Offered], standings: &BTreeMap<String, Standing>, book: &Book) -> Value {
    let in_state = |states: &[&str]| {
        standings
            .values()
            .filter(|standing| states.contains(&standing.state.as_str()))
            .count()
    };
    let accepted = log.iter().filter(|offered| offered.id.is_some()).count();
    // The SAC's own no, told at once with 422: on disk, and no entry the practice must follow.
    let rejected_at_once = log.iter().filter(|offered| offered.status == 422).count();
    let in_outage = || log.iter().filter(|offered| offered.spell == Spell::Outage);
    let outage_offered = in_outage().count();
    let outage_accepted = in_outage()
        .filter(|offered| offered.accepted_in_spell)
        .count();
    json!({
        "prescriptions": {
            "offered": log.len(),
            "accepted": accepted,
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
            "duplicated": book.doubles().len(),
        },
        "nre": { "issued": issued(book).len(), "reused": reused(book) },
        "outage": { "prescriptions_accepted_pct": percent(outage_accepted, outage_offered) },
    })
}

/// Accepted, and now unknown to the gateway; or registered, it says, and not in the SAC's book.
fn lost(log: &[Offered], standings: &BTreeMap<String, Standing>, book: &Book) -> usize {
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

/// What the summary promises and does not show; empty if all is well.
pub(crate) fn broken_promises(summary: &Value) -> Vec<String> {
    let zero = [
        "/prescriptions/lost",
        "/prescriptions/duplicated",
        "/prescriptions/waiting",
        "/prescriptions/uncertain",
        "/prescriptions/parked",
        "/prescriptions/conflict",
        "/nre/reused",
    ];
    let mut broken: Vec<String> = zero
        .into_iter()
        .filter(|pointer| summary.pointer(pointer) != Some(&json!(0)))
        .map(|pointer| format!("{pointer} should be 0"))
        .collect();
    if summary.pointer("/outage/prescriptions_accepted_pct") != Some(&json!(100.0)) {
        broken.push("/outage/prescriptions_accepted_pct should be 100".to_owned());
    }
    broken
}
