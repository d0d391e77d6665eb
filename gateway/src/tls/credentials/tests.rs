//! Files that belong together are taken whole, and no others.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
};

use super::*;
use crate::tls::Presented;

/// An authority with a key at hand.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let common_name = rcgen::DnType::CommonName;
        params.distinguished_name.push(common_name, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Authority { issuer, pem }
    }

    /// A certificate of this serial number, and its key.
    pub(crate) fn issue(&self, serial: u64) -> (rcgen::Certificate, String) {
        self.issue_in(serial, 1975..4096)
    }

    /// The same, valid in these years.
    pub(crate) fn issue_in(
        &self,
        serial: u64,
        years: std::ops::Range<i32>,
    ) -> (rcgen::Certificate, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate, key.serialize_pem())
    }

    /// A list that revokes these serial numbers, PEM.
    pub(crate) fn revoke(&self, serials: &[u64]) -> String {
        let today = rcgen::date_time_ymd(2026, 1, 1);
        let revoked = serials.iter().map(|serial| rcgen::RevokedCertParams {
            serial_number: SerialNumber::from(*serial),
            revocation_time: today,
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: today,
            next_update: rcgen::date_time_ymd(2027, 1, 1),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// Files in a directory of their own.
pub(crate) struct Ground {
    directory: tempfile::TempDir,
    pub(crate) files: TlsFiles,
}

impl Ground {
    pub(crate) fn new(ours: &Authority, callers: &[&Authority]) -> Ground {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let files = TlsFiles {
            certificate: at("server.pem"),
            key: at("server.key"),
            authorities: at("ca.pem"),
            revoked: None,
        };
        let (certificate, key) = ours.issue(1);
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.key, key).unwrap();
        let authorities: String = callers.iter().map(|one| one.pem.as_str()).collect();
        fs::write(&files.authorities, authorities).unwrap();
        Ground { directory, files }
    }

    pub(crate) fn revoke(&mut self, list: &str) {
        let path = self.directory.path().join("crl.pem");
        fs::write(&path, list).unwrap();
        self.files.revoked = Some(path);
    }

    pub(crate) fn compose(&self, number: u64) -> Result<Credentials, Vec<Flaw>> {
        Credentials::compose(&self.files.read(), number)
    }

    /// The keys and rules of what is wrong.
    fn flaws(&self) -> Vec<(&'static str, String)> {
        let composed = self.compose(1);
        let flaws = composed.err().unwrap_or_default();
        flaws
            .into_iter()
            .map(|flaw| (flaw.key, flaw.rule))
            .collect()
    }
}

fn cut(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    fs::write(path, &text[..text.len() / 2]).unwrap();
}

#[test]
fn every_bad_file_is_named_with_its_rule() {
    let authority = Authority::new("a");
    let ground = Ground::new(&authority, &[&authority]);
    assert_eq!(ground.flaws(), []);

    fs::write(&ground.files.key, authority.issue(2).1).unwrap();
    let expected = "must hold the key of the certificate".to_owned();
    assert_eq!(ground.flaws(), [("key_file", expected)]);

    cut(&ground.files.key);
    cut(&ground.files.certificate);
    fs::remove_file(&ground.files.authorities).unwrap();
    let keys: Vec<_> = ground.flaws().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["certificate_file", "key_file", "callers_ca_file"]);
}

#[test]
fn a_list_is_believed_if_an_authority_signed_it_and_every_authority_has_one() {
    let (a, b, stranger) = (
        Authority::new("a"),
        Authority::new("b"),
        Authority::new("a"),
    );
    let mut ground = Ground::new(&a, &[&a, &b]);
    ground.revoke(&(a.revoke(&[7]) + &b.revoke(&[])));
    assert_eq!(ground.flaws(), []);

    for (list, rule) in [
        (stranger.revoke(&[]) + &b.revoke(&[]), "must be signed by"),
        (a.revoke(&[]), "must hold a list of every authority"),
        (String::new(), "must hold at least one list"),
        (a.revoke(&[])[..80].to_owned(), "must hold"),
    ] {
        ground.revoke(&list);
        let flaws = ground.flaws();
        assert_eq!(flaws.len(), 1, "{flaws:?}");
        assert_eq!(flaws[0].0, "callers_crl_file");
        assert!(flaws[0].1.starts_with(rule), "{flaws:?}");
    }
}

#[test]
fn what_was_accepted_holds_until_it_is_revoked_or_ends() {
    let authority = Authority::new("a");
    let mut ground = Ground::new(&authority, &[&authority]);
    ground.revoke(&authority.revoke(&[]));
    let first = ground.compose(1).unwrap();
    let (certificate, _) = authority.issue(7);
    let presented = Presented::new(&[certificate.der().clone()], 1).unwrap();
    let now = Timestamp(1_790_000_000_000);
    assert!(presented.holds(&first, now));

    ground.revoke(&authority.revoke(&[8]));
    let another = ground.compose(2).unwrap();
    assert!(presented.holds(&another, now), "another is revoked");
    ground.revoke(&authority.revoke(&[7]));
    let revoked = ground.compose(3).unwrap();
    assert!(!presented.holds(&revoked, now));
    assert!(!presented.holds(&revoked, now), "asked again");

    let ages = Duration::from_secs(100 * 365 * 86_400);
    let ended = Timestamp(u64::MAX - 1) - ages;
    assert!(!presented.holds(&first, ended), "it has ended meanwhile");
}

#[test]
fn the_same_contents_have_the_same_mark_and_no_others() {
    let authority = Authority::new("a");
    let ground = Ground::new(&authority, &[&authority]);
    let mark = ground.files.read().mark();
    assert_eq!(ground.files.read().mark(), mark);
    let text = fs::read_to_string(&ground.files.authorities).unwrap();
    fs::write(&ground.files.authorities, text + "\n").unwrap();
    assert_ne!(ground.files.read().mark(), mark);
}
