//! Ages and ways are told exactly, and every refusal has its code.

use actix_web::body::to_bytes;
use actix_web::web::Bytes;
use policies::failure::{Opaque, Outcome, Retry, Stops};

use super::*;
use crate::edge::respond::{Language, render};

const FRESH_FOR: Duration = Duration::from_secs(900);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn known(age: Duration, fresh_for: Option<Duration>, way: Way) -> Known {
    Known {
        body: Bytes::from_static(br#"{"tax_code":"PNIMRA70A01H501P"}"#),
        fetched_at: Timestamp(0),
        age,
        age_is_floor: false,
        fresh_for,
        way,
        shown_as: engine::lookup::ShownAs::Unrelated,
    }
}

#[test]
fn freshness_stands_in_front_of_what_the_source_said() {
    let wall = Timestamp(1_790_000_000_500);
    let text = |known: &Known| String::from_utf8(body(known, wall)).unwrap();
    let fresh = known(seconds(88), Some(seconds(812)), Way::Hit);
    assert_eq!(
        text(&fresh),
        r#"{"freshness":{"source":"sac","as_of":"2026-09-21T14:11:52Z","stale":false},"tax_code":"PNIMRA70A01H501P"}"#
    );
    let stale = known(seconds(1_712), None, Way::Stale(Reason::GateOpen));
    let value: serde_json::Value = serde_json::from_str(&text(&stale)).unwrap();
    assert_eq!(value["freshness"]["stale"], true);
    assert_eq!(value["freshness"]["as_of"], "2026-09-21T13:44:48Z");
    assert_eq!(value["tax_code"], "PNIMRA70A01H501P");
    assert_eq!(value["freshness"].get("or_earlier"), None);
    // Older than time itself: shown as of its beginning, and in one allocation all the same.
    let mut oldest = known(Duration::MAX, None, Way::Stale(Reason::GateOpen));
    oldest.age_is_floor = true;
    let bytes = body(&oldest, wall);
    assert!(text(&oldest).contains("1970-01-01T00:00:00Z"));
    assert!(bytes.len() <= FRESHNESS_BYTES_MAX + oldest.body.len());
}

#[test]
fn an_age_that_is_only_a_floor_is_told_as_one() {
    let mut floor = known(seconds(1_712), None, Way::Stale(Reason::GateOpen));
    floor.age_is_floor = true;
    let text = String::from_utf8(body(&floor, Timestamp(1_790_000_000_500))).unwrap();
    assert_eq!(
        text,
        r#"{"freshness":{"source":"sac","as_of":"2026-09-21T13:44:48Z","or_earlier":true,"stale":true},"tax_code":"PNIMRA70A01H501P"}"#
    );
}

#[test]
fn the_way_of_an_answer_is_told_as_rfc_9211_has_it() {
    let stale = |millis: u64, reason| {
        let age = Duration::from_millis(millis);
        known(age, None, Way::Stale(reason))
    };
    let cases = [
        (
            known(seconds(88), Some(Duration::from_millis(811_999)), Way::Hit),
            "argine; hit; ttl=811",
        ),
        (
            known(Duration::ZERO, Some(FRESH_FOR), Way::Loaded),
            "argine; fwd=miss; stored",
        ),
        (
            known(Duration::ZERO, Some(FRESH_FOR), Way::Renewed),
            "argine; fwd=stale; stored",
        ),
        (
            known(Duration::ZERO, Some(FRESH_FOR), Way::Collapsed),
            "argine; fwd=miss; collapsed",
        ),
        (
            stale(1_712_000, Reason::UpstreamTimeout),
            "argine; fwd=stale; ttl=-812; detail=upstream-timeout",
        ),
        (
            stale(1_711_001, Reason::UpstreamGarbage),
            "argine; fwd=stale; ttl=-812; detail=upstream-garbage",
        ),
        (
            stale(1_712_000, Reason::GateOpen),
            "argine; hit; ttl=-812; detail=gate-open",
        ),
        (
            stale(1_712_000, Reason::LaneBusy),
            "argine; hit; ttl=-812; detail=lane-busy",
        ),
        (
            stale(1_712_000, Reason::UpstreamUnreachable),
            "argine; hit; ttl=-812; detail=upstream-unreachable",
        ),
        // Its age is at least what it seems: it may look younger than what is fresh.
        (
            stale(1_000, Reason::GateOpen),
            "argine; hit; ttl=0; detail=gate-open",
        ),
    ];
    for (known, expected) in cases {
        assert_eq!(cache_status(&known, FRESH_FOR), expected);
    }
}

#[test]
fn an_answer_tells_its_age_in_whole_seconds() {
    // It was a second younger when the lane let go of it.
    let known = known(Duration::from_millis(87_999), Some(seconds(811)), Way::Hit);
    let now = Timestamp(88_999);
    let response = found(known, now, FRESH_FOR);
    assert_eq!(response.headers().get("age").unwrap(), "88");
    assert_eq!(
        response.headers().get("content-type").unwrap(),
        "application/json"
    );
    let status = response.headers().get("cache-status").unwrap();
    assert_eq!(status, "argine; hit; ttl=811");
}

const WITH_DOCTOR: Asked = Asked {
    has_authority: true,
    is_closed: false,
    may_break_glass: false,
};

fn failure(code: Reason, detail: &[u8]) -> Failure {
    Failure {
        fault: Fault::Caller,
        outcome: Outcome::Rejected,
        retry: Retry::No,
        stops: Stops::Nothing,
        code,
        detail: Opaque(detail.to_vec()),
    }
}

#[test]
fn each_refusal_has_its_code_its_fault_and_its_wait() {
    let denied = |code| LookupRefusal::Denied(failure(code, b""));
    let failed = |code| LookupRefusal::Failed(code, seconds(7));
    let (limited, busy) = (
        LookupRefusal::Limited(seconds(3)),
        LookupRefusal::Busy(seconds(2)),
    );
    let again = "403 prescriber-authn-invalid caller";
    let of_sac = "503 lookup-unavailable upstream 7";
    let of_gateway = "503 lookup-unavailable gateway 7";
    let cases = [
        (denied(Reason::UpstreamRejected), "403 lookup-denied caller"),
        (denied(Reason::AuthorityRefused), again),
        (denied(Reason::AuthorityExpired), again),
        (failed(Reason::UpstreamTimeout), of_sac),
        (failed(Reason::GateOpen), of_sac),
        (failed(Reason::LaneBusy), of_gateway),
        (failed(Reason::OwnCertificate), of_gateway),
        (limited, "429 lookup-limited caller 3"),
        (busy, "503 busy gateway 2"),
        (LookupRefusal::Disabled, "503 lookup-disabled gateway 60"),
        (LookupRefusal::Stopping, "503 stopping gateway 5"),
    ];
    for (refusal, expected) in cases {
        let is_of_sac = matches!(
            refusal,
            LookupRefusal::Denied(_) | LookupRefusal::Failed(..)
        );
        let ((status, retry_after), body) = told(&refused(refusal, WITH_DOCTOR));
        let of = |key: &str| body[key].as_str().unwrap().to_owned();
        let said = format!("{status} {} {} {retry_after}", of("code"), of("fault"));
        assert_eq!(said.trim_end(), expected);
        assert_eq!(body["upstream"] == "sac", is_of_sac, "{said}");
        let text = format!("{} {}", body["title"], body["detail"]);
        assert!(
            !text.contains("stored") && !text.contains("prescription"),
            "{said}: {text}"
        );
    }
}

/// Nobody of a pharmacy has authenticated: nobody can do so again.
#[test]
fn who_has_no_doctor_is_not_told_to_log_in() {
    let refusal = LookupRefusal::Denied(failure(Reason::AuthorityRefused, b""));
    let (_, body) = told(&refused(refusal, Asked::default()));
    assert_eq!(body["code"], "lookup-denied");
}

/// An operator who holds the lane shut is not the SAC, and only who may break the glass hears of it.
#[test]
fn a_lane_that_is_held_shut_is_not_blamed_on_the_source() {
    let refusal = |code| LookupRefusal::Failed(code, seconds(7));
    for may_break_glass in [true, false] {
        let asked = Asked {
            is_closed: true,
            may_break_glass,
            ..WITH_DOCTOR
        };
        for code in [Reason::GateOpen, Reason::UpstreamTimeout] {
            let (_, body) = told(&refused(refusal(code), asked));
            let is_told = body["detail"].as_str().unwrap().contains("break_glass");
            assert_eq!(is_told, may_break_glass);
        }
        let (head, body) = told(&refused(refusal(Reason::GateOpen), asked));
        assert_eq!(head, (503, "7".to_owned()));
        let said = (&body["code"], &body["fault"], &body["outcome"]);
        assert_eq!(
            said,
            (
                &"lookup-closed".into(),
                &"gateway".into(),
                &"not-done".into()
            )
        );
        assert!(body.get("upstream").is_none_or(|named| named.is_null()));
        assert!(!body["title"].as_str().unwrap().contains("SAC"));
    }
}

/// Status and `Retry-After`, and the body in English.
fn told(problem: &Problem) -> ((u16, String), serde_json::Value) {
    let response = render(problem, "", Language::English);
    let retry_after = response.headers().get("retry-after");
    let retry_after = retry_after.map_or("", |value| value.to_str().unwrap());
    let head = (response.status().as_u16(), retry_after.to_owned());
    let bytes = futures_util::FutureExt::now_or_never(to_bytes(response.into_body()));
    let bytes = bytes.unwrap().unwrap_or_default();
    (head, serde_json::from_slice(&bytes).unwrap())
}

#[test]
fn the_source_is_quoted_to_whom_it_refused() {
    let said = br#"[{"code":"9001","text":"NON IN CARICO","row":0}]"#;
    let refusal = LookupRefusal::Denied(failure(Reason::UpstreamRejected, said));
    let (_, body) = told(&refused(refusal, WITH_DOCTOR));
    assert_eq!(body["notices"][0]["code"], "9001");
    assert_eq!(body["notices"][0]["kind"], "error");
}

#[test]
fn what_is_remembered_to_be_absent_tells_its_age() {
    let age = |problem: &Problem| {
        let response = render(problem, "", Language::Italian);
        let age = response.headers().get("age").cloned();
        age.map(|age| age.to_str().unwrap().to_owned())
    };
    let remembered = not_found(Subject::Person, seconds(41));
    assert_eq!(remembered.code.code, "person-not-found");
    assert_eq!(age(&remembered), Some("41".to_owned()));
    let just_told = not_found(Subject::Card, Duration::ZERO);
    assert_eq!(just_told.code.code, "card-not-found");
    assert_eq!(age(&just_told), None);
}
