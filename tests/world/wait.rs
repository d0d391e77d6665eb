//! Waiting for something to become true: the only place of the tests that lets time pass.
//!
//! A wait asks a predicate again and again and gives up, saying what it waited for, after a bound.
//! It never waits for a span to be over, but for [`passed`], which picks the moment of an attack.

use std::time::Duration;

use tokio::time::Instant;

/// How long between two questions.
const ASK_EVERY: Duration = Duration::from_millis(10);

/// Asks `look` until it finds something, and hands that over.
///
/// # Panics
///
/// When nothing is found `within` this long: `what` says what was waited for.
pub async fn until<T>(what: &str, within: Duration, look: impl AsyncFnMut() -> Option<T>) -> T {
    match found(within, look).await {
        Some(found) => found,
        None => panic!("waited {within:?} in vain: {what}"),
    }
}

/// As [`until`], for those who can go on without.
pub async fn found<T>(within: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + within;
    loop {
        if let Some(found) = look().await {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

/// Lets `moment` pass. Nothing may depend on what happens meanwhile: it is when an attack strikes.
pub async fn passed(moment: Duration) {
    tokio::time::sleep(moment).await;
}
