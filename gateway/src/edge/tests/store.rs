//! A store that shows what a test has put on it, and takes nothing.

use std::sync::Mutex;
use std::time::Duration;

use engine::ports::*;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, pending, ready};
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::Opaque;
use policies::state::{State, Tally};
use uuid::Uuid;

use super::kit::THEN;

pub(crate) const NRE: &str = "1300A4000000017";

/// What there is to see.
#[derive(Default)]
pub(crate) struct Shelf {
    pub(crate) entries: Mutex<Vec<(Organization, Entry)>>,
    pub(crate) documents: Mutex<Vec<(EntryId, Document)>>,
    pub(crate) events: Mutex<Vec<(Organization, Event)>>,
    pub(crate) filters: Mutex<Vec<Filter>>,
    pub(crate) is_unavailable: Mutex<bool>,
    /// Whether it never answers.
    pub(crate) hangs: Mutex<bool>,
    /// What every key has stored before, and whether prescriptions cannot be read meanwhile.
    pub(crate) recalled: Mutex<Option<Entry>>,
    pub(crate) hides_entries: Mutex<bool>,
}

/// An entry in `state`, with the answer that the SAC would have given.
pub(crate) fn entry(number: u128, state: State) -> Entry {
    let notice = r#"{"code":"1036","text":"CODICE ERRATO","row":0}"#;
    let answer = if state == State::Rejected {
        format!("[{notice}]")
    } else {
        format!(
            r#"{{"codice_autenticazione":"010203","registered_at":"2026-10-02T10:15:00+02:00",
                "warnings":[{notice}],"communications":[]}}"#
        )
    };
    Entry {
        id: EntryId(Uuid::from_u128(number)),
        op: "invio".to_owned(),
        state,
        reason: None,
        accepted_at: THEN,
        updated_at: THEN,
        terms: Terms {
            fallback: Fallback::Hold,
            uncertain: Uncertain::Verify,
            deadline: THEN,
            answer_within: Duration::from_secs(8),
            paper_within: Duration::from_secs(7_200),
            look_after: Duration::from_secs(60),
            annul_consent: false,
        },
        number: Opaque(NRE.into()),
        answer: Some(Opaque(answer.into_bytes())),
        paper: None,
        acknowledged: false,
        watched: false,
        paper_due: None,
    }
}

pub(crate) fn practice(name: &str) -> Organization {
    Organization(format!("practice-{name}"))
}

impl Shelf {
    pub(crate) fn put(&self, owner: &str, entry: Entry) -> EntryId {
        let id = entry.id;
        self.entries.lock().unwrap().push((practice(owner), entry));
        id
    }

    fn answer<T: Send + 'static>(&self, value: T) -> BoxFuture<'_, Result<T, ReadError>> {
        if *self.hangs.lock().unwrap() {
            return pending().boxed();
        }
        let is_unavailable = *self.is_unavailable.lock().unwrap();
        ready(if is_unavailable {
            Err(ReadError::Unavailable)
        } else {
            Ok(value)
        })
        .boxed()
    }

    fn owned(&self, organization: &Organization) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap();
        let owned = entries.iter().filter(|(owner, _)| owner == organization);
        owned.map(|(_, entry)| entry.clone()).collect()
    }

    fn own(&self, organization: &Organization, id: EntryId) -> Option<Entry> {
        let owned = self.owned(organization);
        owned.into_iter().find(|entry| entry.id == id)
    }
}

impl Store for Shelf {
    fn get(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Option<Entry>, ReadError>> {
        if *self.hides_entries.lock().unwrap() {
            return ready(Err(ReadError::Unavailable)).boxed();
        }
        self.answer(self.own(&organization, id))
    }

    fn list(
        &self,
        organization: Organization,
        filter: Filter,
        page: Page,
    ) -> BoxFuture<'_, Result<Vec<Entry>, ReadError>> {
        let mut entries = self.owned(&organization);
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.id));
        entries.retain(|entry| page.after.is_none_or(|after| entry.id < after));
        entries.retain(|entry| filter.state.is_none_or(|state| entry.state == state));
        entries.truncate(page.entries_max);
        self.filters.lock().unwrap().push(filter);
        self.answer(entries)
    }

    fn events(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Option<Vec<Event>>, ReadError>> {
        let events = self.events.lock().unwrap();
        let events = events.iter().filter(|(_, event)| event.entry == id);
        let events = events.map(|(_, event)| event.clone()).collect();
        self.answer(self.own(&organization, id).map(|_| events))
    }

    fn events_after(
        &self,
        organization: Organization,
        after: u64,
        events_max: usize,
    ) -> BoxFuture<'_, Result<Vec<Event>, ReadError>> {
        let events = self.events.lock().unwrap();
        let mine =
            |(owner, event): &&(Organization, Event)| *owner == organization && event.seq > after;
        let mine = events.iter().filter(mine).take(events_max);
        self.answer(mine.map(|(_, event)| event.clone()).collect())
    }

    fn document(
        &self,
        organization: Organization,
        id: EntryId,
    ) -> BoxFuture<'_, Result<Document, ReadError>> {
        let documents = self.documents.lock().unwrap();
        let found = documents.iter().find(|(of, _)| *of == id);
        let document = match (self.own(&organization, id), found) {
            (None, _) => Document::NoEntry,
            (Some(_), Some((_, document))) => document.clone(),
            (Some(_), None) => Document::None,
        };
        self.answer(document)
    }

    fn tally(&self) -> BoxFuture<'_, Result<Tally, ReadError>> {
        self.answer(Tally {
            stored: 3,
            waiting: 2,
            uncertain: 1,
            ..Tally::default()
        })
    }

    fn append(&self, _: Vec<NewEntry>) -> BoxFuture<'_, Vec<Result<Appended, AppendError>>> {
        panic!("the edge writes through its door only")
    }
    fn lease_due(
        &self,
        _: Wanted,
        _: usize,
        _: Duration,
    ) -> BoxFuture<'_, Result<Vec<Leased>, WriteError>> {
        panic!("the edge delivers nothing")
    }
    fn settle(&self, _: Vec<Settlement>) -> BoxFuture<'_, Result<Vec<Settled>, WriteError>> {
        panic!("the edge settles nothing")
    }
    fn sweep(&self, _: usize) -> BoxFuture<'_, Result<Swept, WriteError>> {
        panic!("the edge sweeps nothing")
    }
    fn hasten_watches(
        &self,
        _: policies::operation::LaneName,
        _: policies::time::Timestamp,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        panic!("the edge watches nothing")
    }
    fn reauthorize(
        &self,
        _: Organization,
        _: Opaque,
        _: Opaque,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        panic!("the edge resumes nothing")
    }
    fn next_due(
        &self,
        _: Wanted,
    ) -> BoxFuture<'_, Result<Option<policies::time::Timestamp>, ReadError>> {
        panic!("the edge schedules nothing")
    }
    /// The lane behind the kit's door is gone: what it has not stored before is new.
    fn recall(
        &self,
        _: Organization,
        _: String,
        _: Opaque,
    ) -> BoxFuture<'_, Result<Recall, ReadError>> {
        let recalled = self.recalled.lock().unwrap().clone();
        self.answer(match recalled {
            Some(entry) => Recall::Replay(Box::new(entry)),
            None => Recall::Nothing,
        })
    }
    fn authority_awaited(&self) -> BoxFuture<'_, Result<bool, ReadError>> {
        panic!("the edge sweeps nothing")
    }
    fn add_range(&self, _: NumberRange) -> BoxFuture<'_, Result<bool, WriteError>> {
        panic!("the edge has no numbers")
    }
    fn lease_block(&self, _: u64) -> BoxFuture<'_, Result<Option<NumberBlock>, WriteError>> {
        panic!("the edge has no numbers")
    }
    fn numbers_left(&self) -> BoxFuture<'_, Result<u64, ReadError>> {
        self.answer(500)
    }
}
