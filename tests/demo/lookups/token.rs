//! A desk's token: signed anew now and then, as practice software does, and not for every request.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tests::world::caller::Caller;

/// A token lasts five minutes; a new one is signed well before.
const SIGN_EVERY: Duration = Duration::from_secs(60);

/// The token that a caller presents at present.
pub(crate) struct CurrentToken {
    caller: Caller,
    signed: Mutex<(Instant, String)>,
}

impl CurrentToken {
    /// The first one of `caller`.
    pub(crate) fn of(caller: Caller) -> CurrentToken {
        CurrentToken {
            signed: Mutex::new((Instant::now(), caller.signed())),
            caller,
        }
    }

    /// One that still lasts for minutes.
    pub(crate) fn get(&self) -> String {
        let mut current = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0.elapsed() >= SIGN_EVERY {
            *current = (Instant::now(), self.caller.signed());
        }
        current.1.clone()
    }
}
