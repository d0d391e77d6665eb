//! What is remembered of policies through a restart: toggles, and the last good files.
//!
//! # Limits
//!
//! Of toggles that ended, the last [`ENDED_MAX`].

use engine::ports::{OperatorState, OperatorStates, ReadError, WriteError};
use policies::failure::Opaque;
use policies::time::Timestamp;
use policies::toggle::Toggle;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::rules::Files;

/// Toggles that ended, which the next shift can still read of.
const ENDED_MAX: usize = 100;
/// The names they are kept under.
const TOGGLES: &str = "toggles";
const LAST_GOOD: &str = "policies.last-good";

/// A toggle, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The organisation of who set it.
    pub organization: String,
    /// What was set.
    pub toggle: Toggle,
    /// Its end has passed, and its lane is down.
    #[serde(skip)]
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
pub struct Ended {
    /// What it was.
    pub held: Held,
    /// When it ended.
    pub at: Timestamp,
    /// Who ended it, and why; nobody, where its time was up.
    pub withdrawn: Option<Withdrawn>,
}

/// Who took a toggle back, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// Their organisation.
    pub organization: String,
    /// Who.
    pub author: String,
    /// Why.
    pub reason: String,
}

impl Ended {
    pub(super) fn expired(held: Held, at: Timestamp) -> Ended {
        Ended {
            held,
            at,
            withdrawn: None,
        }
    }
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

/// Toggles as they are stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    held: Vec<Held>,
    ended: Vec<Ended>,
}

impl Kept {
    /// What a store remembers. What cannot be read is named, and is as if it had not been kept.
    ///
    /// # Errors
    ///
    /// When the store cannot be read at all.
    pub async fn read(store: &dyn OperatorStates) -> Result<Kept, ReadError> {
        let mut kept = Kept::default();
        for OperatorState { name, value } in store.operator_states().await? {
            match name.as_str() {
                TOGGLES => {
                    if let Some(stored) = parse::<Stored>(&name, &value) {
                        kept.toggles = stored.held;
                        kept.ended = stored.ended;
                    }
                }
                LAST_GOOD => kept.last_good = parse(&name, &value),
                _ => {}
            }
        }
        Ok(kept)
    }

    /// Remembers the toggles.
    pub(super) async fn write_toggles(self, store: &dyn OperatorStates) -> Result<(), WriteError> {
        let stored = Stored {
            held: self.toggles,
            ended: self.ended,
        };
        write(store, TOGGLES, &stored).await
    }
}

/// Remembers the files of a good policy.
pub(super) async fn write_last_good(
    files: &Files,
    store: &dyn OperatorStates,
) -> Result<(), WriteError> {
    write(store, LAST_GOOD, files).await
}

async fn write(
    store: &dyn OperatorStates,
    name: &str,
    value: &impl Serialize,
) -> Result<(), WriteError> {
    let value = serde_json::to_vec(value).expect("these have only strings, numbers and lists");
    let value = Some(Opaque(value));
    store.put_operator_state(name.to_owned(), value).await
}

fn parse<T: DeserializeOwned>(name: &str, value: &Opaque) -> Option<T> {
    let read = serde_json::from_slice(&value.0);
    if read.is_err() {
        tracing::error!(name, "what operators had set cannot be read any more");
    }
    read.ok()
}
