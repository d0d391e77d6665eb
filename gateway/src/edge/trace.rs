//! The trace a request belongs to (W3C Trace Context, version 00).

use actix_web::http::header::HeaderMap;

const VERSION: &str = "00";
const NOT_SAMPLED: &str = "00";

/// A valid `traceparent` of our own: the caller's trace, or a new one, and a span of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace(String);

impl Trace {
    /// The trace of a span that is traced, by its `traceparent`.
    pub(crate) fn traced(parent: String) -> Trace {
        Trace(parent)
    }

    /// The trace of a span that nobody is told of: the caller's, or a new one that is not sampled.
    pub(crate) fn untraced(caller: Option<&str>) -> Trace {
        let span = u64::max(rand::random(), 1);
        Trace(match caller.and_then(parse) {
            Some((id, flags)) => format!("{VERSION}-{id}-{span:016x}-{flags}"),
            None => {
                let id = u128::max(rand::random(), 1);
                format!("{VERSION}-{id:032x}-{span:016x}-{NOT_SAMPLED}")
            }
        })
    }

    /// The id of the trace, 32 hexadecimal characters.
    pub(crate) fn id(&self) -> &str {
        self.0
            .split('-')
            .nth(1)
            .expect("a traceparent has four parts")
    }

    /// The header value that names our span as parent.
    pub(crate) fn parent(&self) -> &str {
        &self.0
    }
}

/// The `traceparent` of whoever asks; a missing or malformed one, or more than one, is none.
pub(crate) fn caller(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("traceparent");
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().filter(|text| parse(text).is_some()),
        _ => None,
    }
}

/// Trace id and flags of a `traceparent` of version 00.
fn parse(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.split('-');
    let (version, id, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let fits = parts.next().is_none()
        && version == VERSION
        && is_hex(id, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && id.bytes().any(|b| b != b'0')
        && span.bytes().any(|b| b != b'0');
    fits.then_some((id, flags))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(values: &[&str]) -> Trace {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                HeaderName::from_static("traceparent"),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        Trace::untraced(caller(&headers))
    }

    #[test]
    fn a_valid_trace_is_continued_under_a_span_of_ours() {
        let incoming = format!("00-{ID}-00f067aa0ba902b7-00");
        let trace = of(&[&incoming]);
        assert_eq!(trace.id(), ID);
        assert!(trace.parent().starts_with(&format!("00-{ID}-")));
        assert!(trace.parent().ends_with("-00"), "the caller's flags stay");
        assert_ne!(trace.parent(), incoming);
        assert!(parse(trace.parent()).is_some());
    }

    #[test]
    fn anything_else_starts_a_new_trace() {
        let zeros = "0".repeat(32);
        let wrong = [
            String::new(),
            "RSSMRA80A01H501U".to_owned(),
            format!("01-{ID}-00f067aa0ba902b7-01"),
            format!("00-{zeros}-00f067aa0ba902b7-01"),
            format!("00-{ID}-0000000000000000-01"),
            format!("00-{ID}-00F067AA0BA902B7-01"),
            format!("00-{ID}-00f067aa0ba902b7-01-more"),
        ];
        for value in &wrong {
            let trace = of(&[value]);
            assert_ne!(trace.id(), ID, "{value}");
            assert!(parse(trace.parent()).is_some(), "{value}");
        }
        let twice = format!("00-{ID}-00f067aa0ba902b7-01");
        assert_ne!(of(&[&twice, &twice]).id(), ID, "two headers are none");
    }
}
