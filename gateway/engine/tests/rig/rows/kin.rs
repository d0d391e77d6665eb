//! What rows about one prescription do to each other: the rules of `policies::family`, applied.

use engine::ports::*;
use policies::delivery::{NumberFate, Uncertain};
use policies::failure::Opaque;
use policies::family::{self, Change, Look, Meanwhile, Role, Turn};
use policies::state::State;
use policies::time::Timestamp;
use uuid::Uuid;

use super::{Row, Rows};

/// The deadline of what has none.
const NEVER: Timestamp = Timestamp(u64::MAX / 2);

impl Rows {
    /// The watches over numbers of `parent`.
    pub(crate) fn watches(&self, parent: EntryId) -> impl Iterator<Item = &Row> {
        self.entries.iter().filter(move |row| row.watches(parent))
    }

    fn watches_mut(&mut self, parent: EntryId) -> impl Iterator<Item = &mut Row> {
        self.entries
            .iter_mut()
            .filter(move |row| row.watches(parent))
    }

    /// After every step of a row: what it lets its dependents do, and what it does to its parent.
    pub(super) fn stepped(&mut self, place: usize, now: Timestamp) {
        let row = &self.entries[place];
        let (role, state, reason) = (row.new.role, row.state, row.reason);
        if role == Role::Create {
            return self.ask_held(place, now);
        }
        let above = row.new.depends_on.and_then(|parent| self.place(parent));
        let Some(above) = above else { return };
        let parent = self.entries[above].as_parent();
        if let Some(change) = family::followed(role, state, reason, parent) {
            self.change(above, change, now);
        }
    }

    /// Asks every dependent of `above` that is held.
    fn ask_held(&mut self, above: usize, now: Timestamp) {
        let parent = self.entries[above].new.id;
        for place in 0..self.entries.len() {
            let row = &self.entries[place];
            if row.held && row.new.depends_on == Some(parent) {
                let turn = family::turn(row.new.role, self.entries[above].as_parent());
                self.take_turn(place, above, turn, now);
            }
        }
    }

    pub(super) fn take_turn(&mut self, place: usize, above: usize, turn: Turn, now: Timestamp) {
        match turn {
            Turn::Held => {}
            Turn::Due(change) => {
                self.inherit(place, above);
                self.entries[place].stand(State::Accepted, Some(now), None, now);
                self.change_if(above, change, now);
            }
            Turn::Done(change) => {
                self.entries[place].stand(State::Registered, None, None, now);
                self.change_if(above, change, now);
                if self.entries[place].new.role == Role::Paper {
                    self.entries[above].paper = Some(self.entries[place].new.payload.clone());
                }
            }
            Turn::Moot => {
                let role = self.entries[place].new.role;
                let (state, reason) = family::moot(role, self.entries[above].state);
                self.entries[place].stand(state, None, Some(reason), now);
                self.stepped(place, now);
            }
        }
    }

    /// A cancel goes out with its parent's request and number, under its own authority.
    fn inherit(&mut self, place: usize, above: usize) {
        if self.entries[place].new.role == Role::Cancel {
            let parent = self.entries[above].new.clone();
            let new = &mut self.entries[place].new;
            new.payload = parent.payload;
            new.number = parent.number;
        }
    }

    fn change_if(&mut self, above: usize, change: Option<Change>, now: Timestamp) {
        if let Some(change) = change {
            self.change(above, change, now);
        }
    }

    /// What a dependent does to its parent.
    fn change(&mut self, above: usize, change: Change, now: Timestamp) {
        if change.acknowledged {
            self.entries[above].acknowledged = true;
            return;
        }
        if let Some(look) = change.watch {
            self.watch(above, look, now);
        }
        self.entries[above].stand(change.state, None, change.reason, now);
        self.ask_held(above, now);
    }

    /// Its prescriber agrees that whatever is found of it is annulled.
    pub(super) fn consent(&mut self, above: usize, authority: &Opaque, now: Timestamp) {
        self.entries[above].new.terms.annul_consent = true;
        let (parent, present) = (self.entries[above].new.id, self.entries[above].number());
        for watch in self.watches_mut(parent) {
            let is_present = watch.number() == present;
            if watch.state.is_pending() {
                watch.new.terms.annul_consent = true;
            } else if watch.state == State::Conflict
                && family::looks_again(watch.reason, is_present)
            {
                watch.new.terms.annul_consent = true;
                watch.new.authority = authority.clone();
                watch.stand(State::Uncertain, Some(now), None, now);
            }
        }
    }

    /// The upstream has applied it after all.
    pub(super) fn look_now(&mut self, above: usize, now: Timestamp) {
        let parent = self.entries[above].new.id;
        for watch in self.watches_mut(parent) {
            // Of one that looks at this moment: a mark, for its settlement.
            if watch.state.is_pending() {
                watch.due = Some(now);
            }
        }
    }

    /// A settlement, or what a watch does instead: see [`family::is_overtaken`].
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
        let (state, reason) = (settlement.state, settlement.reason);
        if row.new.role != Role::Watch || !family::is_overtaken(state, reason, meanwhile) {
            return settlement;
        }
        Settlement {
            state: State::Uncertain,
            reason: None,
            due: Some(now),
            ..settlement
        }
    }

    pub(super) fn let_go(&mut self, place: usize, fate: NumberFate, now: Timestamp) {
        match fate {
            NumberFate::Kept => {}
            NumberFate::Watched => self.watch(place, Look::Scheduled, now),
            NumberFate::Replaced => {
                self.watch(place, Look::Scheduled, now);
                let watch = self.entries.last_mut().expect("it was pushed");
                watch.new.terms.uncertain = Uncertain::AnnulAndResend;
            }
        }
    }

    /// A watch over the present number of `above` begins.
    fn watch(&mut self, above: usize, look: Look, now: Timestamp) {
        let parent = &self.entries[above].new;
        assert!(
            parent.number.number().is_some(),
            "only what was sent is watched"
        );
        // Unlike any id of an entry, and the same in every run.
        let id = EntryId(Uuid::from_u128(self.entries.len() as u128));
        let mut new = parent.clone();
        new.depends_on = Some(parent.id);
        new.id = id;
        new.order_key = id;
        new.op = self.undo_op;
        new.role = Role::Watch;
        new.key = String::new();
        new.fingerprint = Opaque::default();
        new.person = None;
        new.terms.deadline = NEVER;
        new.terms.uncertain = Uncertain::Verify;
        let due = match look {
            Look::Scheduled => now + new.terms.look_after,
            Look::Now => now,
        };
        let mut row = Row::held(new, now);
        row.stand(State::Uncertain, Some(due), None, now);
        self.push(row);
    }
}

impl Row {
    fn watches(&self, parent: EntryId) -> bool {
        self.new.role == Role::Watch && self.new.depends_on == Some(parent)
    }
}
