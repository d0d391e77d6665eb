//! Random histories, held against a model that is simple enough to be seen right.
//!
//! The model keeps entries in a `Vec` and looks at all of them for everything. Whatever the store
//! answers must be what the model answers, and after every step both must show the same entries,
//! events, tally and next instant.

use std::sync::Arc;
use std::time::Duration;

use engine::ports::{
    Appended, EntryId, Filter, Leased, NewEntry, NumberBlock, NumberRange, NumberUse, Page, Recall,
    Renumber, Store, Wanted,
};
use policies::family::Role;
use proptest::prelude::*;
use store::sqlite::Sqlite;
use uuid::Uuid;

use crate::world::{
    self, LANE, LOOK_UP, SEND, TestClock, UNDOING, VERIFY, bytes, practice, settlement,
};
use action::{Action, Fate, actions, states_of};
use reference::{Described, Reference, Taken};

mod action;
mod reference;

/// Small, so that histories reach it.
const ENTRIES_MAX: u64 = 6;
/// More numbers than a history takes.
const NUMBERS_MAX: u64 = 100;
const ALL: Page = Page {
    after: None,
    entries_max: 1_000,
};

struct Run {
    directory: tempfile::TempDir,
    clock: Arc<TestClock>,
    store: Sqlite,
    model: Reference,
    /// Every lease that was ever given, stale ones included, and what it was for.
    leases: Vec<(Role, Leased)>,
    block: NumberBlock,
    /// How many numbers of it were taken.
    used: u64,
}

fn open(directory: &tempfile::TempDir, clock: &Arc<TestClock>) -> Sqlite {
    let mut settings = world::settings(directory.path(), clock);
    settings.entries_max = ENTRIES_MAX;
    Sqlite::open(&settings).expect("the store opens")
}

async fn block(store: &Sqlite) -> NumberBlock {
    let range = NumberRange {
        prefix: "1300A4".to_owned(),
        digits: 9,
    };
    store.add_range(range).await.unwrap();
    store.lease_block(NUMBERS_MAX).await.unwrap().unwrap()
}

fn taken(leased: &Leased) -> Taken {
    Taken {
        role: leased.role,
        state: leased.state,
        reason: leased.reason,
        epoch: leased.epoch,
        sends: leased.sends,
        accepted_at: leased.accepted_at,
        annul_consent: leased.terms.annul_consent,
        request: leased.request.clone().expect("nothing is damaged"),
    }
}

impl Run {
    async fn new() -> Run {
        let directory = world::scratch();
        let clock = TestClock::new();
        let store = open(&directory, &clock);
        Run {
            block: block(&store).await,
            store,
            directory,
            clock,
            model: Reference::new(ENTRIES_MAX),
            leases: Vec::new(),
            used: 0,
        }
    }

    async fn step(&mut self, action: &Action) {
        let id = EntryId(Uuid::now_v7());
        match action {
            Action::Append(new) => self.append(new.entry(id, &self.model.names())).await,
            Action::About(about) => {
                if let Some(new) = about.entry(id, &self.model.names()) {
                    self.append(new).await;
                }
            }
            Action::Lease {
                undo,
                verify,
                entries_max,
                seconds,
            } => {
                let wanted = match (undo, verify) {
                    (false, false) => SEND,
                    (false, true) => VERIFY,
                    (true, false) => UNDOING,
                    (true, true) => LOOK_UP,
                };
                let span = Duration::from_secs(*seconds);
                self.lease(wanted, *entries_max, span).await;
            }
            Action::Settle { .. } => self.settle(action).await,
            Action::Advance(seconds) => {
                let span = Duration::from_secs(*seconds);
                self.clock.advance(span);
                self.model.now = self.model.now + span;
            }
            Action::Sweep(entries_max) => {
                let swept = self.store.sweep(*entries_max).await.unwrap();
                assert_eq!(swept, self.model.sweep(*entries_max));
            }
            Action::Hasten(seconds) => {
                let look = self.model.now + Duration::from_secs(*seconds);
                let hastened = self.store.hasten_watches(LANE, look).await.unwrap();
                assert_eq!(hastened, self.model.hasten(None, look));
            }
            Action::Reauthorize => {
                let doctor = bytes("PROVAX00X00X000Y");
                let authority = bytes("renewed");
                let expected = self.model.reauthorize(&doctor, &authority);
                let count = self.store.reauthorize(practice(), doctor, authority);
                assert_eq!(count.await.unwrap(), expected);
            }
            Action::Reopen => {
                self.store.close().await;
                self.store = open(&self.directory, &self.clock);
                self.block = block(&self.store).await;
                self.used = 0;
                self.model.reopen();
            }
        }
    }

    async fn append(&mut self, new: NewEntry) {
        let (id, op) = (new.id, new.op);
        let expected = self.model.append(&new);
        let outcome = self.store.append(vec![new]).await.remove(0);
        assert_eq!(reference::describe(&outcome), expected);
        if let (Described::Accepted(_, state, epoch, _), Ok(Appended::Accepted { .. })) =
            (expected, outcome)
            && epoch > 0
        {
            let held = self.model.find(id);
            let leased = Leased {
                id,
                op: op.0.to_owned(),
                role: held.role,
                accepted_at: held.accepted_at,
                epoch,
                lease_until: held.lease_until,
                state,
                sends: held.sends,
                failures: 0,
                reason: None,
                terms: world::entry("").terms,
                request: Ok(held.request.clone()),
            };
            self.leases.push((held.role, leased));
        }
    }

    async fn lease(&mut self, wanted: Wanted, entries_max: usize, span: Duration) {
        let leased = self.store.lease_due(wanted, entries_max, span).await;
        let leased = leased.unwrap();
        let places = self.model.lease(wanted, entries_max, span);
        let found: Vec<_> = leased.iter().map(taken).collect();
        let expected: Vec<_> = places
            .iter()
            .map(|at| self.model.entries[*at].taken())
            .collect();
        assert_eq!(found, expected);
        for (leased, at) in leased.into_iter().zip(places) {
            let held = &mut self.model.entries[at];
            assert_eq!(held.named(leased.id), leased.id);
            self.leases.push((held.role, leased));
        }
    }

    async fn settle(&mut self, action: &Action) {
        let Action::Settle {
            lease,
            state,
            reason,
            due,
            fate,
        } = action
        else {
            return;
        };
        let leases = self.leases.len();
        let Some((role, leased)) = self
            .leases
            .get(leases.wrapping_sub(1 + lease % leases.max(1)))
        else {
            return;
        };
        let states = states_of(*role);
        let mut settled = settlement(leased, states[state % states.len()], *reason);
        settled.due = due.map(|seconds| self.model.now + Duration::from_secs(seconds));
        if *role == Role::Create {
            settled.number = self.fate(*fate);
        }
        let expected = self.model.settle(&settled);
        let outcome = self.store.settle(vec![settled]).await.unwrap();
        assert_eq!(outcome, [expected]);
    }

    fn fate(&mut self, fate: Fate) -> Renumber {
        let position = match fate {
            Fate::Kept => return Renumber::Kept,
            Fate::Watched => return Renumber::Watched,
            Fate::Replaced => self.used,
            Fate::ReplacedInVain => self.used.saturating_sub(1),
        };
        self.used = self.used.max(position + 1);
        let position = self.block.next + position;
        Renumber::Replaced(NumberUse::Ours {
            block: self.block.id,
            position,
            number: bytes(&self.block.range.number(position)),
        })
    }

    async fn compare(&self) {
        for entry in &self.model.entries {
            let Some(id) = entry.id else { continue };
            let found = self.store.get(practice(), id).await.unwrap();
            if entry.role != Role::Create {
                assert_eq!(found, None, "it shows through its prescription only");
                continue;
            }
            let found = found.expect("it is stored");
            let shown = (
                (
                    found.state,
                    found.reason,
                    found.accepted_at,
                    found.updated_at,
                ),
                (
                    found.acknowledged,
                    found.watched,
                    found.paper_due,
                    found.paper,
                ),
                (found.number, found.answer, found.terms.annul_consent),
            );
            let expected = (
                (
                    entry.state,
                    entry.reason,
                    entry.accepted_at,
                    entry.updated_at,
                ),
                (
                    entry.acknowledged,
                    self.model.is_watched(entry.id),
                    entry.paper_due,
                    entry.paper.clone(),
                ),
                (
                    entry.request.number.clone(),
                    entry.answer.clone(),
                    entry.taken().annul_consent,
                ),
            );
            assert_eq!(shown, expected);
            let events = self.store.events(practice(), id).await.unwrap();
            let events: Vec<_> = events
                .expect("it has events")
                .iter()
                .map(|event| (event.at, event.state, event.reason))
                .collect();
            assert_eq!(events, entry.events);
        }
        self.compare_keys().await;
        let tally = self.store.tally().await.unwrap();
        assert!(tally.balances());
        assert_eq!(tally, self.model.tally());
        for wanted in [SEND, VERIFY, UNDOING, LOOK_UP] {
            let due = self.store.next_due(wanted).await.unwrap();
            // What is due already may be said to be due at any instant up to now.
            let due = due.map(|due| due.max(self.model.now));
            assert_eq!(due, self.model.next_due(wanted), "{wanted:?}");
        }
    }

    /// What the owners of keys are told, and what they must take note of.
    async fn compare_keys(&self) {
        for entry in &self.model.entries {
            let Some((key, body)) = entry.key.clone() else {
                continue;
            };
            let recalled = self.store.recall(practice(), key, body).await.unwrap();
            let Recall::Replay(found) = recalled else {
                panic!("{recalled:?}")
            };
            assert_eq!(
                (Some(found.id), found.state, found.reason),
                (entry.id, entry.state, entry.reason)
            );
        }
        let filter = Filter {
            unacknowledged: true,
            ..Filter::default()
        };
        let open = self.store.list(practice(), filter, ALL).await.unwrap();
        let open: Vec<_> = open.iter().map(|entry| Some(entry.id)).collect();
        let expected: Vec<_> = self.model.creates().filter(|held| held.is_open()).collect();
        let expected: Vec<_> = expected.iter().rev().map(|held| held.id).collect();
        assert_eq!(open, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 96,
        // The history is what matters; a failing one is printed whole and kept in the test.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_history_is_the_models_history(history in actions()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut run = Run::new().await;
            for action in &history {
                run.step(action).await;
                run.compare().await;
            }
            run.store.close().await;
        });
    }
}
