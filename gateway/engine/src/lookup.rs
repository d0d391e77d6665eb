//! What the edge asks a read-through lane, and what it hears.
//!
//! The engine compares keyed digests and knows nothing of what they stand for: who holds the key
//! (`adapters::model::Relations`) makes them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use policies::failure::{Code, Failure, Opaque};
use policies::operation::OpName;
use policies::rules::RegistryRules;
use policies::time::Timestamp;
use zeroize::Zeroizing;

use crate::entry::Organization;

/// A keyed digest.
pub type Digest = [u8; 16];

/// Under what an answer is kept: whom it is about, and what was asked (operation, view, card).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LookupKey {
    /// Whom it is about. All answers about one person can be purged together.
    pub person: Digest,
    /// What was asked.
    pub question: Digest,
}

impl fmt::Debug for LookupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LookupKey(…)")
    }
}

/// A relation between a person and whoever may see them: the listed doctor, a practice. An answer
/// carries those its source knows of, a caller those it has proved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub Digest);

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(…)")
    }
}

/// Who asks, as far as a lane must know.
#[derive(Debug, Clone)]
pub struct Asker {
    /// The organisation and the person at its desk: whom the source has answered before, whom it told
    /// that there is nothing, and who is counted.
    pub caller: Tag,
    /// The organisation alone: a source that refuses everybody refuses several.
    pub organization: Organization,
    /// The relations it has proved of itself.
    pub tags: Vec<Tag>,
    /// The relations of whom it stands in for: they show what is known, and nothing is forgotten for
    /// them. What the source does not tell a substitute it may well tell the doctor.
    pub lent: Vec<Tag>,
    /// Whether it may see again what its source has answered it before.
    pub is_remembered: bool,
    /// Whether it may see what is known without a relation, for a reason that was written down.
    pub breaks_glass: bool,
}

/// A look-up as the edge hands it over: checked, authorised, encoded for its adapter.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// Its operation.
    pub op: OpName,
    /// Under what its answer is kept.
    pub key: LookupKey,
    /// Who asks.
    pub asker: Asker,
    /// The rules it goes by from here to its end: those that its request was begun under.
    pub rules: Arc<RegistryRules>,
    /// The request, as its adapter reads it.
    pub payload: Opaque,
    /// The authority it acts under; empty where the organisation asks in its own name.
    pub authority: Opaque,
    /// The longest the caller will wait (`Prefer: wait`), if it says so.
    pub wait_max: Option<Duration>,
    /// The trace it belongs to (W3C `traceparent`).
    pub trace: Option<String>,
}

/// An answer that may be shown to who asked.
#[derive(Clone)]
pub struct Known {
    /// The adapter's answer (JSON), the same bytes for everybody.
    pub body: Bytes,
    /// When its source gave it.
    pub fetched_at: Timestamp,
    /// How long ago that is.
    pub age: Duration,
    /// Whether it may be longer ago than [`Known::age`] says.
    pub age_is_floor: bool,
    /// For how long it may still be shown without asking; none if it is stale.
    pub fresh_for: Option<Duration>,
    /// How it was come by.
    pub way: Way,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("age", &self.age)
            .field("way", &self.way)
            .finish_non_exhaustive()
    }
}

/// How an answer was come by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It was known, and fresh.
    Hit,
    /// Its source was asked for this caller, to whom nothing known could be shown.
    Loaded,
    /// Its source was asked for this caller, for what was known was stale.
    Renewed,
    /// Its source was asked for another caller at the same time.
    Collapsed,
    /// It was known, and its source failed so.
    Stale(Code),
}

impl Way {
    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Way::Hit => "hit",
            Way::Loaded | Way::Renewed => "loaded",
            Way::Collapsed => "collapsed",
            Way::Stale(_) => "stale",
        }
    }
}

/// What became of a look-up.
#[derive(Debug, Clone)]
pub enum Looked {
    /// It is known.
    Known(Known),
    /// Its source knows nothing under it, as it told this caller this long ago.
    Absent(Duration),
}

/// Why a look-up was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LookupRefusal {
    /// The source said no to this caller, or refused its authority. Nothing that is known is shown.
    #[error("the source refused the caller")]
    Denied(Failure),
    /// The source failed, and nothing is known that this caller may see; how long to wait.
    #[error("the source failed, and nothing is known")]
    Failed(Code, Duration),
    /// The caller asks too much of the source; how long to wait.
    #[error("the caller asks too much")]
    Limited(Duration),
    /// The lane's queue of requests is full; how long to wait.
    #[error("the lane is busy")]
    Busy(Duration),
    /// The lane is disabled.
    #[error("the lane is disabled")]
    Disabled,
    /// The gateway is shutting down.
    #[error("the gateway is shutting down")]
    Stopping,
}

/// An answer as it is kept.
#[derive(Clone)]
pub struct Shelved {
    /// Under what.
    pub key: LookupKey,
    /// When its source gave it.
    pub fetched_at: Timestamp,
    /// The relations its source knows of.
    pub tags: Vec<Tag>,
    /// Whom the source has answered about it, and when last.
    pub seen_by: Vec<(Tag, Timestamp)>,
    /// The answer.
    pub body: Bytes,
    /// Whether its age is at least what it seems: it must not be shown as fresh.
    pub age_is_floor: bool,
}

impl fmt::Debug for Shelved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelved")
            .field("fetched_at", &self.fetched_at)
            .finish_non_exhaustive()
    }
}

/// A body whose bytes are overwritten when the last who holds it lets go: what is kept, answers in
/// flight and the shelf's queue share one.
///
/// Not so the copies that others make of it: what it was read from, the row that is sealed, the response.
pub fn body(bytes: Vec<u8>) -> Bytes {
    Bytes::from_owner(Zeroizing::new(bytes))
}
