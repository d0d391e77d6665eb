//! What is known of PDND's keys, and when to ask again.
//!
//! # Invariants
//!
//! 1. A key is used while it is fresh; when it is stale, only if PDND was asked and did not answer in
//!    time, or is known to be away; never after.
//! 2. After an answer, PDND is asked about what it did not hold at most once in `ask_again`; while it
//!    does not answer about something, about that; while it is away, about anything.
//! 3. A key that PDND does not hold any more is forgotten with the answer that says so.
//!
//! # Limits
//!
//! [`CLIENT_KEYS_MAX`] keys of clients; beyond it the one that was asked for longest ago goes. One client
//! has [`UNKNOWN_MAX`] ids asked for that are not known in `ask_again`, each by as many requests as like.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::{Algorithm, DecodingKey};
use policies::time::Timestamp;

/// Keys of clients: more than a region has organisations, in about 10 MiB.
pub(super) const CLIENT_KEYS_MAX: usize = 10_000;
/// Ids that were not known, and that one client may have us ask for in one `ask_again`: who has just
/// changed its keys needs two.
pub(super) const UNKNOWN_MAX: usize = 4;

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

    /// What `pick` takes of what is known. `may_ask` is false for who has just asked; while PDND `is_away`
    /// nobody may, and everything has failed.
    fn find(
        &self,
        life: Life,
        now: Timestamp,
        may_ask: bool,
        is_away: bool,
        pick: impl Fn(&T) -> Option<&Arc<Key>>,
    ) -> Found {
        let fresh = self.within(life.fresh_for, now);
        if let Some(key) = fresh.and_then(&pick) {
            return Found::Key(Arc::clone(key));
        }
        let is_recent = self.tried.is_some_and(|at| now.since(at) < life.ask_again);
        let is_settled = is_away || is_recent && (self.has_failed || fresh.is_some());
        if may_ask && !is_settled {
            return Found::Ask;
        }
        if let Some(key) = self.within(life.stale_for, now).and_then(pick) {
            return Found::Key(Arc::clone(key));
        }
        match fresh {
            Some(_) if !self.has_failed && !is_away => Found::None,
            _ => Found::Unanswered,
        }
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

/// Which unknown ids a client has had us ask for.
struct Asking {
    since: Timestamp,
    kids: HashSet<String>,
}

/// Everything that is known.
pub(super) struct Memory {
    life: Life,
    issuer: Slot<HashMap<String, Arc<Key>>>,
    clients: HashMap<String, Slot<Option<Arc<Key>>>>,
    asking: HashMap<String, Asking>,
    /// Nobody answers, and is asked again, before this.
    away_until: Option<Timestamp>,
}

impl Memory {
    pub(super) fn new(life: Life) -> Memory {
        Memory {
            life,
            issuer: Slot::EMPTY,
            clients: HashMap::new(),
            asking: HashMap::new(),
            away_until: None,
        }
    }

    /// Whether PDND did not answer a short while ago.
    pub(super) fn is_away(&self, now: Timestamp) -> bool {
        self.away_until.is_some_and(|until| now < until)
    }

    /// Notes that PDND answered, or that it answers nothing at all.
    pub(super) fn heard(&mut self, is_away: bool, now: Timestamp) {
        self.away_until = is_away.then(|| now + self.life.ask_again);
    }

    /// The key of PDND's own that `kid` names.
    pub(super) fn issuer_key(&self, kid: &str, now: Timestamp, may_ask: bool) -> Found {
        let is_away = self.is_away(now);
        self.issuer
            .find(self.life, now, may_ask, is_away, |keys| keys.get(kid))
    }

    /// The key that `kid` names, as `client` presents it; `client` is registered with us.
    pub(super) fn client_key(
        &mut self,
        client: &str,
        kid: &str,
        now: Timestamp,
        may_ask: bool,
    ) -> Found {
        let is_away = self.is_away(now);
        let empty = Slot::EMPTY;
        let slot = self.clients.get(kid).unwrap_or(&empty);
        let is_known = matches!(slot.heard, Some((Some(_), _)));
        let found = slot.find(self.life, now, may_ask, is_away, Option::as_ref);
        if matches!(found, Found::Ask) && !is_known && !self.may_ask_for(client, kid, now) {
            return Found::None;
        }
        found
    }

    fn may_ask_for(&mut self, client: &str, kid: &str, now: Timestamp) -> bool {
        let none_since = |since| Asking {
            since,
            kids: HashSet::new(),
        };
        let asking = self.asking.entry(client.to_owned());
        let asking = asking.or_insert_with(|| none_since(now));
        if now.since(asking.since) >= self.life.ask_again {
            *asking = none_since(now);
        }
        if asking.kids.len() < UNKNOWN_MAX {
            asking.kids.insert(kid.to_owned());
        }
        asking.kids.contains(kid)
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

    /// Notes that nobody came to ask about PDND's own keys, or about that of `kid`, since `moment`: the
    /// next ones do not wait for it as long.
    pub(super) fn gave_up(&mut self, kid: Option<&str>, moment: Timestamp, now: Timestamp) {
        if self.was_tried_since(kid, moment) {
            return;
        }
        match kid {
            None => self.told_issuer(None, now),
            Some(kid) => self.told_client(kid, None, now),
        }
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
