//! What a summary must show.

use serde_json::{Value, json};

/// What must not have happened at all.
const ZERO: [&str; 14] = [
    "/prescriptions/lost",
    "/prescriptions/duplicated",
    "/prescriptions/waiting",
    "/prescriptions/uncertain",
    "/prescriptions/parked",
    "/doubles/unraised",
    "/doctors/conflicts_untold",
    "/nre/reused",
    "/lookups/limited",
    "/lookups/past_bound",
    "/lookups/mislabelled",
    "/lookups/without_relation",
    "/sweep/shown",
    "/store/planted_in_clear",
];
/// What must have happened, or the morning has proved nothing.
const SOME: [&str; 8] = [
    "/doubles/annulled",
    "/doubles/in_conflict",
    "/lookups/fresh",
    "/lookups/stale",
    "/lookups/refused_known",
    "/strangers/refused",
    "/sweep/limited",
    "/outage/lookups_known",
];
/// How many persons must be known before the morning begins.
const PERSONS_KNOWN_MIN: u64 = 20_000;
/// What share of the known persons, not past their bound, must be shown during the outage.
const SERVED_PCT_MIN: f64 = 99.9;
/// What must be the sum of what follows it.
const SUMS: [(&str, &[&str]); 3] = [
    (
        "/lookups/offered",
        &[
            "/lookups/fresh",
            "/lookups/stale",
            "/lookups/absent",
            "/lookups/refused",
            "/lookups/refused_known",
        ],
    ),
    (
        "/desk/red_forms_told",
        &["/desk/paper_confirmed", "/desk/paper_missing"],
    ),
    (
        "/cancels/asked",
        &[
            "/cancels/withdrawn",
            "/cancels/cancelled",
            "/cancels/refused",
        ],
    ),
];

/// What the summary promises and does not show; empty if all is well.
pub(crate) fn broken_promises(summary: &Value) -> Vec<String> {
    let number = |pointer: &str| summary.pointer(pointer).and_then(Value::as_u64);
    let mut broken = Vec::new();
    for pointer in ZERO {
        if number(pointer) != Some(0) {
            broken.push(format!("{pointer} should be 0"));
        }
    }
    for pointer in SOME {
        if number(pointer).is_none_or(|count| count == 0) {
            broken.push(format!("{pointer} should not be 0: nothing was proved"));
        }
    }
    for (whole, parts) in SUMS {
        let sum: Option<u64> = parts.iter().map(|part| number(part)).sum();
        if sum.is_none() || number(whole) != sum {
            broken.push(format!("{whole} should be the sum of {}", parts.join(", ")));
        }
    }
    if summary.pointer("/outage/prescriptions_accepted_pct") != Some(&json!(100.0)) {
        broken.push("/outage/prescriptions_accepted_pct should be 100".to_owned());
    }
    let served = summary.pointer("/outage/lookups_known_served_pct");
    let served = served.and_then(Value::as_f64);
    if served.is_none_or(|served| served < SERVED_PCT_MIN) {
        broken.push(format!(
            "/outage/lookups_known_served_pct should be at least {SERVED_PCT_MIN}"
        ));
    }
    if number("/lookups/persons_known").is_none_or(|known| known < PERSONS_KNOWN_MIN) {
        broken.push(format!(
            "/lookups/persons_known should be at least {PERSONS_KNOWN_MIN}"
        ));
    }
    broken
}
