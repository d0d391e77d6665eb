//! Callers whom PDND vouches for, while PDND is well, away, or asked by somebody mad.

#[cfg(test)]
mod asking;
#[cfg(test)]
mod statement;

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::certs::Token;
use tests::upstreams::pdnd::{AUDIENCE, Fault, ISSUER, KID, Simulator};
use tests::world::caller::{Reply, answer};
use tests::world::prescription::{drug, key};
use tests::world::wait::until;
use tests::world::{Setup, World};

const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const OTHER_CLIENT: &str = "0b361d49-33f4-4f1e-a88b-4e12661f2300";
const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
const EVIDENCE: &str = "Agid-JWT-TrackingEvidence";
const NO_ENTRY: &str = "/v1/prescriptions/01890000-0000-7000-8000-000000000000";
const SOON: Duration = Duration::from_secs(10);
/// Invented ids of one storm.
const STORM: usize = 300;
/// Questions that a storm may cost PDND.
const ASKED_MAX: usize = 8;

/// A world in which PDND vouches for practice b, whose key it knows.
struct Vouched {
    world: World,
    pdnd: Simulator,
    presented: Mutex<Vec<String>>,
}

impl Vouched {
    async fn start(setup: Setup) -> Vouched {
        let mut world = World::prepare(setup);
        let pdnd = Simulator::start(world.certs_dir()).expect("the simulator starts");
        world.register_beside(
            "practice-b",
            &format!("pdnd_client_id = \"{CLIENT}\"\npurpose_ids = [\"{PURPOSE}\"]"),
        );
        world.reconfigure("pdnd.url", format!("https://{}", pdnd.address()));
        world.reconfigure(
            "pdnd.trust_file",
            json!(world.certs_dir().join("sac-ca.pem")),
        );
        world.reconfigure("pdnd.issuer", ISSUER);
        world.reconfigure("pdnd.audience", AUDIENCE);
        let vouched = Vouched {
            world,
            pdnd,
            presented: Mutex::default(),
        };
        vouched.publish("practice-b", CLIENT);
        vouched.publish("practice-a", OTHER_CLIENT);
        let mut vouched = vouched;
        vouched.world.restart().await.expect("the gateway starts");
        vouched
    }

    /// Lets PDND know an organisation's key, as a client's.
    fn publish(&self, organization: &str, client: &str) {
        let file = format!("callers/{organization}-signing.pem");
        let pem = fs::read_to_string(self.world.certs_dir().join(file)).expect("it was minted");
        self.pdnd
            .register(&format!("{organization}-1"), client, &pem);
    }

    fn voucher(&self, changes: &Value) -> String {
        self.pdnd.voucher(CLIENT, PURPOSE, changes)
    }

    /// Evidence of practice b, signed by whoever.
    fn evidence(&self, by: &str, changes: &[(&str, Value)]) -> String {
        let caller = self.world.caller("practice-b");
        let mut token = caller.token();
        for (name, value) in [
            ("iss", json!(CLIENT)),
            ("aud", json!(AUDIENCE)),
            ("userID", json!("dott.rossi@practice-b")),
            ("userLocation", json!("desk 1")),
            ("LoA", json!("3")),
        ]
        .iter()
        .chain(changes)
        {
            token = token.with(name, value.clone());
        }
        let token = Token {
            key_id: format!("{by}-1"),
            ..token
        };
        token
            .sign(self.world.certs_dir(), by)
            .expect("a minted key signs")
    }

    fn good(&self) -> String {
        self.evidence("practice-b", &[])
    }

    fn request(&self, method: Method, path: &str, voucher: &str, evidence: &str) -> RequestBuilder {
        let mut presented = self.presented.lock().expect("whole");
        presented.extend([voucher, evidence].map(str::to_owned));
        let caller = self.world.caller("practice-b");
        let request = caller.bare(method, path).bearer_auth(voucher);
        match evidence {
            "" => request,
            evidence => request.header(EVIDENCE, evidence),
        }
    }

    /// Asks for what is not there: 404 is said to whom is recognised.
    async fn ask(&self, voucher: &str, evidence: &str) -> Reply {
        let request = self.request(Method::GET, NO_ENTRY, voucher, evidence);
        answer(request).await.expect("the gateway answers")
    }

    /// Asserts that no part of any token is in what the gateway printed or put on disk.
    fn are_nowhere(&self) {
        let presented = self.presented.lock().expect("whole");
        self.world.holds_nowhere(&presented);
    }

    async fn code(&self, voucher: &str, evidence: &str) -> String {
        self.ask(voucher, evidence).await.code()
    }
}

fn sha256(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

const RECOGNISED: &str = "no-such-prescription";

/// An organisation without a key of ours writes under a voucher, and its tokens are written nowhere.
#[tokio::test]
async fn an_organisation_that_pdnd_vouches_for_writes_a_prescription() {
    let vouched = Vouched::start(Setup::default()).await;
    let evidence = vouched.good();
    let voucher =
        vouched.voucher(&json!({"digest": {"alg": "SHA256", "value": sha256(&evidence)}}));
    let write = vouched
        .request(Method::POST, "/v1/prescriptions", &voucher, &evidence)
        .header("Idempotency-Key", key())
        .header("Content-Type", "application/json")
        .body(drug().to_string());
    answer(write)
        .await
        .expect("the gateway answers")
        .expect(201);
    assert_eq!(
        vouched.code(&voucher, &evidence).await,
        RECOGNISED,
        "as often as it lives"
    );
    assert!(!vouched.world.output().contains("dott.rossi"));
    vouched.are_nowhere();
}

/// A token of a voucher's type that names PDND's key and is signed with another.
fn forged(algorithm: Algorithm, key: &EncodingKey) -> String {
    let header = Header {
        typ: Some("at+jwt".to_owned()),
        kid: Some(KID.to_owned()),
        ..Header::new(algorithm)
    };
    jsonwebtoken::encode(&header, &json!({"iss": ISSUER}), key).expect("it can be signed")
}

/// Every voucher with something wrong is refused under its own code.
#[tokio::test]
async fn a_voucher_is_worth_what_it_says() {
    let vouched = Vouched::start(Setup::default()).await;
    let now = jiff::Timestamp::now().as_second();
    let bent = |changes: Value| vouched.voucher(&changes);
    let key = vouched
        .world
        .certs_dir()
        .join("callers/practice-b-signing.key");
    let key = fs::read(key).expect("it was minted");
    let key = EncodingKey::from_ec_pem(&key).expect("a P-256 key");
    let secret = EncodingKey::from_secret(b"public key");
    let expired = json!({"iat": now - 900, "exp": now - 100});
    let cases = [
        (bent(json!({})), RECOGNISED),
        (bent(json!({"aud": "https://b.example"})), "token-audience"),
        (bent(json!({"iss": "b.example"})), "token-issuer"),
        (bent(expired), "token-expired"),
        (bent(json!({"nbf": now + 100})), "token-not-yet-valid"),
        (bent(json!({"jti": null})), "token-claims"),
        (bent(json!({"sub": OTHER_CLIENT})), "token-claims"),
        (forged(Algorithm::ES256, &key), "token-signature"),
        (forged(Algorithm::HS256, &secret), "token-signature"),
        (
            vouched.pdnd.voucher(CLIENT, OTHER_CLIENT, &json!({})),
            "voucher-purpose",
        ),
        (
            vouched.pdnd.voucher(OTHER_CLIENT, PURPOSE, &json!({})),
            "voucher-client",
        ),
    ];
    let good = vouched.good();
    for (number, (voucher, code)) in cases.iter().enumerate() {
        assert_eq!(vouched.code(voucher, &good).await, *code, "case {number}");
    }
    let plain = &cases[0].0;
    let caller = vouched.world.caller("practice-a");
    let elsewhere = caller.bare(Method::GET, NO_ENTRY).bearer_auth(plain);
    let reply = answer(elsewhere.header(EVIDENCE, &good)).await;
    let code = reply.expect("the gateway answers").code();
    assert_eq!(
        code, "token-certificate",
        "on another organisation's connection"
    );
    vouched.are_nowhere();
}

/// What comes with a voucher is signed by its client, and is what PDND was shown.
#[tokio::test]
async fn evidence_is_of_the_client_of_the_voucher() {
    let vouched = Vouched::start(Setup::default()).await;
    let now = jiff::Timestamp::now().as_second();
    let (good, plain) = (vouched.good(), vouched.voucher(&json!({})));
    let shown = |value: &str| {
        vouched.voucher(&json!({"digest": {"alg": "SHA256", "value": sha256(value)}}))
    };
    let by_b = |changes: &[(&str, Value)]| vouched.evidence("practice-b", changes);
    let over = by_b(&[("iat", json!(now - 400)), ("exp", json!(now - 99))]);
    let nobody = by_b(&[("profile", json!("operator"))]);
    let of_a = vouched.evidence("practice-a", &[]);
    let cases = [
        ("as it was shown", shown(&good), good.clone(), RECOGNISED),
        (
            "another was shown",
            shown("another"),
            good,
            "tracking-invalid",
        ),
        (
            "none, and one was shown",
            shown("another"),
            String::new(),
            "tracking-missing",
        ),
        ("none", plain.clone(), String::new(), "tracking-missing"),
        ("expired", plain.clone(), over, "tracking-invalid"),
        (
            "of another profile",
            plain.clone(),
            nobody,
            "voucher-statement",
        ),
        ("by another client", plain, of_a, "pdnd-key-unknown"),
    ];
    for (what, voucher, evidence, code) in cases {
        assert_eq!(vouched.code(&voucher, &evidence).await, code, "{what}");
    }
    vouched.are_nowhere();
}

/// A gateway that was told of no PDND accepts no voucher.
#[tokio::test]
async fn without_pdnd_no_voucher_is_accepted() {
    let world = World::start().await;
    let pdnd = Simulator::start(world.certs_dir()).expect("the simulator starts");
    let voucher = pdnd.voucher(CLIENT, PURPOSE, &json!({}));
    let caller = world.caller("practice-b");
    let request = caller.bare(Method::GET, NO_ENTRY).bearer_auth(voucher);
    let reply = answer(request).await.expect("the gateway answers");
    assert_eq!(reply.code(), "voucher-not-accepted");
}

/// While PDND is away, in whatever way, who is known is served, and who is not hears whose fault it is.
#[tokio::test]
async fn while_pdnd_is_away_known_keys_serve() {
    let setup = Setup::default()
        .config("pdnd.fresh_for", "100ms")
        .config("pdnd.ask_again", "300ms");
    let vouched = Vouched::start(setup).await;
    let (voucher, known) = (vouched.voucher(&json!({})), vouched.good());
    assert_eq!(vouched.code(&voucher, &known).await, RECOGNISED);
    let unknown = vouched.evidence("pharmacy-a", &[]);
    for fault in [
        Fault::Refuse,
        Fault::Hang,
        Fault::Garbage,
        Fault::Status(500),
    ] {
        vouched.pdnd.set_fault(Some(fault));
        let before = vouched.pdnd.asked().len();
        until("PDND is asked in vain", SOON, async || {
            assert_eq!(
                vouched.code(&voucher, &known).await,
                RECOGNISED,
                "{fault:?}"
            );
            let is_asked = fault == Fault::Refuse || vouched.pdnd.asked().len() > before;
            is_asked.then_some(())
        })
        .await;
        let refused = until("what is unknown is refused", SOON, async || {
            let reply = vouched.ask(&voucher, &unknown).await;
            (reply.code() == "pdnd-unavailable").then_some(reply)
        })
        .await;
        assert_eq!(refused.status, 503, "{fault:?}");
        assert_eq!(refused.text("/fault"), "upstream", "{fault:?}");
        assert!(!refused.header("retry-after").is_empty(), "{fault:?}");
        assert_eq!(
            vouched.code(&voucher, &known).await,
            RECOGNISED,
            "{fault:?}"
        );
    }
    vouched.world.logged(&["PDND does not answer"]).await;
    vouched.pdnd.set_fault(None);
    vouched.publish("pharmacy-a", CLIENT);
    until("the new key is believed", SOON, async || {
        (vouched.code(&voucher, &unknown).await == RECOGNISED).then_some(())
    })
    .await;
    vouched.are_nowhere();
}

/// A key that PDND has revoked is worth nothing once it was asked for again, and comes back with it.
#[tokio::test]
async fn a_revoked_key_is_forgotten() {
    let setup = Setup::default()
        .config("pdnd.fresh_for", "100ms")
        .config("pdnd.ask_again", "100ms");
    let vouched = Vouched::start(setup).await;
    let (voucher, evidence) = (vouched.voucher(&json!({})), vouched.good());
    assert_eq!(vouched.code(&voucher, &evidence).await, RECOGNISED);
    vouched.pdnd.revoke("practice-b-1");
    until("it is forgotten", SOON, async || {
        (vouched.code(&voucher, &evidence).await == "pdnd-key-unknown").then_some(())
    })
    .await;
    vouched.pdnd.set_fault(Some(Fault::Refuse));
    let refused = vouched.code(&voucher, &evidence).await;
    assert_ne!(refused, RECOGNISED, "not even in an outage");
    vouched.are_nowhere();
}

/// Ids that somebody invents cost PDND a few questions, and who is known notices nothing.
#[tokio::test]
async fn invented_ids_cost_pdnd_a_few_questions() {
    let vouched = Vouched::start(Setup::default().config("pdnd.ask_again", "10m")).await;
    let (voucher, good) = (vouched.voucher(&json!({})), vouched.good());
    assert_eq!(vouched.code(&voucher, &good).await, RECOGNISED);
    let token = vouched.world.caller("practice-b").token();
    for number in 0..STORM {
        let of_pdnd = vouched
            .pdnd
            .sign(&format!("x{number}"), &json!({"iss": ISSUER}));
        assert_eq!(vouched.code(&of_pdnd, &good).await, "token-signature");
        let token = Token {
            key_id: format!("y{number}"),
            ..token.clone()
        };
        let invented = token.sign(vouched.world.certs_dir(), "practice-b").unwrap();
        assert_eq!(vouched.code(&voucher, &invented).await, "pdnd-key-unknown");
    }
    let asked = vouched.pdnd.asked().len();
    assert!(asked <= ASKED_MAX, "{asked} questions");
    assert_eq!(vouched.code(&voucher, &good).await, RECOGNISED);
    vouched.are_nowhere();
}
