//! What is remembered of policies through a restart: toggles, and the last good files.
//!
//! # Invariants
//!
//! 1. What is set for one target, and what ended of it, is one state: a toggle takes another's place
//!    in one write, and a state is never too large to be kept, however many toggles there are.
//!
//! # Limits
//!
//! Of toggles that ended, the last `ENDED_MAX`, and `ENDED_OF_TARGET_MAX` of one target.
//!
//! # Failure
//!
//! A toggle that cannot be read keeps the gateway from starting: it may hold a lane shut.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use engine::ports::{OperatorState, OperatorStates, ReadError, WriteError};
use policies::failure::Opaque;
use policies::time::Timestamp;
use policies::toggle::Toggle;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::rules::Files;

/// Toggles that ended, which the next shift can still read of.
const ENDED_MAX: usize = 100;
/// As many of one target. With the one in force they are far below what a state may hold.
const ENDED_OF_TARGET_MAX: usize = 5;
/// What the name of a toggle's state begins with; its target follows.
const TOGGLE: &str = "toggle.";
/// The name of the last good files.
const LAST_GOOD: &str = "policies.last-good";

/// A toggle, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The organisation of who set it.
    pub organization: String,
    /// What was set.
    pub toggle: Toggle,
    /// Its end has passed, and it is kept all the same.
    #[serde(default)]
    pub is_overdue: bool,
}

impl Held {
    /// The same after a restart at `now`. A wall clock that was set back between two processes
    /// prolongs nothing: it lasts no longer from now than it was to last from its beginning.
    pub(super) fn restored(mut self, now: Timestamp) -> Held {
        let lasts = self.toggle.expires_at.since(self.toggle.set_at);
        self.toggle.expires_at = self.toggle.expires_at.min(now + lasts);
        self
    }
}

/// A toggle that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// What it was.
    pub held: Held,
    /// When it ended.
    pub at: Timestamp,
    /// Why.
    pub end: End,
}

impl Ended {
    pub(super) fn by_itself(held: Held, end: End, at: Timestamp) -> Ended {
        Ended { held, at, end }
    }
}

/// Why a toggle is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Its time was up.
    Expired,
    /// It was taken back.
    Withdrawn(By),
    /// Another was set in its place.
    Replaced(By),
    /// It did not fit the files when the process began.
    Unfit,
}

impl End {
    /// Every word for it.
    pub(crate) const WORDS: [&str; 4] = ["expired", "withdrawn", "replaced", "unfit"];

    /// The word for it.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            End::Expired => "expired",
            End::Withdrawn(_) => "withdrawn",
            End::Replaced(_) => "replaced",
            End::Unfit => "unfit",
        }
    }

    /// Who ended it; nobody, where it ended by itself.
    pub(crate) fn by(&self) -> Option<&By> {
        match self {
            End::Withdrawn(by) | End::Replaced(by) => Some(by),
            End::Expired | End::Unfit => None,
        }
    }
}

/// Who ended a toggle, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    /// Their organisation.
    pub organization: String,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: String,
}

/// Notes that a toggle ended, and forgets the oldest of too many.
pub(super) fn push(ended: &mut Vec<Ended>, latest: Ended) {
    ended.insert(0, latest);
    ended.truncate(ENDED_MAX);
}

/// Everything that is remembered.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The files of the last good policy.
    pub last_good: Option<Files>,
    /// The toggles in force.
    pub toggles: Vec<Held>,
    /// Those that ended last, the latest first.
    pub ended: Vec<Ended>,
}

/// What is kept of one target.
#[derive(Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    held: Option<Held>,
    /// The latest first.
    ended: Vec<Ended>,
}

/// What operators have set cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeptError {
    /// The store cannot.
    #[error("the store does not give it out")]
    Store(#[source] ReadError),
    /// It is there, and means nothing to this release.
    #[error(
        "what is kept of toggle {target} is not in the form of this release: start the release that \
         set it, withdraw it there, and start this one again"
    )]
    Unparsable {
        /// Of which target.
        target: String,
    },
}

impl Kept {
    /// What a store remembers. Last good files that cannot be read are named, and are as if they had
    /// not been kept.
    ///
    /// # Errors
    ///
    /// When toggles cannot be read: nobody knows what would be put in force without them.
    pub async fn read(store: &dyn OperatorStates) -> Result<Kept, KeptError> {
        let mut kept = Kept::default();
        for OperatorState { name, value } in
            store.operator_states().await.map_err(KeptError::Store)?
        {
            if let Some(target) = name.strip_prefix(TOGGLE) {
                let stored: Stored = parse(&value).ok_or_else(|| KeptError::Unparsable {
                    target: target.to_owned(),
                })?;
                kept.toggles.extend(stored.held);
                kept.ended.extend(stored.ended);
            } else if name == LAST_GOOD {
                kept.last_good = parse(&value);
                if kept.last_good.is_none() {
                    tracing::error!("the last good policy cannot be read any more");
                }
            }
        }
        kept.ended.sort_by_key(|ended| Reverse(ended.at));
        kept.ended.truncate(ENDED_MAX);
        Ok(kept)
    }

    /// The targets of which something else is remembered than by `other`.
    pub(super) fn differing(&self, other: &Kept) -> BTreeSet<String> {
        let of = |kept: &Kept| {
            let held = kept.toggles.iter().map(|held| &held.toggle.target);
            let ended = kept.ended.iter().map(|ended| &ended.held.toggle.target);
            held.chain(ended).cloned().collect::<Vec<_>>()
        };
        let targets = of(self).into_iter().chain(of(other));
        targets
            .filter(|target| self.of(target) != other.of(target))
            .collect()
    }

    fn of(&self, target: &str) -> Stored {
        let mut held = self.toggles.iter();
        let ended = self.ended.iter();
        let ended = ended.filter(|ended| ended.held.toggle.target == target);
        Stored {
            held: held.find(|held| held.toggle.target == target).cloned(),
            ended: ended.take(ENDED_OF_TARGET_MAX).cloned().collect(),
        }
    }

    /// Remembers what there is of `target`.
    pub(super) async fn write_toggle(
        &self,
        target: &str,
        store: &dyn OperatorStates,
    ) -> Result<(), WriteError> {
        let stored = Some(self.of(target)).filter(|stored| *stored != Stored::default());
        write(store, format!("{TOGGLE}{target}"), stored.as_ref()).await
    }
}

/// Remembers the files of a good policy.
pub(super) async fn write_last_good(
    files: &Files,
    store: &dyn OperatorStates,
) -> Result<(), WriteError> {
    write(store, LAST_GOOD.to_owned(), Some(files)).await
}

async fn write(
    store: &dyn OperatorStates,
    name: String,
    value: Option<&impl Serialize>,
) -> Result<(), WriteError> {
    let value = value.map(|value| {
        let value = serde_json::to_vec(value).expect("these have only strings, numbers and lists");
        Opaque(value)
    });
    store.put_operator_state(name, value).await
}

fn parse<T: DeserializeOwned>(value: &Opaque) -> Option<T> {
    serde_json::from_slice(&value.0).ok()
}

#[cfg(test)]
mod tests;
