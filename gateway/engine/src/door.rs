//! What the edge says to a lane, and what it hears back.

use std::sync::Arc;
use std::time::Duration;

use policies::delivery::Fallback;
use policies::failure::Opaque;
use policies::family::Role;
use policies::gate::View;
use policies::operation::{LaneName, OpName};
use policies::rules::WriteBehindRules;
use policies::state::State;

use crate::entry::{Entry, EntryId, Organization, ReplyTo};

/// A write as the edge hands it over: checked, authorised, encoded for its adapter.
#[derive(Debug, Clone)]
pub struct Write {
    /// Who writes.
    pub organization: Organization,
    /// The caller's `Idempotency-Key`.
    pub key: String,
    /// What the caller sent, to tell a repetition from another request.
    pub fingerprint: Opaque,
    /// The authority it acts under, as a name.
    pub identity: Opaque,
    /// The authority itself; empty where nothing will be sent under it.
    pub authority: Opaque,
    /// Whether entries that wait for their prescriber may go on under that authority, too.
    pub resumes: bool,
    /// What is written.
    pub matter: Matter,
    /// The longest the caller will wait (`Prefer: wait`), if it says so.
    pub wait_max: Option<Duration>,
    /// The trace it belongs to (W3C `traceparent`).
    pub trace: Option<String>,
    /// Who writes, as the audit will say.
    pub audit: Opaque,
    /// Where the events of what is written are pushed to, if anywhere.
    pub reply_to: Option<ReplyTo>,
    /// The policy that was in force when it came: all of it goes by this one, whatever is put in force
    /// meanwhile.
    pub rules: Arc<WriteBehindRules>,
}

/// What a write is about.
#[derive(Debug, Clone)]
pub enum Matter {
    /// A new prescription.
    New {
        /// The request, as its adapter reads it.
        payload: Opaque,
        /// The person concerned, to search by.
        person: Option<Opaque>,
        /// The caller's own number, if it brings one.
        own_number: Option<Opaque>,
        /// What the desk does while the upstream does not answer.
        fallback: Fallback,
        /// Whether what is applied late may be annulled without asking again.
        annul_consent: bool,
    },
    /// A prescription that is on disk: cancelled, written on paper, acknowledged.
    About {
        /// Which.
        parent: EntryId,
        /// What is done about it.
        role: Role,
        /// What is to be kept with it.
        payload: Opaque,
    },
}

/// A write that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// As it stands now.
    pub entry: Entry,
    /// Whether an earlier request with the same key stored it.
    pub replayed: bool,
}

/// Why a write is not on disk, or not known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A request with the same key is being stored right now.
    #[error("a request with the same key is in flight")]
    InFlight,
    /// The key was used for another request.
    #[error("the key was used for another request")]
    KeyReused,
    /// The caller's own number lies in a range that was ever ours.
    #[error("the number lies in a range of the gateway")]
    NumberOurs,
    /// The number is held by another entry.
    #[error("the number is held by another entry")]
    NumberUsed,
    /// The prescription it is about is not there for this organisation.
    #[error("there is no such prescription")]
    NoParent,
    /// The prescription it is about stands where there is nothing it could do.
    #[error("the prescription is {}", .0.as_str())]
    Moot(State),
    /// The prescription it is about is another prescriber's.
    #[error("the prescription is another prescriber's")]
    OtherIdentity,
    /// No number is left, and no lot could be had.
    #[error("no number is left")]
    NumbersExhausted,
    /// The lane's queue of requests is full.
    #[error("the lane is busy")]
    Busy,
    /// As many entries are pending as the policy allows.
    #[error("the store holds as many pending entries as it may")]
    Full,
    /// The store refused the write; nothing is on disk.
    #[error("the store refused the write")]
    Refused,
    /// Nobody knows whether it is on disk: repeat it with the same key.
    #[error("the store does not know whether the write is on disk")]
    Unknown,
    /// The lane is disabled; nothing is on disk.
    #[error("the lane is disabled")]
    Disabled,
    /// The gateway is shutting down; nothing is on disk.
    #[error("the gateway is shutting down")]
    Stopping,
}

/// How one gate of a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateView {
    /// The lane.
    pub lane: LaneName,
    /// The operation.
    pub op: OpName,
    /// How it stands.
    pub view: View,
}
