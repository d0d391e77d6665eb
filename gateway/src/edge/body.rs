//! Reading the body of a request: its type, its size and its pace.
//!
//! # Limits
//!
//! Those of [`BodyLimits`]: so many bytes, within so long, and after the first second never slower
//! than the least rate, so that one byte a second does not hold a connection for long.

use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::codes;
use super::respond::{FieldError, Problem};
use crate::config::BodyLimits;

/// A body may take this long before its rate counts.
const GRACE: Duration = Duration::from_secs(1);

/// Reads a whole JSON body.
pub(crate) async fn read<E>(
    headers: &HeaderMap,
    chunks: impl Stream<Item = Result<Bytes, E>>,
    limits: BodyLimits,
) -> Result<Vec<u8>, Problem> {
    check_type(headers)?;
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| usize::try_from(length).is_ok_and(|n| n <= limits.bytes_max))
        || announced.is_none()
    {
        collect(chunks, limits).await
    } else {
        Err(Problem::from(&codes::BODY_TOO_LARGE))
    }
}

/// Reads a JSON body that may be left out, with its type.
pub(crate) async fn read_if_any<E>(
    headers: &HeaderMap,
    chunks: impl Stream<Item = Result<Bytes, E>>,
    limits: BodyLimits,
) -> Result<Option<Vec<u8>>, Problem> {
    let is_typed = headers.contains_key(header::CONTENT_TYPE);
    let body = if is_typed {
        read(headers, chunks, limits).await?
    } else {
        collect(chunks, limits).await?
    };
    if !is_typed && !body.is_empty() {
        check_type(headers)?;
    }
    Ok(Some(body).filter(|body| !body.is_empty()))
}

async fn collect<E>(
    chunks: impl Stream<Item = Result<Bytes, E>>,
    limits: BodyLimits,
) -> Result<Vec<u8>, Problem> {
    let began = Instant::now();
    let mut chunks = std::pin::pin!(chunks);
    let mut body = Vec::new();
    loop {
        let earned_ms = u64::try_from(body.len()).unwrap_or(u64::MAX) * 1_000 / limits.rate_min;
        let allowed = limits.within.min(GRACE + Duration::from_millis(earned_ms));
        let Ok(next) = timeout_at(began + allowed, chunks.next()).await else {
            return Err(Problem::from(&codes::BODY_TOO_SLOW));
        };
        match next {
            None => return Ok(body),
            Some(Err(_)) => return Err(Problem::from(&codes::BODY_INTERRUPTED)),
            Some(Ok(chunk)) if body.len() + chunk.len() > limits.bytes_max => {
                return Err(Problem::from(&codes::BODY_TOO_LARGE));
            }
            Some(Ok(chunk)) => body.extend_from_slice(&chunk),
        }
    }
}

/// `application/json`, in UTF-8 if a charset is named, and not compressed.
fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |parameter, detail: &'static str| {
        let error = FieldError::of_parameter(parameter, "media-type", detail);
        Err(Problem::with_errors(&codes::MEDIA_TYPE, vec![error]))
    };
    let mut types = headers.get_all(header::CONTENT_TYPE);
    let is_json = match (types.next().map(|value| value.to_str()), types.next()) {
        (Some(Ok(text)), None) => is_json(text),
        _ => false,
    };
    if !is_json {
        return refuse("Content-Type", "must be application/json");
    }
    let encoded = headers
        .get_all(header::CONTENT_ENCODING)
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if encoded {
        return refuse("Content-Encoding", "must be absent");
    }
    Ok(())
}

fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json")
        && parts.all(|parameter| {
            parameter
                .split_once('=')
                .filter(|(name, _)| name.eq_ignore_ascii_case("charset"))
                .is_some_and(|(_, value)| value.trim_matches('"').eq_ignore_ascii_case("utf-8"))
        })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use actix_web::http::header::HeaderValue;
    use futures_util::stream;
    use tokio::time::sleep;

    use super::*;

    const LIMITS: BodyLimits = BodyLimits {
        within: Duration::from_secs(10),
        rate_min: 1_000,
        bytes_max: 5_000,
    };

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
            .collect()
    }

    /// Chunks of `bytes` each, `pause` apart, at most `count`.
    fn trickle(
        bytes: usize,
        pause: Duration,
        count: usize,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold(0, move |sent| async move {
            if sent == count {
                return None;
            }
            sleep(pause).await;
            Some((Ok(Bytes::from(vec![b' '; bytes])), sent + 1))
        })
    }

    async fn outcome(chunks: impl Stream<Item = Result<Bytes, Infallible>>) -> &'static str {
        match collect(chunks, LIMITS).await {
            Ok(_) => "read",
            Err(problem) => problem.code.code,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_a_least_rate_a_deadline_and_a_size() {
        let second = Duration::from_secs(1);
        let cases = [
            (400, second / 10, 10, "read"),
            (1, second * 9 / 10, 100, "body-too-slow"),
            (999, second * 2, 2, "body-too-slow"),
            (1_100, second * 9 / 10, 4, "read"),
            (5_000, second / 10, 1, "read"),
            (5_001, second / 10, 1, "body-too-large"),
            (0, second * 11, 1, "body-too-slow"),
        ];
        for (bytes, pause, count, expected) in cases {
            let seen = outcome(trickle(bytes, pause, count)).await;
            assert_eq!(seen, expected, "{bytes} bytes each {pause:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_body_takes_longer_than_the_deadline_however_steady() {
        let limits = BodyLimits {
            rate_min: 1,
            ..LIMITS
        };
        let began = Instant::now();
        let steady = trickle(10, Duration::from_secs(1), 100);
        let problem = collect(steady, limits).await.unwrap_err();
        assert_eq!(problem.code.code, "body-too-slow");
        assert_eq!(began.elapsed(), LIMITS.within);
    }

    #[tokio::test]
    async fn an_announced_size_is_refused_before_the_body_is_read() {
        let announced = headers(&[
            (header::CONTENT_TYPE, "application/json"),
            (header::CONTENT_LENGTH, "10485760"),
        ]);
        let never = stream::pending::<Result<Bytes, Infallible>>();
        let problem = read(&announced, never, LIMITS).await.unwrap_err();
        assert_eq!(problem.code.code, "body-too-large");
    }

    #[test]
    fn only_plain_json_is_read() {
        let json = header::CONTENT_TYPE;
        let cases = [
            (headers(&[(json.clone(), "application/json")]), true),
            (
                headers(&[(json.clone(), "Application/JSON; charset=UTF-8")]),
                true,
            ),
            (
                headers(&[(json.clone(), "application/json;charset=\"utf-8\"")]),
                true,
            ),
            (headers(&[]), false),
            (headers(&[(json.clone(), "text/json")]), false),
            (
                headers(&[(json.clone(), "application/json; charset=latin1")]),
                false,
            ),
            (
                headers(&[(json.clone(), "application/problem+json")]),
                false,
            ),
            (
                headers(&[(json.clone(), "application/x-www-form-urlencoded")]),
                false,
            ),
            (
                headers(&[
                    (json.clone(), "application/json"),
                    (header::CONTENT_ENCODING, "gzip"),
                ]),
                false,
            ),
        ];
        for (headers, accepted) in cases {
            assert_eq!(check_type(&headers).is_ok(), accepted, "{headers:?}");
        }
    }
}
