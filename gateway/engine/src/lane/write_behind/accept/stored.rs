//! From a write to its entry: as it is put on disk, and as it stands once it is there.

use policies::delivery::Terms;
use policies::family::{Role, awaits_paper};
use policies::operation::{LaneName, OpName};
use policies::state::State;
use policies::time::Timestamp;
use uuid::Uuid;

use crate::door::{Matter, Refusal, Write};
use crate::entry::{
    AppendError, Appended, Entry, EntryId, Leased, NewEntry, NumberUse, Renumber, Request,
    Settlement, Start,
};
use crate::gate::Permit;
use crate::slots::Slot;

/// Leave to send at once: a free call and the gate's permit.
pub(super) struct Passage {
    pub(super) slot: Slot,
    pub(super) permit: Permit,
}

/// What is on disk, and how to send it if it is to be sent now.
pub(super) struct Stored {
    pub(super) entry: Entry,
    pub(super) replayed: bool,
    pub(super) now: Option<(Box<Leased>, Passage)>,
}

impl NewEntry {
    /// The entry that `write` becomes.
    pub(super) fn of(
        lane: LaneName,
        op: OpName,
        write: Write,
        number: NumberUse,
        terms: Terms,
        start: Start,
    ) -> NewEntry {
        let id = EntryId(Uuid::now_v7());
        let (role, parent, person, payload) = match write.matter {
            Matter::New {
                payload, person, ..
            } => (Role::Create, None, person, payload),
            Matter::About {
                parent,
                role,
                payload,
            } => (role, Some(parent), None, payload),
        };
        NewEntry {
            id,
            lane,
            op,
            role,
            order_key: parent.unwrap_or(id),
            depends_on: parent,
            organization: write.organization,
            key: write.key,
            fingerprint: write.fingerprint,
            person,
            number,
            identity: write.identity,
            payload,
            authority: write.authority,
            terms,
            start,
            trace: write.trace,
            audit: write.audit,
            reply_to: write.reply_to,
        }
    }
}

/// Nothing is sent under it: the gate learns nothing, and waits for nothing.
pub(super) fn unused(passage: Option<Passage>) {
    if let Some(Passage { permit, .. }) = passage {
        permit.unused();
    }
}

pub(super) fn not_accepted(appended: Result<Appended, AppendError>) -> Result<Stored, Refusal> {
    match appended {
        Ok(Appended::Replay(entry)) => Ok(Stored {
            entry: *entry,
            replayed: true,
            now: None,
        }),
        Ok(Appended::Accepted { .. }) => unreachable!("accepted entries are handled before"),
        Ok(Appended::Moot(state)) => Err(Refusal::Moot(state)),
        Ok(Appended::NoParent) => Err(Refusal::NoParent),
        Ok(Appended::OtherIdentity) => Err(Refusal::OtherIdentity),
        Ok(Appended::KeyReused) => Err(Refusal::KeyReused),
        Ok(Appended::NumberOurs) => Err(Refusal::NumberOurs),
        Ok(Appended::NumberUsed) => Err(Refusal::NumberUsed),
        Err(AppendError::Full) => Err(Refusal::Full),
        Err(AppendError::Refused) => Err(Refusal::Refused),
        Err(AppendError::Unknown) => Err(Refusal::Unknown),
    }
}

/// What `new` has become on disk. Where it was not leased after all, because something of its
/// prescription is still on its way or nothing is to be sent, its passage is given back.
pub(super) fn stored(
    new: NewEntry,
    at: Timestamp,
    (state, epoch): (State, u64),
    request: Option<Box<Request>>,
    passage: Option<Passage>,
) -> Stored {
    let number = new.number.number().cloned().unwrap_or_default();
    let reason = match new.start {
        Start::Withdrawn(code) => Some(code),
        Start::Leased(_) | Start::Due => None,
    };
    let entry = Entry {
        id: new.id,
        op: new.op.0.to_owned(),
        state,
        reason,
        accepted_at: at,
        updated_at: at,
        terms: new.terms,
        number: number.clone(),
        answer: None,
        paper: None,
        acknowledged: false,
        watched: false,
        paper_due: reason.map(|_| at + new.terms.paper_within),
    };
    let own = || Request {
        payload: new.payload,
        number,
        authority: new.authority,
        trace: new.trace,
    };
    let now = match (passage, new.start) {
        (Some(passage), Start::Leased(lease_for)) if epoch > 0 => {
            let leased = Leased {
                id: new.id,
                op: new.op.0.to_owned(),
                role: new.role,
                accepted_at: at,
                epoch,
                lease_until: at + lease_for,
                state,
                sends: 1,
                failures: 0,
                reason: None,
                terms: new.terms,
                request: Ok(request.map_or_else(own, |request| *request)),
            };
            Some((Box::new(leased), passage))
        }
        (passage, _) => {
            unused(passage);
            None
        }
    };
    Stored {
        entry,
        replayed: false,
        now,
    }
}

/// The entry as the settlement left it.
pub(super) fn after(entry: Entry, settlement: Settlement, now: Timestamp) -> Entry {
    let waits = awaits_paper(settlement.state, settlement.reason, entry.terms.fallback);
    Entry {
        state: settlement.state,
        reason: settlement.reason,
        updated_at: now,
        answer: settlement.answer,
        watched: settlement.number != Renumber::Kept,
        paper_due: waits.then(|| now + entry.terms.paper_within),
        ..entry
    }
}
