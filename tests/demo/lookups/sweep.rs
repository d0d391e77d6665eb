//! A caller gone mad: one organisation tries out tax codes, one after the other. It must be told to ask
//! less, and nobody else may notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tests::world::caller::Caller;
use tokio::task::JoinSet;
use tokio::time::{Interval, interval};

use super::ask::Software;
use super::people::never_seen;
use crate::morning::Morning;

/// Codes it tries out a second.
const CODES_PER_SECOND: u32 = 120;
/// Under way at most.
const UNDER_WAY_MAX: usize = 200;
/// Where its codes begin: after those of everybody else.
const FIRST_CODE: usize = 50_000;

/// What it was told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sweep(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    asked: AtomicUsize,
    limited: AtomicUsize,
    shown: AtomicUsize,
}

impl Sweep {
    /// Tries out codes as `caller` for as long as the morning has it so.
    pub(crate) async fn go(self, caller: Caller, morning: Morning, began: Instant) {
        let software = Arc::new(Software::of(caller));
        let mut pace: Interval = interval(Duration::from_secs(1) / CODES_PER_SECOND);
        let mut under_way = JoinSet::new();
        let mut number = FIRST_CODE;
        while !morning.sweep_is_over(began.elapsed()) {
            pace.tick().await;
            if !morning.is_swept(began.elapsed()) || under_way.len() >= UNDER_WAY_MAX {
                while under_way.try_join_next().is_some() {}
                continue;
            }
            number += 1;
            let (sweep, software) = (self.clone(), Arc::clone(&software));
            under_way.spawn(async move { sweep.try_out(&software, number).await });
        }
        under_way.join_all().await;
    }

    async fn try_out(&self, software: &Software, number: usize) {
        let count = |counter: &AtomicUsize| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        count(&self.0.asked);
        let reply = software.ask_once(&never_seen(number)).await;
        match reply.map(|(reply, _)| reply.status) {
            Some(429) => count(&self.0.limited),
            Some(200) => count(&self.0.shown),
            _ => {}
        }
    }

    /// As the summary shows it.
    pub(crate) fn as_json(&self) -> Value {
        let read = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        json!({
            "asked": read(&self.0.asked),
            "limited": read(&self.0.limited),
            "shown": read(&self.0.shown),
        })
    }
}
