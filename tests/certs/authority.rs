//! A certificate authority in a directory: its certificate, its key, and what it signs.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256,
    PublicKeyData, RevokedCertParams, RsaKeySize, SanType, SerialNumber,
};

use super::{LIFETIME_DAYS, failed, suffixed};

/// `id-kp-documentSigning` (RFC 9336): says what a SAML signing certificate is for, and above all
/// what it is not for.
const DOCUMENT_SIGNING: [u64; 9] = [1, 3, 6, 1, 5, 5, 7, 3, 36];

const DAY_SECONDS: i64 = 86_400;

/// When a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Now.
    Current,
    /// Until two days ago.
    Expired,
    /// From two days on.
    NotYet,
    /// From so many seconds on.
    From(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    Server,
    Client,
    Signing,
}

/// An authority whose key is at hand.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes one, and writes `<stem>.pem` and `<stem>.key`.
    pub(super) fn create(directory: &Path, stem: &str, name: &str) -> io::Result<Authority> {
        let key = ec_key()?;
        let params = authority_params(name)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        fs::write(directory.join(format!("{stem}.pem")), certificate.pem())?;
        fs::write(directory.join(format!("{stem}.key")), key.serialize_pem())?;
        Ok(Authority {
            issuer: Issuer::new(params, key),
        })
    }

    /// Takes up the one that [`Authority::create`] left, to sign some more.
    pub(super) fn open(directory: &Path, stem: &str, name: &str) -> io::Result<Authority> {
        let key = fs::read_to_string(directory.join(format!("{stem}.key")))?;
        let key = KeyPair::from_pem(&key).map_err(failed)?;
        Ok(Authority {
            issuer: Issuer::new(authority_params(name)?, key),
        })
    }

    /// Writes `<stem>.pem` and `<stem>.key` with a new P-256 key; returns the certificate's DER.
    pub(super) fn issue(
        &self,
        stem: &Path,
        name: &str,
        usage: Usage,
        validity: Validity,
    ) -> io::Result<Vec<u8>> {
        self.write(stem, name, usage, validity, &ec_key()?)
    }

    /// The same with a 2048-bit RSA key, for SAML signatures.
    pub(super) fn issue_rsa(&self, stem: &Path, name: &str) -> io::Result<Vec<u8>> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(failed)?;
        self.write(stem, name, Usage::Signing, Validity::Current, &key)
    }

    /// The PEM certificate of a public key whose private half lies elsewhere.
    pub(super) fn certify(&self, name: &str, key: &impl PublicKeyData) -> io::Result<String> {
        let params = leaf_params(name, Usage::Signing, Validity::Current)?;
        Ok(params.signed_by(key, &self.issuer).map_err(failed)?.pem())
    }

    /// A list of revoked certificates with these in it, PEM in and out.
    pub(super) fn revoke(&self, certificates: &[Vec<u8>]) -> io::Result<String> {
        let params = params("list", Validity::Current)?;
        let mut revoked_certs = Vec::new();
        for pem in certificates {
            let (_, pem) = x509_parser::pem::parse_x509_pem(pem).map_err(failed)?;
            let certificate = pem.parse_x509().map_err(failed)?;
            revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from_slice(certificate.raw_serial()),
                revocation_time: params.not_before,
                reason_code: None,
                invalidity_date: None,
            });
        }
        let list = CertificateRevocationListParams {
            this_update: params.not_before,
            next_update: params.not_after,
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).map_err(failed)?;
        list.pem().map_err(failed)
    }

    fn write(
        &self,
        stem: &Path,
        name: &str,
        usage: Usage,
        validity: Validity,
        key: &KeyPair,
    ) -> io::Result<Vec<u8>> {
        let params = leaf_params(name, usage, validity)?;
        let certificate = params.signed_by(key, &self.issuer).map_err(failed)?;
        fs::write(suffixed(stem, ".pem"), certificate.pem())?;
        fs::write(suffixed(stem, ".key"), key.serialize_pem())?;
        Ok(certificate.der().to_vec())
    }
}

pub(super) fn ec_key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(failed)
}

fn authority_params(name: &str) -> io::Result<CertificateParams> {
    let mut params = params(name, Validity::Current)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn leaf_params(name: &str, usage: Usage, validity: Validity) -> io::Result<CertificateParams> {
    let mut params = params(name, validity)?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match usage {
        Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
        Usage::Signing => vec![ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING.to_vec())],
    };
    if usage == Usage::Server {
        params.subject_alt_names = vec![
            SanType::DnsName("localhost".try_into().map_err(failed)?),
            SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ];
    }
    Ok(params)
}

pub(super) fn params(name: &str, validity: Validity) -> io::Result<CertificateParams> {
    let (from_day, until_day) = match validity {
        Validity::Current => (-1, LIFETIME_DAYS),
        Validity::Expired => (-30, -2),
        Validity::NotYet => (2, 30),
        Validity::From(_) => (0, 30),
    };
    // The type of the two instants is not ours to name, hence a closure.
    let now = jiff::Timestamp::now();
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let midnight = |days: i64| {
        let date = today.saturating_add(jiff::Span::new().days(days));
        rcgen::date_time_ymd(
            date.year().into(),
            ordinal(date.month()),
            ordinal(date.day()),
        )
    };
    let mut params = CertificateParams::new(Vec::new()).map_err(failed)?;
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Argine development");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = midnight(from_day);
    if let Validity::From(seconds) = validity {
        let since_midnight = u64::try_from(now.as_second().rem_euclid(DAY_SECONDS));
        let since_midnight = since_midnight.expect("a remainder is not negative");
        params.not_before += Duration::from_secs(since_midnight + u64::from(seconds));
    }
    params.not_after = midnight(until_day);
    Ok(params)
}

fn ordinal(of_date: i8) -> u8 {
    u8::try_from(of_date).expect("months and days count from one")
}
