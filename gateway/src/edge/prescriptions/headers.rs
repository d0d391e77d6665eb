//! The headers of a write.

use std::time::Duration;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage, HttpRequest};

use crate::edge::codes;
use crate::edge::respond::Problem;
use crate::edge::trace::Trace;

/// What the headers said.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) key: String,
    pub(super) wait_max: Option<Duration>,
    pub(super) trace: Option<String>,
}

impl Headers {
    /// Reads those of `request`.
    pub(super) fn of(request: &HttpRequest) -> Result<Headers, Problem> {
        Ok(Headers {
            key: idempotency_key(request.headers())?,
            wait_max: wait_max(request.headers()),
            trace: trace(request),
        })
    }
}

/// The `traceparent` under which what `request` causes is traced.
pub(in crate::edge) fn trace(request: &HttpRequest) -> Option<String> {
    let extensions = request.extensions();
    extensions
        .get::<Trace>()
        .map(|trace| trace.parent().to_owned())
}

/// Longest `Idempotency-Key`.
const KEY_BYTES_MAX: usize = 128;

fn idempotency_key(headers: &HeaderMap) -> Result<String, Problem> {
    let mut values = headers.get_all("idempotency-key");
    let value = values.next().ok_or(&codes::KEY_MISSING)?;
    let key = value.as_bytes();
    let fits = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    match value.to_str() {
        Ok(key) if fits && values.next().is_none() => Ok(key.to_owned()),
        _ => Err(Problem::from(&codes::KEY_INVALID)),
    }
}

/// `Prefer: wait=N` (RFC 7240). A preference that cannot be read is none.
pub(in crate::edge) fn wait_max(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| {
            let (name, value) = preference.split_once('=')?;
            let is_wait = name.trim().eq_ignore_ascii_case("wait");
            let seconds = value.trim().trim_matches('"').parse::<u32>().ok()?;
            is_wait.then(|| Duration::from_secs(u64::from(seconds)))
        })
}

#[cfg(test)]
mod tests;
