//! What must be true of every seed once faults are off: everything is settled in time, and nothing
//! that anybody was told was a lie.
//!
//! # Invariants
//!
//! The equation; I1 every 2xx has its entry; I2 at most one effect a key, a paper form counted, or a
//! conflict that its caller can read of; I3 what was told is true, and nothing refused as not stored
//! is stored. That order and the horizon of watches are kept is the witness's to see.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use policies::failure::Code;
use policies::family::Role;
use policies::gate::GateState;
use policies::state::State;
use policies::time::Timestamp;

use super::callers;
use super::operations::SEND;
use super::options::seconds;
use super::rows::{Row, Rows};
use super::upstream::Held;
use super::world::{Life, World};

mod ends;
mod told;

/// Keys of those who authenticate only so that others go on; above every caller's.
const LOGIN_KEYS: u64 = 1_000_000;

/// A late answer is followed up within this, faults off: gate, queue and every wait included.
const FOLLOWED_UP_WITHIN: Duration = seconds(1_200);

/// Nothing that happens sooner than this is worth leaping to.
const LEAP_MIN: Duration = seconds(30);

/// Restarts while nothing but watches is open, at most.
const RESTARTS_MAX: u32 = 2;

/// Waits until nothing is open; doctors whose entries wait for them come back. Where nothing at all
/// happens for hours, the hours are leapt over.
pub(crate) async fn drains(world: &Arc<World>, life: &mut Life, within: Duration) {
    let began_at = world.journal.now();
    let horizon = world.options.longest(|rules| rules.watch.horizon);
    let mut watched_until = began_at + within + horizon * (RESTARTS_MAX + 1);
    // A paper form that nobody confirms is waited for, too.
    let paper_within = world.options.longest(|rules| rules.fallback.paper_within);
    watched_until = watched_until + world.options.upstream.late_max + paper_within;
    let (mut key, mut is_followed_up) = (LOGIN_KEYS, false);
    loop {
        let now = world.journal.now();
        if world.journal.is_broken() {
            return;
        }
        if !is_followed_up && now >= began_at + FOLLOWED_UP_WITHIN {
            is_followed_up = true;
            follows_up(world);
        }
        let is_over = is_followed_up && world.far.next_at().is_none();
        if is_over && world.disk.look(is_at_rest) {
            world.journal.note(format_args!("drained"));
            return;
        }
        let waits = world.disk.look(Rows::next_step_of_others);
        let give_up_at = if world.disk.look(is_delivered) {
            watched_until
        } else {
            began_at + within + world.options.upstream.late_max
        };
        if now >= give_up_at {
            world.disk.look(|rows| not_drained(world, rows));
            return;
        }
        for (organization, doctor) in waited_for(world) {
            key += 1;
            callers::log_in(world, organization, doctor, key).await;
        }
        // No gate closes without a write, and no watch ends before the gate has closed.
        if is_gate_open(world) {
            key += 1;
            callers::log_in(world, 1, 1, key).await;
        }
        leap(world, life, waits, began_at + FOLLOWED_UP_WITHIN).await;
    }
}

/// Lives on for a while; to the next thing that happens, if that is far away.
async fn leap(world: &World, life: &mut Life, waits: Option<Timestamp>, follow_up: Timestamp) {
    let now = world.journal.now();
    let follow_up = (now < follow_up).then_some(follow_up);
    let next = [waits, world.far.next_at(), follow_up]
        .into_iter()
        .flatten();
    let at = next.min().unwrap_or(now);
    if at.since(now) < LEAP_MIN || world.disk.is_any_leased() {
        life.rest(seconds(5)).await;
        return;
    }
    world
        .journal
        .note(format_args!("nothing happens until {}", at.0));
    life.leap(at.since(now) - seconds(2), RESTARTS_MAX).await;
}

fn is_gate_open(world: &World) -> bool {
    let gates = world.door().map(|(door, _)| door.gates());
    let mut gates = gates.unwrap_or_default().into_iter();
    gates.any(|gate| gate.op == SEND && gate.view.state != GateState::Closed)
}

fn is_delivered(rows: &Rows) -> bool {
    let is_open = |row: &Row| {
        let waits = row.state.is_pending() || row.state == State::NeedsAuthorization;
        // What is being cancelled is settled by its cancel.
        waits && row.state != State::Cancelling && !is_looked_after(row)
    };
    !rows.entries.iter().any(is_open)
}

/// Whether it is settled by time alone: a watch, or a cancel that was refused after one that was lost.
fn is_looked_after(row: &Row) -> bool {
    let is_in_doubt = row.role() == Role::Cancel
        && matches!(row.state, State::Uncertain | State::Verifying)
        && row.reason == Some(Code::UpstreamRejected);
    row.is_open_watch() || is_in_doubt
}

/// Nothing is to be done any more, and nothing will be.
fn is_at_rest(rows: &Rows) -> bool {
    let rests = |row: &Row| !is_looked_after(row) && row.paper_due.is_none();
    is_delivered(rows) && rows.entries.iter().all(rests)
}

fn not_drained(world: &World, rows: &Rows) {
    for (place, row) in rows.entries.iter().enumerate() {
        if row.state.is_pending() || row.state == State::NeedsAuthorization {
            world.journal.lie(format_args!(
                "entry {place}, {} of {:?}, is still {} {:?}, held: {}",
                row.role().as_str(),
                row.parent,
                row.state.as_str(),
                row.reason,
                row.held,
            ));
        }
    }
    world.journal.lie(format_args!("not drained"));
}

/// What was heard too late was acted upon at once, and not when the next look would have found it.
fn follows_up(world: &World) {
    let late = world.disk.late_answers();
    let book = world.far.book();
    world.disk.look(|rows| {
        for number in late {
            let record = book.records.get(&number);
            let is_live = record.is_some_and(|record| record.held == Held::Live);
            let watches = rows.entries.iter().filter(|row| row.number == number);
            let is_open = watches.filter(|row| row.is_open_watch()).count() > 0;
            let text = String::from_utf8_lossy(&number.0);
            world.journal.hold(
                !(is_live && is_open),
                format_args!("{text} was heard to be registered late, and nothing came of it"),
            );
        }
    });
}

fn waited_for(world: &World) -> Vec<(u64, u64)> {
    let mut doctors: Vec<(u64, u64)> = world.disk.look(|rows| {
        let waiting = rows
            .entries
            .iter()
            .filter(|row| row.state == State::NeedsAuthorization);
        waiting
            .map(|row| {
                let identity = row.new.identity.0.as_slice();
                let doctor = identity.try_into().map(u64::from_be_bytes);
                let name = row.new.organization.0.trim_start_matches("practice-");
                let organization = name.parse().expect("a practice has a number");
                (organization, doctor.expect("eight bytes, as drawn"))
            })
            .collect()
    });
    doctors.sort_unstable();
    doctors.dedup();
    doctors
}

/// Judges the end of a seed.
pub(crate) fn judge(world: &World) {
    world.disk.look(|rows| {
        equation(world, rows);
        for (place, row) in rows.prescriptions() {
            ends::truly(world, rows, place, row);
        }
        numbers(world, rows);
        told::answers(world, rows);
        known(world, rows);
    });
}

fn equation(world: &World, rows: &Rows) {
    let tally = rows.tally();
    world
        .journal
        .hold(tally.balances(), format_args!("{tally:?} does not balance"));
    let open = tally.waiting + tally.uncertain;
    world
        .journal
        .hold(open == 0, format_args!("{open} entries are still pending"));
    let held = rows.entries.iter().filter(|row| row.held).count();
    world
        .journal
        .hold(held == 0, format_args!("{held} entries are held for ever"));
}

/// A number is held by one prescription, for ever.
fn numbers(world: &World, rows: &Rows) {
    let mut holders: BTreeMap<_, usize> = BTreeMap::new();
    for (place, row) in rows.entries.iter().enumerate() {
        let prescription = match row.role() {
            Role::Create => place,
            Role::Watch => row.parent.unwrap_or(place),
            _ => continue,
        };
        if row.number.0.is_empty() {
            continue;
        }
        let other = holders.insert(row.number.clone(), prescription);
        world.journal.hold(
            other.is_none_or(|other| other == prescription),
            format_args!("entries {other:?} and {prescription} share a number"),
        );
    }
}

/// In the upstream's book there is nothing that we do not know of.
fn known(world: &World, rows: &Rows) {
    let book = world.far.book();
    for (number, record) in &book.records {
        let is_known = rows.of_number(number).is_some() || book.is_foreign(number);
        let text = String::from_utf8_lossy(&number.0);
        world.journal.hold(
            is_known,
            format_args!("{text} is in the book, and no entry holds it"),
        );
        world.journal.hold(
            !book.is_foreign(number) || record.held == Held::Live,
            format_args!("{text} was another's, and is {:?}", record.held),
        );
    }
}
