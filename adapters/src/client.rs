//! The only place where an HTTP client is built, and where a call that broke is told apart by
//! whether it may have had an effect.
//!
//! # Invariants
//!
//! 1. [`Broken::reached`] is false only if nobody can have acted on the request: the connection was
//!    never made, the request was never given to it, or the first thing ever said on it was that
//!    our certificate is refused.
//! 2. A connection is made to whom the trust file vouches for, and to nobody else.
//! 3. Nothing is retried, redirected or sent through a proxy.
//!
//! # Limits
//!
//! [`ANSWER_MAX`] bytes of an answer, [`CONNECT_WITHIN`] for a connection with its handshake,
//! [`IDLE_MAX`] for an unused connection. The whole of a call is bounded by its caller.
//!
//! HTTP/1.1 only: over h2 a TLS alert about our own certificate is lost.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore};

mod cause;
mod collector;
mod exchanges;
mod guarded;
mod json;

pub(crate) use cause::Cause;
use cause::cause;
pub use collector::{Collector, Unanswered};
use exchanges::Exchanges;
pub(crate) use guarded::{Guarded, Push};
pub(crate) use json::JsonCall;
pub(crate) use reqwest::Url;

/// Longest answer. The SAC's longest carries a PDF of some tens of kilobytes.
pub(crate) const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// How long a connection may take, TLS handshake included.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a call may hang at most, whatever its caller allows.
const CALL_WITHIN: Duration = Duration::from_secs(60);
/// Below the five seconds after which common servers close an idle connection: one that closes
/// while we write leaves the outcome unknown.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// Idle connections kept to one host.
const IDLE_CONNECTIONS_MAX: usize = 32;
/// How often a silent connection is asked whether it is still there.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
/// How many unanswered such questions mean it is not.
const KEEPALIVE_PROBES: u32 = 2;

/// Files that make up our side of a mutual TLS connection, all PEM.
pub(crate) struct TlsFiles<'a> {
    /// Whom we trust.
    pub(crate) trust: &'a Path,
    /// Our certificate and its chain.
    pub(crate) certificate: &'a Path,
    /// Its private key.
    pub(crate) key: &'a Path,
}

/// Why a client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A file cannot be read, or holds no such PEM section.
    #[error("cannot read {what} from {path}")]
    Material {
        /// What was sought.
        what: &'static str,
        /// Where.
        path: String,
        /// Why not.
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds none of what it should hold.
    #[error("there is no {what} in {path}")]
    Nothing {
        /// What was sought.
        what: &'static str,
        /// Where.
        path: String,
    },
    /// The certificates do not fit together: broken, or key and certificate of different pairs.
    #[error("the TLS certificates or the key cannot be used")]
    Tls(#[source] rustls::Error),
    /// The HTTP client itself.
    #[error("the HTTP client cannot be built")]
    Http(#[source] reqwest::Error),
}

/// An HTTP client with one identity.
pub(crate) struct Client {
    http: reqwest::Client,
    exchanges: Arc<Exchanges>,
}

/// One request.
pub(crate) struct Call<'a> {
    pub(crate) url: &'a str,
    pub(crate) soap_action: &'a str,
    pub(crate) body: Vec<u8>,
    /// Set as soon as the request begins to leave.
    pub(crate) began: Arc<AtomicBool>,
}

/// An answer with its body, unread.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// A call that brought no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) cause: Cause,
    /// Whether the request may have reached who acts on it.
    pub(crate) reached: bool,
}

impl Client {
    /// Builds a client from these files.
    pub(crate) fn open(files: &TlsFiles<'_>) -> Result<Client, ClientError> {
        Client::with_tls(tls(files)?)
    }

    /// Builds a client that shows no certificate of its own.
    pub(crate) fn trusting(trust: &Path) -> Result<Client, ClientError> {
        Client::with_tls(trusting(trust)?.with_no_client_auth())
    }

    fn with_tls(tls: ClientConfig) -> Result<Client, ClientError> {
        let http = builder(tls).build().map_err(ClientError::Http)?;
        Ok(Client {
            http,
            exchanges: Arc::default(),
        })
    }

    /// Posts `call` as SOAP 1.1 and reads the answer to its end.
    pub(crate) async fn post(&self, call: Call<'_>) -> Result<Reply, Broken> {
        let first = Arc::new(AtomicBool::new(false));
        self.exchange(call, first).await
    }

    /// [`Client::post`], which sets `first` if the request leaves as the first on its connection.
    async fn exchange(&self, call: Call<'_>, first: Arc<AtomicBool>) -> Result<Reply, Broken> {
        let began = Arc::clone(&call.began);
        let body = Leaving {
            bytes: Some(call.body.into()),
            began: call.began,
            first: Arc::clone(&first),
            exchanges: Arc::clone(&self.exchanges),
        };
        let sent = self
            .http
            .post(call.url)
            .header("Content-Type", "text/xml; charset=utf-8")
            .header("Accept", "text/xml")
            .header("SOAPAction", format!("\"{}\"", call.soap_action))
            .body(reqwest::Body::wrap(body))
            .send()
            .await;
        let response = sent.map_err(|error| {
            let (began, first) = (began.load(Ordering::Acquire), first.load(Ordering::Acquire));
            unanswered(cause(&error), began, first)
        })?;
        whole(response, ANSWER_MAX).await
    }
}

/// What every client does, and does not do.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one place that builds a client"
)]
fn builder(tls: ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .http1_only()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .user_agent(concat!("argine/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_WITHIN)
        .read_timeout(CALL_WITHIN)
        .timeout(CALL_WITHIN)
        .pool_idle_timeout(IDLE_MAX)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
        .tcp_keepalive(KEEPALIVE_EVERY)
        .tcp_keepalive_interval(KEEPALIVE_EVERY)
        .tcp_keepalive_retries(KEEPALIVE_PROBES)
}

/// An answer of at most `bytes_max` read to its end. Whoever answers has let us in, and has read what
/// was asked.
async fn whole(mut response: reqwest::Response, bytes_max: usize) -> Result<Reply, Broken> {
    let broken = |cause| Broken {
        cause,
        reached: true,
    };
    let mut reply = Reply {
        status: response.status().as_u16(),
        content_type: header(&response, "content-type"),
        retry_after: header(&response, "retry-after")
            .and_then(|seconds| seconds.trim().parse().ok().map(Duration::from_secs)),
        body: Vec::new(),
    };
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| broken(cause(&error)))?
    {
        if reply.body.len() + chunk.len() > bytes_max {
            return Err(broken(Cause::TooLarge));
        }
        reply.body.extend_from_slice(&chunk);
    }
    Ok(reply)
}

/// A call that broke before the head of an answer.
///
/// In TLS 1.3 our certificate is refused only after our handshake has ended and the request may be
/// on its way; the server hands nothing on before it has accepted us. A connection that has carried
/// an exchange was accepted, so that there such an alert says nothing about what became of this one.
fn unanswered(cause: Cause, began: bool, first: bool) -> Broken {
    let is_refused_at_the_door = cause == Cause::OwnCertificate && first;
    Broken {
        cause,
        reached: began && !is_refused_at_the_door,
    }
}

fn header(response: &reqwest::Response, name: &str) -> Option<String> {
    let value = response.headers().get(name)?.to_str().ok()?;
    Some(value.to_owned())
}

fn tls(files: &TlsFiles<'_>) -> Result<ClientConfig, ClientError> {
    let builder = trusting(files.trust)?;
    let chain = certificates("our certificate", files.certificate)?;
    let key = private_key("our private key", files.key)?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(ClientError::Tls)
}

/// The side of a connection that believes nobody but whom `trust` vouches for.
fn trusting(trust: &Path) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, ClientError> {
    let mut roots = RootCertStore::empty();
    for root in certificates("a trusted certificate", trust)? {
        roots.add(root).map_err(ClientError::Tls)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots))
        .map_err(ClientError::Tls)
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(
    what: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let shown = path.display().to_string();
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(found) if found.is_empty() => Err(ClientError::Nothing { what, path: shown }),
        Ok(found) => Ok(found),
        Err(source) => Err(ClientError::Material {
            what,
            path: shown,
            source,
        }),
    }
}

/// The private key of a PEM file.
pub(crate) fn private_key(
    what: &'static str,
    path: &Path,
) -> Result<PrivateKeyDer<'static>, ClientError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| ClientError::Material {
        what,
        path: path.display().to_string(),
        source,
    })
}

/// A body that says when it begins to leave.
///
/// The HTTP client asks for it once it has a connection and writes the head; until then a failure
/// has surely had no effect.
struct Leaving {
    bytes: Option<Bytes>,
    began: Arc<AtomicBool>,
    first: Arc<AtomicBool>,
    exchanges: Arc<Exchanges>,
}

impl http_body::Body for Leaving {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.bytes.is_some() {
            let first = self.exchanges.begin(tokio::time::Instant::now());
            self.first.store(first, Ordering::Release);
        }
        self.began.store(true, Ordering::Release);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
pub(crate) mod tests;
