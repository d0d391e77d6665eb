//! The surgeries: doctors who prescribe, at the pace of the morning.

use std::time::{Duration, Instant};

use tests::world::caller::Caller;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::log::Log;
use crate::morning::{Morning, Spell};
use crate::visit::Visit;

/// Visits under way at most.
const UNDER_WAY_MAX: usize = 300;

/// Prescribes through the whole morning, and sees every visit to its end.
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
            caller: practices[practice].clone(),
        };
        under_way.spawn(visit.go());
    }
    under_way.join_all().await;
}
