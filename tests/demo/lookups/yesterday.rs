//! What yesterday's look-ups have left: every person known, on the gateway's own shelf.
//!
//! To make so many persons known through the gateway would take longer than the morning. Their answers
//! are made by the code that makes real ones, under the key of the store, and are laid down before
//! the gateway starts: tagged with the listed doctor, seen by the desk that has asked.

mod answer;

use std::sync::Arc;
use std::time::Duration;

use ::tests::upstreams::sac::registry::population;
use ::tests::world::World;
use adapters::model::{PrescriberCode, Relations, View};
use adapters::sac::RICERCA;
use engine::clock::AnchoredClock;
use engine::ports::{Clock, Shelf, Shelved};
use futures_util::{StreamExt, TryStreamExt, stream};
use store::keys::Keys;
use store::persons::{Persons, PersonsSettings};
use store::sealing::Key;

use super::notes::{DeskAt, Millis, PersonAt};
use super::people::People;
use super::source::Source;

/// What the gateway derives the key of its digests for.
const RELATIONS: &str = "relations";
/// Answers on their way to the disk at a time.
const PUTS_MAX: usize = 256;
/// Shares no factor with the number of persons, so that neighbours in rank are none in age.
const STRIDE: usize = 7_919;

/// Lays down an answer about everybody, the oldest of them that old, and tells what the SAC has
/// answered so, and whom.
pub(crate) async fn lay_down(world: &World, people: &People, oldest: Duration) -> Source {
    let key_file = world.certs_dir().join("store.key");
    let key = Key::from_file(&key_file).expect("the key of the store was minted");
    let clock: Arc<dyn Clock> = Arc::new(AnchoredClock::start());
    let directory = world.store_dir().to_owned();
    std::fs::create_dir_all(&directory).expect("the directory of the store can be made");
    let keys = Keys::open_or_create(&directory, &key, clock.now()).expect("the ring is made");
    let relations = Relations::new(&keys.derive(RELATIONS));
    let settings = PersonsSettings::new(directory, Arc::new(keys), Arc::clone(&clock));
    let shelf = Persons::open(&settings).expect("the shelf opens");
    let mut source = Source::default();
    let mut answers = Vec::new();
    let now = clock.now();
    for desk in 0..people.desks.len() {
        for person in people.known_at(desk) {
            let mut answer = answered(world, people, &relations, desk, *person);
            answer.fetched_at = now - age(*person, people.persons(), oldest);
            answer.seen_by[0].1 = answer.fetched_at;
            let at = Millis::try_from(answer.fetched_at.0).unwrap_or(Millis::MAX);
            source.answered(*person, people.desks[desk].view(), desk, at);
            answers.push(answer);
        }
    }
    let puts = stream::iter(answers).map(|answer| Ok(shelf.put(answer)));
    let laid_down: Result<Vec<()>, _> = puts.try_buffer_unordered(PUTS_MAX).try_collect().await;
    laid_down.expect("the shelf takes what it is given");
    shelf.close().await;
    source
}

/// How old, at the opening, the answer about a person is: most were looked up lately, a few so long ago
/// that they may not be shown much longer. The cube bends an even spread towards the present.
fn age(person: PersonAt, persons: usize, oldest: Duration) -> Duration {
    let spread = (person * STRIDE % persons) as f64 / persons as f64;
    oldest.mul_f64(spread.powi(3))
}

/// What `desk` was answered about `person`, given at no time yet.
fn answered(
    world: &World,
    people: &People,
    relations: &Relations,
    desk: DeskAt,
    person: PersonAt,
) -> Shelved {
    let code = population::person(person);
    let assisted = world.sac().assisted(&code);
    let told = answer::person(&assisted.expect("the registry holds everybody"));
    let desk = &people.desks[desk];
    let subject = desk.doctor.clone().map(|code| {
        let code = PrescriberCode::new(code);
        code.expect("a doctor of the registry has a code")
    });
    let listed = told.doctor.as_ref().map(|doctor| &doctor.tax_code);
    Shelved {
        key: relations.lookup(&told.tax_code, RICERCA, desk.view(), ""),
        fetched_at: Default::default(),
        tags: match desk.view() {
            View::Practice => listed
                .map(|code| relations.doctor(code))
                .into_iter()
                .collect(),
            View::Pharmacy | View::Booking | View::Portal => Vec::new(),
        },
        seen_by: vec![(
            relations.caller(
                desk.organization,
                subject
                    .as_ref()
                    .map_or(desk.view().as_str(), PrescriberCode::as_str),
            ),
            Default::default(),
        )],
        body: told.to_json(desk.view()).into(),
        age_is_floor: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_answers_are_young_and_the_ages_are_spread() {
        let oldest = Duration::from_secs(30);
        let ages: Vec<Duration> = (0..24_000).map(|at| age(at, 24_000, oldest)).collect();
        let older = |than| {
            ages.iter()
                .filter(|age| **age >= Duration::from_secs(than))
                .count()
        };
        assert!((4_500..5_500).contains(&older(15)), "{}", older(15));
        assert!(ages.iter().all(|age| *age < oldest));
        assert!(older(29) > 0);
    }
}
