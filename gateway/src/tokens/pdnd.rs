//! The keys of PDND and of those it vouches for, kept so that a voucher can be checked while PDND does
//! not answer.
//!
//! [`Keys`] is what the edge asks; [`Keeper`] is the one task that asks PDND, one question at a time, so
//! that of a thousand requests for one key one question is made.
//!
//! # Limits
//!
//! [`ASKS_MAX`] questions wait; nobody waits longer than [`WAIT_MAX`], and nobody blocks a thread. What
//! is kept has the limits of [`memory`].
//!
//! # Failure
//!
//! PDND away: keys that were heard of serve until they are `stale_for` old; others are
//! [`KeyError::Unanswered`]. One request waits for it in `ask_again`, and those that came meanwhile.
//! Each outage is said once in the log, and its end.

mod memory;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use adapters::pdnd::{ASK_WITHIN, AskError, ClientKey, Jwk, Pdnd, PublicKey};
use engine::ports::Clock;
use jsonwebtoken::{Algorithm, DecodingKey};
use policies::time::Timestamp;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use memory::{Found, Memory};
pub(crate) use memory::{Key, Life};

use super::jose::parse_algorithm;

/// Questions that may wait for PDND.
const ASKS_MAX: usize = 64;
/// How long a request waits for a key: for one whole question, and a little for what is before it.
const WAIT_MAX: Duration = ASK_WITHIN.saturating_add(Duration::from_millis(500));

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyError {
    /// PDND holds none of this id.
    Unknown,
    /// It did not answer, and nothing is known from before.
    Unanswered,
}

/// A question to PDND.
struct Ask {
    /// Whose key; none for PDND's own.
    kid: Option<String>,
    since: Timestamp,
    done: oneshot::Sender<()>,
}

/// What is known, and the way to whoever asks for more.
#[derive(Clone)]
pub(crate) struct Keys {
    memory: Arc<Mutex<Memory>>,
    clock: Arc<dyn Clock>,
    life: Life,
    asks: mpsc::Sender<Ask>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// Who asks PDND. It ends when the last [`Keys`] has gone.
pub(crate) struct Keeper {
    pdnd: Pdnd,
    memory: Arc<Mutex<Memory>>,
    clock: Arc<dyn Clock>,
    asks: mpsc::Receiver<Ask>,
    is_away: bool,
}

/// An empty memory of `pdnd`'s keys.
pub(crate) fn open(pdnd: Pdnd, life: Life, clock: Arc<dyn Clock>) -> (Keys, Keeper) {
    let memory = Arc::new(Mutex::new(Memory::new(life)));
    let (sender, asks) = mpsc::channel(ASKS_MAX);
    let keys = Keys {
        memory: Arc::clone(&memory),
        clock: Arc::clone(&clock),
        life,
        asks: sender,
    };
    let keeper = Keeper {
        pdnd,
        memory,
        clock,
        asks,
        is_away: false,
    };
    (keys, keeper)
}

impl Keys {
    /// The key that PDND signs with under `kid`.
    pub(crate) async fn issuer_key(&self, kid: &str) -> Result<Arc<Key>, KeyError> {
        let find = |memory: &mut Memory, now, may_ask| memory.issuer_key(kid, now, may_ask);
        self.find(None, find).await
    }

    /// The key of this id, which a registered `client` presents.
    pub(crate) async fn client_key(&self, client: &str, kid: &str) -> Result<Arc<Key>, KeyError> {
        let find = |memory: &mut Memory, now, may_ask| memory.client_key(client, kid, now, may_ask);
        self.find(Some(kid), find).await
    }

    /// After how long what could not be answered is worth another try.
    pub(crate) fn retry_after(&self) -> Duration {
        self.life.ask_again
    }

    async fn find(
        &self,
        kid: Option<&str>,
        find: impl Fn(&mut Memory, Timestamp, bool) -> Found,
    ) -> Result<Arc<Key>, KeyError> {
        let now = self.clock.now();
        let mut found = find(&mut lock(&self.memory), now, true);
        if matches!(found, Found::Ask) {
            let is_answered = self.ask(kid, now).await;
            let mut memory = lock(&self.memory);
            let later = self.clock.now();
            if !is_answered {
                memory.gave_up(kid, now, later);
            }
            found = find(&mut memory, later, false);
        }
        match found {
            Found::Key(key) => Ok(key),
            Found::None => Err(KeyError::Unknown),
            Found::Ask | Found::Unanswered => Err(KeyError::Unanswered),
        }
    }

    /// Has PDND asked, and waits for what becomes of it, within bounds; says whether it was.
    async fn ask(&self, kid: Option<&str>, since: Timestamp) -> bool {
        let (done, answered) = oneshot::channel();
        let ask = Ask {
            kid: kid.map(str::to_owned),
            since,
            done,
        };
        // Whatever became of it stands in the memory.
        self.asks.try_send(ask).is_ok() && matches!(timeout(WAIT_MAX, answered).await, Ok(Ok(())))
    }
}

impl Keeper {
    /// Asks what it is told to, until nobody is left to tell it.
    pub(crate) async fn run(mut self) {
        while let Some(ask) = self.asks.recv().await {
            let kid = ask.kid.as_deref();
            let is_settled = {
                let memory = lock(&self.memory);
                memory.was_tried_since(kid, ask.since) || memory.is_away(self.clock.now())
            };
            if !is_settled && !ask.done.is_closed() {
                match kid {
                    None => self.ask_issuer().await,
                    Some(kid) => self.ask_client(kid).await,
                }
            }
            // Nobody may be waiting any more.
            ask.done.send(()).ok();
        }
    }

    async fn ask_issuer(&mut self) {
        let answer = self.pdnd.issuer_keys().await;
        let keys = self.heard(answer).map(|keys| {
            let keys = keys.into_iter().filter_map(|jwk| {
                let kid = jwk.kid.clone();
                key(jwk, None).map(|key| (kid, Arc::new(key)))
            });
            keys.collect::<HashMap<_, _>>()
        });
        // A set of nothing that serves is a mistake, and takes no key away.
        let keys = keys.filter(|keys| !keys.is_empty());
        lock(&self.memory).told_issuer(keys, self.clock.now());
    }

    async fn ask_client(&mut self, kid: &str) {
        let answer = self.pdnd.client_key(kid).await;
        let found = self.heard(answer).map(|found| {
            let ClientKey { client, jwk } = found?;
            key(jwk, client).map(Arc::new)
        });
        lock(&self.memory).told_client(kid, found, self.clock.now());
    }

    /// What PDND answered, if it did; says in the log when that changes.
    fn heard<T>(&mut self, answer: Result<T, AskError>) -> Option<T> {
        let is_absent = answer.as_ref().is_err_and(|error| error.is_absence());
        lock(&self.memory).heard(is_absent, self.clock.now());
        match answer {
            Ok(answer) => {
                if std::mem::take(&mut self.is_away) {
                    tracing::info!("PDND answers again");
                }
                Some(answer)
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_away, true) {
                    tracing::warn!(%error, "PDND does not answer: serving with the keys that are known");
                }
                None
            }
        }
    }
}

/// A key that can be used; none if its algorithm is not one of its kind.
fn key(jwk: Jwk, client: Option<String>) -> Option<Key> {
    let stated = jwk.algorithm.as_deref().map(parse_algorithm);
    let (key, usual, allowed): (_, _, &[Algorithm]) = match &jwk.key {
        PublicKey::Rsa { modulus, exponent } => (
            DecodingKey::from_rsa_raw_components(modulus, exponent),
            Algorithm::RS256,
            &[
                Algorithm::RS256,
                Algorithm::RS384,
                Algorithm::RS512,
                Algorithm::PS256,
            ],
        ),
        PublicKey::P256(point) => (
            DecodingKey::from_ec_der(point),
            Algorithm::ES256,
            &[Algorithm::ES256],
        ),
        PublicKey::P384(point) => (
            DecodingKey::from_ec_der(point),
            Algorithm::ES384,
            &[Algorithm::ES384],
        ),
    };
    let algorithm = stated.unwrap_or(Some(usual))?;
    allowed.contains(&algorithm).then_some(Key {
        key,
        algorithm,
        client,
    })
}

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}
