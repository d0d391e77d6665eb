//! A caller of the gateway: its certificate, its tokens, and its own record of what it was told.

mod about;
mod lookups;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::Value;

use super::prescription::DOCTOR;
use super::record::{Heard, Record};
use super::wait::until;
use crate::certs::{Identity, Prescriber, Token};

/// How long a caller waits for an answer. Above every wait of the gateway.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a prescription may take to get where a test expects it.
const STATE_WITHIN: Duration = Duration::from_secs(20);

/// Where the gateway answers at present; it moves with every restart.
pub type Address = Arc<Mutex<SocketAddr>>;

/// A caller with a certificate and a signing key.
#[derive(Clone)]
pub struct Caller {
    /// The organisation it belongs to.
    pub organization: String,
    /// What it acts as.
    pub profile: String,
    /// Who authenticated at its desk.
    pub prescriber: Option<Prescriber>,
    http: reqwest::Client,
    address: Address,
    certs: PathBuf,
    pub(super) record: Arc<Record>,
}

/// An answer of the gateway.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

impl Reply {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    /// A field of the body, by JSON pointer.
    pub fn at(&self, pointer: &str) -> Value {
        self.json().pointer(pointer).cloned().unwrap_or_default()
    }

    /// A text of the body, by JSON pointer; empty if there is none.
    pub fn text(&self, pointer: &str) -> String {
        self.at(pointer).as_str().unwrap_or_default().to_owned()
    }

    /// A header field; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default()
    }

    /// Whether it is a whole problem that says it is the caller's doing and nothing was done.
    pub fn blames_the_caller(&self) -> bool {
        let parts = ["/type", "/title", "/detail", "/code", "/trace_id"];
        self.header("content-type") == "application/problem+json"
            && self.at("/status") == self.status
            && self.text("/fault") == "caller"
            && self.text("/outcome") == "not-done"
            && parts.iter().all(|part| !self.text(part).is_empty())
    }

    /// The id of the entry that it is about: its own, or that of its place.
    pub fn id(&self) -> String {
        let own = self.text("/id");
        if !own.is_empty() {
            return own;
        }
        let id = self.header("location").rsplit('/').next();
        id.unwrap_or_default().to_owned()
    }

    /// The code of a problem; empty if it is none.
    pub fn code(&self) -> String {
        self.text("/code")
    }

    /// The same answer, asserted to have this status.
    ///
    /// # Panics
    ///
    /// When it has another: with what it says.
    pub fn expect(self, status: u16) -> Reply {
        let said = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status, status, "{said}");
        self
    }
}

impl Caller {
    pub(super) fn new(
        organization: &str,
        certs: &Path,
        address: Address,
        record: Arc<Record>,
    ) -> Caller {
        let identity = Identity {
            certificate: certs.join(format!("callers/{organization}.pem")),
            key: certs.join(format!("callers/{organization}.key")),
        };
        Caller {
            organization: organization.to_owned(),
            profile: "practice".to_owned(),
            prescriber: Some(Prescriber {
                subject: DOCTOR.to_owned(),
                ..Prescriber::test_doctor()
            }),
            http: client(certs, Some(&identity)).expect("a minted identity makes a client"),
            address,
            certs: certs.to_owned(),
            record,
        }
    }

    /// The same caller on a connection of another certificate, or of none.
    #[must_use]
    pub fn presenting(mut self, identity: Option<&Identity>) -> Caller {
        self.http = client(&self.certs, identity).expect("a minted identity makes a client");
        self
    }

    /// The same caller with another doctor at the desk.
    #[must_use]
    pub fn with_doctor(mut self, tax_code: &str) -> Caller {
        self.prescriber = Some(Prescriber {
            subject: tax_code.to_owned(),
            ..Prescriber::test_doctor()
        });
        self
    }

    /// The same caller whose doctor authenticated at this instant.
    #[must_use]
    pub fn authenticated_at(mut self, instant: &str) -> Caller {
        if let Some(prescriber) = &mut self.prescriber {
            prescriber.instant = instant.to_owned();
        }
        self
    }

    /// The same caller with nobody authenticated at the desk.
    #[must_use]
    pub fn without_prescriber(mut self) -> Caller {
        self.prescriber = None;
        self
    }

    /// A token of this caller, not signed yet, for tests that bend it.
    pub fn token(&self) -> Token {
        Token::of(&self.organization, &self.profile, self.prescriber.as_ref())
    }

    /// A token of this caller, signed.
    pub fn signed(&self) -> String {
        self.sign(&self.token())
    }

    /// `token` as this caller signs it.
    pub fn sign(&self, token: &Token) -> String {
        let signed = token.clone().sign(&self.certs, &self.organization);
        signed.expect("a minted key signs")
    }

    /// Sends a prescription under `key` and hands over the answer.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn prescribe(&self, key: &str, body: &Value) -> Reply {
        let reply = self.try_prescribe(key, body).await;
        reply.expect("the gateway answers a prescription")
    }

    /// As [`Caller::prescribe`], where the gateway may die in between.
    ///
    /// # Errors
    ///
    /// Whatever became of the connection.
    pub async fn try_prescribe(&self, key: &str, body: &Value) -> reqwest::Result<Reply> {
        self.send(key, body, None).await
    }

    /// Reads an address of the gateway.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn get(&self, path: &str) -> Reply {
        let reply = self.try_get(path).await;
        reply.expect("the gateway answers a read")
    }

    /// As [`Caller::get`], where the gateway may not be there.
    ///
    /// # Errors
    ///
    /// Whatever became of the connection.
    pub async fn try_get(&self, path: &str) -> reqwest::Result<Reply> {
        answer(self.request(Method::GET, path)).await
    }

    /// The prescription as its caller may see it.
    pub async fn prescription(&self, id: &str) -> Reply {
        self.get(&format!("/v1/prescriptions/{id}")).await
    }

    /// Waits until a prescription stands in `state`, and hands it over.
    ///
    /// # Panics
    ///
    /// When it stands elsewhere after a bound.
    pub async fn until(&self, id: &str, state: &str) -> Reply {
        let what = format!("{id} is {state}");
        until(&what, STATE_WITHIN, async || {
            let reply = self
                .try_get(&format!("/v1/prescriptions/{id}"))
                .await
                .ok()?;
            (reply.text("/state") == state).then_some(reply)
        })
        .await
    }

    /// Waits until `holds` of a prescription, and hands it over.
    ///
    /// # Panics
    ///
    /// When it does not after a bound.
    pub async fn until_so(&self, id: &str, what: &str, holds: impl Fn(&Reply) -> bool) -> Reply {
        until(&format!("{id}: {what}"), STATE_WITHIN, async || {
            let path = format!("/v1/prescriptions/{id}");
            self.try_get(&path).await.ok().filter(&holds)
        })
        .await
    }

    /// Waits until a prescription has this reason, and hands it over.
    ///
    /// # Panics
    ///
    /// When it has another after a bound.
    pub async fn until_reason(&self, id: &str, reason: &str) -> Reply {
        self.until_so(id, reason, |reply| reply.text("/reason") == reason)
            .await
    }

    /// The reminder of a prescription.
    pub async fn reminder(&self, id: &str) -> Reply {
        self.get(&format!("/v1/prescriptions/{id}/reminder")).await
    }

    /// The events of a prescription, oldest first.
    pub async fn events(&self, id: &str) -> Vec<Value> {
        let reply = self.get(&format!("/v1/prescriptions/{id}/events")).await;
        let events = reply.expect(200).at("/items");
        events.as_array().cloned().unwrap_or_default()
    }

    /// Searches this caller's prescriptions.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn search(&self, query: &Value) -> Reply {
        let request = self
            .request(Method::POST, "/v1/prescriptions/search")
            .header("Content-Type", "application/json")
            .body(query.to_string());
        answer(request).await.expect("the gateway answers a search")
    }

    /// A request with this caller's token, for tests that send what no caller should.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, path).bearer_auth(self.signed())
    }

    /// A request without a token.
    pub fn bare(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let address = *self
            .address
            .lock()
            .expect("no holder of the address panics");
        self.http
            .request(method, format!("https://{address}{path}"))
    }
}

/// Sends a request and reads its whole answer.
///
/// # Errors
///
/// Whatever became of the connection.
pub async fn answer(request: reqwest::RequestBuilder) -> reqwest::Result<Reply> {
    let response = request.send().await?;
    Ok(Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        bytes: response.bytes().await?.to_vec(),
    })
}

pub(super) fn heard(reply: &reqwest::Result<Reply>) -> Heard {
    let Ok(reply) = reply else {
        return Heard::Unknown;
    };
    let code = reply.text("/code");
    match reply.status {
        200..=299 => Heard::Stored {
            status: reply.status,
            id: reply.text("/id"),
            nre: reply.at("/nre").as_str().map(str::to_owned),
        },
        _ if code == "upstream-rejected" => Heard::Rejected { id: reply.id() },
        // On disk, as the place where its red form is to be confirmed, or its conflict to be settled.
        status if matches!(code.as_str(), "issue-red-recipe" | "conflict") => Heard::Stored {
            status,
            id: reply.id(),
            nre: None,
        },
        _ if reply.text("/outcome") == "not-done" => Heard::Refused {
            status: reply.status,
            code,
        },
        _ => Heard::Unknown,
    }
}

/// A client that trusts the gateway's authority and presents `identity`.
#[expect(
    clippy::disallowed_methods,
    reason = "a caller is not our adapter: it sets its own limits"
)]
fn client(certs: &Path, identity: Option<&Identity>) -> io::Result<reqwest::Client> {
    let mut roots = rustls::RootCertStore::empty();
    for root in certificates(&certs.join("gateway-ca.pem"))? {
        roots.add(root).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    let tls = match identity {
        None => tls.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from_pem_file(&identity.key).map_err(io::Error::other)?;
            tls.with_client_auth_cert(certificates(&identity.certificate)?, key)
                .map_err(io::Error::other)?
        }
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .no_proxy()
        .retry(reqwest::retry::never())
        .timeout(ANSWER_WITHIN)
        .build()
        .map_err(io::Error::other)
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(file)
        .map_err(io::Error::other)?
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}
