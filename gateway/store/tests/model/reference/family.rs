//! What entries of the model do to each other.

use engine::ports::{EntryId, NewEntry, Request};
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::{Code, Opaque};
use policies::family::{
    self, Change, Look, Parent, Role, Turn, awaits_acknowledgement, awaits_paper,
};
use policies::state::State;
use policies::time::Timestamp;

use super::{Described, Held, Reference, To, UNDO, heard};

impl Held {
    /// Whether its deadline parks it once it has passed.
    pub(super) fn is_overdue(&self) -> bool {
        match self.state {
            State::NeedsAuthorization => true,
            State::Accepted | State::Uncertain => match self.role {
                Role::Watch => false,
                Role::Create => true,
                _ => !self.held,
            },
            _ => false,
        }
    }

    fn as_parent(&self) -> Parent {
        Parent {
            state: self.state,
            reason: self.reason,
            sends: self.sends,
            fallback: self.terms.fallback,
            annul_consent: self.terms.annul_consent,
        }
    }
}

impl Reference {
    pub(super) fn append_about(&mut self, new: &NewEntry, parent: EntryId) -> Described {
        let found = self.place(parent);
        let Some(parent) = found.filter(|at| self.entries[*at].role == Role::Create) else {
            return Described::NoParent;
        };
        let needs_writer = family::needs_writer(new.role, self.entries[parent].state);
        if needs_writer && self.entries[parent].identity != new.identity {
            return Described::OtherIdentity;
        }
        let turn = family::turn(new.role, self.entries[parent].as_parent());
        if turn == Turn::Moot {
            return Described::Moot(self.entries[parent].state);
        }
        if self.is_taken(new.number.number()) {
            return Described::NumberUsed;
        }
        let at = self.push(Held::of(new, Some(parent), self.now));
        let mut request = None;
        let change = match turn {
            Turn::Held => {
                self.entries[at].held = true;
                None
            }
            Turn::Due(change) => {
                self.copy(at, parent);
                self.begin(at, new.start);
                let held = &self.entries[at];
                let goes = held.state == State::Sending && held.role == Role::Cancel;
                request = goes.then(|| held.request.clone());
                change
            }
            Turn::Done(change) => {
                self.entries[at].state = State::Registered;
                change
            }
            Turn::Moot => unreachable!("told above"),
        };
        if family::consents(new.role) {
            self.consent(parent, &new.authority);
        }
        if new.role == Role::Paper {
            self.entries[parent].paper = Some(new.payload.clone());
        }
        if let Some(change) = change {
            self.apply(parent, change);
        }
        self.accepted(at, request)
    }

    fn consent(&mut self, parent: usize, authority: &Opaque) {
        self.entries[parent].terms.annul_consent = true;
        let now = self.now;
        for held in &mut self.entries {
            if held.role != Role::Watch || held.parent != Some(parent) {
                continue;
            }
            if held.is_open_watch() {
                held.terms.annul_consent = true;
            }
            // A watch that took its number over from the parent holds it as its own.
            let is_present = held.holds.is_none();
            if held.state == State::Conflict && family::looks_again(held.reason, is_present) {
                held.terms.annul_consent = true;
                held.request.authority = authority.clone();
                (held.state, held.reason, held.due) = (State::Uncertain, None, now);
            }
        }
    }

    /// What a cancel is sent with: its parent's request, under an authority of its own.
    fn copy(&mut self, at: usize, parent: usize) {
        if self.entries[at].role == Role::Cancel {
            let Request {
                payload, number, ..
            } = self.entries[parent].request.clone();
            let request = &mut self.entries[at].request;
            (request.payload, request.number) = (payload, number);
        }
    }

    fn apply(&mut self, at: usize, change: Change) {
        let to = To {
            acknowledged: change.acknowledged,
            watch: change.watch,
            ..self.to(at, change.state, change.reason)
        };
        self.take(at, to);
    }

    /// The step that leaves everything else as it is.
    pub(super) fn to(&self, at: usize, state: State, reason: Option<Code>) -> To {
        To {
            state,
            reason,
            due: self.now,
            sends: self.entries[at].sends,
            acknowledged: false,
            watch: None,
            number: None,
        }
    }

    /// A step, and what follows from it.
    pub(super) fn take(&mut self, at: usize, to: To) {
        self.write(at, to);
        match self.entries[at].role {
            Role::Create => {
                for dependent in 0..self.entries.len() {
                    let held = &self.entries[dependent];
                    if held.held && held.parent == Some(at) {
                        self.ask(dependent, at);
                    }
                }
            }
            role => {
                let held = &self.entries[at];
                let parent = held.parent.expect("it is about one");
                let (state, reason) = (held.state, held.reason);
                let stands = self.entries[parent].as_parent();
                if let Some(change) = family::followed(role, state, reason, stands) {
                    self.apply(parent, change);
                }
            }
        }
    }

    fn ask(&mut self, at: usize, parent: usize) {
        let (role, stands) = (self.entries[at].role, self.entries[parent].as_parent());
        let turn = family::turn(role, stands);
        let (to, change) = match turn {
            Turn::Held => return,
            Turn::Due(change) => {
                self.copy(at, parent);
                let (state, reason) = (self.entries[at].state, self.entries[at].reason);
                (self.to(at, state, reason), change)
            }
            Turn::Done(change) => (self.to(at, State::Registered, None), change),
            Turn::Moot => {
                let (state, reason) = family::moot(role, stands.state);
                (self.to(at, state, Some(reason)), None)
            }
        };
        self.take(at, to);
        if let Some(change) = change {
            self.apply(parent, change);
        }
    }

    fn write(&mut self, at: usize, to: To) {
        if let Some(look) = to.watch
            && !self.entries[at].request.number.0.is_empty()
        {
            let watch = self.watch(at, look, to.number.is_some());
            self.entries.push(watch);
            if let Some(number) = to.number {
                self.entries[at].holds = Some(number.clone());
                self.entries[at].request.number = number;
            }
        }
        let now = self.now;
        let held = &mut self.entries[at];
        let told = (held.state, held.reason) == (to.state, to.reason);
        if (heard(held.state), held.reason) != (to.state, to.reason) {
            held.events.push((now, to.state, to.reason));
            held.updated_at = now;
        }
        if held.role == Role::Create {
            let awaits = awaits_acknowledgement(to.state, to.reason);
            held.acknowledged = to.acknowledged || (held.acknowledged && (told || !awaits));
            let waits = awaits_paper(to.state, to.reason, held.terms.fallback);
            let until = held.paper_due.unwrap_or(now + held.terms.paper_within);
            held.paper_due = waits.then_some(until);
        }
        held.held = false;
        held.state = to.state;
        held.reason = to.reason;
        held.due = to.due;
        held.sends = to.sends;
    }

    fn watch(&mut self, of: usize, look: Look, replaces: bool) -> Held {
        let parent = &mut self.entries[of];
        let uncertain = if replaces {
            Uncertain::AnnulAndResend
        } else {
            Uncertain::Verify
        };
        let terms = Terms {
            fallback: Fallback::Hold,
            uncertain,
            deadline: Timestamp(u64::MAX),
            ..parent.terms
        };
        Held {
            id: None,
            role: Role::Watch,
            state: State::Uncertain,
            reason: None,
            accepted_at: self.now,
            updated_at: self.now,
            events: Vec::new(),
            acknowledged: false,
            paper_due: None,
            answer: None,
            paper: None,
            key: None,
            parent: Some(of),
            held: false,
            op: UNDO.0.to_owned(),
            order_key: None,
            holds: parent.holds.take_if(|_| replaces),
            terms,
            due: match look {
                Look::Now => self.now,
                Look::Scheduled => self.now + terms.look_after,
            },
            lease_until: self.now,
            epoch: 0,
            sends: 0,
            ..parent.clone()
        }
    }
}
