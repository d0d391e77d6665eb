//! Where the SAC is, who we are to it, and the files that prove it.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, fs};

use aws_lc_rs::signature::RsaKeyPair;
use engine::live::Live;
use policies::time::Timestamp;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use super::Sac;
use super::saml::Signer;
use super::sanitel::{Sanitel, SanitelError};
use crate::client::{Client, ClientError, TlsFiles, certificates, private_key};
use crate::model::{Invalid, Nre, Region, Relations};

/// Longest PIN code, far below what the ministry's key can encrypt.
const PIN_CODE_MAX: usize = 32;
/// The kind of lot that is always bound to one doctor (S1 §4.1).
const LOT_KIND_DOCTORS: u8 = 0;

/// Everything the adapter is told. Keys and PIN are paths, never values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scheme, host and port of the prescription services (`https://demservice…`), without a path.
    pub prescriptions_url: String,
    /// Scheme, host and port of the lot service (`https://mirservice…`), without a path.
    pub lots_url: String,
    /// Scheme, host and port of the registry of assisted persons, without a path; empty where it is
    /// that of the prescription services.
    pub registry_url: String,
    /// Whom we trust to be the SAC (PEM, one or more).
    pub trust_file: PathBuf,
    /// Our client certificate and its chain (PEM).
    pub certificate_file: PathBuf,
    /// Its private key (PEM).
    pub key_file: PathBuf,
    /// The certificate that assertions are signed under (PEM, RSA).
    pub signing_certificate_file: PathBuf,
    /// Its private key (PEM, PKCS#8).
    pub signing_key_file: PathBuf,
    /// The ministry's certificate for encryption, SanitelCF (PEM).
    pub sanitel_certificate_file: PathBuf,
    /// The region's own PIN code (text).
    pub pin_code_file: PathBuf,
    /// The region, as the SAC numbers it (`130`).
    pub region: String,
    /// How large a lot to ask for, 1 to 7 (S1 §5.1): 3 is 100,000 numbers.
    pub lot_kind: u8,
    /// How old the prescriber's authentication may be that a call states.
    pub authn_age_max: AuthnAgeMax,
    /// Makes the tags of the persons that are found.
    pub relations: Relations,
}

/// How old a prescriber's authentication may be when it is used, on the wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthnAgeMax {
    /// To register a prescription.
    pub send: Duration,
    /// To cancel one.
    pub annul: Duration,
    /// To read one back.
    pub read: Duration,
    /// To look an assisted person or a health card up.
    pub registry: Duration,
}

/// Why the adapter cannot be opened: every reason with its causes, not the first.
#[derive(Debug)]
pub struct OpenError(pub Vec<Problem>);

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{problem}")?;
            let mut cause = problem.source();
            while let Some(because) = cause {
                write!(f, ": {because}")?;
                cause = because.source();
            }
        }
        Ok(())
    }
}

impl Error for OpenError {}

/// One thing that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// An address is not one.
    #[error("{key} is not an https address without a path")]
    Url {
        /// Which setting.
        key: &'static str,
    },
    /// The region is not three digits.
    #[error("region {0}")]
    Region(Invalid),
    /// The SAC gives a region no lot of this kind.
    #[error("lot_kind is not 1 to 7: the kinds that are given to a region")]
    LotKind,
    /// The TLS files cannot be used.
    #[error("the connection to the SAC cannot be set up")]
    Client(#[source] ClientError),
    /// A certificate or key file cannot be read.
    #[error("{key} cannot be used")]
    Material {
        /// Which setting.
        key: &'static str,
        /// Why not.
        #[source]
        source: ClientError,
    },
    /// A certificate does not parse.
    #[error("{key} is not an X.509 certificate")]
    Certificate {
        /// Which setting.
        key: &'static str,
    },
    /// The signing key is not an RSA key of at least 2048 bits.
    #[error("signing_key_file is not an RSA key of 2048 to 8192 bits in PKCS#8 or PKCS#1")]
    SigningKey,
    /// Certificate and key are of different pairs.
    #[error("signing_key_file is not the key of signing_certificate_file")]
    SigningPair,
    /// The ministry's certificate cannot be used.
    #[error("sanitel_certificate_file cannot be used")]
    Sanitel(#[source] SanitelError),
    /// The PIN cannot be read.
    #[error("pin_code_file cannot be read")]
    PinFile(#[source] std::io::Error),
    /// The PIN is not one.
    #[error("pin_code_file does not hold 1 to {PIN_CODE_MAX} letters and digits")]
    Pin,
}

/// When a certificate ends, for the alarms before it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The setting that names it.
    pub key: &'static str,
    /// The last instant of its validity.
    pub not_after: Timestamp,
}

/// Collects problems instead of stopping at the first.
#[derive(Default)]
struct Opening {
    problems: Vec<Problem>,
    expiries: Vec<Expiry>,
}

impl Opening {
    fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }

    /// The first certificate of a file, its end noted.
    fn certificate(&mut self, key: &'static str, path: &Path) -> Option<CertificateDer<'static>> {
        let read = certificates("a certificate", path);
        let chain = self.keep(read.map_err(|source| Problem::Material { key, source }))?;
        let first = chain.into_iter().next()?;
        let not_after = parsed(&first).map(|parsed| parsed.validity().not_after.timestamp());
        let not_after = self.keep(not_after.ok_or(Problem::Certificate { key }))?;
        let millis = u64::try_from(not_after).unwrap_or(0).saturating_mul(1_000);
        self.expiries.push(Expiry {
            key,
            not_after: Timestamp(millis),
        });
        Some(first)
    }
}

fn parsed<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(der)
        .ok()
        .map(|(_, certificate)| certificate)
}

impl Sac {
    /// Reads all files and builds the connection; nothing is sent.
    pub fn open(settings: &Settings) -> Result<Sac, OpenError> {
        let mut opening = Opening::default();
        let prescriptions = base(&settings.prescriptions_url, "prescriptions_url");
        let prescriptions = opening.keep(prescriptions);
        let lots = opening.keep(base(&settings.lots_url, "lots_url"));
        let registry = match settings.registry_url.as_str() {
            "" => prescriptions.clone(),
            url => opening.keep(base(url, "registry_url")),
        };
        let region = Region::new(settings.region.as_str()).map_err(Problem::Region);
        let region = opening.keep(region);
        let lot_kind = opening.keep(lot_kind(settings.lot_kind));
        let client = Client::open(&TlsFiles {
            trust: &settings.trust_file,
            certificate: &settings.certificate_file,
            key: &settings.key_file,
        });
        let client = opening.keep(client.map_err(Problem::Client));
        if client.is_some() {
            opening.certificate("certificate_file", &settings.certificate_file);
        }
        let signing = signing(&mut opening, settings);
        let sanitel = sanitel(&mut opening, settings);
        let pin_code = opening.keep(pin_code(&settings.pin_code_file));
        match (
            prescriptions,
            lots,
            registry,
            region,
            lot_kind,
            client,
            signing,
            sanitel,
            pin_code,
        ) {
            (
                Some(prescriptions_url),
                Some(lots_url),
                Some(registry_url),
                Some(region),
                Some(lot_kind),
                Some(client),
                Some((key, certificate)),
                Some(sanitel),
                Some(pin_code),
            ) => Ok(Sac {
                client,
                prescriptions_url,
                lots_url,
                registry_url,
                signer: Signer::new(region.clone(), key, &certificate),
                region,
                lot_kind,
                authn_age_max: Live::new(settings.authn_age_max),
                relations: settings.relations.clone(),
                sanitel,
                pin_code,
                expiries: opening.expiries,
            }),
            _ => Err(OpenError(opening.problems)),
        }
    }
}

fn base(url: &str, key: &'static str) -> Result<String, Problem> {
    let host = url
        .strip_prefix("https://")
        .map(|rest| rest.trim_end_matches('/'));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']) => {
            Ok(format!("https://{host}"))
        }
        _ => Err(Problem::Url { key }),
    }
}

fn lot_kind(kind: u8) -> Result<u8, Problem> {
    match Nre::progressive_digits(kind) {
        Some(_) if kind != LOT_KIND_DOCTORS => Ok(kind),
        _ => Err(Problem::LotKind),
    }
}

fn signing(
    opening: &mut Opening,
    settings: &Settings,
) -> Option<(RsaKeyPair, CertificateDer<'static>)> {
    let path = &settings.signing_certificate_file;
    let certificate = opening.certificate("signing_certificate_file", path);
    let key = private_key("a private key", &settings.signing_key_file)
        .map_err(|source| Problem::Material {
            key: "signing_key_file",
            source,
        })
        .and_then(|key| rsa_key(&key));
    let key = opening.keep(key)?;
    let certificate = certificate?;
    let public_key = parsed(&certificate)?
        .public_key()
        .subject_public_key
        .data
        .to_vec();
    if public_key != Signer::public_key(&key) {
        opening.problems.push(Problem::SigningPair);
        return None;
    }
    Some((key, certificate))
}

fn rsa_key(key: &PrivateKeyDer<'_>) -> Result<RsaKeyPair, Problem> {
    let read = match key {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        _ => return Err(Problem::SigningKey),
    };
    read.map_err(|_| Problem::SigningKey)
}

fn sanitel(opening: &mut Opening, settings: &Settings) -> Option<Sanitel> {
    let key = "sanitel_certificate_file";
    let certificate = opening.certificate(key, &settings.sanitel_certificate_file)?;
    let sanitel = Sanitel::new(&parsed(&certificate)?).map_err(Problem::Sanitel);
    opening.keep(sanitel)
}

fn pin_code(path: &Path) -> Result<Zeroizing<String>, Problem> {
    let text = Zeroizing::new(fs::read_to_string(path).map_err(Problem::PinFile)?);
    let pin = text.trim();
    let fits =
        (1..=PIN_CODE_MAX).contains(&pin.len()) && pin.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| Zeroizing::new(pin.to_owned()))
        .ok_or(Problem::Pin)
}
