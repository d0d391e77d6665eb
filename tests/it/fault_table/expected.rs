//! How every cell ends, written down: a change of behaviour is a change of this page.
//!
//! An outcome reads *state/reason live+closed [raised]*: where the prescription stands and why, how many
//! numbers the SAC holds for it that someone may be served on and how many that are cancelled, and what
//! its prescriber was told on the way. Several outcomes stand where two clocks race.

use policies::delivery::{Fallback, Uncertain};

use super::cells::{Cell, Standing, Verb};
use super::moments::Effect;

type Outcomes = &'static [&'static str];

const REGISTERED: Outcomes = &["registered 1+0"];
const CANCELLED: Outcomes = &["cancelled 0+1"];
const TAKEN_BACK: Outcomes = &["withdrawn/cancel-requested 0+0"];
const TAKEN_BACK_AND_ANNULLED: Outcomes = &["withdrawn/cancel-requested 0+1"];
const RED_RECIPE: Outcomes = &["red-recipe 0+0"];
const LATE_COMMIT: Outcomes = &["conflict/late-commit 1+0 [late-commit]"];

/// The outcomes that this cell may have.
pub(super) fn expected(cell: &Cell) -> Outcomes {
    match (cell.verb, cell.fallback) {
        (Verb::Create, Fallback::Hold) => create_on_hold(cell),
        (Verb::Create, Fallback::RedRecipe) => create_red_recipe(cell),
        (Verb::Cancel, _) => cancel(cell),
        (Verb::Paper, _) => paper(cell),
    }
}

fn create_on_hold(cell: &Cell) -> Outcomes {
    let supersedes = cell.uncertain == Uncertain::AnnulAndResend;
    match cell.strike.effect {
        Effect::Malformed => &["parked/schema-refused 0+0"],
        Effect::Applied if supersedes => &["registered 1+1"],
        Effect::Late if supersedes && cell.consent => &["registered 1+1"],
        // A restart takes its time: the annul may come after the commit.
        Effect::Late if supersedes && cell.is_killed() => {
            &["conflict/late-commit 2+0 [late-commit]", "registered 1+1"]
        }
        Effect::Late if supersedes => &["conflict/late-commit 2+0 [late-commit]"],
        _ => REGISTERED,
    }
}

fn create_red_recipe(cell: &Cell) -> Outcomes {
    match cell.strike.effect {
        Effect::Dispensed => REGISTERED,
        Effect::Unsent | Effect::Nothing | Effect::Unauthorized | Effect::Malformed => {
            &["withdrawn/paper-missing 0+0 [paper-missing]"]
        }
        Effect::Applied | Effect::Late | Effect::Answered if cell.consent => {
            &["withdrawn/paper-missing 0+1 [annulled, paper-missing]"]
        }
        Effect::Applied | Effect::Late | Effect::Answered => LATE_COMMIT,
    }
}

fn cancel(cell: &Cell) -> Outcomes {
    match cell.standing {
        Standing::Registered => match cell.strike.effect {
            Effect::Dispensed => &["registered/cancel-refused 1+0 [cancel-refused]"],
            Effect::Malformed => &["conflict/schema-refused 1+0"],
            _ => CANCELLED,
        },
        _ => cancel_before_registered(cell),
    }
}

fn cancel_before_registered(cell: &Cell) -> Outcomes {
    let waits = cell.fallback == Fallback::Hold;
    match cell.strike.effect {
        Effect::Unsent | Effect::Nothing | Effect::Unauthorized | Effect::Malformed => TAKEN_BACK,
        Effect::Dispensed => CANCELLED,
        Effect::Answered if waits => CANCELLED,
        Effect::Applied if waits && cell.uncertain == Uncertain::Verify => CANCELLED,
        // A restart takes its time, and so may a desk: what is looked for may be there by then.
        Effect::Late if waits && cell.uncertain == Uncertain::Verify => {
            &["withdrawn/cancel-requested 0+1", "cancelled 0+1"]
        }
        // On a desk that is slow it is found, as a conflict, before the cancel comes.
        Effect::Applied | Effect::Late | Effect::Answered if !waits && !cell.consent => &[
            "withdrawn/cancel-requested 0+1",
            "cancelled 0+1 [late-commit]",
        ],
        Effect::Applied | Effect::Late | Effect::Answered => TAKEN_BACK_AND_ANNULLED,
    }
}

fn paper(cell: &Cell) -> Outcomes {
    match cell.standing {
        Standing::Registered if !cell.consent => &["conflict/paper-issued 1+0 [paper-issued]"],
        Standing::Registered => match cell.strike.effect {
            Effect::Dispensed => &["conflict/dispensed 1+0 [paper-issued, dispensed]"],
            Effect::Unauthorized | Effect::Malformed => {
                &["conflict/possible-double 1+0 [paper-issued, possible-double]"]
            }
            _ => &["red-recipe/annulled 0+1 [paper-issued, annulled]"],
        },
        _ => match cell.strike.effect {
            Effect::Unsent | Effect::Nothing | Effect::Malformed => RED_RECIPE,
            // Nobody may look for what was under way, whose authority is refused, unless the refusal
            // came first: then nothing was under way.
            Effect::Unauthorized => &[
                "conflict/possible-double 0+0 [possible-double]",
                "red-recipe 0+0",
            ],
            Effect::Dispensed => either_first(cell.consent),
            // It may be found, and registered, before the form is confirmed.
            _ if cell.fallback == Fallback::Hold => either_first(cell.consent),
            _ if cell.consent => &["red-recipe/annulled 0+1 [annulled]"],
            _ => LATE_COMMIT,
        },
    }
}

/// What was sent is registered while the form is being confirmed: either may come first.
fn either_first(consent: bool) -> Outcomes {
    if consent {
        &[
            "red-recipe/annulled 0+1 [annulled]",
            "red-recipe/annulled 0+1 [paper-issued, annulled]",
        ]
    } else {
        &[
            "conflict/late-commit 1+0 [late-commit]",
            "conflict/paper-issued 1+0 [paper-issued]",
        ]
    }
}
