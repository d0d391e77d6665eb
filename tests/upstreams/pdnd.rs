//! PDND, the national platform that issues vouchers and publishes keys, as far as who provides an
//! e-service sees it.
//!
//! # Invariants
//!
//! 1. A voucher is signed by RS256, with a key of the published set.
//! 2. What was asked is counted, whether or not it was answered.
//!
//! # Not here
//!
//! The token endpoint: vouchers come out of [`Simulator::voucher`], bent as a test wants them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rsa::RsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::http::server::{Delivery, Ending, Handler, Server, Tls};
use super::http::{Request, Response};
use crate::certs;

/// How it calls itself.
pub const ISSUER: &str = "pdnd.example";
/// What it calls the e-service of the gateway.
pub const AUDIENCE: &str = "https://argine.example/prescriptions";
/// The id of the key that vouchers are signed with.
pub const KID: &str = "pdnd-2026";
const LIFETIME_S: i64 = 600;

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody accepts connections.
    Refuse,
    /// Accepted, and never answered.
    Hang,
    /// An answer that is none.
    Garbage,
    /// A front end answers in its place.
    Status(u16),
}

#[derive(Default)]
struct State {
    fault: Option<Fault>,
    keys: BTreeMap<String, (String, Value)>,
    asked: Vec<String>,
}

struct Service {
    state: Mutex<State>,
    published: Value,
}

/// A running simulator. Dropped, it takes its listener and every connection with it.
pub struct Simulator {
    service: Arc<Service>,
    server: Server,
    signing: EncodingKey,
    runtime: Option<Runtime>,
}

impl Simulator {
    /// Starts it on a thread of its own, with a certificate of the SAC's authority in `certs` and a key
    /// of its own.
    ///
    /// # Errors
    ///
    /// When the files cannot be used.
    pub fn start(certs: &Path) -> io::Result<Simulator> {
        let own = tempfile::tempdir()?;
        for name in ["sac-ca.pem", "sac-ca.key"] {
            fs::copy(certs.join(name), own.path().join(name))?;
        }
        let identity = certs::signing(own.path(), "pdnd")?;
        let pem = fs::read_to_string(&identity.key)?;
        let service = Arc::new(Service {
            state: Mutex::default(),
            published: json!({ "keys": [rsa_jwk(KID, &pem)?] }),
        });
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let guard = runtime.enter();
        let tls = tls(certs)?;
        let server = Server::start(([127, 0, 0, 1], 0).into(), Some(tls), service.clone())?;
        drop(guard);
        Ok(Simulator {
            service,
            server,
            signing: EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(io::Error::other)?,
            runtime: Some(runtime),
        })
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Lets it fail, or be well again.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.service.state().fault = fault;
        self.server.set_open(fault != Some(Fault::Refuse), true);
    }

    /// Publishes the P-256 key of `pem`, a public key, as that of a client.
    ///
    /// # Panics
    ///
    /// When it is none.
    pub fn register(&self, kid: &str, client: &str, pem: &str) {
        let jwk = ec_jwk(kid, pem);
        let keys = &mut self.service.state().keys;
        keys.insert(kid.to_owned(), (client.to_owned(), jwk));
    }

    /// Takes a key of a client away.
    pub fn revoke(&self, kid: &str) {
        self.service.state().keys.remove(kid);
    }

    /// Every path it was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.service.state().asked.clone()
    }

    /// A voucher for `client` and `purpose`, with `changes` to its claims; null takes one away.
    ///
    /// # Panics
    ///
    /// When the changes are no object.
    pub fn voucher(&self, client: &str, purpose: &str, changes: &Value) -> String {
        let mut claims = claims(client, purpose);
        for (name, value) in changes.as_object().expect("changes are an object") {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().expect("they are one").remove(name);
            }
        }
        self.sign(KID, &claims)
    }

    /// A good voucher whose header says that it is of type `typ`.
    ///
    /// # Panics
    ///
    /// When it cannot be signed.
    pub fn voucher_of(&self, typ: &str, client: &str, purpose: &str) -> String {
        let claims = claims(client, purpose);
        let header = Header {
            typ: Some(typ.to_owned()),
            kid: Some(KID.to_owned()),
            ..Header::new(Algorithm::RS256)
        };
        jsonwebtoken::encode(&header, &claims, &self.signing).expect("its key signs")
    }

    /// Signs `claims` as a voucher that names the key `kid`.
    ///
    /// # Panics
    ///
    /// When they cannot be signed.
    pub fn sign(&self, kid: &str, claims: &Value) -> String {
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(kid.to_owned()),
            ..Header::new(Algorithm::RS256)
        };
        jsonwebtoken::encode(&header, claims, &self.signing).expect("its key signs")
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait, so that it may be dropped on another runtime's thread.
            runtime.shutdown_background();
        }
    }
}

impl Service {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, path: &str) -> Response {
        let json =
            |status, body: &Value| Response::new(status, "application/json", body.to_string());
        if path == "/.well-known/jwks.json" {
            return json(200, &self.published);
        }
        let kid = path.strip_prefix("/keys/").unwrap_or_default();
        match self.state().keys.get(kid) {
            Some((client, jwk)) => json(200, &json!({ "clientId": client, "jwk": jwk })),
            None => json(404, &json!({ "title": "Key not found" })),
        }
    }
}

impl Handler for Service {
    fn handle(self: Arc<Self>, request: Request) -> BoxFuture<'static, Delivery> {
        async move {
            let path = request.path().to_owned();
            let mut state = self.state();
            state.asked.push(path.clone());
            let fault = state.fault;
            drop(state);
            Delivery::of(match fault {
                Some(Fault::Hang) => Ending::Hang,
                Some(Fault::Garbage) => {
                    Ending::Answer(Response::new(200, "application/json", "{\"keys\": 1}"))
                }
                Some(Fault::Status(status)) => {
                    Ending::Answer(Response::new(status, "text/html", "<h1>no</h1>"))
                }
                Some(Fault::Refuse) | None => Ending::Answer(self.answer(&path)),
            })
        }
        .boxed()
    }
}

/// The claims of a good voucher.
fn claims(client: &str, purpose: &str) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": client, "client_id": client,
        "purposeId": purpose, "jti": uuid::Uuid::now_v7().to_string(),
        "iat": now, "nbf": now, "exp": now + LIFETIME_S,
    })
}

fn rsa_jwk(kid: &str, pem: &str) -> io::Result<Value> {
    let key = RsaPrivateKey::from_pkcs8_pem(pem).map_err(io::Error::other)?;
    let encode = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
    Ok(json!({
        "kid": kid, "kty": "RSA", "use": "sig", "alg": "RS256",
        "n": encode(key.n()), "e": encode(key.e()),
    }))
}

/// A P-256 public key ends with its point: two coordinates of 32 bytes.
fn ec_jwk(kid: &str, pem: &str) -> Value {
    let lines = pem.lines().filter(|line| !line.starts_with("-----"));
    let text: String = lines.collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(text)
        .expect("a public key in PEM");
    let (rest, y) = der.split_at(der.len() - 32);
    let x = &rest[rest.len() - 32..];
    json!({
        "kid": kid, "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256",
        "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
    })
}

fn tls(certs: &Path) -> io::Result<Tls> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let chain = CertificateDer::from_pem_file(certs.join("sac.pem")).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(certs.join("sac.key")).map_err(io::Error::other)?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .map_err(io::Error::other)?;
    let usual = Arc::new(config);
    Ok(Tls {
        distrustful: Arc::clone(&usual),
        usual,
    })
}
