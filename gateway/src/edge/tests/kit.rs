//! A gateway with two practices, a store that only shows, and a lane that takes nothing.
//!
//! Whatever the edge lets through ends as `stopping`: that answer is the proof that it was let
//! through, and any other that nothing was handed over.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::body::to_bytes;
use actix_web::http::header::HeaderMap;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, init_service, try_call_service};
use actix_web::web::Data;
use actix_web::{App, HttpMessage};
use adapters::model::Relations;
use engine::calls::Calls;
use engine::core::{Core, Traffic};
use engine::lane::read_through::{self, ReadCore};
use engine::lane::write_behind::open;
use engine::live::Live;
use engine::numbers::Numbers;
use engine::ports::{
    Answer, Clock, Digest, LookupKey, ReadError, Request as UpstreamRequest, Rng,
    Shelf as PersonShelf, Shelved, Unwatched, Upstream, WriteError,
};
use engine::stop::StopSwitch;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use policies::access::Table;
use policies::failure::Failure;
use policies::operation::OpName;
use policies::probing::ProbingRules;
use policies::time::Timestamp;
use serde_json::{Value, json};
use store::keys::Rotation;
use store::persons::{Persons, PersonsSettings};
use store::sealing::Key;
use store::sqlite::{Settings, Sqlite};

use super::super::{Edge, Gateway, Suspicion, frame, routes};
use super::audited::audited;
use super::store::Shelf;
use crate::access::compiled_in;
use crate::callers::files::Marking;
use crate::callers::{Callers, TokenRules};
use crate::config::{BodyLimits, Limits};
use crate::policy::Policy;
use crate::telemetry::Watcher;
use crate::tls::CertificateDigest;
use crate::tokens::replay::Replay;

pub(crate) const AUDIENCE: &str = "https://argine.local/v1";
pub(crate) const DOCTOR: &str = "PROVAX00X00X000Y";
/// Another, for whom somebody of its practice may stand in.
pub(crate) const LISTED_DOCTOR: &str = "RSSMRA80A01H501U";
/// The certificates of the two practices.
pub(crate) const A: CertificateDigest = CertificateDigest([0xa; 32]);
pub(crate) const B: CertificateDigest = CertificateDigest([0xb; 32]);

/// Registered practices, and the keys to sign in their names.
pub(crate) struct Practices {
    pub(crate) callers: Callers,
    pub(crate) key_a: EncodingKey,
    pub(crate) key_b: EncodingKey,
}

pub(crate) fn practices() -> Practices {
    practices_at(A, "practice")
}

/// The practices, the first of which is none: it acts as this profile.
pub(crate) fn acting(profile: &str) -> Practices {
    practices_at(A, profile)
}

/// The practices, the first of them behind `certificate` and with this profile.
fn practices_at(certificate: CertificateDigest, profile: &str) -> Practices {
    let directory = tempfile::tempdir().unwrap();
    let key_a = mint(directory.path(), "a");
    let key_b = mint(directory.path(), "b");
    let a = entry("a", profile, certificate);
    let text = a + &entry("b", "pharmacy", B);
    let rules = TokenRules {
        audience: AUDIENCE.to_owned(),
        clock_skew: Duration::from_secs(30),
        lifetime_max: Duration::from_secs(3600),
        one_time_lifetime_max: Duration::from_secs(300),
        citizen_authn_age_max: Duration::from_secs(1800),
    };
    let path = directory.path().join("callers.toml");
    let callers = Callers::parse(&path, &text, rules, None, &mut Marking::default()).unwrap();
    Practices {
        callers,
        key_a,
        key_b,
    }
}

fn mint(directory: &Path, name: &str) -> EncodingKey {
    let pair = rcgen::KeyPair::generate().unwrap();
    std::fs::write(directory.join(format!("{name}.pem")), pair.public_key_pem()).unwrap();
    EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap()
}

fn entry(name: &str, profile: &str, certificate: CertificateDigest) -> String {
    let digits = certificate.0.iter().map(|byte| format!("{byte:02x}"));
    let certificate: String = digits.collect();
    format!(
        "[[caller]]\norganization = \"practice-{name}\"\nprofiles = [\"{profile}\"]\n\
         certificate_sha256 = [\"{certificate}\"]\nkey_id = \"practice-{name}-1\"\n\
         algorithm = \"ES256\"\nkey_file = \"{name}.pem\"\nstands_in_for_sha256 = [{}]\n",
        [DOCTOR, LISTED_DOCTOR].map(sha256).join(", ")
    )
}

/// Good claims of practice `name`, whose doctor authenticated a minute ago.
pub(crate) fn claims(name: &str, profile: &str) -> Value {
    let now = jiff::Timestamp::now();
    let instant = now - jiff::SignedDuration::from_secs(60);
    json!({
        "iss": format!("practice-{name}"), "organization": format!("practice-{name}"),
        "aud": AUDIENCE, "profile": profile, "jti": "1",
        "iat": now.as_second(), "nbf": now.as_second(), "exp": now.as_second() + 300,
        "prescriber_authn": {
            "subject": DOCTOR, "class_ref": "SpidL2", "instant": instant.to_string(),
            "locality": "130201",
        },
    })
}

pub(crate) fn sign(key: &EncodingKey, key_id: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(key_id.to_owned());
    jsonwebtoken::encode(&header, claims, key).unwrap()
}

/// A gateway under test.
pub(crate) struct Kit {
    pub(crate) shelf: Arc<Shelf>,
    practices: Mutex<Option<Callers>>,
    pub(crate) token_a: String,
    pub(crate) token_b: String,
    pub(crate) requests_max: u32,
    pub(crate) access: Table,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Heard {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem; a success has none.
    pub(crate) fn code(&self) -> String {
        if self.status.as_u16() < 400 {
            return String::new();
        }
        assert_eq!(self.header("content-type"), "application/problem+json");
        self.json()["code"].as_str().unwrap().to_owned()
    }
}

impl Kit {
    pub(crate) fn new() -> Kit {
        Kit::behind(A)
    }

    /// A kit whose practice a presents `certificate`.
    pub(crate) fn behind(certificate: CertificateDigest) -> Kit {
        Kit::of(certificate, &claims("a", "practice"))
    }

    /// A kit whose practice a is no practice: it acts as this profile.
    pub(crate) fn acting(profile: &str) -> Kit {
        let mut claims = claims("a", profile);
        if profile == "substitute" {
            claims["substitutes_for"] = json!(DOCTOR);
        }
        Kit::of(A, &claims)
    }

    /// A kit whose practice a says `claims`.
    pub(crate) fn claiming(claims: &Value) -> Kit {
        Kit::of(A, claims)
    }

    fn of(certificate: CertificateDigest, claims_a: &Value) -> Kit {
        let profile = claims_a["profile"].as_str().unwrap();
        let practices = practices_at(certificate, profile);
        let token_a = sign(&practices.key_a, "practice-a-1", claims_a);
        let token_b = sign(&practices.key_b, "practice-b-1", &claims("b", "pharmacy"));
        Kit {
            shelf: Arc::default(),
            practices: Mutex::new(Some(practices.callers)),
            token_a,
            token_b,
            requests_max: 10_000,
            access: compiled_in(),
        }
    }

    /// A request of practice a, with its certificate and its token.
    pub(crate) fn request(&self, method: Method, uri: &str) -> TestRequest {
        let token = format!("Bearer {}", self.token_a);
        TestRequest::with_uri(uri)
            .method(method)
            .insert_header(("authorization", token))
    }

    /// A write of practice a.
    pub(crate) fn write(&self, body: &str) -> TestRequest {
        self.request(Method::POST, "/v1/prescriptions")
            .insert_header(("content-type", "application/json"))
            .insert_header(("idempotency-key", "k1"))
            .set_payload(body.to_owned())
    }

    /// Asks on practice a's connection, each request in turn.
    pub(crate) async fn ask(&self, requests: Vec<TestRequest>) -> Vec<Heard> {
        let requests = requests.into_iter().map(|request| (A, request));
        self.ask_as(requests.collect()).await
    }

    pub(crate) async fn ask_one(&self, request: TestRequest) -> Heard {
        self.ask(vec![request]).await.remove(0)
    }

    /// Asks on connections of these certificates, each request in turn.
    pub(crate) async fn ask_as(
        &self,
        requests: Vec<(CertificateDigest, TestRequest)>,
    ) -> Vec<Heard> {
        let gateway = self.open();
        let body = BodyLimits {
            within: Duration::from_secs(10),
            rate_min: 1024,
            bytes_max: 256 << 10,
        };
        let edge = Data::new(Edge::new(gateway, body, Duration::from_secs(20)));
        let app = App::new()
            .app_data(edge)
            .wrap(from_fn(frame::frame))
            .configure(routes);
        let app = init_service(app).await;
        let mut heard = Vec::new();
        for (certificate, request) in requests {
            let request = request.to_request();
            request.extensions_mut().insert(certificate);
            let response = match try_call_service(&app, request).await {
                Ok(response) => response.into_parts().1.map_into_boxed_body(),
                // The server answers an error of the outermost layer in this way.
                Err(error) => error.error_response(),
            };
            heard.push(Heard {
                status: response.status(),
                headers: response.headers().clone(),
                bytes: to_bytes(response.into_body()).await.unwrap().to_vec(),
            });
        }
        heard
    }

    /// The gateway itself, once.
    pub(crate) fn open(&self) -> Gateway {
        let callers = self.practices.lock().unwrap().take();
        self.gateway(callers.expect("a kit is opened once"))
    }

    fn gateway(&self, callers: Callers) -> Gateway {
        let clock: Arc<dyn Clock> = Arc::new(engine::clock::AnchoredClock::start());
        let (_switch, stop) = StopSwitch::new();
        let rules = crate::rules::compiled_in();
        let policy = Policy::new(1, rules, self.access);
        let rng: Arc<dyn Rng> = Arc::new(Even);
        let calls = Arc::new(Calls::new(
            Arc::new(Nobody),
            adapters::sac::OPERATIONS,
            &policy.prescriptions_lane(),
            Arc::clone(&clock),
            Arc::clone(&rng),
            Arc::new(Unwatched),
            stop.clone(),
        ));
        let write = adapters::sac::OPERATIONS
            .iter()
            .find(|row| row.op == adapters::sac::INVIO)
            .unwrap();
        let suspicion = Arc::new(suspicion(&clock));
        let (persons, _look_ups_are_gone) = read_through::open(ReadCore {
            lane: adapters::sac::REGISTRY,
            calls: Arc::clone(&calls),
            shelf: Arc::new(Empty),
            landings: Arc::clone(&suspicion) as _,
            clock: Arc::clone(&clock),
            rules: Live::from(Arc::clone(&policy.registry)),
            stop: stop.clone(),
        });
        let core = Core {
            traffic: Traffic::new(),
            lane: adapters::sac::PRESCRIPTIONS,
            write: *write,
            started_at: clock.now(),
            calls: Arc::clone(&calls),
            store: Arc::clone(&self.shelf) as _,
            numbers: Arc::new(Numbers::default()),
            clock: Arc::clone(&clock),
            rng,
            rules: Live::from(Arc::clone(&policy.prescriptions)),
            stop,
        };
        let (door, _lane_is_gone) = open(Arc::new(core));
        let audit = Arc::new(audited(&clock));
        Gateway {
            prescriptions: door,
            persons,
            relations: Relations::new(&[7; 32]),
            calls: vec![calls],
            store: Arc::clone(&self.shelf) as _,
            callers: Live::new(callers),
            replay: Replay::since(Arc::clone(&clock)),
            is_pushing: true,
            vouchers: None,
            clock,
            limits: Limits {
                burst: self.requests_max.try_into().unwrap(),
                rate: NonZeroU32::MIN,
            },
            suspicion,
            policy: Live::new(policy),
            watcher: Arc::new(Watcher::counting()),
            policies: crate::generations::keeper::tests::desk_that_is_gone(),
            keys: keys(),
            drain: Duration::from_secs(1),
            audit,
        }
    }
}

/// The keys of a store of its own, which is gone with its last file.
fn keys() -> Arc<Rotation> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "ab".repeat(32)).unwrap();
    let key = Key::from_file(&file).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(engine::clock::AnchoredClock::start());
    let place = directory.path().to_owned();
    let settings = Settings::new(
        place.clone(),
        key,
        Arc::clone(&clock),
        adapters::sac::ANNULLA,
    );
    let entries = Arc::new(Sqlite::open(&settings).unwrap());
    let keys = Arc::clone(entries.keys());
    let settings = PersonsSettings::new(place, keys, Arc::clone(&clock));
    let persons = Arc::new(Persons::open(&settings).unwrap());
    Arc::new(Rotation::new(entries, persons, clock))
}

/// The instant that fixtures are from.
pub(crate) const THEN: Timestamp = Timestamp(1_790_000_000_000);

struct Even;

impl Rng for Even {
    fn unit(&self) -> f64 {
        0.5
    }
}

/// Nothing is known of anybody.
struct Empty;

impl PersonShelf for Empty {
    fn get(&self, _: LookupKey) -> BoxFuture<'_, Result<Option<Shelved>, ReadError>> {
        async { Ok(None) }.boxed()
    }

    fn put(&self, _: Shelved) -> BoxFuture<'_, Result<(), WriteError>> {
        async { Ok(()) }.boxed()
    }

    fn remove(&self, _: LookupKey) -> BoxFuture<'_, Result<(), WriteError>> {
        async { Ok(()) }.boxed()
    }

    fn purge(&self, _: Digest) -> BoxFuture<'_, Result<usize, WriteError>> {
        async { Ok(0) }.boxed()
    }

    fn sweep(&self, _: Timestamp, _: usize) -> BoxFuture<'_, Result<usize, WriteError>> {
        async { Ok(0) }.boxed()
    }
}

/// No upstream: the lane is not running.
struct Nobody;

impl Upstream for Nobody {
    fn call<'a>(
        &'a self,
        _: OpName,
        _: &'a UpstreamRequest,
        _: Duration,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        async { panic!("the lane is not running") }.boxed()
    }
}

/// How a doctor is registered for whom a practice stands in.
fn sha256(doctor: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, doctor.as_bytes());
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("\"{}\"", digits.collect::<String>())
}

fn suspicion(clock: &Arc<dyn Clock>) -> Suspicion {
    let rules = ProbingRules {
        unknown_max: 40,
        unknown_share: 0.2,
        window: Duration::from_secs(600),
        wait: Duration::from_secs(2),
        wait_max: Duration::from_secs(300),
        quiet: Duration::from_secs(1_800),
    };
    Suspicion::new(rules, Arc::clone(clock), Arc::new(Watcher::counting()))
}
