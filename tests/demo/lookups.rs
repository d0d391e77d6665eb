//! The look-ups of the morning: desks that ask for the persons they have to do with, and what they are
//! shown while the SAC is away.
//!
//! Most ask for a person who was looked up lately, few persons often and most of them hardly ever
//! (Zipf's law); some for somebody who has never been here; and some for a person of another doctor,
//! whom only the SAC may show them.

pub(crate) mod account;
pub(crate) mod ask;
pub(crate) mod notes;
pub(crate) mod people;
pub(crate) mod source;
pub(crate) mod sweep;
mod token;
pub(crate) mod yesterday;
mod zipf;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tests::upstreams::sac::registry::population;
use tests::world::caller::Caller;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::morning::{Morning, Spell};
use ask::Software;
use notes::{Asked, DeskAt, Notes, Whom};
use people::{People, never_seen};

/// Look-ups under way at most: who is at a desk asks for nobody else before that. On a machine that
/// cannot bear the pace fewer are asked for, and none in a heap.
const UNDER_WAY_MAX: usize = 250;
/// How often the desks look whether the next patient is there.
const TICK: Duration = Duration::from_millis(10);
/// The same persons are asked for in the same order every time.
const SEED: u64 = 4;

/// The desks at work.
pub(crate) struct LookUps {
    /// Who asks for whom.
    pub(crate) people: Arc<People>,
    /// The software of each desk.
    pub(crate) software: Vec<Arc<Software>>,
    /// Where they note what they were told.
    pub(crate) notes: Notes,
}

impl LookUps {
    /// Desks with these callers, in the order of `people.desks`.
    pub(crate) fn of(people: Arc<People>, callers: Vec<Caller>, notes: Notes) -> LookUps {
        let software = callers
            .into_iter()
            .map(|caller| Arc::new(Software::of(caller)));
        LookUps {
            people,
            software: software.collect(),
            notes,
        }
    }

    /// Looks up through the whole morning, and sees every look-up to its end.
    pub(crate) async fn go(self, morning: Morning, began: Instant) {
        let mut rng = StdRng::seed_from_u64(SEED);
        let mut under_way = JoinSet::new();
        let (mut due, mut asked, mut last) = (0.0, 0_usize, began.elapsed());
        while morning.spell(last) != Spell::Closing {
            sleep(TICK).await;
            let now = began.elapsed();
            due += morning.lookups_per_second() * (now - last).as_secs_f64();
            last = now;
            while under_way.try_join_next().is_some() {}
            while due >= 1.0 {
                due -= 1.0;
                if under_way.len() >= UNDER_WAY_MAX {
                    continue;
                }
                asked += 1;
                let (desk, whom) = self.people.draw(&mut rng);
                under_way.spawn(self.look_up(desk, whom, asked, morning.spell(last)));
            }
        }
        under_way.join_all().await;
    }

    fn look_up(
        &self,
        desk: DeskAt,
        whom: Whom,
        number: usize,
        spell: Spell,
    ) -> impl Future<Output = ()> + Send + 'static {
        let code = match whom.person() {
            Some(person) => population::person(person),
            None => never_seen(number),
        };
        let (software, notes) = (Arc::clone(&self.software[desk]), self.notes.clone());
        async move {
            let ended = software.look_up(&code).await;
            notes.note(Asked {
                desk,
                whom,
                spell,
                sent: ended.sent,
                ended: ended.ended,
                limited: ended.limited,
                told: ended.told,
            });
        }
    }
}
