//! What must be true of every seed once faults are off: everything is settled in time, and nothing
//! that anybody was told was a lie.
//!
//! # Invariants
//!
//! The equation; I1 every 2xx has its entry; I2 at most one live prescription a key, none under two
//! numbers; I3 what was told is true, and nothing refused as not stored is stored.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use policies::failure::Code;
use policies::state::State;

use super::asks::Heard;
use super::callers::{self, organization};
use super::options::seconds;
use super::payload::Payload;
use super::rows::{Row, Rows};
use super::world::{Life, World};

/// Keys of those who authenticate only so that others go on; above every caller's.
const LOGIN_KEYS: u64 = 1_000_000;

/// Waits until nothing is pending; doctors whose entries wait for them come back.
pub(crate) async fn drains(world: &Arc<World>, life: &mut Life, within: Duration) {
    let give_up_at = world.journal.now() + within;
    let mut key = LOGIN_KEYS;
    loop {
        let tally = world.disk.look(Rows::tally);
        if tally.waiting + tally.uncertain + tally.needs_authorization == 0 {
            world.journal.note(format_args!("drained"));
            return;
        }
        if world.journal.is_broken() {
            return;
        }
        if world.journal.now() >= give_up_at {
            world.journal.lie(format_args!("not drained: {tally:?}"));
            return;
        }
        for (organization, doctor) in waited_for(world) {
            key += 1;
            callers::log_in(world, organization, doctor, key).await;
        }
        life.rest(seconds(10)).await;
    }
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
                let payload = Payload::read(&row.new.payload);
                (payload.organization, doctor.expect("eight bytes, as drawn"))
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
        for (place, row) in rows.entries.iter().enumerate() {
            ended_truly(world, place, row);
        }
        numbers(world, rows);
        answers(world, rows);
    });
    one_effect(world);
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
}

/// Each entry stands where the upstream's book says it should.
fn ended_truly(world: &World, place: usize, row: &Row) {
    let book = world.far.book();
    let live = book.live.get(row.new.number.number());
    let theirs = Payload::read(&row.new.payload);
    let is_there = live == Some(&theirs);
    let has_passed = row.new.terms.deadline < world.journal.now();
    let is_true = match row.state {
        State::Registered => is_there,
        State::Rejected => live.is_none() && theirs.refusable,
        State::Parked => match row.reason {
            Some(Code::Unreadable) => row.damaged,
            Some(Code::DeadlinePassed) => has_passed,
            _ => false,
        },
        _ => false,
    };
    let (state, reason) = (row.state.as_str(), row.reason);
    world.journal.hold(
        is_true,
        format_args!("entry {place} ended {state} {reason:?}; in the book: {is_there}"),
    );
}

/// A number is held by one entry, for ever.
fn numbers(world: &World, rows: &Rows) {
    let mut holders = BTreeMap::new();
    for (place, row) in rows.entries.iter().enumerate() {
        if let Some(other) = holders.insert(row.new.number.number().clone(), place) {
            world
                .journal
                .lie(format_args!("entries {other} and {place} share a number"));
        }
    }
}

/// Every answer, against what is on disk at the end.
fn answers(world: &World, rows: &Rows) {
    let stored_by: BTreeMap<u64, &Row> = rows
        .entries
        .iter()
        .map(|row| (Payload::read(&row.new.payload).request, row))
        .collect();
    for ask in world.asks.all().iter() {
        let request = ask.payload.request;
        let is_true = match ask.heard {
            Heard::Stored(id) => rows.place(id).is_some_and(|place| {
                let row = &rows.entries[place];
                let stored = Payload::read(&row.new.payload);
                row.new.organization == organization(ask.payload.organization)
                    && (stored.key, stored.body) == (ask.payload.key, ask.payload.body)
            }),
            Heard::NotStored(_) => !stored_by.contains_key(&request),
            Heard::Waits => false,
            Heard::Left | Heard::Unknown => true,
        };
        let heard = match ask.heard {
            Heard::Stored(_) => "stored".to_owned(),
            other => format!("{other:?}"),
        };
        world.journal.hold(
            is_true,
            format_args!("request {request} heard {heard}, and that is not so"),
        );
    }
}

/// In the upstream's book: one live prescription a key, and nothing that we do not know of.
fn one_effect(world: &World) {
    let book = world.far.book();
    let mut keys = BTreeMap::new();
    for (number, live) in &book.live {
        let text = String::from_utf8_lossy(&number.0);
        if let Some(other) = keys.insert((live.organization, live.key), text.clone()) {
            world.journal.lie(format_args!(
                "key {} is live under {other} and {text}",
                live.key
            ));
        }
        let is_known = world.disk.look(|rows| rows.of_number(number).is_some());
        world.journal.hold(
            is_known,
            format_args!("{text} is live, and no entry holds it"),
        );
    }
}
