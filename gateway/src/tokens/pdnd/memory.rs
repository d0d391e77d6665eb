//! What is known of PDND's keys, and when to ask again.
//!
//! # Invariants
//!
//! 1. A key is used while it is fresh; when it is stale, only if PDND was asked and did not answer;
//!    never after.
//! 2. After an answer, PDND is asked about what it did not hold at most once in `ask_again`; while it
//!    does not answer, about anything.
//! 3. A key that PDND does not hold any more is forgotten with the answer that says so.
//!
//! # Limits
//!
//! [`CLIENT_KEYS_MAX`] keys of clients; beyond it the one that was asked for longest ago goes. One client
//! is asked for [`UNKNOWN_MAX`] ids that are not known in `ask_again`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use policies::time::Timestamp;

/// Keys of clients: more than a region has organisations, in about 10 MiB.
pub(super) const CLIENT_KEYS_MAX: usize = 10_000;
/// Ids that were not known, and that one client may have us ask for in one `ask_again`: who has just
/// changed its keys needs two.
pub(super) const UNKNOWN_MAX: u32 = 4;

/// How long what was heard may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// Without asking again.
    pub(crate) fresh_for: Duration,
    /// While PDND does not answer.
    pub(crate) stale_for: Duration,
    /// Nor is what it does not hold asked for more often than this.
    pub(crate) ask_again: Duration,
}

/// A key, and what it is used with.
pub(crate) struct Key {
    pub(crate) key: DecodingKey,
    pub(crate) algorithm: Algorithm,
    /// Whose it is, where PDND says it.
    pub(crate) client: Option<String>,
}

/// What is to be done for a key.
pub(crate) enum Found {
    /// Use this one.
    Key(Arc<Key>),
    /// Ask first.
    Ask,
    /// PDND holds none.
    None,
    /// Nobody knows: PDND does not answer.
    Unanswered,
}

/// The last answer about something, and the last try.
struct Slot<T> {
    heard: Option<(T, Timestamp)>,
    tried: Option<Timestamp>,
    has_failed: bool,
}

impl<T> Slot<T> {
    const EMPTY: Slot<T> = Slot {
        heard: None,
        tried: None,
        has_failed: false,
    };

    fn within(&self, span: Duration, now: Timestamp) -> Option<&T> {
        let (value, at) = self.heard.as_ref()?;
        (now.since(*at) < span).then_some(value)
    }

    /// What `pick` takes of what is known. `may_ask` is false for who has just asked.
    fn find(
        &self,
        life: Life,
        now: Timestamp,
        may_ask: bool,
        pick: impl Fn(&T) -> Option<&Arc<Key>>,
    ) -> Found {
        let fresh = self.within(life.fresh_for, now);
        if let Some(key) = fresh.and_then(&pick) {
            return Found::Key(Arc::clone(key));
        }
        let is_recent = self.tried.is_some_and(|at| now.since(at) < life.ask_again);
        let is_settled = is_recent && (self.has_failed || fresh.is_some());
        if may_ask && !is_settled {
            return Found::Ask;
        }
        if !self.has_failed {
            // The answer is here, or whoever should have brought it never came to it.
            return match fresh {
                Some(_) => Found::None,
                None => Found::Unanswered,
            };
        }
        let stale = self.within(life.stale_for, now).and_then(pick);
        stale.map_or(Found::Unanswered, |key| Found::Key(Arc::clone(key)))
    }

    fn told(&mut self, answer: Option<T>, now: Timestamp) {
        self.tried = Some(now);
        self.has_failed = answer.is_none();
        if let Some(value) = answer {
            self.heard = Some((value, now));
        }
    }

    fn was_tried_since(&self, moment: Timestamp) -> bool {
        self.tried.is_some_and(|at| at > moment)
    }
}

/// How many unknown ids a client has had us ask for.
struct Asking {
    since: Timestamp,
    count: u32,
}

/// Everything that is known.
pub(super) struct Memory {
    life: Life,
    issuer: Slot<HashMap<String, Arc<Key>>>,
    clients: HashMap<String, Slot<Option<Arc<Key>>>>,
    asking: HashMap<String, Asking>,
}

impl Memory {
    pub(super) fn new(life: Life) -> Memory {
        Memory {
            life,
            issuer: Slot::EMPTY,
            clients: HashMap::new(),
            asking: HashMap::new(),
        }
    }

    /// The key of PDND's own that `kid` names.
    pub(super) fn issuer_key(&self, kid: &str, now: Timestamp, may_ask: bool) -> Found {
        self.issuer
            .find(self.life, now, may_ask, |keys| keys.get(kid))
    }

    /// The key that `kid` names, as `client` presents it; `client` is registered with us.
    pub(super) fn client_key(
        &mut self,
        client: &str,
        kid: &str,
        now: Timestamp,
        may_ask: bool,
    ) -> Found {
        let empty = Slot::EMPTY;
        let slot = self.clients.get(kid).unwrap_or(&empty);
        let is_known = matches!(slot.heard, Some((Some(_), _)));
        let found = slot.find(self.life, now, may_ask, Option::as_ref);
        if matches!(found, Found::Ask) && !is_known && !self.may_ask_for(client, now) {
            return Found::None;
        }
        found
    }

    fn may_ask_for(&mut self, client: &str, now: Timestamp) -> bool {
        let asking = self.asking.entry(client.to_owned()).or_insert(Asking {
            since: now,
            count: 0,
        });
        if now.since(asking.since) >= self.life.ask_again {
            *asking = Asking {
                since: now,
                count: 0,
            };
        }
        asking.count = asking.count.saturating_add(1);
        asking.count <= UNKNOWN_MAX
    }

    /// Notes all of PDND's own keys, or that it did not answer.
    pub(super) fn told_issuer(&mut self, keys: Option<HashMap<String, Arc<Key>>>, now: Timestamp) {
        self.issuer.told(keys, now);
    }

    /// Notes the key of `kid`, that there is none, or that PDND did not answer.
    pub(super) fn told_client(
        &mut self,
        kid: &str,
        answer: Option<Option<Arc<Key>>>,
        now: Timestamp,
    ) {
        if self.clients.len() >= CLIENT_KEYS_MAX && !self.clients.contains_key(kid) {
            let oldest = self.clients.iter().min_by_key(|(_, slot)| slot.tried);
            if let Some(oldest) = oldest.map(|(kid, _)| kid.clone()) {
                self.clients.remove(&oldest);
            }
        }
        let slot = self.clients.entry(kid.to_owned()).or_insert(Slot::EMPTY);
        slot.told(answer, now);
    }

    /// Whether PDND has been asked about its own keys, or about that of `kid`, after `moment`.
    pub(super) fn was_tried_since(&self, kid: Option<&str>, moment: Timestamp) -> bool {
        match kid {
            None => self.issuer.was_tried_since(moment),
            Some(kid) => self
                .clients
                .get(kid)
                .is_some_and(|slot| slot.was_tried_since(moment)),
        }
    }
}

#[cfg(test)]
mod tests;
