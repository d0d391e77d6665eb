//! The headers of a write, and what its caller hears.

use actix_web::http::header::{HeaderName, HeaderValue};

use super::*;
use crate::edge::tests::store::{NRE, entry};

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

#[actix_web::test]
async fn an_answer_says_where_the_entry_stands_now() {
    for state in State::ALL {
        let submitted = Submitted {
            entry: entry(7, state),
            replayed: true,
        };
        let (status, text) = match answer(submitted, Vec::new()) {
            Ok(response) => {
                let location = response.headers().get(header::LOCATION).unwrap();
                assert_eq!(
                    location.to_str().unwrap(),
                    self::location(entry(7, state).id)
                );
                let status = response.status().as_u16();
                let bytes = actix_web::body::to_bytes(response.into_body())
                    .await
                    .unwrap();
                (status, String::from_utf8(bytes.to_vec()).unwrap())
            }
            Err(problem) => {
                assert_eq!(problem.instance, Some(self::location(entry(7, state).id)));
                assert_eq!(problem.notices[0].code, "1036");
                (problem.code.status, format!("{problem:?}"))
            }
        };
        let expected = match state {
            State::Registered | State::Cancelling => 201,
            State::Rejected => 422,
            _ => 202,
        };
        assert_eq!(status, expected, "{state:?}");
        let may_show = is_registered(state);
        assert_eq!(text.contains(NRE), may_show, "{state:?}");
        assert_eq!(text.contains("010203"), may_show, "{state:?}");
    }
}

#[test]
fn a_registered_entry_without_its_receipt_is_not_shown_as_if_it_had_one() {
    let mut damaged = entry(7, State::Registered);
    damaged.answer = Some(policies::failure::Opaque(b"{".to_vec()));
    let problem = PrescriptionBody::of(damaged, Vec::new()).unwrap_err();
    assert_eq!(problem.code.code, "unreadable");
}

#[test]
fn nothing_of_a_prescription_is_in_the_output_of_debug() {
    let body = PrescriptionBody::of(entry(7, State::Registered), Vec::new()).unwrap();
    let problem = Problem {
        notices: refusals(entry(7, State::Rejected).answer.as_ref()),
        ..Problem::from(&codes::UPSTREAM_REJECTED)
    };
    let printed = format!("{body:?} {:?} {problem:?}", problem.notices);
    for secret in [NRE, "010203", "1036", "CODICE"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert!(printed.contains("registered") && printed.contains("upstream-rejected"));
}
