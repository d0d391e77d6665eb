//! `LottoRichiesta`, §4.1 and §5: who may ask for how many.

use std::collections::BTreeSet;

use super::client::{Call, DOCTOR, OTHER_DOCTOR, Reply, Sac};
use super::messages::{drug, lot};

fn refused(reply: &Reply) {
    assert_eq!(reply.status, 200);
    assert_ne!(reply.text("CodEsito"), "00", "{}", reply.body);
    assert!(reply.texts("CodLotto").is_empty(), "{}", reply.body);
}

fn prefix(reply: &Reply) -> String {
    assert_eq!(reply.text("CodEsito"), "00", "{}", reply.body);
    [
        "CodRegione",
        "CodRagLotto",
        "IdentificativoLotto",
        "CodLotto",
    ]
    .iter()
    .map(|name| reply.text(name))
    .collect()
}

/// §5.1: D and E make nine digits; the zeros of a lot's code belong to it.
#[tokio::test]
async fn a_lot_of_each_kind_leaves_the_right_number_of_digits() {
    let sac = Sac::start();
    for (kind, code_digits) in [
        ("0", 7),
        ("1", 6),
        ("2", 5),
        ("3", 4),
        ("4", 0),
        ("5", 3),
        ("6", 2),
        ("7", 1),
    ] {
        let reply = sac.call(&lot(kind, (kind == "0").then_some(DOCTOR))).await;
        assert_eq!(reply.text("CodLotto").len(), code_digits, "kind {kind}");
        let prefix = prefix(&reply);
        let number = format!("{prefix}{}", "0".repeat(15 - prefix.len()));
        sac.call(&drug(&number)).await.assert_done();
    }
}

/// §5: a number identifies one prescription in the whole country, so no lot is given twice.
#[tokio::test]
async fn no_lot_is_given_twice() {
    let sac = Sac::start();
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        for kind in ["4", "7"] {
            assert!(seen.insert(prefix(&sac.call(&lot(kind, None)).await)));
        }
    }
}

/// §4.1: a hundred numbers are always for a doctor.
#[tokio::test]
async fn kind_0_needs_a_doctor() {
    let sac = Sac::start();
    refused(&sac.call(&lot("0", None)).await);
    refused(&sac.call(&lot("0", Some(""))).await);
    prefix(&sac.call(&lot("0", Some(DOCTOR))).await);
}

/// §4.1: a thousand may be for a doctor or for the region.
#[tokio::test]
async fn kind_1_may_have_a_doctor() {
    let sac = Sac::start();
    prefix(&sac.call(&lot("1", None)).await);
    prefix(&sac.call(&lot("1", Some(DOCTOR))).await);
}

/// §4.1: "deve obbligatoriamente non essere mai impostato per tutti gli altri valori".
#[tokio::test]
async fn kinds_2_to_7_forbid_a_doctor() {
    let sac = Sac::start();
    for kind in ["2", "3", "4", "5", "6", "7"] {
        refused(&sac.call(&lot(kind, Some(DOCTOR))).await);
    }
}

/// §4.1: there are eight kinds.
#[tokio::test]
async fn kinds_8_and_9_do_not_exist() {
    let sac = Sac::start();
    for kind in ["8", "9"] {
        refused(&sac.call(&lot(kind, None)).await);
    }
}

/// §4.1: a doctor whom nobody registered gets none.
#[tokio::test]
async fn an_unknown_doctor_gets_no_lot() {
    let sac = Sac::start();
    refused(&sac.call(&lot("0", Some("BBTMRZ54L19H501T"))).await);
}

/// §4.1: a region asks for itself.
#[tokio::test]
async fn another_regions_lot_is_refused() {
    let sac = Sac::start();
    refused(&sac.call(&lot("3", None).with("CodRegione", "120")).await);
}

/// §4.1, §7: state 1 for the region, state 2 for a doctor.
#[tokio::test]
async fn a_lots_state_says_whether_it_is_bound() {
    let sac = Sac::start();
    let free = prefix(&sac.call(&lot("1", None)).await);
    let bound = prefix(&sac.call(&lot("1", Some(OTHER_DOCTOR))).await);
    let book = sac.simulator.book();
    let state = |prefix: &str| {
        book.lots
            .iter()
            .find(|lot| lot.prefix == prefix)
            .unwrap()
            .state
    };
    assert_eq!((state(&free), state(&bound)), (1, 2));
}

/// SF §4 speaks of the prescription services: a lot needs the certificate and no assertion.
#[tokio::test]
async fn a_lot_needs_no_assertion() {
    let sac = Sac::start();
    let call = Call {
        header: String::new(),
        ..Call::new(&lot("3", None), "")
    };
    prefix(&call.send(&sac).await.unwrap());
}
