//! The planted words where no caller should put them: paths, queries, fields, headers, keys, broken bodies,
//! tokens that are none.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::certs::SigningCertificate;
use tests::world::caller::{Caller, answer};
use tests::world::prescription::{DOCTOR, PATIENT, drug};

use super::scene::{CARD, FAMILY, LISTED, PAPER, REASON, Scene, planted};

const WRITE: &str = "/v1/prescriptions";
/// More than a head may have.
const OVERSIZED: usize = 64 * 1024;

/// Everything that is refused, and says so without what was wrong.
pub(super) async fn be_refused(scene: &mut Scene) {
    let caller = scene.practice();
    for path in paths() {
        refused(scene, &path, caller.request(Method::GET, &path)).await;
        refused(scene, &path, caller.request(Method::POST, &path).body("{}")).await;
        refused(scene, &path, caller.bare(Method::GET, &path)).await;
    }
    for body in bodies() {
        let what = format!("a body of {} bytes", body.len());
        for path in posts() {
            let operators = path.starts_with("/ops");
            let caller = if operators {
                scene.world.operator()
            } else {
                caller.clone()
            };
            let request = caller
                .request(Method::POST, path)
                .header("Idempotency-Key", scene.key())
                .header("Content-Type", "application/json")
                .body(body.clone());
            refused(scene, &format!("{path}: {what}"), request).await;
        }
    }
    headers(scene, &caller).await;
    tokens(scene, &caller).await;
    for (code, card) in [(CARD, LISTED), (LISTED, LISTED), (FAMILY, CARD)] {
        let reply = scene
            .world
            .pharmacy()
            .verify_card(code, card)
            .await
            .expect(422);
        scene.answered("a card that is none", &reply);
    }
    let reply = caller.break_glass(LISTED, REASON).await.expect(422);
    scene.answered("a reason that is none", &reply);
    let reply = caller.paper(PAPER, PAPER).await.expect(404);
    scene.answered("a form of nothing", &reply);
}

/// Sends what is to be refused, and keeps the refusal. A connection may be closed instead.
async fn refused(scene: &mut Scene, what: &str, request: RequestBuilder) {
    let Ok(reply) = answer(request).await else {
        return;
    };
    assert!(
        (400..500).contains(&reply.status),
        "{what}: {}",
        reply.status
    );
    // It may name the path that was asked for, so only what was answered is kept.
    scene.answered("a refused request", &reply);
}

fn paths() -> Vec<String> {
    let escaped = "%50%4E%49MRA70A01H501P";
    vec![
        format!("{WRITE}/{PATIENT}"),
        format!("{WRITE}/{PATIENT}/reminder"),
        format!("{WRITE}?tax_code={PATIENT}"),
        format!("{WRITE}?{PATIENT}=1"),
        format!("{WRITE}?cursor={PATIENT}"),
        format!("{WRITE}?state={escaped}"),
        format!("/v1/events?after={PATIENT}&limit={FAMILY}"),
        format!("/v1/assisted-persons/{PATIENT}"),
        format!("/v1/{PAPER}"),
        format!("/{FAMILY}/{PATIENT}"),
        format!("/ops/v1/{escaped}?author={FAMILY}"),
    ]
}

fn posts() -> [&'static str; 7] {
    [
        WRITE,
        "/v1/prescriptions/search",
        "/v1/assisted-persons/search",
        "/v1/health-cards/verify",
        "/ops/v1/persons/purge",
        "/ops/v1/toggles",
        "/ops/v1/toggles/withdraw",
    ]
}

/// Unknown keys, wrong values, other types, other encodings, half a body.
fn bodies() -> Vec<String> {
    let with = |name: &str, value: Value| {
        let mut body = planted(drug());
        body[name] = value;
        body.to_string()
    };
    let mut wrong = planted(drug());
    wrong["patient"]["code"] = json!("PNIMRA70A01H501X");
    wrong["patient"]["address"]["province"] = json!(FAMILY);
    wrong["rows"][0]["quantity"] = json!(FAMILY);
    vec![
        with(PATIENT, json!(FAMILY)),
        with("visit", json!(FAMILY)),
        with("nre", json!(PATIENT)),
        with("prescriber", json!(PATIENT)),
        wrong.to_string(),
        json!(PATIENT).to_string(),
        json!([PATIENT, FAMILY]).to_string(),
        json!({ PATIENT: PATIENT }).to_string(),
        json!({ "tax_code": FAMILY, "nre": PATIENT, "card_number": PATIENT }).to_string(),
        json!({ "target": PATIENT, "value": FAMILY, "reason": REASON, "author": PATIENT, "expires_in": PATIENT })
            .to_string(),
        format!("{{\"{PATIENT}\": 1, \"{PATIENT}\": 2}}"),
        format!("{{\"patient\": {{\"code\": \"{PATIENT}\", {FAMILY}"),
        format!("{{\"tax_code\": \"{PATIENT}\\ud800\"}}"),
        PATIENT.to_owned(),
    ]
}

async fn headers(scene: &mut Scene, caller: &Caller) {
    let body = planted(drug()).to_string();
    let named = |name: &'static str, value: String| {
        let request = caller.request(Method::POST, WRITE).body(body.clone());
        request
            .header("Content-Type", "application/json")
            .header(name, value)
    };
    let host = scene.receiver.origin();
    let odd = [
        // A key that names somebody, and no body that could be accepted under it.
        named("Idempotency-Key", format!("{PATIENT} {FAMILY}")),
        named("X-ReplyTo", format!("https://{FAMILY}.example/{PATIENT}")),
        named("X-ReplyTo", format!("{host}/{PATIENT} {FAMILY}")),
        named("X-ReplyTo", format!("{host}/{PATIENT}")),
        named("X-ReplyTo", format!("{host}/x/{}", PATIENT.to_lowercase())),
        named("X-ReplyTo", format!("{host}/{PAPER}")),
        named("X-ReplyTo", format!("{host}/events?nre={PAPER}")),
        named("X-ReplyTo", format!("http://{PATIENT}@{PATIENT}.example")),
        named("Prefer", format!("wait={PATIENT}")),
        named("Content-Type", format!("text/{PATIENT}")),
        named("Content-Encoding", PATIENT.to_owned()),
        named("Digest", PATIENT.to_owned()),
        named("Agid-JWT-Signature", PATIENT.to_owned()),
        named("Agid-JWT-TrackingEvidence", PATIENT.to_owned()),
        named("FSE-JWT-Signature", PATIENT.to_owned()),
        named("X-Oversized", PATIENT.repeat(OVERSIZED / PATIENT.len())),
    ];
    for request in odd {
        refused(scene, "a header", request).await;
    }
    // What is not looked at is not refused either.
    let quiet = [
        "User-Agent",
        "traceparent",
        "tracestate",
        "baggage",
        "Referer",
        "Cookie",
        "X-Request-Id",
        "X-Correlation-ID",
    ];
    for name in quiet {
        let request = caller
            .request(Method::GET, WRITE)
            .header(name, format!("{PATIENT}={FAMILY}"));
        answer(request)
            .await
            .expect("the gateway answers")
            .expect(200);
    }
    let method = Method::from_bytes(FAMILY.as_bytes()).expect("a method is any word");
    refused(scene, "a method", caller.request(method, WRITE)).await;
}

/// Tokens bent in every claim, replayed, of others, and none at all.
async fn tokens(scene: &mut Scene, caller: &Caller) {
    let claims = [
        ("iss", json!(PATIENT)),
        ("aud", json!(PATIENT)),
        ("exp", json!(PATIENT)),
        ("exp", json!(1)),
        ("organization", json!(PATIENT)),
        ("profile", json!(PATIENT)),
        (
            "prescriber_authn",
            json!({ "subject": PATIENT, "class_ref": DOCTOR }),
        ),
    ];
    let mut bad = Vec::new();
    for (claim, value) in claims {
        bad.push(caller.sign(&caller.token().with(claim, value)));
    }
    let mut other = caller.token();
    PATIENT.clone_into(&mut other.key_id);
    bad.push(caller.sign(&other));
    let good = caller.signed();
    bad.push(format!("{}AAAA", &good[..good.len() - 4]));
    for token in bad {
        scene.words.plant_token(&token);
        let request = caller.bare(Method::POST, WRITE).bearer_auth(token);
        let request = request
            .header("Idempotency-Key", scene.key())
            .header("Content-Type", "application/json")
            .body(planted(drug()).to_string());
        refused(scene, "a token", request).await;
    }
    for scheme in [
        format!("Basic {PATIENT}"),
        format!("Bearer {PATIENT}"),
        PATIENT.to_owned(),
    ] {
        let request = caller
            .bare(Method::GET, WRITE)
            .header("Authorization", scheme);
        refused(scene, "no token", request).await;
    }
    // Signed once, used twice.
    let once = scene.world.caller("practice-once");
    let token = once.signed();
    scene.words.plant_token(&token);
    for _ in 0..2 {
        let request = once.bare(Method::GET, WRITE).bearer_auth(&token);
        let reply = answer(request).await.expect("the gateway answers");
        scene.answered("a token that was used", &reply);
    }
    let foreign = scene.paired(SigningCertificate::Revoked).await;
    assert_eq!(foreign.status, 401);
    scene.answered("a pair under a revoked certificate", &foreign);
}
