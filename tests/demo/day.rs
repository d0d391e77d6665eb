//! The day itself: everybody at work, the SAC failing and the gateway killed, and the account at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::world::World;
use tests::world::caller::Caller;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::inbox::{Inbox, Read};
use crate::log::Log;
use crate::lookups::LookUps;
use crate::lookups::account::Account;
use crate::lookups::notes::Notes;
use crate::lookups::people::{Desk, PHARMACY, People};
use crate::lookups::source::Source;
use crate::lookups::sweep::Sweep;
use crate::morning::{Morning, Spell};
use crate::pharmacy::Pharmacy;
use crate::standing::{self, Standing, Standings};
use crate::story::Story;
use crate::{planted, summary, traffic};

/// How long after the surgeries close what waits, and what is looked after, may take to come to rest.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// How often the world is looked at.
const TICK: Duration = Duration::from_millis(50);

/// Works through the morning, waits for what is left, and draws up the account.
pub(crate) async fn go_through(
    world: &mut World,
    morning: Morning,
    people: Arc<People>,
    mut source: Source,
) -> Value {
    let practices = vec![world.caller("practice-a"), world.caller("practice-b")];
    let inboxes: Vec<Inbox> = practices.iter().cloned().map(Inbox::of).collect();
    let reading = inboxes.iter().cloned().map(Inbox::keep_reading);
    let reading: JoinSet<()> = reading.collect();
    let (log, notes, sweep) = (Log::default(), Notes::default(), Sweep::default());
    let desks = people.desks.iter().map(|desk| caller(world, desk));
    let look_ups = LookUps::of(Arc::clone(&people), desks.collect(), notes.clone());
    let began = Instant::now();
    let mut at_work = JoinSet::new();
    at_work.spawn(traffic::prescribe(
        practices.clone(),
        morning,
        began,
        log.clone(),
    ));
    at_work.spawn(look_ups.go(morning, began));
    at_work.spawn(sweep.clone().go(world.booking(), morning, began));
    let mut story = Story::of(morning);
    let mut pharmacy = Pharmacy::default();
    let mut spell = Spell::Well;
    let mut is_killed = false;
    while !at_work.is_empty() || began.elapsed() < morning.whole {
        let now = morning.spell(began.elapsed());
        if now != spell {
            world.faults(now.faults());
            spell = now;
        }
        if !is_killed && morning.is_past_kill(began.elapsed()) {
            is_killed = true;
            println!("        the gateway is killed, and started again");
            world.kill().await;
            restart(world).await;
        }
        pharmacy.serve(world, &log);
        story.tell(world, began.elapsed(), (&log, &inboxes, &notes));
        while let Some(over) = at_work.try_join_next() {
            over.expect("nobody at work panics");
        }
        sleep(TICK).await;
    }
    world.recover();
    let tell = || story.tell(world, began.elapsed(), (&log, &inboxes, &notes));
    let standings = drain(&practices, &log, tell).await;
    drop(reading);
    for inbox in &inboxes {
        inbox.read().await;
    }
    source.add_book(&world.sac().look_ups(), &people);
    let account = Account {
        asked: &notes.all(),
        people: &people,
        source: &source,
        freshness: morning.freshness(),
    };
    let read = Read::all(&inboxes);
    let prescriptions = summary::draw(&log.all(), &standings, &read, &world.book());
    let summary = summary::with_lookups(prescriptions, &account, &sweep);
    let in_clear = planted::files_in_clear(world.store_dir(), people.persons(), &world.book());
    summary::with_store(summary, in_clear)
}

/// Starts the gateway over whatever it left.
///
/// # Panics
///
/// When it ends instead.
pub(crate) async fn restart(world: &mut World) {
    let started = world.restart().await;
    started.unwrap_or_else(|ended| panic!("the gateway ended: {}", ended.output));
}

/// The software of a desk.
fn caller(world: &World, desk: &Desk) -> Caller {
    match &desk.doctor {
        Some(doctor) => world.caller(desk.organization).with_doctor(doctor),
        None => world.caller(PHARMACY).acting_as("pharmacy"),
    }
}

/// Waits until every prescription has come to rest and no number is looked for any more.
async fn drain(practices: &[Caller], log: &Log, mut tell: impl FnMut()) -> Standings {
    let until = Instant::now() + DRAIN_MAX;
    let log = log.all();
    let mut standings = standing::ask(practices, &log, |_| true).await;
    loop {
        let moves = |id: &str| standings.get(id).is_some_and(Standing::moves);
        let moving = standing::ask(practices, &log, moves).await;
        let is_late = Instant::now() >= until;
        if is_late || !moving.values().any(Standing::moves) {
            // What had come to rest may have moved since it was asked for.
            standings = standing::ask(practices, &log, |_| true).await;
            if is_late || !standings.values().any(Standing::moves) {
                return standings;
            }
        }
        standings.extend(moving);
        tell();
        sleep(TICK).await;
    }
}
