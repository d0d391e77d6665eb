//! Chains that hold, and every way in which one does not.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};

use super::*;

/// 1 June 2030, when everything that is made here holds.
const NOW: Timestamp = Timestamp(1_906_502_400_000);
const DAY: Duration = Duration::from_secs(86_400);

struct Made {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

fn params(name: &str, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = date_time_ymd(2030, 1, 1);
    params.not_after = date_time_ymd(2031, 1, 1);
    params
}

fn authority(name: &str, above: Option<&Made>) -> Made {
    let mut params = params(name, 7);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let certificate = match above {
        None => params.self_signed(&key),
        Some(above) => params.signed_by(&key, &above.issuer),
    };
    Made {
        der: certificate.unwrap().der().to_vec(),
        issuer: Issuer::new(params, key),
    }
}

fn leaf(above: &Made, change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = params("S1#190201234567XX", 42);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let made = params.signed_by(&key, &above.issuer).unwrap();
    made.der().to_vec()
}

fn chain(certificates: &[&[u8]]) -> Chain {
    let x5c: Vec<String> = certificates
        .iter()
        .map(|der| STANDARD.encode(der))
        .collect();
    Chain::parse(&x5c).unwrap()
}

fn trusting(root: &Made) -> Authorities {
    Authorities::of(&[CertificateDer::from(root.der.as_slice())]).unwrap()
}

fn list(of: &Made, revoked: Option<u64>) -> CertificateRevocationListDer<'static> {
    let revoked = revoked.map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from(serial),
        revocation_time: date_time_ymd(2030, 2, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2030, 2, 1),
        next_update: date_time_ymd(2030, 3, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked.into_iter().collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    let signed = params.signed_by(&of.issuer).unwrap();
    CertificateRevocationListDer::from(signed.der().to_vec())
}

#[test]
fn a_chain_holds_until_its_first_certificate_ends() {
    let root = authority("root", None);
    let between = authority("between", Some(&root));
    let short = leaf(&between, |params| {
        params.not_after = date_time_ymd(2030, 6, 3)
    });
    let chain = chain(&[&short, &between.der]);
    assert_eq!(trusting(&root).check(&chain, NOW), Ok(NOW + 2 * DAY));
    assert_eq!(
        trusting(&root).check(&chain, NOW + 3 * DAY),
        Err(ChainFault::Expired)
    );
    assert_eq!(chain.common_name().as_deref(), Some("S1#190201234567XX"));
    assert!(chain.key(Algorithm::ES256).is_some());
    for other in [Algorithm::ES384, Algorithm::RS256] {
        assert!(chain.key(other).is_none(), "{other:?} is not its algorithm");
    }
}

#[test]
fn what_leads_to_no_authority_of_ours_is_untrusted() {
    let (root, stranger) = (authority("root", None), authority("root", None));
    let between = authority("between", Some(&root));
    let good = leaf(&between, |_| ());
    let key = KeyPair::generate().unwrap();
    let self_signed = params("itself", 1).self_signed(&key).unwrap();
    let untrusted = [
        chain(&[&good]),
        chain(&[&good, &stranger.der]),
        chain(&[&leaf(&stranger, |_| ()), &stranger.der]),
        chain(&[self_signed.der()]),
        // An authority does not sign tokens, and what is no authority vouches for nobody.
        chain(&[&between.der]),
    ];
    for chain in &untrusted {
        assert_eq!(
            trusting(&root).check(chain, NOW),
            Err(ChainFault::Untrusted)
        );
    }
    let early = leaf(&root, |params| {
        params.not_before = date_time_ymd(2030, 7, 1)
    });
    assert_eq!(
        trusting(&root).check(&chain(&[&early]), NOW),
        Err(ChainFault::NotYetValid)
    );
}

#[test]
fn a_revoked_certificate_is_refused_and_so_is_one_that_nobody_answers_for() {
    let root = authority("root", None);
    let between = authority("between", Some(&root));
    let chain = chain(&[&leaf(&between, |_| ()), &between.der]);
    let cases: [(&[_], _); 5] = [
        (&[list(&root, None), list(&between, None)], Ok(())),
        (
            &[list(&root, None), list(&between, Some(42))],
            Err(ChainFault::Revoked),
        ),
        (
            &[list(&root, Some(7)), list(&between, None)],
            Err(ChainFault::Revoked),
        ),
        (&[list(&between, None)], Err(ChainFault::RevocationUnknown)),
        (&[list(&root, None)], Err(ChainFault::RevocationUnknown)),
    ];
    for (position, (lists, expected)) in cases.iter().enumerate() {
        let authorities = trusting(&root).revoking(lists).unwrap();
        let seen = authorities.check(&chain, NOW).map(|_| ());
        assert_eq!(seen, *expected, "case {position}");
    }
    let junk = CertificateRevocationListDer::from(vec![1, 2, 3]);
    assert!(trusting(&root).revoking(&[junk]).is_err());
}

#[test]
fn an_x5c_is_bounded_and_of_x509() {
    let root = authority("root", None);
    let text = STANDARD.encode(leaf(&root, |_| ()));
    let large = leaf(&root, |params| {
        let name = "x".repeat(CERTIFICATE_BYTES_MAX);
        params
            .distinguished_name
            .push(DnType::OrganizationName, name);
    });
    let unreadable = [
        vec![],
        vec![text.clone(); CHAIN_MAX + 1],
        vec![STANDARD.encode(large)],
        vec![String::new()],
        vec!["not base64!".to_owned()],
        vec![STANDARD.encode("no certificate")],
        vec![text.clone(), "AAAA".to_owned()],
        vec![STANDARD.encode([leaf(&root, |_| ()), vec![0]].concat())],
    ];
    for x5c in unreadable {
        assert!(Chain::parse(&x5c).is_none(), "{} certificates", x5c.len());
    }
    assert!(Chain::parse(&vec![text; CHAIN_MAX]).is_some());
}
