//! What entries about one prescription do to each other, in the transaction of the step itself.

use engine::ports::*;
use policies::delivery::{NumberFate, lease_ended, parked};
use policies::failure::Code;
use policies::family::{
    Change, Look, Meanwhile, Role, Turn, consents, followed, is_overtaken, looks_again, moot, turn,
};
use policies::state::State;
use policies::time::Timestamp;

use super::{Row, Rows};

impl Rows {
    /// Stores a dependent where its parent lets it begin, unless there is nothing it could do.
    pub(super) fn depend(
        &mut self,
        now: Timestamp,
        new: NewEntry,
        parent: usize,
    ) -> Result<usize, State> {
        let (role, start) = (new.role, new.start);
        let standing = self.entries[parent].as_parent();
        let turned = turn(role, standing);
        if turned == Turn::Moot {
            return Err(standing.state);
        }
        let place = self.push(Row::new(new, Some(parent), now));
        if consents(role) {
            self.consent(parent, place, now);
        }
        match turned {
            Turn::Held => self.entries[place].held = true,
            Turn::Due(change) => {
                self.release(place, now);
                if let Start::Leased(span) = start {
                    drop(self.entries[place].lease(false, now + span));
                }
                self.change(parent, change, now);
            }
            Turn::Done(change) => {
                self.done(place, now);
                self.change(parent, change, now);
            }
            Turn::Moot => {}
        }
        self.ask_held(parent, now);
        Ok(place)
    }

    /// The prescriber agreed to an annul, of whatever number.
    fn consent(&mut self, parent: usize, cancel: usize, now: Timestamp) {
        let present = self.entries[parent].number.clone();
        let authority = self.entries[cancel].new.authority.clone();
        self.entries[parent].new.terms.annul_consent = true;
        for row in &mut self.entries {
            if row.role() != Role::Watch || row.parent != Some(parent) {
                continue;
            }
            let again =
                row.state == State::Conflict && looks_again(row.reason, row.number == present);
            if again {
                row.stand(State::Uncertain, Some(now), None, now);
                row.new.authority = authority.clone();
            }
            row.new.terms.annul_consent |= again || row.is_open_watch();
        }
    }

    /// A step of the prescription at `parent` is written: those held by it are asked again, until
    /// none of them moves.
    pub(super) fn ask_held(&mut self, parent: usize, now: Timestamp) {
        let mut from = parent;
        while let Some(place) = self.held_by(parent, from) {
            let standing = self.entries[parent].as_parent();
            let role = self.entries[place].role();
            let change = match turn(role, standing) {
                Turn::Held => {
                    from = place + 1;
                    continue;
                }
                Turn::Due(change) => {
                    self.release(place, now);
                    change
                }
                Turn::Done(change) => {
                    self.done(place, now);
                    change
                }
                Turn::Moot => {
                    let (state, reason) = moot(role, standing.state);
                    self.stand(place, state, None, Some(reason), now);
                    None
                }
            };
            self.change(parent, change, now);
            from = parent;
        }
    }

    fn held_by(&self, parent: usize, from: usize) -> Option<usize> {
        (from..self.entries.len()).find(|place| {
            let row = &self.entries[*place];
            row.held && row.parent == Some(parent)
        })
    }

    /// It is due, with what its parent is sent with.
    fn release(&mut self, place: usize, now: Timestamp) {
        let parent = self.entries[place].parent;
        let parent = &self.entries[parent.expect("a dependent has a parent")];
        let (payload, number, damaged) = (
            parent.payload.clone(),
            parent.number.clone(),
            parent.damaged,
        );
        let row = &mut self.entries[place];
        row.held = false;
        row.due = Some(now);
        if row.role() == Role::Cancel {
            row.payload = payload;
            row.number = number;
            row.damaged |= damaged;
        }
    }

    /// Nothing is to be sent for it.
    fn done(&mut self, place: usize, now: Timestamp) {
        self.stand(place, State::Registered, None, None, now);
        let (role, parent) = (self.entries[place].role(), self.entries[place].parent);
        if let (Role::Paper, Some(parent)) = (role, parent) {
            let said = self.entries[place].new.payload.clone();
            self.entries[parent].paper = Some(said);
        }
    }

    fn change(&mut self, place: usize, change: Option<Change>, now: Timestamp) {
        let Some(change) = change else { return };
        if let Some(look) = change.watch {
            self.watch(place, look, now);
        }
        let row = &self.entries[place];
        if (row.state, row.reason) != (change.state, change.reason) {
            self.stand(place, change.state, None, change.reason, now);
        }
        self.entries[place].acknowledged |= change.acknowledged;
    }

    /// A watch over the present number of `place` begins.
    pub(super) fn watch(&mut self, place: usize, look: Look, now: Timestamp) -> usize {
        let row = &self.entries[place];
        let mut watch = Row::watching(row, place, self.entries.len(), now);
        watch.due = Some(match look {
            Look::Scheduled => now + watch.new.terms.look_after,
            Look::Now => now,
        });
        self.push(watch)
    }

    /// The upstream said yes to a number that was given up meanwhile. A watch that looks at this moment
    /// bears a mark until it is settled.
    pub(super) fn late_answer(&mut self, place: usize, now: Timestamp) {
        for row in &mut self.entries {
            if row.parent == Some(place) && row.is_open_watch() {
                row.due = Some(now);
            }
        }
    }

    /// A settlement, or what a watch does instead because of what came while it looked.
    pub(super) fn overtaken(
        &self,
        place: usize,
        settlement: Settlement,
        now: Timestamp,
    ) -> Settlement {
        let row = &self.entries[place];
        let meanwhile = Meanwhile {
            agreed: row.new.terms.annul_consent && row.sends == settlement.sends,
            answered: row.due.is_some(),
        };
        let is_watch = row.role() == Role::Watch;
        if is_watch && is_overtaken(settlement.state, settlement.reason, meanwhile) {
            return Settlement {
                state: State::Uncertain,
                reason: None,
                due: Some(now),
                ..settlement
            };
        }
        settlement
    }

    /// The entry at `place` took a step of its own: what is about it, or what it is about, follows.
    pub(super) fn stepped(&mut self, place: usize, now: Timestamp) {
        let row = &self.entries[place];
        let (role, state, reason) = (row.role(), row.state, row.reason);
        if role == Role::Create {
            self.ask_held(place, now);
            return;
        }
        let parent = row.parent.expect("a dependent has a parent");
        let change = followed(role, state, reason, self.entries[parent].as_parent());
        self.change(parent, change, now);
        self.ask_held(parent, now);
    }

    /// A lease ran out: nobody knows what the upstream has seen.
    pub(super) fn end_lease(&mut self, place: usize, now: Timestamp) {
        let row = &self.entries[place];
        let (role, fallback) = (row.role(), row.new.terms.fallback);
        let (state, reason, number) = lease_ended(role, row.state, row.reason, fallback);
        if number == NumberFate::Watched {
            self.watch(place, Look::Scheduled, now);
        }
        let due = (state == State::Uncertain).then_some(now);
        self.stand(place, state, due, Some(reason), now);
        self.stepped(place, now);
    }

    /// What is late, as of `now`.
    pub(super) fn sweep(&mut self, now: Timestamp, most: usize) -> Swept {
        let rows = || 0..self.entries.len();
        let overdue: Vec<usize> = rows()
            .filter(|place| self.entries[*place].is_overdue(now))
            .take(most)
            .collect();
        let missing = |place: &usize| self.entries[*place].paper_due.is_some_and(|due| due < now);
        let missing: Vec<usize> = rows().filter(missing).take(most).collect();
        for place in &overdue {
            let row = &self.entries[*place];
            if parked(row.role(), row.sends) == NumberFate::Watched {
                self.watch(*place, Look::Scheduled, now);
            }
            self.stand(*place, State::Parked, None, Some(Code::DeadlinePassed), now);
            self.stepped(*place, now);
        }
        for place in &missing {
            self.stand(
                *place,
                State::Withdrawn,
                None,
                Some(Code::PaperMissing),
                now,
            );
        }
        Swept {
            parked: overdue.len(),
            papers_missing: missing.len(),
        }
    }
}
