//! What is only too early is tried again, and keeps no list from taking effect.

use std::fs;

use super::*;
use crate::tls::Presented;
use crate::tls::credentials::tests::{Authority, Ground};

/// 20 September 2026.
const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// Puts a certificate of these years in place of ours.
fn put(ground: &Ground, authority: &Authority, years: std::ops::Range<i32>) {
    let (certificate, key) = authority.issue_in(2, years);
    fs::write(&ground.files.certificate, certificate.pem()).unwrap();
    fs::write(&ground.files.key, key).unwrap();
}

#[test]
fn a_certificate_that_is_not_valid_takes_no_others_place_until_it_is() {
    let authority = Authority::new("a");
    let ground = Ground::new(&authority, &[&authority]);
    let in_force = ground.compose(1).unwrap();
    put(&ground, &authority, 2027..2030);
    let texts = ground.files.read();
    let early = judge(&texts, &in_force, NOW);
    assert!(early.credentials.is_none(), "nothing else would change");
    assert!(early.may_pass, "it is tried again");
    let rule = "must hold a certificate that is valid already, this one is from 2027-01-01";
    assert!(early.flaws[0].rule.starts_with(rule), "{:?}", early.flaws);

    let year_later = Timestamp(NOW.0 + 365 * 86_400_000);
    let then = judge(&texts, &in_force, year_later);
    assert_eq!(then.credentials.unwrap().number, 2);
    assert!(!then.may_pass && then.flaws.is_empty());

    put(&ground, &authority, 2020..2025);
    let late = judge(&ground.files.read(), &in_force, NOW);
    let rule = "must hold a certificate that is valid still, this one was until 2025-01-01";
    assert!(late.flaws[0].rule.starts_with(rule), "{:?}", late.flaws);
    assert!(late.credentials.is_none());
}

#[test]
fn whom_we_trust_does_not_wait_for_our_own_certificate() {
    let authority = Authority::new("a");
    let mut ground = Ground::new(&authority, &[&authority]);
    ground.revoke(&authority.revoke(&[]));
    let in_force = ground.compose(1).unwrap();
    let (stolen, _) = authority.issue(7);
    let presented = Presented::new(&[stolen.der().clone()], 1).unwrap();
    assert!(presented.holds(&in_force, NOW));

    for years in [2027..2030, 2020..2025] {
        put(&ground, &authority, years);
        ground.revoke(&authority.revoke(&[7]));
        let texts = ground.files.read();
        let half = judge(&texts, &in_force, NOW);
        assert!(half.may_pass && half.flaws.len() == 1);
        let half = half.credentials.expect("the list counts at once");
        assert!(!presented.holds(&half, NOW), "revoked");
        assert_eq!(half.flaw_at(NOW), None, "the old certificate is shown");
        let again = judge(&texts, &half, NOW);
        assert!(again.credentials.is_none(), "nothing has changed since");
        assert!(again.may_pass);
    }
}
