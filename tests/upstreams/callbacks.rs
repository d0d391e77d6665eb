//! Who receives callbacks: keeps a book of what was pushed, and believes nothing that is not signed.
//!
//! It checks what the receiver of ModI's `INTEGRITY_REST_01` and `ID_AUTH_REST_02` has to: the digest of the
//! body, the signed header fields, the certificate in the token, audience, life and `jti`; and it tells a
//! repetition by the name of the push.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use futures_util::future::BoxFuture;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

use super::http::server::{Delivery, Ending, Handler, Server, Tls};
use super::http::{Request, Response};
use super::sac::server_config;

/// How a receiver behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Takes what is pushed.
    Takes,
    /// Writes it into its book, and never says so.
    TakesInSilence,
    /// Writes it into its book, and says so once it behaves otherwise.
    TakesLate,
    /// Reads it and never answers.
    Hangs,
    /// Answers with this status.
    Answers(u16),
    /// Sends whoever pushes to this address.
    Redirects(String),
}

/// A running receiver. Dropped, it takes its listener and every connection with it.
pub struct Receiver {
    service: Arc<Service>,
    server: Server,
    runtime: Option<Runtime>,
}

struct Service {
    /// What signs pushes, DER.
    signer: Vec<u8>,
    /// What connects to push, DER.
    peer: Vec<u8>,
    state: Mutex<State>,
    /// Rung when it is to behave otherwise.
    changed: Notify,
}

#[derive(Debug, Clone)]
struct State {
    origin: String,
    manner: Manner,
    book: Book,
    tokens: BTreeSet<String>,
}

/// What a receiver knows.
#[derive(Debug, Clone, Default)]
pub struct Book {
    /// Every push, once, in the order in which it was first taken.
    pub taken: Vec<Value>,
    /// The name of every push that was read, as often as it was.
    pub read: Vec<String>,
    /// What was wrong with what was pushed.
    pub wrong: Vec<String>,
    /// The target of every request.
    pub targets: Vec<String>,
}

impl Book {
    /// The states that were told of a prescription, in order.
    pub fn states_of(&self, prescription: &str) -> Vec<String> {
        let told = self.taken.iter();
        told.filter(|push| push["prescription_id"] == prescription)
            .filter_map(|push| push["state"].as_str().map(str::to_owned))
            .collect()
    }
}

impl Receiver {
    /// Starts one with certificates of `certs`, where the gateway's are.
    ///
    /// # Errors
    ///
    /// When a file cannot be used or no address can be bound.
    pub fn start(certs: &Path) -> io::Result<Receiver> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let service = Arc::new(Service {
            signer: certificate(certs.join("region-signing.pem"))?,
            peer: certificate(certs.join("region.pem"))?,
            state: Mutex::new(State {
                origin: String::new(),
                manner: Manner::Takes,
                book: Book::default(),
                tokens: BTreeSet::new(),
            }),
            changed: Notify::new(),
        });
        let guard = runtime.enter();
        let address = ([127, 0, 0, 1], 0).into();
        let server = Server::start(address, Some(tls(certs)?), Arc::clone(&service) as _)?;
        drop(guard);
        service.state().origin = format!("https://{}", server.address());
        Ok(Receiver {
            service,
            server,
            runtime: Some(runtime),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        self.service.state().origin.clone()
    }

    /// Changes how it behaves.
    pub fn behaves(&self, manner: Manner) {
        self.service.state().manner = manner;
        self.service.changed.notify_waiters();
    }

    /// Accepts connections, or refuses them all.
    pub fn set_open(&self, open: bool) {
        self.server.set_open(open, true);
    }

    /// What it knows.
    pub fn book(&self) -> Book {
        self.service.state().book.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Service {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the book panics")
    }

    fn manner(&self) -> Manner {
        self.state().manner.clone()
    }

    fn receive(&self, request: &Request) -> Ending {
        let mut state = self.state();
        state.book.targets.push(request.target.clone());
        if request.peer_certificate.as_ref() != Some(&self.peer) {
            state.book.wrong.push("another's certificate".to_owned());
        }
        let push = match self.read(request, &mut state) {
            Ok(push) => push,
            Err(wrong) => {
                state.book.wrong.push(wrong);
                return Ending::Answer(Response::new(400, "application/json", "{}"));
            }
        };
        state.book.read.push(text(&push["id"]));
        let is_taken = matches!(
            state.manner,
            Manner::Takes | Manner::TakesInSilence | Manner::TakesLate
        );
        let is_new = state
            .book
            .taken
            .iter()
            .all(|taken| taken["id"] != push["id"]);
        if is_taken && is_new {
            state.book.taken.push(push);
        }
        let ack = |status| Response::new(status, "application/json", r#"{"result":"ACK"}"#);
        match &state.manner {
            Manner::Takes | Manner::TakesLate => Ending::Answer(ack(200)),
            Manner::TakesInSilence | Manner::Hangs => Ending::Hang,
            Manner::Answers(status) => Ending::Answer(ack(*status)),
            Manner::Redirects(to) => {
                let mut moved = ack(307);
                moved.headers.push(("Location", to.clone()));
                Ending::Answer(moved)
            }
        }
    }

    /// What is pushed, once everything about it holds.
    fn read(&self, request: &Request, state: &mut State) -> Result<Value, String> {
        let field = |name| request.header(name).ok_or(format!("no {name}"));
        let hashed = STANDARD.encode(digest(&SHA256, &request.body));
        if field("digest")? != format!("SHA-256={hashed}") {
            return Err("another digest".to_owned());
        }
        let bearer = field("authorization")?.strip_prefix("Bearer ");
        let identity = self.claims(bearer.unwrap_or_default(), state)?;
        let integrity = self.claims(field("agid-jwt-signature")?, state)?;
        for token in [identity, integrity.clone()] {
            if !state.tokens.insert(text(&token["jti"])) {
                return Err("a token was used before".to_owned());
            }
        }
        let signed = integrity["signed_headers"].as_array().cloned();
        let signed = signed.unwrap_or_default();
        let fields: Vec<_> = signed
            .iter()
            .filter_map(Value::as_object)
            .flatten()
            .collect();
        for name in ["digest", "content-type"] {
            let is_signed = |(signed, value): &(&String, &Value)| {
                *signed == name && request.header(name) == value.as_str()
            };
            if !fields.iter().any(is_signed) {
                return Err(format!("{name} is not signed"));
            }
        }
        let push: Value = serde_json::from_slice(&request.body).map_err(|e| e.to_string())?;
        let named = (field("idempotency-key")?, field("x-correlation-id")?);
        if (push["id"].as_str(), push["prescription_id"].as_str()) != (Some(named.0), Some(named.1))
        {
            return Err("header and body name different things".to_owned());
        }
        Ok(push)
    }

    /// The claims of a token that is the gateway's, for us and for now.
    fn claims(&self, token: &str, state: &State) -> Result<Value, String> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err("no token".to_owned());
        };
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|e| e.to_string());
        let json = |part: &str| {
            serde_json::from_slice::<Value>(&decoded(part)?).map_err(|e| e.to_string())
        };
        let (header, said) = (json(header)?, json(claims)?);
        let leaf = STANDARD.decode(text(&header["x5c"][0])).unwrap_or_default();
        if leaf != self.signer || header["alg"] != "RS256" {
            return Err("signed under another certificate".to_owned());
        }
        let (_, parsed) = x509_parser::parse_x509_certificate(&leaf).map_err(|e| e.to_string())?;
        let key = parsed.public_key().subject_public_key.data.to_vec();
        let signed = &token[..token.len() - signature.len() - 1];
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
            .verify(signed.as_bytes(), &decoded(signature)?)
            .map_err(|_| "the signature does not hold".to_owned())?;
        let now = jiff::Timestamp::now().as_second();
        let (iat, exp) = (said["iat"].as_i64(), said["exp"].as_i64());
        let lives = iat.is_some_and(|iat| iat <= now) && exp.is_some_and(|exp| now < exp);
        if !lives || said["aud"] != state.origin.as_str() {
            return Err("a token for another time or receiver".to_owned());
        }
        Ok(said)
    }
}

impl Handler for Service {
    fn handle(self: Arc<Self>, request: Request) -> BoxFuture<'static, Delivery> {
        Box::pin(async move {
            let changed = self.changed.notified();
            let ending = self.receive(&request);
            if self.manner() == Manner::TakesLate {
                changed.await;
            }
            Delivery::of(ending)
        })
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn certificate(path: PathBuf) -> io::Result<Vec<u8>> {
    let read = CertificateDer::from_pem_file(path).map_err(io::Error::other)?;
    Ok(read.to_vec())
}

/// The gateway's certificate is checked, not only asked for.
fn tls(certs: &Path) -> io::Result<Tls> {
    let config = server_config(certs, "sac-ca.pem", true)?;
    Ok(Tls {
        usual: Arc::clone(&config),
        distrustful: config,
    })
}
