//! A world with everything switched on that writes something down, and with everybody in it who may call.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Value, json};
use tests::certs::{PIN_CODE, Pair, Prescriber, SigningCertificate, Token};
use tests::upstreams::callbacks::Receiver;
use tests::upstreams::pdnd;
use tests::world::caller::{Caller, Reply, answer};
use tests::world::disk::SmallDisk;
use tests::world::prescription::{DOCTOR, PATIENT, TEST_DOCTOR, drug, key, specialist};
use tests::world::{Setup, World};

use super::artefacts::Artefacts;
use super::words::Words;
use crate::signals::collector::{Collector, Manner};

/// A person on the doctor's list, and the card they hold.
pub(super) const LISTED: &str = "DBBLCU30C03G482N";
pub(super) const CARD: &str = "80380001300000000002";
/// The number of a red form.
pub(super) const PAPER: &str = "130227418529637";
pub(super) const FAMILY: &str = "CASTRONUOVO";
/// Where nobody should be named, somebody is.
pub(super) const REASON: &str = "lo chiede Gianbattista Mezzasalma";
pub(super) const AUTHOR: &str = "ersilia.tramontana";
const USER: &str = "carlo.benincasa@practice";
const PLACE: &str = "stanza-quattordici";
/// What stands in requests, in answers of the SAC, and nowhere else.
const PLANTED: [&str; 20] = [
    PATIENT,
    DOCTOR,
    TEST_DOCTOR,
    LISTED,
    CARD,
    PAPER,
    PIN_CODE,
    FAMILY,
    REASON,
    "MEZZASALMA",
    AUTHOR,
    USER,
    PLACE,
    "ZEBEDEO",
    "VIA DEI PIOPPI",
    "LEVETIRACETAM",
    "IPERTENSIONE",
    "POSOLOGIA",
    "QUATTORDIO",
    "BERENGARIO",
];
const CLIENT: &str = "9b361d49-33f4-4f1e-a88b-4e12661f2309";
const PURPOSE: &str = "1b361d49-33f4-4f1e-a88b-4e12661f2300";
const FSE: &str = "practice-fse";
/// The disk of the store, where one can be had that can be filled.
const MEGABYTES: u32 = 96;

/// The world, its neighbours, and what was planted and kept.
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) receiver: Receiver,
    pub(super) pdnd: pdnd::Simulator,
    pub(super) collector: Collector,
    pub(super) disk: Option<SmallDisk>,
    pub(super) words: Words,
    /// What the gateway left, and what it answered where it refused.
    pub(super) kept: Artefacts,
    /// What is shown of the commands of operators, in whose arguments stands what operators wrote.
    pub(super) shown: Artefacts,
}

impl Scene {
    pub(super) async fn start() -> Scene {
        let collector = Collector::start(Manner::Takes).await;
        let disk = SmallDisk::mount(MEGABYTES);
        let disk = disk.map_err(|why| println!("no full disk: {why}")).ok();
        let mut setup = Setup::default()
            .watching()
            .config("log.level", "trace")
            .config("signals.otlp_url", collector.url())
            .config("signals.sample_share", 1)
            .config("signals.metrics_address", "127.0.0.1:0")
            .accredited(&["any-a"]);
        if let Some(disk) = &disk {
            setup = setup.store(&disk.path().join("store"));
        }
        let mut receivers = Vec::new();
        let mut world = World::pushing(setup, &["127.0.0.0/8"], |world| {
            let receiver = Receiver::start(world.certs_dir()).expect("a receiver starts");
            let host = receiver.origin();
            receivers.push(receiver);
            vec![("practice-a", host)]
        })
        .await;
        let receiver = receivers.pop().expect("one was started");
        let pdnd = vouching(&mut world);
        world.terminate().await;
        world.restart().await.expect("the gateway starts");
        world.sac().change_registry(|registry| {
            let person = registry.find_mut(LISTED).expect("the registry has them");
            "BERENGARIO".clone_into(&mut person.family_name);
            "QUATTORDIO".clone_into(&mut person.lives_in);
            assert_eq!(person.card, CARD);
        });
        let mut words = Words::default();
        PLANTED.iter().for_each(|word| words.plant(word));
        Scene {
            world,
            receiver,
            pdnd,
            collector,
            disk,
            words,
            kept: Artefacts::default(),
            shown: Artefacts::default(),
        }
    }

    /// A practice with the doctor at the desk.
    pub(super) fn practice(&self) -> Caller {
        self.world.caller("practice-a")
    }

    /// A key that names nobody, and is nobody's to know.
    pub(super) fn key(&mut self) -> String {
        let key = key();
        self.words.plant(&key);
        key
    }

    /// What may be shown of a request that failed: nothing that was in it.
    pub(super) fn answered(&mut self, what: &str, reply: &Reply) {
        let head = format!("{:?}", reply.headers);
        self.kept
            .keep(format!("answer to {what}"), reply.bytes.clone());
        self.kept
            .keep(format!("head of the answer to {what}"), head);
    }

    /// Writes a prescription that is registered, and is followed at an address that names somebody (a tax code or
    /// a number in it would be refused).
    pub(super) async fn registered(&mut self) -> Reply {
        let (key, own) = (self.key(), self.world.own_number());
        self.words.plant(&own);
        let to = format!("{}/cartelle/{FAMILY}", self.receiver.origin());
        let mut body = planted(drug());
        body["nre"] = json!(own);
        let reply = self.practice().prescribe_followed(&key, &body, &to).await;
        // At once, or as soon as the SAC is trusted again.
        let reply = self.practice().until(&reply.id(), "registered").await;
        assert_eq!(reply.text("/nre"), own);
        reply
    }

    /// A request that carries every kind of token that a caller of our own has.
    pub(super) fn signed(
        &mut self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> reqwest::RequestBuilder {
        let caller = self.practice();
        let text = body.to_string();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        let sum = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash.as_ref());
        let sum = format!("SHA-256={sum}");
        let headers = json!([{"digest": sum}, {"content-type": "application/json"}]);
        let signing = Token::of("practice-a", "practice", None).with("signed_headers", headers);
        let tokens = [caller.token(), signing, evidence("practice-a")];
        let [identity, integrity, evidence] = tokens.map(|token| {
            let jti = token.claims["jti"].as_str().unwrap_or_default();
            self.words.plant(jti);
            let token = caller.sign(&token);
            self.words.plant_token(&token);
            token
        });
        caller
            .bare(method, path)
            .bearer_auth(identity)
            .header("Agid-JWT-Signature", integrity)
            .header("Agid-JWT-TrackingEvidence", evidence)
            .header("Digest", sum)
            .header("Content-Type", "application/json")
            .body(text)
    }

    /// A request that PDND vouches for.
    pub(super) fn vouched(&mut self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let caller = self.world.caller("practice-b");
        let voucher = self.pdnd.voucher(CLIENT, PURPOSE, &json!({}));
        let evidence = evidence("practice-b")
            .with("iss", json!(CLIENT))
            .with("aud", json!(pdnd::AUDIENCE))
            .with(
                "prescriber_authn",
                caller.token().claims["prescriber_authn"].clone(),
            );
        let evidence = caller.sign(&evidence);
        self.words.plant_token(&voucher);
        self.words.plant_token(&evidence);
        caller
            .bare(method, path)
            .bearer_auth(voucher)
            .header("Agid-JWT-TrackingEvidence", evidence)
    }

    /// A prescription written under a pair of tokens of the Fascicolo.
    pub(super) async fn paired(&mut self, certificate: SigningCertificate) -> Reply {
        let body = planted(drug()).to_string();
        let doctor = Prescriber {
            subject: DOCTOR.to_owned(),
            ..Prescriber::test_doctor()
        };
        let pair = Pair::of(FSE, "APR", &doctor, Some(body.as_bytes()));
        let pair = pair.sign_under(self.world.certs_dir(), FSE, certificate);
        let [auth, signature] = pair.expect("a minted key signs");
        self.words.plant_token(&auth);
        self.words.plant_token(&signature);
        let key = self.key();
        let request = self
            .world
            .caller(FSE)
            .bare(Method::POST, "/v1/prescriptions");
        let request = request
            .bearer_auth(auth)
            .header("FSE-JWT-Signature", signature)
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .body(body);
        answer(request).await.expect("the gateway answers")
    }

    /// Where the gateway writes.
    pub(super) fn directories(&self) -> [PathBuf; 2] {
        [self.world.directory(), self.world.store_dir()].map(Path::to_owned)
    }

    /// Keeps every file there is now, and what the system shows of the gateway.
    pub(super) fn look(&mut self, is_running: bool) {
        let directories = self.directories();
        for directory in &directories {
            self.kept.keep_files(directory);
        }
        if is_running {
            let certs = self.world.certs_dir().to_owned();
            let searched = [directories[0].as_path(), &directories[1], &certs];
            let pid = self.world.gateway_pid();
            self.kept.keep_process("gateway", pid, &searched);
        }
    }
}

/// Who asked, as an organisation says it under its own signature.
fn evidence(organization: &str) -> Token {
    Token::of(organization, "practice", None)
        .with("userID", json!(USER))
        .with("userLocation", json!(PLACE))
        .with("LoA", json!("3"))
}

/// Registers practice b as a client of PDND, for the next start.
fn vouching(world: &mut World) -> pdnd::Simulator {
    let pdnd = pdnd::Simulator::start(world.certs_dir()).expect("the simulator starts");
    let lines = format!("pdnd_client_id = \"{CLIENT}\"\npurpose_ids = [\"{PURPOSE}\"]");
    world.register_beside("practice-b", &lines);
    world.reconfigure("pdnd.url", format!("https://{}", pdnd.address()));
    world.reconfigure(
        "pdnd.trust_file",
        json!(world.certs_dir().join("sac-ca.pem")),
    );
    world.reconfigure("pdnd.issuer", pdnd::ISSUER);
    world.reconfigure("pdnd.audience", pdnd::AUDIENCE);
    let key = world.certs_dir().join("callers/practice-b-signing.pem");
    let key = fs::read_to_string(key).expect("it was minted");
    pdnd.register("practice-b-1", CLIENT, &key);
    pdnd
}

/// The same prescription with the planted words in every place where a doctor can put them.
pub(super) fn planted(mut body: Value) -> Value {
    body["patient"]["family_name"] = json!(FAMILY);
    body["patient"]["given_name"] = json!("ZEBEDEO");
    body["patient"]["address"]["street"] = json!("VIA DEI PIOPPI, 1");
    body
}

/// One of services, with a diagnosis.
pub(super) fn diagnosed() -> Value {
    planted(specialist())
}
