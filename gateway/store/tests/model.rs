//! Random histories, held against a model that is simple enough to be seen right.
//!
//! The model keeps entries in a `Vec` and looks at all of them for everything. Whatever the store
//! answers must be what the model answers, and after every step both must show the same entries,
//! events, tally and next instant.

use std::sync::Arc;
use std::time::Duration;

use engine::ports::{EntryId, Store, Wanted};
use policies::failure::Opaque;
use policies::state::State;
use proptest::prelude::*;
use store::sqlite::Sqlite;
use uuid::Uuid;

use crate::world::{self, SEND, TestClock, VERIFY, bytes, practice, settlement};
use action::{Action, actions};
use reference::Reference;

mod action;
mod reference;

/// Small, so that histories reach it.
const ENTRIES_MAX: u64 = 6;

struct Run {
    directory: tempfile::TempDir,
    clock: Arc<TestClock>,
    store: Sqlite,
    model: Reference,
    /// Every lease that was ever given, stale ones included.
    leases: Vec<engine::ports::Leased>,
}

fn open(directory: &tempfile::TempDir, clock: &Arc<TestClock>) -> Sqlite {
    let mut settings = world::settings(directory.path(), clock);
    settings.entries_max = ENTRIES_MAX;
    Sqlite::open(&settings).expect("the store opens")
}

impl Run {
    fn new() -> Run {
        let directory = world::scratch();
        let clock = TestClock::new();
        Run {
            store: open(&directory, &clock),
            directory,
            clock,
            model: Reference::new(ENTRIES_MAX),
            leases: Vec::new(),
        }
    }

    async fn step(&mut self, action: &Action) {
        match action {
            Action::Append(new) => {
                let id = EntryId(Uuid::now_v7());
                let new = new.entry(id, &self.model.names());
                let expected = self.model.append(&new);
                let outcome = self.store.append(vec![new]).await.remove(0);
                assert_eq!(reference::describe(&outcome), expected);
                if let Ok(engine::ports::Appended::Accepted { epoch, .. }) = outcome
                    && epoch > 0
                {
                    self.leases.push(self.model.as_leased(id));
                }
            }
            Action::Lease {
                verify,
                entries_max,
                seconds,
            } => {
                let wanted = if *verify { VERIFY } else { SEND };
                let span = Duration::from_secs(*seconds);
                let leased = self.store.lease_due(wanted, *entries_max, span).await;
                let leased = leased.unwrap();
                let found: Vec<_> = leased
                    .iter()
                    .map(|leased| (leased.id, leased.state, leased.epoch, leased.sends))
                    .collect();
                assert_eq!(found, self.model.lease(*verify, *entries_max, span));
                assert!(leased.iter().all(|leased| leased.request.is_ok()));
                self.leases.extend(leased);
            }
            Action::Settle {
                lease,
                state,
                reason,
                due,
            } => {
                let Some(leased) = self.leases.get(lease % self.leases.len().max(1)) else {
                    return;
                };
                let mut settled = settlement(leased, *state, *reason);
                settled.due = due.map(|seconds| self.model.now + Duration::from_secs(seconds));
                let expected = self.model.settle(&settled);
                let outcome = self.store.settle(vec![settled]).await.unwrap();
                assert_eq!(outcome, [expected]);
            }
            Action::Advance(seconds) => {
                let span = Duration::from_secs(*seconds);
                self.clock.advance(span);
                self.model.now = self.model.now + span;
            }
            Action::Park(entries_max) => {
                let parked = self.store.sweep(*entries_max).await.unwrap().parked;
                assert_eq!(parked, self.model.park(*entries_max));
            }
            Action::Reauthorize => {
                let doctor = bytes("PROVAX00X00X000Y");
                let authority = Opaque(b"renewed".to_vec());
                let count = self.store.reauthorize(practice(), doctor, authority);
                assert_eq!(count.await.unwrap(), self.model.reauthorize());
            }
            Action::Reopen => {
                self.store.close().await;
                self.store = open(&self.directory, &self.clock);
                self.model.reopen();
            }
        }
    }

    async fn compare(&self) {
        for entry in &self.model.entries {
            let found = self.store.get(practice(), entry.id).await.unwrap();
            let found = found.expect("it is stored");
            assert_eq!(
                (
                    found.state,
                    found.reason,
                    found.accepted_at,
                    found.updated_at
                ),
                (
                    entry.state,
                    entry.reason,
                    entry.accepted_at,
                    entry.updated_at
                )
            );
            let events = self.store.events(practice(), entry.id).await.unwrap();
            let events: Vec<_> = events
                .expect("it has events")
                .iter()
                .map(|event| (event.at, event.state, event.reason))
                .collect();
            assert_eq!(events, entry.events);
        }
        let tally = self.store.tally().await.unwrap();
        assert!(tally.balances());
        assert_eq!(tally, self.model.tally());
        let wanted: [Wanted; 2] = [SEND, VERIFY];
        for wanted in wanted {
            let due = self.store.next_due(wanted).await.unwrap();
            // What is due already may be said to be due at any instant up to now.
            let due = due.map(|due| due.max(self.model.now));
            assert_eq!(due, self.model.next_due(wanted.verify), "{wanted:?}");
        }
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
            let mut run = Run::new();
            for action in &history {
                run.step(action).await;
                run.compare().await;
            }
            let balanced = run.model.entries.iter().all(|entry| State::ALL.contains(&entry.state));
            assert!(balanced);
            run.store.close().await;
        });
    }
}
