//! Every answer, against what is true at the end.

use std::collections::BTreeMap;

use engine::ports::Entry;
use policies::delivery::Terms;
use policies::family::Role;
use policies::state::State;

use super::ends::{effects, is_raised};
use crate::asks::{About, Ask, Heard};
use crate::callers::organization;
use crate::payload::Payload;
use crate::rows::{Row, Rows};
use crate::upstream::{Closed, Held};
use crate::world::World;

/// Every answer, against what is on disk and in the book at the end.
pub(super) fn answers(world: &World, rows: &Rows) {
    let stored = rows.entries.iter().filter(|row| row.role() != Role::Watch);
    let stored_by: BTreeMap<u64, &Row> = stored
        .map(|row| (Payload::read(&row.new.payload).request, row))
        .collect();
    for ask in world.asks.all().iter() {
        let request = ask.payload.request;
        let is_true = match &ask.heard {
            Heard::Stored(entry) => is_so(world, rows, ask, entry),
            Heard::NotStored => !stored_by.contains_key(&request),
            Heard::Waits => false,
            Heard::Left | Heard::Unknown => true,
        };
        let heard = match &ask.heard {
            Heard::Stored(entry) => format!("{} {:?}", entry.state.as_str(), entry.reason),
            other => format!("{other:?}"),
        };
        world.journal.hold(
            is_true,
            format_args!("request {request} heard {heard}, and that is not so"),
        );
    }
}

fn is_so(world: &World, rows: &Rows, ask: &Ask, told: &Entry) -> bool {
    let Some(place) = rows.place(told.id) else {
        return false;
    };
    let row = &rows.entries[place];
    let stored = Payload::read(&row.new.payload);
    let is_theirs = row.new.organization == organization(ask.payload.organization)
        && (stored.key, stored.body) == (ask.payload.key, ask.payload.body);
    let keeps_its_terms = Terms {
        annul_consent: told.terms.annul_consent,
        ..row.new.terms
    } == told.terms;
    let is_kept = match &ask.about {
        About::New(_) => is_end_of_prescription(world, rows, row, told),
        About::Parent(_, role) => is_end_of_errand(world, rows, row, *role, told.state),
    };
    is_theirs && keeps_its_terms && is_kept
}

/// What was said of a prescription may have changed since, but only in ways that its caller asked for
/// or can read of.
fn is_end_of_prescription(world: &World, rows: &Rows, row: &Row, told: &Entry) -> bool {
    let book = world.far.book();
    let raised = is_raised(rows, row);
    match told.state {
        State::Registered => {
            let held = book.records.get(&told.number).map(|record| record.held);
            let is_undone = matches!(
                row.state,
                State::Cancelled | State::RedRecipe | State::Parked
            );
            match held {
                Some(Held::Live | Held::Taken | Held::Closed(Closed::Elsewhere)) => true,
                Some(Held::Closed(Closed::Here)) => is_undone || raised,
                None => false,
            }
        }
        State::Withdrawn | State::RedRecipe => {
            matches!(row.state, State::Withdrawn | State::RedRecipe) || raised
        }
        State::Rejected => {
            (effects(&book, row) == 0 && matches!(row.state, State::Rejected | State::RedRecipe))
                || raised
        }
        State::Cancelled => effects(&book, row) == 0 || raised,
        _ => true,
    }
}

/// An errand that is done stays done.
fn is_end_of_errand(world: &World, rows: &Rows, row: &Row, role: Role, told: State) -> bool {
    let Some(parent) = row.parent.map(|place| &rows.entries[place]) else {
        return false;
    };
    let is_done = told == State::Registered || row.state == State::Registered;
    let is_kept = told != State::Registered || row.state == State::Registered;
    let raised = is_raised(rows, parent);
    let has_effect = || effects(&world.far.book(), parent) > 0;
    is_kept
        && match role {
            Role::Cancel => !is_done || !has_effect() || raised,
            Role::Paper => {
                row.state == State::Registered && (parent.state == State::RedRecipe || raised)
            }
            Role::Acknowledge => row.state == State::Registered,
            Role::Create | Role::Watch => false,
        }
}
