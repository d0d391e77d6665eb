//! A store whose disk forgets at a crash what was not synced, runs out of space, stalls, and now
//! and then does not say whether a commit is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::ports::*;
use policies::delivery::Uncertain;
use policies::failure::{Code, Opaque};
use policies::family::Role;
use policies::state::State;
use policies::time::Timestamp;

use super::chance::Chance;
use super::journal::Journal;
use super::kill::Kill;
use super::options::{self, millis, seconds};
use super::payload::Payload;
use super::rows::{Reply, Row, Rows, Write};
use super::witness::Ledger;

mod follow;
mod port;

/// The disk: it outlives every process.
pub(crate) struct Disk {
    held: Mutex<Held>,
    /// One writer, first come first served.
    writer: tokio::sync::Mutex<()>,
    chance: Chance,
    options: options::Disk,
    /// How long a watch may not end in silence.
    horizon: Duration,
    ledger: Arc<Ledger>,
    journal: Arc<Journal>,
    kill: Arc<Kill>,
}

/// What the disk holds.
#[derive(Default)]
struct Held {
    /// What survives a crash.
    synced: Rows,
    /// What was written since, in order: it may or may not survive.
    unsynced: Vec<(Timestamp, Write)>,
    /// What readers see.
    visible: Rows,
    /// Who was given which entry last, kept apart from the rows.
    holders: BTreeMap<EntryId, u64>,
    /// The numbers of entries that were given up and then heard to be registered.
    late_answers: BTreeSet<Opaque>,
    /// The requests whose write was refused.
    refused: BTreeSet<u64>,
    /// Whether space is short.
    trouble: bool,
    /// Whether the process has met a commit of unknown fate: nothing more is written by it.
    poisoned: bool,
    is_fair: bool,
}

/// Why a write was not done.
enum Refusal {
    Refused,
    Unknown,
}

impl Disk {
    pub(crate) fn new(
        seed: u64,
        options: &options::Options,
        ledger: Arc<Ledger>,
        journal: Arc<Journal>,
        kill: Arc<Kill>,
    ) -> Disk {
        Disk {
            held: Mutex::default(),
            writer: tokio::sync::Mutex::default(),
            chance: Chance::new(seed, "disk"),
            options: options.disk.clone(),
            horizon: options.longest(|rules| rules.watch.horizon),
            ledger,
            journal,
            kill,
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at what readers see.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Rows) -> T) -> T {
        at(&self.held().visible)
    }

    pub(crate) fn trouble(&self, trouble: bool) {
        self.held().trouble = trouble;
    }

    /// No more faults.
    pub(crate) fn be_fair(&self) {
        let mut state = self.held();
        state.trouble = false;
        state.is_fair = true;
    }

    /// The process is gone: what survives is what was synced, and the beginning of what was not.
    pub(crate) fn crash(&self) {
        let mut state = self.held();
        let lost = self.options.unsynced_lost;
        let unsynced = std::mem::take(&mut state.unsynced);
        let written = unsynced.len();
        let mut kept = 0;
        for (at, write) in unsynced {
            if self.chance.hit(lost) {
                break;
            }
            kept += 1;
            state.synced.apply(at, write, self.options.entries_max);
        }
        self.journal
            .note(format_args!("crash: {kept} of {written} unsynced kept"));
        self.damage(&mut state.synced);
        state.visible = state.synced.clone();
        state.holders.clear();
        state.poisoned = false;
    }

    fn damage(&self, rows: &mut Rows) {
        if !self.chance.hit(self.options.damages) {
            return;
        }
        let waiting = |row: &Row| row.state.is_pending() && row.state != State::Cancelling;
        let waiting: Vec<usize> = (0..rows.entries.len())
            .filter(|place| waiting(&rows.entries[*place]))
            .collect();
        let Some(last) = waiting.len().checked_sub(1) else {
            return;
        };
        let place = waiting[self.chance.between(0, last as u64) as usize];
        rows.entries[place].damaged = true;
        self.journal.note(format_args!("entry {place} is damaged"));
    }

    /// Whether the process has met a commit of unknown fate.
    fn is_poisoned(&self) -> bool {
        self.held().poisoned
    }

    async fn write(&self, write: Write) -> Result<Reply, Refusal> {
        let _turn = self.writer.lock().await;
        self.kill.step("before a write").await;
        if self.is_poisoned() {
            tokio::time::sleep(millis(1)).await;
            return Err(Refusal::Unknown);
        }
        let fault = self.fault(&write);
        if let Some(Refusal::Refused) = fault {
            if let Write::Append(new) = &write {
                let request = Payload::read(&new.payload).request;
                self.held().refused.insert(request);
            }
            tokio::time::sleep(millis(1)).await;
            return Err(Refusal::Refused);
        }
        let now = self.journal.now();
        self.held().unsynced.push((now, write.clone()));
        tokio::time::sleep(self.takes()).await;
        self.kill.step("before a sync").await;
        if let Some(Refusal::Unknown) = fault {
            self.journal.note(format_args!(
                "a commit of unknown fate: the process must end"
            ));
            self.held().poisoned = true;
            self.kill.soon();
            return Err(Refusal::Unknown);
        }
        let reply = self.commit(now, write);
        self.kill.step("after a sync").await;
        Ok(reply)
    }

    fn commit(&self, now: Timestamp, write: Write) -> Reply {
        let mut state = self.held();
        let most = self.options.entries_max;
        self.sync(&mut state);
        let reply = state.visible.apply(now, write.clone(), most);
        self.follow(&mut state, &write, &reply);
        reply
    }

    /// What was written survives from here on.
    fn sync(&self, state: &mut Held) {
        for (at, write) in std::mem::take(&mut state.unsynced) {
            state.synced.apply(at, write, self.options.entries_max);
        }
    }

    fn fault(&self, write: &Write) -> Option<Refusal> {
        let options = &self.options;
        let drawn = [self.chance.share(), self.chance.share()];
        let state = self.held();
        if state.is_fair || matches!(write, Write::Open) {
            return None;
        }
        let refuses = match write {
            Write::Settle(_) => options.refuses.max(options.refuses_settlements),
            _ => options.refuses,
        };
        if state.trouble && drawn[0] < refuses {
            return Some(Refusal::Refused);
        }
        (drawn[1] < options.unknown).then_some(Refusal::Unknown)
    }

    fn takes(&self) -> Duration {
        let most = self.options.write_max.as_millis() as u64;
        let usual = millis(self.chance.between(1, most));
        let stalls = self.chance.hit(self.options.stalls);
        let stall = self.chance.span(seconds(1), seconds(30));
        if stalls && !self.held().is_fair {
            stall
        } else {
            usual
        }
    }

    /// A process begins: it takes over what the one before left.
    pub(crate) async fn open(self: &Arc<Self>) -> Arc<dyn Store> {
        drop(self.write(Write::Open).await);
        Arc::new(port::Port(Arc::clone(self)))
    }

    /// Whether the write of this request was refused.
    pub(crate) fn has_refused(&self, request: u64) -> bool {
        self.held().refused.contains(&request)
    }

    /// Whether a write may be refused now.
    pub(crate) fn is_wanting(&self) -> bool {
        let held = self.held();
        held.trouble || held.poisoned
    }

    /// Whether anything is in the hands of a deliverer whose lease still runs.
    pub(crate) fn is_any_leased(&self) -> bool {
        let now = self.journal.now();
        self.look(|rows| rows.entries.iter().any(|row| is_leased(row, now)))
    }

    /// The numbers of which a late answer was heard while they were watched.
    pub(crate) fn late_answers(&self) -> BTreeSet<Opaque> {
        self.held().late_answers.clone()
    }

    /// Whether a send under `number` is covered by a lease that still runs, or looked after: its entry
    /// may have been raised, or written on paper, while a probe's read was under way.
    pub(crate) fn is_held(&self, number: &Opaque) -> bool {
        let now = self.journal.now();
        self.look(|rows| {
            let Some(row) = rows.of_number(number) else {
                return false;
            };
            let mut watches = rows.entries.iter().filter(|row| row.is_open_watch());
            let is_watched = watches.any(|watch| watch.number == *number);
            let is_raised = matches!(row.state, State::Conflict | State::RedRecipe);
            row.role() == Role::Create && (is_leased(row, now) || (is_raised && is_watched))
        })
    }

    /// Numbers that the entry under `number` had before.
    pub(crate) fn superseded(&self, number: &Opaque) -> Vec<Opaque> {
        self.look(|rows| {
            let row = rows.of_number(number);
            let place = row.and_then(|row| rows.place(row.new.id));
            let watches = rows.entries.iter().filter(|row| {
                row.role() == Role::Watch && row.parent == place && row.number != *number
            });
            watches.map(|row| row.number.clone()).collect()
        })
    }

    /// What lets the process annul `number` now: a watch and a cancel may both be at work on it.
    pub(crate) fn grounds(&self, number: &Opaque) -> Vec<Grounds> {
        let now = self.journal.now();
        self.look(|rows| {
            let leased = rows
                .entries
                .iter()
                .filter(|row| row.number == *number && is_leased(row, now));
            let grounds = leased.filter_map(|row| {
                let parent = row.parent.map(|place| &rows.entries[place]);
                match row.role() {
                    Role::Create => (row.state == State::Verifying
                        && row.new.terms.uncertain == Uncertain::AnnulAndResend)
                        .then_some(Grounds::Superseding),
                    Role::Cancel => Some(Grounds::Cancel {
                        is_known: parent.is_some_and(|parent| is_known(parent.state)),
                        before: parent.and_then(|parent| parent.reason),
                    }),
                    Role::Watch => row.new.terms.annul_consent.then_some(Grounds::Consent),
                    Role::Paper | Role::Acknowledge => None,
                }
            });
            grounds.collect()
        })
    }
}

/// Why a number may be annulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grounds {
    /// Its entry goes on under another.
    Superseding,
    /// Its prescriber asked for it.
    Cancel {
        /// Whether the outcome of the prescription is known.
        is_known: bool,
        /// Why it was in conflict before, if it was.
        before: Option<Code>,
    },
    /// It was given up, and its prescriber agreed.
    Consent,
}

fn is_leased(row: &Row, now: Timestamp) -> bool {
    row.state.is_leased() && row.lease_until.is_some_and(|until| until > now)
}

fn is_known(state: State) -> bool {
    state == State::Cancelling || !state.is_pending()
}
