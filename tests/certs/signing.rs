//! Signing certificates that tokens bring along: a root, an authority beneath it, and what an
//! organisation holds, good and bad.

use std::fs;
use std::io;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256, RevokedCertParams, RsaKeySize,
    SerialNumber,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::authority::{self, Validity};
use super::{digest, failed, suffixed};

/// The serial number of every certificate that was revoked.
const REVOKED_SERIAL: u64 = 666;

/// A certificate of an organisation's signing key. All of them are registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SigningCertificate {
    /// It holds.
    Good,
    /// Its authority has revoked it.
    Revoked,
    /// It was over two days ago.
    Expired,
    /// It vouches for itself.
    Alone,
}

impl SigningCertificate {
    const ALL: [SigningCertificate; 4] = [
        SigningCertificate::Good,
        SigningCertificate::Revoked,
        SigningCertificate::Expired,
        SigningCertificate::Alone,
    ];

    fn suffix(self) -> &'static str {
        match self {
            SigningCertificate::Good => "-signing-good.pem",
            SigningCertificate::Revoked => "-signing-revoked.pem",
            SigningCertificate::Expired => "-signing-expired.pem",
            SigningCertificate::Alone => "-signing-alone.pem",
        }
    }
}

/// The authority that issues them, beneath a root that is trusted.
pub(super) struct SigningAuthority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl SigningAuthority {
    /// Makes both, and writes `signing-ca.pem`, `signing-crl.pem`, and in `signing-crl-before.pem` the
    /// lists of before anything was revoked.
    pub(super) fn create(directory: &Path) -> io::Result<SigningAuthority> {
        let root_key = authority::ec_key()?;
        let root_params = authority_params("Argine development signing root")?;
        let root = root_params.self_signed(&root_key).map_err(failed)?;
        let root_issuer = Issuer::new(root_params, root_key);
        let key = authority::ec_key()?;
        let params = authority_params("Argine development signing CA")?;
        let between = params.signed_by(&key, &root_issuer).map_err(failed)?;
        let issuer = Issuer::new(params, key);
        fs::write(directory.join("signing-ca.pem"), root.pem())?;
        let lists = list(&root_issuer, &[])? + &list(&issuer, &[REVOKED_SERIAL])?;
        fs::write(directory.join("signing-crl.pem"), lists)?;
        let before = list(&root_issuer, &[])? + &list(&issuer, &[])?;
        fs::write(directory.join("signing-crl-before.pem"), before)?;
        Ok(SigningAuthority {
            issuer,
            pem: between.pem(),
        })
    }

    /// Writes an RSA key and a chain for each [`SigningCertificate`] of it; returns what they are
    /// registered by.
    pub(super) fn issue(&self, stem: &Path, organization: &str) -> io::Result<Vec<String>> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).map_err(failed)?;
        fs::write(suffixed(stem, "-signing.key"), key.serialize_pem())?;
        let mut digests = Vec::new();
        for (serial, kind) in (1..).zip(SigningCertificate::ALL) {
            let validity = match kind {
                SigningCertificate::Expired => Validity::Expired,
                _ => Validity::Current,
            };
            let mut params = authority::params(&common_name(organization), validity)?;
            params.use_authority_key_identifier_extension = true;
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.serial_number = Some(SerialNumber::from(match kind {
                SigningCertificate::Revoked => REVOKED_SERIAL,
                _ => serial,
            }));
            let certificate = match kind {
                SigningCertificate::Alone => params.self_signed(&key),
                _ => params.signed_by(&key, &self.issuer),
            };
            let certificate = certificate.map_err(failed)?;
            let above = match kind {
                SigningCertificate::Alone => "",
                _ => &self.pem,
            };
            fs::write(suffixed(stem, kind.suffix()), certificate.pem() + above)?;
            digests.push(digest(certificate.der()));
        }
        Ok(digests)
    }
}

/// The common name of an organisation's signing certificates.
pub(super) fn common_name(organization: &str) -> String {
    format!("S1#{organization}")
}

/// The `x5c` of a chain that [`SigningAuthority::issue`] has written.
pub(super) fn chain(stem: &Path, certificate: SigningCertificate) -> io::Result<Vec<String>> {
    CertificateDer::pem_file_iter(suffixed(stem, certificate.suffix()))
        .map_err(failed)?
        .map(|der| der.map(|der| STANDARD.encode(der)).map_err(failed))
        .collect()
}

fn authority_params(name: &str) -> io::Result<CertificateParams> {
    let mut params = authority::params(name, Validity::Current)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// What `issuer` has revoked, PEM.
fn list(issuer: &Issuer<'_, KeyPair>, serials: &[u64]) -> io::Result<String> {
    let today = authority::params("today", Validity::Current)?;
    let revoked = serials.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: today.not_before,
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: today.not_before,
        next_update: today.not_after,
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params
        .signed_by(issuer)
        .map_err(failed)?
        .pem()
        .map_err(failed)
}
