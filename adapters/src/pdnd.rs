//! PDND, the national platform through which public bodies call one another: the keys that it signs
//! vouchers with, and those that the holders of vouchers sign with.
//!
//! # Limits
//!
//! [`ASK_WITHIN`] for an answer, `ANSWER_BYTES_MAX` of it, `KEYS_MAX` keys of one set, `KID_BYTES_MAX`
//! of a key's id.
//!
//! # Failure
//!
//! Every question is a read: nothing is retried here, and what broke is said by [`AskError`]. Who asks
//! decides what is served meanwhile.

mod jwk;

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::client::{Broken, Cause, Client, ClientError, JsonCall, Reply};

pub use jwk::{ClientKey, Jwk, PublicKey};

/// How long an answer may take, connection included. Somebody waits for it.
pub const ASK_WITHIN: Duration = Duration::from_secs(2);
/// Longest answer. PDND publishes a handful of keys of half a kilobyte.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Most keys of one set.
const KEYS_MAX: usize = 64;
/// Longest id of a key. PDND's have 43 characters.
const KID_BYTES_MAX: usize = 128;
/// Largest file of a voucher of ours.
const TOKEN_BYTES_MAX: u64 = 16 << 10;

/// How PDND is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Its API, up to and without `/keys`.
    pub url: String,
    /// Where it publishes the keys that it signs vouchers with.
    pub jwks_url: String,
    /// Who may vouch for it (PEM).
    pub trust_file: PathBuf,
    /// A voucher for its API, read before every question and renewed by whoever obtains it. None: no
    /// voucher is sent.
    pub token_file: Option<PathBuf>,
}

/// PDND, as it is asked for keys.
pub struct Pdnd {
    client: Client,
    settings: Settings,
}

impl fmt::Debug for Pdnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pdnd").finish_non_exhaustive()
    }
}

/// Why a question was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nobody there, or the connection broke.
    #[error("PDND cannot be reached")]
    Unreachable,
    /// No answer within [`ASK_WITHIN`].
    #[error("PDND did not answer in time")]
    TooSlow,
    /// It is not PDND.
    #[error("whoever answers for PDND is not vouched for by pdnd.trust_file")]
    NotVouchedFor,
    /// Our own voucher is not there, or too long to be one.
    #[error("the voucher for PDND's API cannot be read from pdnd.token_file")]
    NoVoucher,
    /// It does not accept our voucher.
    #[error(
        "PDND does not let us in, with status {0}: pdnd.token_file must hold a voucher for its API"
    )]
    NotLetIn(u16),
    /// It failed.
    #[error("PDND answered with status {0}")]
    Status(u16),
    /// Not an answer to what was asked.
    #[error("the answer of PDND cannot be read")]
    Garbage,
}

impl AskError {
    /// Whether nobody answers at all, whatever is asked: the next question would wait in vain as well.
    #[must_use]
    pub fn is_absence(self) -> bool {
        match self {
            AskError::Unreachable | AskError::TooSlow | AskError::NotVouchedFor => true,
            AskError::NoVoucher
            | AskError::NotLetIn(_)
            | AskError::Status(_)
            | AskError::Garbage => false,
        }
    }
}

impl Pdnd {
    /// Reads the trust file.
    ///
    /// # Errors
    ///
    /// Why it does not serve.
    pub fn open(settings: Settings) -> Result<Pdnd, ClientError> {
        Ok(Pdnd {
            client: Client::trusting(&settings.trust_file)?,
            settings,
        })
    }

    /// The keys that vouchers are signed with, all of them; those of a kind we do not know are left out.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn issuer_keys(&self) -> Result<Vec<Jwk>, AskError> {
        let reply = self.get(&self.settings.jwks_url, None).await?;
        match reply.status {
            200 => jwk::set(&reply.body, KEYS_MAX).ok_or(AskError::Garbage),
            status => Err(refused(status)),
        }
    }

    /// The key of this id, and whose it is; none if PDND itself says that it holds none (any more).
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn client_key(&self, kid: &str) -> Result<Option<ClientKey>, AskError> {
        if !is_kid(kid) {
            return Ok(None);
        }
        let token = self.token()?;
        let url = format!("{}/keys/{kid}", self.settings.url.trim_end_matches('/'));
        let reply = self.get(&url, token.as_deref()).await?;
        match reply.status {
            200 => jwk::client_key(&reply.body)
                .filter(|found| found.jwk.kid == kid)
                .map(Some)
                .ok_or(AskError::Garbage),
            404 if is_json(&reply) => Ok(None),
            status => Err(refused(status)),
        }
    }

    async fn get(&self, url: &str, token: Option<&str>) -> Result<Reply, AskError> {
        let call = JsonCall {
            url,
            token,
            body: None,
            answer_max: ANSWER_BYTES_MAX,
        };
        match timeout(ASK_WITHIN, self.client.json(call)).await {
            Err(_) => Err(AskError::TooSlow),
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(broken)) => Err(unanswered(broken)),
        }
    }

    fn token(&self) -> Result<Option<String>, AskError> {
        let Some(path) = &self.settings.token_file else {
            return Ok(None);
        };
        read_token(path).map(Some).ok_or(AskError::NoVoucher)
    }
}

/// Whether `kid` may stand in a path: base64url, as PDND's are.
fn is_kid(kid: &str) -> bool {
    (1..=KID_BYTES_MAX).contains(&kid.len())
        && kid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Whether an answer is one of an API, and not the page of somebody in front of it.
fn is_json(reply: &Reply) -> bool {
    let media_type = reply.content_type.as_deref().unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let is_stated = ["application/json", "application/problem+json"]
        .iter()
        .any(|known| media_type.eq_ignore_ascii_case(known));
    is_stated && serde_json::from_slice::<serde_json::Map<_, _>>(&reply.body).is_ok()
}

fn read_token(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(TOKEN_BYTES_MAX).read_to_string(&mut text).ok()?;
    let token = text.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then(|| token.to_owned())
}

fn refused(status: u16) -> AskError {
    match status {
        401 | 403 => AskError::NotLetIn(status),
        _ => AskError::Status(status),
    }
}

fn unanswered(broken: Broken) -> AskError {
    match broken.cause {
        Cause::PeerCertificate => AskError::NotVouchedFor,
        Cause::Timeout => AskError::TooSlow,
        Cause::TooLarge => AskError::Garbage,
        Cause::Connection | Cause::OwnCertificate => AskError::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_not_there_says_nothing_about_a_key() {
        for (content_type, body, is_one) in [
            ("application/problem+json", r#"{"status": 404}"#, true),
            ("application/json; charset=utf-8", "{}", true),
            ("text/html", "<h1>404</h1>", false),
            ("text/html", "{}", false),
            ("application/json", "", false),
            ("application/json", "<h1>404</h1>", false),
        ] {
            let reply = Reply {
                status: 404,
                content_type: Some(content_type.to_owned()),
                retry_after: None,
                body: body.as_bytes().to_vec(),
            };
            assert_eq!(is_json(&reply), is_one, "{content_type} {body}");
        }
    }

    #[test]
    fn an_id_that_does_not_belong_into_a_path_is_no_id() {
        for kid in ["ZmYxZGE2YjQtMzY2Yy00NWI5", "a_b-C9"] {
            assert!(is_kid(kid), "{kid}");
        }
        let long = "a".repeat(KID_BYTES_MAX + 1);
        for kid in ["", "..", "a/b", "a?b", "a b", "%2e", &long] {
            assert!(!is_kid(kid), "{kid}");
        }
    }

    #[test]
    fn a_voucher_of_ours_is_one_word() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("voucher");
        assert_eq!(read_token(&path), None);
        for (text, expected) in [("a.b.c\n", Some("a.b.c")), ("\n", None), ("a b", None)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_token(&path).as_deref(), expected, "{text:?}");
        }
    }
}
