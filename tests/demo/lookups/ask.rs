//! One look-up as practice software makes it: repeated for five seconds, unless it is answered.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use reqwest::Method;
use serde_json::json;
use tests::world::caller::{Caller, Reply, answer};
use tokio::time::{sleep, timeout};

use super::notes::{Millis, Shown, Told};
use super::token::CurrentToken;

/// A look-up counts by what is answered to a repeat within this long.
pub(crate) const REPEATED_FOR: Duration = Duration::from_secs(5);
/// Between two repeats.
const REPEAT_AFTER: Duration = Duration::from_secs(1);

/// A desk's software: where it asks, and as whom.
pub(crate) struct Software {
    caller: Caller,
    token: CurrentToken,
}

/// What came of a look-up and all its repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// When the last repeat was sent.
    pub(crate) sent: Millis,
    /// When it was over.
    pub(crate) ended: Millis,
    /// Whether any of them was told to ask less.
    pub(crate) limited: bool,
    /// What the last one was told.
    pub(crate) told: Told,
}

impl Software {
    /// The software of `caller`.
    pub(crate) fn of(caller: Caller) -> Software {
        Software {
            token: CurrentToken::of(caller.clone()),
            caller,
        }
    }

    /// Asks for the person of this code until it is answered or the time is over.
    pub(crate) async fn look_up(&self, code: &str) -> Ended {
        let give_up = Instant::now() + REPEATED_FOR;
        let mut limited = false;
        loop {
            let sent = now();
            let reply = timeout(
                give_up.saturating_duration_since(Instant::now()),
                self.ask_once(code),
            );
            let reply = reply.await.ok().flatten();
            let status = reply.as_ref().map_or(0, |(reply, _)| reply.status);
            limited |= status == 429;
            let told = reply.map_or(Told::Refused, |(reply, took)| told(&reply, took));
            let is_over = Instant::now() + REPEAT_AFTER >= give_up;
            if is_over || !matches!(status, 0 | 429 | 500..) {
                return Ended {
                    sent,
                    ended: now(),
                    limited,
                    told,
                };
            }
            sleep(REPEAT_AFTER).await;
        }
    }

    /// Asks once; nothing if the gateway is not there.
    pub(crate) async fn ask_once(&self, code: &str) -> Option<(Reply, Duration)> {
        let request = self
            .caller
            .bare(Method::POST, "/v1/assisted-persons/search")
            .bearer_auth(self.token.get())
            .header("Content-Type", "application/json")
            .body(json!({ "tax_code": code }).to_string());
        let began = Instant::now();
        let reply = answer(request).await.ok()?;
        Some((reply, began.elapsed()))
    }
}

/// What a reply says.
fn told(reply: &Reply, took: Duration) -> Told {
    match reply.status {
        200 => Told::Shown(shown(reply, took)),
        404 => Told::Absent,
        _ => Told::Refused,
    }
}

/// How old an answer says it is. What does not say so is as old as can be.
fn shown(reply: &Reply, took: Duration) -> Shown {
    let json = reply.json();
    let freshness = &json["freshness"];
    let as_of = freshness["as_of"]
        .as_str()
        .and_then(|text| text.parse().ok());
    let as_of = as_of.map_or(Millis::MIN / 2, Timestamp::as_millisecond);
    let age = reply
        .header("age")
        .parse()
        .map_or(Duration::MAX, Duration::from_secs);
    let way = reply.header("cache-status");
    let is_hit = way.contains("; hit");
    let stale = freshness["stale"].as_bool().unwrap_or_default();
    Shown {
        as_of,
        age,
        stale,
        loaded: way.ends_with("; stored") || way.ends_with("; collapsed"),
        hit_in: (is_hit && !stale).then_some(took),
    }
}

/// The clock on the wall.
pub(crate) fn now() -> Millis {
    Timestamp::now().as_millisecond()
}
