//! The table of the README, row by row.

use super::*;

fn reply(status: u16, body: &str) -> Reply {
    Reply {
        status,
        content_type: Some("text/xml; charset=utf-8".to_owned()),
        retry_after: None,
        body: body.as_bytes().to_vec(),
    }
}

fn fault(code: &str, string: &str) -> String {
    format!(
        "<env:Envelope xmlns:env=\"http://schemas.xmlsoap.org/soap/envelope/\"><env:Body><env:Fault>\
         <faultcode>{code}</faultcode><faultstring>{string}</faultstring></env:Fault></env:Body>\
         </env:Envelope>"
    )
}

/// What decides, without the detail.
type Row = (Code, Outcome, Retry, Stops, Fault);

fn row(failure: &Failure) -> Row {
    (
        failure.code,
        failure.outcome,
        failure.retry,
        failure.stops,
        failure.fault,
    )
}

const SOON: Retry = Retry::After(Duration::ZERO);

fn upstream(code: Code, outcome: Outcome) -> Row {
    (code, outcome, SOON, Stops::Gate, Fault::Upstream)
}

#[test]
fn a_call_without_an_answer_is_unknown_only_once_it_may_have_arrived() {
    let own = |outcome| {
        (
            Code::OwnCertificate,
            outcome,
            SOON,
            Stops::Lane,
            Fault::Gateway,
        )
    };
    let cases = [
        (
            Cause::Connection,
            false,
            upstream(Code::UpstreamUnreachable, Outcome::NotDone),
        ),
        (
            Cause::Connection,
            true,
            upstream(Code::UpstreamReset, Outcome::Unknown),
        ),
        (
            Cause::Timeout,
            false,
            upstream(Code::UpstreamUnreachable, Outcome::NotDone),
        ),
        (
            Cause::Timeout,
            true,
            upstream(Code::UpstreamTimeout, Outcome::Unknown),
        ),
        (
            Cause::PeerCertificate,
            false,
            upstream(Code::PeerCertificate, Outcome::NotDone),
        ),
        (Cause::OwnCertificate, false, own(Outcome::NotDone)),
        (Cause::OwnCertificate, true, own(Outcome::Unknown)),
        (
            Cause::TooLarge,
            true,
            upstream(Code::UpstreamGarbage, Outcome::Unknown),
        ),
    ];
    for (cause, reached, expected) in cases {
        assert_eq!(
            row(&broken(Broken { cause, reached })),
            expected,
            "{cause:?}, {reached}"
        );
    }
}

const AUTHORITY: Row = (
    Code::AuthorityRefused,
    Outcome::NotDone,
    Retry::No,
    Stops::Identity,
    Fault::Caller,
);
const SCHEMA: Row = (
    Code::SchemaRefused,
    Outcome::NotDone,
    Retry::No,
    Stops::Nothing,
    Fault::Gateway,
);
const AWAY: Row = (
    Code::UpstreamUnavailable,
    Outcome::Unknown,
    SOON,
    Stops::Gate,
    Fault::Upstream,
);
const BUSY: Row = (
    Code::UpstreamUnavailable,
    Outcome::NotDone,
    SOON,
    Stops::Gate,
    Fault::Upstream,
);
const GARBAGE: Row = (
    Code::UpstreamGarbage,
    Outcome::Unknown,
    SOON,
    Stops::Gate,
    Fault::Upstream,
);

const CVC: &str = "cvc-simple-type 1: element {urn:x}codRegione value '' is not a valid instance";
const HTML: &str = "<html><body>Servizio in manutenzione</body></html>";

#[test]
fn faults_mean_what_the_table_says_whatever_the_status() {
    let cases = [
        (
            500,
            "env:Client",
            "Rejected by policy. (from client)",
            AUTHORITY,
        ),
        (
            401,
            "env:Client",
            "Rejected by policy. (from client)",
            AUTHORITY,
        ),
        (
            500,
            "env:Server",
            "Errore generico di autenticazione",
            AUTHORITY,
        ),
        (200, "env:Server", " Credenziali invalide\n", AUTHORITY),
        (403, "env:Client", "Forbidden", AUTHORITY),
        (401, "env:Server", "Credenziali invalide", AUTHORITY),
        (500, "env:Server", "Credenziali invalide", AUTHORITY),
        (500, "wsse:FailedAuthentication", "", AUTHORITY),
        (
            500,
            "wsse:InvalidSecurity",
            "An error was discovered",
            AUTHORITY,
        ),
        (500, "env:Client", CVC, SCHEMA),
        (200, "env:Client", CVC, SCHEMA),
        (200, "env:Sender", CVC, SCHEMA),
        (500, "env:Server", "Internal Error", AWAY),
        (500, "env:Client", "something new", AWAY),
        (200, "env:Server", "Internal Error", AWAY),
        (502, "env:Server", "Credenziali invalide", AWAY),
        (500, "env:MustUnderstand", "header", AWAY),
        (500, "env:VersionMismatch", "envelope", AWAY),
    ];
    check_faults(&cases);
}

/// Words that a fault may hold by chance: the SAC's own terms, and what it says of its own answer.
#[test]
fn a_fault_that_only_sounds_like_a_refusal_leaves_the_outcome_unknown() {
    let code = "Errore nella generazione del codice autenticazione";
    let receipt = "cvc-particle 3.1: in element \
        {http://invioprescrittoricevuta.xsd.dem.sanita.finanze.it}InvioPrescrittoRicevuta";
    check_faults(&[
        (500, "env:Server", code, AWAY),
        (500, "env:Client", code, AWAY),
        (200, "env:Server", code, AWAY),
        (401, "env:Server", code, AWAY),
        (403, "env:Server", code, AWAY),
        (500, "env:Server", "Errore generico di AUTENTICAZIONE", AWAY),
        (500, "env:Server", "credenziali del database scadute", AWAY),
        (500, "env:Server", "Credenziali invalide: SAR", AWAY),
        (500, "env:Client", "Rejected by policy. (from server)", AWAY),
        (500, "env:Server", CVC, AWAY),
        (500, "env:Server", receipt, AWAY),
        (500, "env:Client", receipt, AWAY),
        (500, "", CVC, AWAY),
    ]);
}

fn check_faults(cases: &[(u16, &str, &str, Row)]) {
    for (status, code, string, expected) in cases {
        let failure = message(
            InNameOf::Doctor,
            Bare::Refusal,
            &reply(*status, &fault(code, string)),
        )
        .unwrap_err();
        assert_eq!(row(&failure), *expected, "{status} {code} {string}");
        assert!(
            failure.detail.0.is_empty(),
            "an upstream's words do not travel"
        );
    }
}

#[test]
fn statuses_mean_what_the_table_says_whatever_the_body() {
    let cases = [
        (401, HTML, AUTHORITY),
        (403, "", AUTHORITY),
        (429, "", BUSY),
        (500, HTML, AWAY),
        (500, "", AWAY),
        (502, HTML, AWAY),
        (503, HTML, AWAY),
        (504, "", AWAY),
        (599, "", AWAY),
        (200, HTML, GARBAGE),
        (200, "", GARBAGE),
        (
            200,
            "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\">",
            GARBAGE,
        ),
        (302, "", GARBAGE),
        (404, HTML, GARBAGE),
    ];
    for (status, body, expected) in cases {
        let failure = message(InNameOf::Doctor, Bare::Refusal, &reply(status, body)).unwrap_err();
        assert_eq!(row(&failure), expected, "{status} {body}");
    }
}

#[test]
fn a_look_up_is_refused_by_a_fault_alone() {
    for name in [InNameOf::Doctor, InNameOf::Region] {
        for (status, body) in [(401, HTML), (403, ""), (403, HTML), (401, "<a/>")] {
            let failure = message(name, Bare::Outage, &reply(status, body)).unwrap_err();
            assert_eq!(row(&failure), BUSY, "{status} {body}");
        }
    }
    for status in [200, 401, 403, 500] {
        let refused = reply(status, &fault("s:Client", "Credenziali invalide"));
        let failure = message(InNameOf::Doctor, Bare::Outage, &refused).unwrap_err();
        assert_eq!(row(&failure), AUTHORITY, "{status}");
    }
}

#[test]
fn a_refused_call_in_the_regions_name_is_about_our_certificate() {
    for refused in [
        reply(401, ""),
        reply(500, &fault("s:Server", "Credenziali invalide")),
    ] {
        let failure = message(InNameOf::Region, Bare::Refusal, &refused).unwrap_err();
        assert_eq!(
            (failure.code, failure.stops),
            (Code::OwnCertificate, Stops::Lane)
        );
    }
}

#[test]
fn a_message_counts_with_200_and_in_utf_8_only() {
    let good = "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
        <r xmlns=\"urn:r\"/></e:Body></e:Envelope>";
    for content_type in [
        None,
        Some("text/xml"),
        Some("text/xml;charset=\"UTF-8\"; a=b"),
    ] {
        let content_type = content_type.map(str::to_owned);
        assert!(
            message(
                InNameOf::Doctor,
                Bare::Refusal,
                &Reply {
                    content_type,
                    ..reply(200, good)
                }
            )
            .is_ok()
        );
    }
    let content_type = Some("text/xml; charset=ISO-8859-1".to_owned());
    let latin = message(
        InNameOf::Doctor,
        Bare::Refusal,
        &Reply {
            content_type,
            ..reply(200, good)
        },
    )
    .unwrap_err();
    assert_eq!(latin.code, Code::UpstreamGarbage);
    assert_eq!(
        message(InNameOf::Doctor, Bare::Refusal, &reply(202, good))
            .unwrap_err()
            .code,
        Code::UpstreamGarbage
    );
    assert_eq!(
        message(InNameOf::Doctor, Bare::Refusal, &reply(500, good))
            .unwrap_err()
            .code,
        Code::UpstreamUnavailable
    );
}

#[test]
fn their_retry_after_is_kept_within_reason() {
    let wait = |seconds: u64| {
        let retry_after = Some(Duration::from_secs(seconds));
        message(
            InNameOf::Doctor,
            Bare::Refusal,
            &Reply {
                retry_after,
                ..reply(503, "")
            },
        )
        .unwrap_err()
        .retry
    };
    assert_eq!(wait(120), Retry::After(Duration::from_secs(120)));
    assert_eq!(wait(u64::MAX), Retry::After(RETRY_AFTER_MAX));
}
