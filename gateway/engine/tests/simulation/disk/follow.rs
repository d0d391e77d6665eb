//! What every commit shows of the process: told to the journal, and held to what was shown before.

use engine::ports::*;
use policies::failure::Opaque;
use policies::family::Role;
use policies::state::State;

use super::{Disk, Held, Reply, Write};

impl Disk {
    /// An entry has one holder: a settlement that counts names the lease given last.
    pub(super) fn follow(&self, state: &mut Held, write: &Write, reply: &Reply) {
        match (write, reply) {
            (Write::Append(new), Reply::Appended(Ok(Appended::Accepted { epoch, .. }))) => {
                let place = state.visible.place(new.id).unwrap_or(usize::MAX);
                state.holders.insert(new.id, *epoch);
                let row = &state.visible.entries[place];
                self.journal.note(format_args!(
                    "entry {place} stored, {} of {:?}: {} {:?}, lease {epoch}",
                    new.role.as_str(),
                    row.parent,
                    row.state.as_str(),
                    row.reason,
                ));
            }
            (Write::Append(new), Reply::Appended(Ok(Appended::NumberUsed))) => {
                self.follow_used(state, &new.number);
            }
            (Write::Lease(..), Reply::Leased(leased)) => {
                for lease in leased {
                    let place = state.visible.place(lease.id).unwrap_or(usize::MAX);
                    state.holders.insert(lease.id, lease.epoch);
                    self.journal.note(format_args!(
                        "entry {place} ({}) {}, lease {}",
                        lease.role.as_str(),
                        lease.state.as_str(),
                        lease.epoch
                    ));
                }
            }
            (Write::Settle(settlement), Reply::Settled(settled)) => {
                self.follow_settled(state, settlement, *settled);
            }
            (Write::Reauthorize(..) | Write::Hasten(_), Reply::Count(count)) if *count > 0 => {
                self.journal.note(format_args!(
                    "{count} entries authorised again, or hastened"
                ));
            }
            (Write::Sweep(_), Reply::Swept(swept)) => {
                self.journal.note(format_args!("{swept:?}"));
            }
            _ => {}
        }
    }

    /// A number of ours may be held only because a caller brought it before its lot was ours.
    fn follow_used(&self, state: &Held, number: &NumberUse) {
        let NumberUse::Ours { number, .. } = number else {
            return;
        };
        let holder = state.visible.of_number(number);
        let is_callers = holder.is_some_and(|row| matches!(row.new.number, NumberUse::Callers(_)));
        let text = String::from_utf8_lossy(&number.0);
        self.journal
            .hold(is_callers, format_args!("{text} was given out twice"));
    }

    fn follow_settled(&self, state: &mut Held, settlement: &Settlement, settled: Settled) {
        let place = state.visible.place(settlement.id).unwrap_or(usize::MAX);
        let holder = state.holders.get(&settlement.id).copied();
        let name = settlement.state.as_str();
        let (epoch, reason) = (settlement.epoch, settlement.reason);
        let fate = match &settlement.number {
            Renumber::Kept => "",
            Renumber::Watched => ", watched",
            Renumber::Replaced(_) => ", renumbered",
        };
        self.journal.note(format_args!(
            "entry {place} to {name} {reason:?} under {epoch}{fate}: {settled:?}"
        ));
        self.journal.hold(
            settled != Settled::Settled || holder == Some(epoch),
            format_args!("entry {place} settled under {epoch}, held under {holder:?}"),
        );
        if let (Renumber::Replaced(number), Settled::NumberUsed) = (&settlement.number, settled) {
            self.follow_used(state, number);
        }
        let row = &state.visible.entries[place];
        match (row.role(), settled, settlement.state) {
            (Role::Watch, Settled::Settled, State::Withdrawn) => {
                self.ledger.closes(&self.journal, &row.number, self.horizon);
            }
            (Role::Create, Settled::Stale(_), State::Registered) => {
                let watches = state.visible.entries.iter();
                let given_up =
                    watches.filter(|watch| watch.parent == Some(place) && watch.is_open_watch());
                let numbers: Vec<Opaque> = given_up.map(|watch| watch.number.clone()).collect();
                state.late_answers.extend(numbers);
            }
            _ => {}
        }
    }
}
