//! A gateway with two practices, a store that only shows, and a lane that takes nothing.
//!
//! Whatever the edge lets through ends as `stopping`: that answer is the proof that it was let
//! through, and any other that nothing was handed over.

use std::num::NonZeroU32;
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
use super::practices::practices_at;
pub(crate) use super::practices::{
    A, AUDIENCE, B, DOCTOR, LISTED_DOCTOR, Practices, acting, claims, practices, sign,
};
use super::store::Shelf;
use crate::access::compiled_in;
use crate::callers::Callers;
use crate::config::{BodyLimits, Limits};
use crate::policy::Policy;
use crate::telemetry::Watcher;
use crate::tls::CertificateDigest;
use crate::tokens::replay::Replay;

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
        let policy = Policy::new(1, Default::default(), rules, self.access);
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
