//! What a summary must show.

use serde_json::{Value, json};

/// What must not have happened at all.
const ZERO: [&str; 8] = [
    "/prescriptions/lost",
    "/prescriptions/duplicated",
    "/prescriptions/waiting",
    "/prescriptions/uncertain",
    "/prescriptions/parked",
    "/doubles/unraised",
    "/doctors/conflicts_untold",
    "/nre/reused",
];
/// What must have happened, or the morning has proved nothing.
const SOME: [&str; 2] = ["/doubles/annulled", "/doubles/in_conflict"];
/// What must be the sum of what follows it.
const SUMS: [(&str, &[&str]); 2] = [
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
    broken
}
