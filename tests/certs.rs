//! Certificates, keys and tokens of a development region, made afresh for every run.
//!
//! [`mint`] writes everything that a gateway, its callers and the SAC simulator need into one
//! directory; `certs/README.md` says which file plays which part. Nothing here is a secret and
//! nothing here is ever committed.
//!
//! # Limits
//!
//! Certificates begin yesterday and last [`LIFETIME_DAYS`]: long enough for any run, short enough
//! that nobody takes them for real ones.

mod authority;
mod sanitel;
mod signing;
mod token;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

pub use authority::Validity;
use authority::{Authority, Usage};
use signing::SigningAuthority;
pub use signing::SigningCertificate;
pub use token::{AUDIENCE, Pair, Prescriber, Token};

/// How long a minted certificate lasts.
pub const LIFETIME_DAYS: i64 = 365;
/// The PIN of the region's own user, as the SAC knows it.
pub const PIN_CODE: &str = "1234567890";

const REGION_SUBJECT: &str = "SAR 130";

/// An organisation that may call the gateway.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Its name, which is also the stem of its files.
    pub organization: &'a str,
    /// What it may act as.
    pub profiles: &'a [&'a str],
    /// How its tokens are presented.
    pub pattern: &'a str,
    /// The doctors for whom it may stand in.
    pub stands_in_for: &'a [&'a str],
}

/// One token, many times.
pub const MANY_TIMES: &str = "ID_AUTH_REST_01";
/// One token, once.
pub const ONCE: &str = "ID_AUTH_REST_02";
/// A pair of tokens, signed with a certificate.
pub const FSE: &str = "FSE";

impl<'a> Caller<'a> {
    /// A GP practice.
    pub const fn practice(organization: &'a str) -> Caller<'a> {
        Caller {
            organization,
            profiles: &["practice"],
            pattern: MANY_TIMES,
            stands_in_for: &[],
        }
    }

    /// The `kid` of its tokens.
    pub fn key_id(&self) -> String {
        key_id(self.organization)
    }
}

fn key_id(organization: &str) -> String {
    format!("{organization}-1")
}

/// Where a certificate and its key lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// Its PKCS#8 key, PEM.
    pub key: PathBuf,
}

impl Identity {
    fn at(stem: &Path) -> Identity {
        Identity {
            certificate: suffixed(stem, ".pem"),
            key: suffixed(stem, ".key"),
        }
    }
}

/// Whose authority a made-up client certificate carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The authority that the SAC trusts.
    Sac,
    /// The authority that the gateway trusts for its callers.
    Callers,
    /// An authority that nobody has heard of.
    Stranger,
}

/// Writes every file of a development region into `directory`, which is created if missing.
///
/// # Errors
///
/// Whatever the file system says; a key that cannot be made is `io::ErrorKind::Other`.
pub fn mint(directory: &Path, callers: &[Caller<'_>]) -> io::Result<()> {
    fs::create_dir_all(directory.join("callers"))?;
    let callers_ca = Authority::create(directory, "callers-ca", "Argine development callers CA")?;
    let gateway_ca = Authority::create(directory, "gateway-ca", "Argine development gateway CA")?;
    let sac_ca = Authority::create(directory, "sac-ca", "Argine development SAC CA")?;

    gateway_ca.issue(
        &directory.join("gateway"),
        "argine",
        Usage::Server,
        Validity::Current,
    )?;
    sac_ca.issue(
        &directory.join("sac"),
        "demservice",
        Usage::Server,
        Validity::Current,
    )?;
    sac_ca.issue(
        &directory.join("region"),
        REGION_SUBJECT,
        Usage::Client,
        Validity::Current,
    )?;
    sac_ca.issue_rsa(&directory.join("region-signing"), "SAR 130 SAML")?;
    sanitel::issue(&sac_ca, directory)?;

    fs::write(directory.join("pin-code"), PIN_CODE)?;
    let store_key = directory.join("store.key");
    fs::write(&store_key, random_hex())?;
    fs::set_permissions(&store_key, fs::Permissions::from_mode(0o600))?;

    let signers = SigningAuthority::create(directory)?;
    let mut listed = String::new();
    for caller in callers {
        listed.push_str(&mint_caller(directory, &callers_ca, &signers, caller)?);
    }
    fs::write(directory.join("callers.toml"), listed)
}

/// Makes one more client certificate, good or bad, named `name`, beside those of [`mint`].
///
/// A certificate of the right authority is still *unknown* to whoever lists certificates one by
/// one: `callers.toml` does not name it, and neither does the SAC's register.
///
/// # Errors
///
/// As [`mint`]; also when `directory` has not been minted.
pub fn client(
    directory: &Path,
    name: &str,
    signer: Signer,
    validity: Validity,
) -> io::Result<Identity> {
    let authority = match signer {
        Signer::Sac => Authority::open(directory, "sac-ca", "Argine development SAC CA")?,
        Signer::Callers => {
            Authority::open(directory, "callers-ca", "Argine development callers CA")?
        }
        Signer::Stranger => Authority::create(directory, "stranger-ca", "Nobody")?,
    };
    let stem = directory.join(name);
    authority.issue(&stem, name, Usage::Client, validity)?;
    Ok(Identity::at(&stem))
}

/// Makes a server certificate of the SAC's authority for this machine, named `name`.
///
/// # Errors
///
/// As [`client`].
pub fn server(directory: &Path, name: &str, validity: Validity) -> io::Result<Identity> {
    let authority = Authority::open(directory, "sac-ca", "Argine development SAC CA")?;
    let stem = directory.join(name);
    authority.issue(&stem, name, Usage::Server, validity)?;
    Ok(Identity::at(&stem))
}

/// Makes a server certificate of the gateway's authority for this machine, at `stem`.
///
/// # Errors
///
/// As [`client`].
pub fn edge(directory: &Path, stem: &Path, validity: Validity) -> io::Result<Identity> {
    let authority = Authority::open(directory, "gateway-ca", "Argine development gateway CA")?;
    authority.issue(stem, "argine", Usage::Server, validity)?;
    Ok(Identity::at(stem))
}

/// A list, in PEM, of those certificates of callers that their authority has revoked.
///
/// # Errors
///
/// As [`client`].
pub fn revoked(directory: &Path, organizations: &[&str]) -> io::Result<String> {
    let authority = Authority::open(directory, "callers-ca", "Argine development callers CA")?;
    let files = organizations.iter().map(|name| {
        let certificate = directory.join("callers").join(name);
        fs::read(suffixed(&certificate, ".pem"))
    });
    authority.revoke(&files.collect::<io::Result<Vec<_>>>()?)
}

/// Makes an RSA signing pair that no register knows, named `name`.
///
/// # Errors
///
/// As [`client`].
pub fn signing(directory: &Path, name: &str) -> io::Result<Identity> {
    let stem = directory.join(name);
    Authority::open(directory, "sac-ca", "Argine development SAC CA")?.issue_rsa(&stem, name)?;
    Ok(Identity::at(&stem))
}

fn mint_caller(
    directory: &Path,
    ca: &Authority,
    signers: &SigningAuthority,
    caller: &Caller<'_>,
) -> io::Result<String> {
    let name = caller.organization;
    let stem = directory.join("callers").join(name);
    let certificate = ca.issue(&stem, name, Usage::Client, Validity::Current)?;
    let profiles: Vec<String> = caller.profiles.iter().map(|p| format!("{p:?}")).collect();
    let signs = if caller.pattern == FSE {
        let digests = signers.issue(&stem, name)?;
        format!("algorithm = \"RS256\"\nsigning_certificate_sha256 = {digests:?}\n")
    } else {
        let signing = authority::ec_key()?;
        fs::write(suffixed(&stem, "-signing.key"), signing.serialize_pem())?;
        fs::write(suffixed(&stem, "-signing.pem"), signing.public_key_pem())?;
        format!(
            "algorithm = \"ES256\"\nkey_id = \"{}\"\nkey_file = \"callers/{name}-signing.pem\"\n",
            caller.key_id()
        )
    };
    let doctors = caller.stands_in_for.iter();
    let doctors: Vec<String> = doctors.map(|code| digest(code.as_bytes())).collect();
    Ok(format!(
        "[[caller]]\norganization = \"{name}\"\nprofiles = [{}]\ncertificate_sha256 = [\"{}\"]\n\
         pattern = \"{}\"\nstands_in_for_sha256 = {doctors:?}\n{signs}\n",
        profiles.join(", "),
        digest(&certificate),
        caller.pattern,
    ))
}

/// The SHA-256 by which a certificate or a doctor is registered.
fn digest(bytes: &[u8]) -> String {
    hex(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref())
}

fn random_hex() -> String {
    hex(&rand::random::<[u8; 32]>())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn suffixed(stem: &Path, suffix: &str) -> PathBuf {
    let mut name = stem.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn failed(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests;
