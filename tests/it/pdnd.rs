//! Callers whom PDND vouches for, while PDND is well, away, or asked by somebody mad.

use std::fs;
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
const STORM: usize = 1_000;
/// Questions that a storm may cost PDND.
const ASKED_MAX: usize = 8;

/// A world in which PDND vouches for practice b, whose key it knows.
struct Vouched {
    world: World,
    pdnd: Simulator,
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
        let vouched = Vouched { world, pdnd };
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
    let output = vouched.world.output();
    for secret in [&voucher, &evidence, "dott.rossi"] {
        assert!(!output.contains(secret));
    }
}

/// Every voucher and every evidence with something wrong is refused under its own code.
#[tokio::test]
async fn a_voucher_is_worth_what_it_says() {
    let vouched = Vouched::start(Setup::default()).await;
    let now = jiff::Timestamp::now().as_second();
    let good = vouched.good();
    let plain = vouched.voucher(&json!({}));
    let bent = |changes: Value| vouched.voucher(&changes);
    let forged = |algorithm: Algorithm, key: &EncodingKey| {
        let header = Header {
            typ: Some("at+jwt".to_owned()),
            kid: Some(KID.to_owned()),
            ..Header::new(algorithm)
        };
        jsonwebtoken::encode(&header, &json!({"iss": ISSUER}), key).unwrap()
    };
    let key = fs::read(
        vouched
            .world
            .certs_dir()
            .join("callers/practice-b-signing.key"),
    )
    .unwrap();
    let swapped = forged(Algorithm::ES256, &EncodingKey::from_ec_pem(&key).unwrap());
    let secret = forged(Algorithm::HS256, &EncodingKey::from_secret(b"public key"));
    let other_purpose = vouched.pdnd.voucher(CLIENT, OTHER_CLIENT, &json!({}));
    let other_client = vouched.pdnd.voucher(OTHER_CLIENT, PURPOSE, &json!({}));
    let other_digest = json!({"digest": {"alg": "SHA256", "value": sha256("another")}});
    let over = vouched.evidence(
        "practice-b",
        &[("iat", json!(now - 400)), ("exp", json!(now - 99))],
    );
    let nobody = vouched.evidence("practice-b", &[("profile", json!("operator"))]);
    let of_a = vouched.evidence("practice-a", &[]);
    let cases = [
        ("good", plain.clone(), good.clone(), RECOGNISED),
        (
            "audience",
            bent(json!({"aud": "https://b.example"})),
            good.clone(),
            "token-audience",
        ),
        (
            "issuer",
            bent(json!({"iss": "b.example"})),
            good.clone(),
            "token-issuer",
        ),
        (
            "expired",
            bent(json!({"iat": now - 900, "exp": now - 100})),
            good.clone(),
            "token-expired",
        ),
        (
            "ahead",
            bent(json!({"nbf": now + 100})),
            good.clone(),
            "token-not-yet-valid",
        ),
        (
            "no jti",
            bent(json!({"jti": null})),
            good.clone(),
            "token-claims",
        ),
        (
            "sub",
            bent(json!({"sub": OTHER_CLIENT})),
            good.clone(),
            "token-claims",
        ),
        ("alg swapped", swapped, good.clone(), "token-signature"),
        ("alg symmetric", secret, good.clone(), "token-signature"),
        ("purpose", other_purpose, good.clone(), "voucher-purpose"),
        ("client", other_client, good.clone(), "voucher-client"),
        (
            "no evidence",
            plain.clone(),
            String::new(),
            "tracking-missing",
        ),
        (
            "other evidence",
            bent(other_digest),
            good.clone(),
            "tracking-invalid",
        ),
        ("evidence expired", plain.clone(), over, "tracking-invalid"),
        ("profile", plain.clone(), nobody, "voucher-statement"),
        (
            "another client's key",
            plain.clone(),
            of_a,
            "pdnd-key-unknown",
        ),
    ];
    for (what, voucher, evidence, code) in cases {
        assert_eq!(vouched.code(&voucher, &evidence).await, code, "{what}");
    }
    let caller = vouched.world.caller("practice-a");
    let elsewhere = caller
        .bare(Method::GET, NO_ENTRY)
        .bearer_auth(&plain)
        .header(EVIDENCE, &good);
    let reply = answer(elsewhere).await.expect("the gateway answers");
    assert_eq!(
        reply.code(),
        "token-certificate",
        "on another organisation's connection"
    );
    let output = vouched.world.output();
    assert!(!output.contains(&plain) && !output.contains(&good));
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
}
