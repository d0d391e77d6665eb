//! Pushes events to who asked for them: ModI `NONBLOCK_PUSH_REST`, signed by us (`ID_AUTH_REST_02`,
//! `INTEGRITY_REST_01`).
//!
//! # Invariants
//!
//! 1. A push says which event of which prescription happened, and no more: neither number nor person. Its
//!    receiver asks for the rest, as itself.
//! 2. Body and media type are signed under our certificate, which is in the token, for this receiver alone
//!    and for `signing`'s short life.
//! 3. The address that is called is one that was checked ([`Networks`]): what a name resolves to is looked
//!    at once, when the connection is made.
//! 4. A redirect is followed nowhere, and no proxy is used.
//!
//! # Limits
//!
//! A push is one request of its caller's time; of an answer only the status counts.

mod address;
mod networks;
mod signing;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use engine::ports::{Callback, Pushed, Receivers};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use policies::callback::Said;
use policies::failure::Code;
use serde::Serialize;

use crate::client::{ClientError, Guarded, Push, TlsFiles};
pub use address::{Address, AddressError, looks_personal, origin};
pub use networks::{Network, Networks};
use signing::Signer;
pub use signing::SigningError;

const MEDIA_TYPE: &str = "application/json";

/// How receivers are reached, and who we are to them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who may vouch for a receiver (PEM).
    pub trust_file: PathBuf,
    /// Our client certificate (PEM).
    pub certificate_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
    /// The certificate that we sign under (PEM), its chain included if receivers need it.
    pub signing_certificate_file: PathBuf,
    /// Its key (PEM): P-256 or RSA.
    pub signing_key_file: PathBuf,
    /// Who we say we are (`iss`).
    pub issuer: String,
    /// Networks that are not public and may be called all the same.
    pub networks_allowed: Networks,
}

/// Why pushes cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The files of the connection.
    #[error("the connection to receivers cannot be set up")]
    Client(#[source] ClientError),
    /// The files of the signature.
    #[error("callbacks cannot be signed")]
    Signing(#[source] SigningError),
}

/// All who may be pushed to.
pub struct Pusher {
    client: Guarded,
    signer: Signer,
}

/// An event as it is pushed: as it can be asked for, and the name of this push.
#[derive(Debug, Serialize)]
struct Body<'a> {
    id: String,
    seq: u64,
    at: String,
    prescription_id: String,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Pusher {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Which of them does not serve, and why.
    pub fn open(settings: &Settings) -> Result<Pusher, OpenError> {
        let files = TlsFiles {
            trust: &settings.trust_file,
            certificate: &settings.certificate_file,
            key: &settings.key_file,
        };
        let networks = settings.networks_allowed.clone();
        Ok(Pusher {
            client: Guarded::open(&files, networks).map_err(OpenError::Client)?,
            signer: Signer::open(settings).map_err(OpenError::Signing)?,
        })
    }

    async fn try_push(&self, callback: &Callback, within: Duration) -> Result<u16, Died> {
        let url = callback.url.as_ref().ok();
        let url = url.and_then(|url| std::str::from_utf8(&url.0).ok());
        let url = url.ok_or(Died::Here("address-unreadable"))?;
        let address = Address::parse(url).ok();
        // Whether it may be called was asked of the host that stands beside it.
        let address = address.filter(|address| address.host() == callback.host);
        let address = address.ok_or(Died::Here("address-refused"))?;
        let body = body(callback);
        let signed = self
            .signer
            .sign(&body, MEDIA_TYPE, address.origin(), Timestamp::now())
            .map_err(|_| Died::Here("not-signed"))?;
        let push = Push {
            url,
            headers: vec![
                ("Content-Type", MEDIA_TYPE.to_owned()),
                ("X-Correlation-ID", callback.entry.to_string()),
                ("Idempotency-Key", callback.id.to_string()),
                ("Digest", signed.digest),
                ("Agid-JWT-Signature", signed.integrity),
                ("Authorization", format!("Bearer {}", signed.identity)),
            ],
            body,
            within,
        };
        self.client.post(push).await.map_err(Died::There)
    }
}

/// Where a push died that came to no answer, and of what.
#[derive(Debug, PartialEq, Eq)]
enum Died {
    /// Before it left.
    Here(&'static str),
    /// On its way.
    There(&'static str),
}

impl Receivers for Pusher {
    fn push<'a>(&'a self, callback: &'a Callback, within: Duration) -> BoxFuture<'a, Pushed> {
        Box::pin(async move {
            let (said, cause, status) = match self.try_push(callback, within).await {
                Ok(status) => (said(status), "status", status),
                Err(Died::Here(cause)) => (Said::Unsent, cause, 0),
                Err(Died::There(cause)) => (Said::Failed, cause, 0),
            };
            Pushed {
                said,
                cause,
                status,
            }
        })
    }
}

/// What a status says. What asks for time and what fails speaks for the whole host; all else, a redirect
/// among it, for this address alone.
fn said(status: u16) -> Said {
    match status {
        200..=299 => Said::Received,
        408 | 429 | 500.. => Said::Failed,
        _ => Said::Refused,
    }
}

fn body(callback: &Callback) -> Vec<u8> {
    let millis = i64::try_from(callback.at.0).unwrap_or(i64::MAX);
    let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX);
    let body = Body {
        id: callback.id.to_string(),
        seq: callback.seq,
        at: at.to_string(),
        prescription_id: callback.entry.to_string(),
        state: callback.state.as_str(),
        reason: callback.reason.map(Code::as_str),
    };
    serde_json::to_vec(&body).expect("it has only strings and a number")
}

impl fmt::Debug for Pusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pusher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
