//! The surgeries: doctors who prescribe, software that repeats with the same key until it knows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::world::caller::Caller;
use tests::world::prescription;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::morning::{Morning, Spell};

/// Every fifth prescription is for a specialist.
const SPECIALIST_EVERY: u64 = 5;
/// Every fortieth has a mistake that only the SAC finds.
const MISTAKE_EVERY: u64 = 40;
/// How often practice software repeats a request that was not answered for good.
const REPEATS_MAX: u32 = 20;
/// Between two repeats; the outage is shorter than all of them together.
const REPEAT_AFTER: Duration = Duration::from_millis(500);
/// Requests under way at most.
const UNDER_WAY_MAX: usize = 200;

/// What a practice knows of one prescription.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    /// Who prescribed it.
    pub(crate) practice: usize,
    /// What the SAC did when it was first sent.
    pub(crate) spell: Spell,
    /// The status of the last answer; 0 if there was none.
    pub(crate) status: u16,
    /// Its name, once it was accepted.
    pub(crate) id: Option<String>,
    /// Whether it was accepted while the spell it was first sent in still lasted.
    pub(crate) accepted_in_spell: bool,
}

/// Everything the practices have sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Offered>>>);

impl Log {
    /// A copy, as it stands.
    pub(crate) fn all(&self) -> Vec<Offered> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Offered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, offered: Offered) -> usize {
        let mut log = self.lock();
        log.push(offered);
        log.len() - 1
    }
}

/// Prescribes through the whole morning.
pub(crate) async fn prescribe(practices: Vec<Caller>, morning: Morning, began: Instant, log: Log) {
    let mut under_way = JoinSet::new();
    let mut number = 0_u64;
    while morning.spell(began.elapsed()) != Spell::Closing {
        sleep(Duration::from_secs_f64(1.0 / morning.pace(began.elapsed()))).await;
        if under_way.len() >= UNDER_WAY_MAX {
            under_way.join_next().await;
        }
        number += 1;
        let practice = usize::try_from(number).unwrap_or_default() % practices.len();
        let visit = Visit {
            morning,
            began,
            log: log.clone(),
            practice,
            number,
        };
        under_way.spawn(visit.prescribe(practices[practice].clone()));
    }
    under_way.join_all().await;
}

/// A patient at the desk.
struct Visit {
    morning: Morning,
    began: Instant,
    log: Log,
    practice: usize,
    number: u64,
}

impl Visit {
    async fn prescribe(self, caller: Caller) {
        let spell = self.morning.spell(self.began.elapsed());
        let practice = self.practice;
        let offered = Offered {
            practice,
            spell,
            status: 0,
            id: None,
            accepted_in_spell: false,
        };
        let place = self.log.open(offered);
        let (key, body) = (prescription::key(), body(self.number));
        for _ in 0..REPEATS_MAX {
            let reply = caller.try_prescribe(&key, &body).await.ok();
            let status = reply.as_ref().map_or(0, |reply| reply.status);
            let id = reply
                .map(|reply| reply.text("/id"))
                .filter(|id| !id.is_empty());
            {
                let mut log = self.log.lock();
                log[place].status = status;
                log[place].accepted_in_spell =
                    id.is_some() && self.morning.spell(self.began.elapsed()) == spell;
                log[place].id = id;
            }
            // Anything but "not now" is an answer.
            if !matches!(status, 0 | 409 | 429 | 500..) {
                return;
            }
            sleep(REPEAT_AFTER).await;
        }
    }
}

fn body(number: u64) -> Value {
    if number.is_multiple_of(SPECIALIST_EVERY) {
        return prescription::specialist();
    }
    let mut body = prescription::drug();
    if number.is_multiple_of(MISTAKE_EVERY - 1) {
        // A health unit that does not exist: the SAC alone knows (code 1020).
        body["prescriber"]["health_unit"] = json!("999");
    }
    body
}
