//! What a practice reads: the events of its prescriptions, and those it must take note of.
//!
//! That a doctor was told is checked here, from outside: by what the gateway's own addresses say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tests::world::caller::Caller;
use tests::world::prescription;
use tokio::time::sleep;

/// Between two looks into the inbox.
const READ_EVERY: Duration = Duration::from_millis(500);
/// Events of a page, as many as the gateway gives.
const PAGE: usize = 1_000;

/// The inbox of one practice.
#[derive(Clone)]
pub(crate) struct Inbox {
    practice: Caller,
    read: Arc<Mutex<Read>>,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Read {
    events: BTreeMap<u64, Event>,
    acknowledged: BTreeSet<String>,
}

/// What a practice makes of an event.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    id: String,
    state: String,
    reason: String,
}

impl Inbox {
    /// An empty one.
    pub(crate) fn of(practice: Caller) -> Inbox {
        Inbox {
            practice,
            read: Arc::default(),
        }
    }

    /// Reads until nobody wants to know any more.
    pub(crate) async fn keep_reading(self) {
        loop {
            self.read().await;
            sleep(READ_EVERY).await;
        }
    }

    /// Reads whatever is new, and takes note of what asks for it. What is not answered now is read the
    /// next time.
    pub(crate) async fn read(&self) {
        while self.read_page().await == PAGE {}
        let path = "/v1/prescriptions?unacknowledged=true&limit=200";
        for item in items(&self.practice, path).await {
            let id = text(&item, "id");
            let key = prescription::key();
            let acknowledge = self
                .practice
                .try_about_under(&key, &id, "acknowledge", None);
            if acknowledge.await.is_ok_and(|reply| reply.status == 200) {
                self.lock().acknowledged.insert(id);
            }
        }
    }

    async fn read_page(&self) -> usize {
        let after = self.last();
        let path = format!("/v1/events?after={after}&limit={PAGE}");
        let page = items(&self.practice, &path).await;
        let mut read = self.lock();
        for event in &page {
            let seq = event["seq"].as_u64().unwrap_or_default();
            read.events.insert(seq, Event::of(event));
        }
        page.len()
    }

    fn last(&self) -> u64 {
        let read = self.lock();
        read.events.last_key_value().map_or(0, |(seq, _)| *seq)
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    /// Every practice's together.
    pub(crate) fn all(inboxes: &[Inbox]) -> Read {
        let mut all = Read::default();
        for inbox in inboxes {
            let read = inbox.lock().clone();
            all.events.extend(read.events);
            all.acknowledged.extend(read.acknowledged);
        }
        all
    }

    /// The prescriptions that an event says this of.
    pub(crate) fn of(&self, is: impl Fn(&Event) -> bool) -> BTreeSet<&str> {
        let events = self.events.values().filter(|event| is(event));
        events.map(|event| event.id.as_str()).collect()
    }

    /// How many a practice took note of.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    #[cfg(test)]
    pub(crate) fn with(events: &[(&str, &str, &str)]) -> Read {
        let event = |(id, state, reason): &(&str, &str, &str)| Event {
            id: (*id).to_owned(),
            state: (*state).to_owned(),
            reason: (*reason).to_owned(),
        };
        Read {
            events: (1..).zip(events.iter().map(event)).collect(),
            acknowledged: BTreeSet::new(),
        }
    }
}

impl Event {
    fn of(event: &Value) -> Event {
        Event {
            id: text(event, "prescription_id"),
            state: text(event, "state"),
            reason: text(event, "reason"),
        }
    }

    /// What the SAC holds and what was told here differ.
    pub(crate) fn is_conflict(&self) -> bool {
        self.state == "conflict"
    }

    /// What the SAC applied late is undone.
    pub(crate) fn is_annulled(&self) -> bool {
        self.reason == "annulled"
    }

    /// Nobody has confirmed the red form.
    pub(crate) fn is_paper_missing(&self) -> bool {
        self.reason == "paper-missing"
    }
}

/// The items of a page; none if it is not to be had now.
async fn items(practice: &Caller, path: &str) -> Vec<Value> {
    let reply = practice.try_get(path).await;
    let items = reply.map(|reply| reply.at("/items")).unwrap_or_default();
    items.as_array().cloned().unwrap_or_default()
}

fn text(item: &Value, field: &str) -> String {
    item[field].as_str().unwrap_or_default().to_owned()
}
