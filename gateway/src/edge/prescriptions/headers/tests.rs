//! What is read of the headers of a write, and what is not.

use actix_web::http::header::{HeaderName, HeaderValue};

use super::*;

fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers
}

#[test]
fn a_key_is_one_header_of_visible_ascii() {
    let key = |values: &[&'static str]| {
        let headers = headers("idempotency-key", values);
        idempotency_key(&headers).map_err(|problem| problem.code.code)
    };
    let longest: &'static str = "k".repeat(128).leak();
    let too_long: &'static str = "k".repeat(129).leak();
    assert_eq!(key(&["a-1_~!\""]), Ok("a-1_~!\"".to_owned()));
    assert_eq!(key(&[longest]), Ok(longest.to_owned()));
    assert_eq!(key(&[]), Err("idempotency-key-missing"));
    for wrong in ["", "a b", "a\tb", too_long] {
        assert_eq!(key(&[wrong]), Err("idempotency-key-invalid"), "{wrong:?}");
    }
    assert_eq!(key(&["a", "a"]), Err("idempotency-key-invalid"));
}

#[test]
fn a_preference_is_honoured_or_ignored() {
    let cases: [(&[&'static str], Option<u64>); 8] = [
        (&["wait=5"], Some(5)),
        (&["respond-async, wait=10"], Some(10)),
        (&["respond-async", "Wait = \"3\""], Some(3)),
        (&["wait=0"], Some(0)),
        (&["wait=-1"], None),
        (&["wait=soon"], None),
        (&["wait"], None),
        (&[], None),
    ];
    for (values, seconds) in cases {
        let seen = wait_max(&headers("prefer", values));
        assert_eq!(seen, seconds.map(Duration::from_secs), "{values:?}");
    }
}
