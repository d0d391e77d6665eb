//! A store whose disk forgets at a crash what was not synced, runs out of space, stalls, and now
//! and then does not say whether a commit is there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::ports::*;
use policies::failure::Opaque;
use policies::time::Timestamp;

use super::chance::Chance;
use super::journal::Journal;
use super::kill::Kill;
use super::options::{self, millis, seconds};
use super::payload::Payload;
use super::rows::{Reply, Row, Rows, Write};

mod port;

/// The disk: it outlives every process.
pub(crate) struct Disk {
    held: Mutex<Held>,
    /// One writer, first come first served.
    writer: tokio::sync::Mutex<()>,
    chance: Chance,
    options: options::Disk,
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
        options: options::Disk,
        journal: Arc<Journal>,
        kill: Arc<Kill>,
    ) -> Disk {
        Disk {
            held: Mutex::default(),
            writer: tokio::sync::Mutex::default(),
            chance: Chance::new(seed, "disk"),
            options,
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
        let mut waiting = rows.entries.iter_mut().enumerate();
        if let Some((place, row)) = waiting.find(|(_, row)| row.state.is_pending()) {
            row.damaged = true;
            self.journal.note(format_args!("entry {place} is damaged"));
        }
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

    /// An entry has one holder: a settlement that counts names the lease given last.
    fn follow(&self, state: &mut Held, write: &Write, reply: &Reply) {
        match (write, reply) {
            (Write::Append(new), Reply::Appended(Ok(Appended::Accepted { epoch, .. }))) => {
                let place = state.visible.place(new.id).unwrap_or(usize::MAX);
                state.holders.insert(new.id, *epoch);
                self.journal
                    .note(format_args!("entry {place} stored, lease {epoch}"));
            }
            (Write::Lease(..), Reply::Leased(leased)) => {
                for lease in leased {
                    let place = state.visible.place(lease.id).unwrap_or(usize::MAX);
                    state.holders.insert(lease.id, lease.epoch);
                    self.journal.note(format_args!(
                        "entry {place} {}, lease {}",
                        lease.state.as_str(),
                        lease.epoch
                    ));
                }
            }
            (Write::Settle(settlement), Reply::Settled(settled)) => {
                let place = state.visible.place(settlement.id).unwrap_or(usize::MAX);
                let holder = state.holders.get(&settlement.id).copied();
                let name = settlement.state.as_str();
                let (epoch, reason) = (settlement.epoch, settlement.reason);
                self.journal.note(format_args!(
                    "entry {place} to {name} {reason:?} under {epoch}: {settled:?}"
                ));
                self.journal.hold(
                    *settled != Settled::Settled || holder == Some(epoch),
                    format_args!("entry {place} settled under {epoch}, held under {holder:?}"),
                );
            }
            (Write::Reauthorize(..) | Write::ParkOverdue(_), Reply::Count(count)) if *count > 0 => {
                self.journal
                    .note(format_args!("{count} entries parked or authorised again"));
            }
            _ => {}
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

    /// Whether anything is in the hands of a deliverer.
    pub(crate) fn is_any_leased(&self) -> bool {
        self.look(|rows| rows.entries.iter().any(|row| row.state.is_leased()))
    }

    /// Whether the call of a deliverer is covered by a lease that still runs.
    pub(crate) fn is_held(&self, number: &Opaque) -> bool {
        let now = self.journal.now();
        let runs = |row: &Row| row.lease_until.is_some_and(|until| until > now);
        self.look(|rows| rows.of_number(number).is_some_and(runs))
    }
}
