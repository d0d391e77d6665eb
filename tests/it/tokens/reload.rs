//! Callers, and what their authorities have revoked, that change while the gateway runs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tests::certs::SigningCertificate;
use tests::world::wait::until;
use tests::world::{Setup, World};

use super::{Presented, refused, signable};

/// What the gateway promises, and some more for a busy machine.
const RELOADED_WITHIN: Duration = Duration::from_secs(30);
const FORCED: &str = "other callers are in force";

/// Puts another text in the place of `file`, in one step.
fn replace(file: &Path, text: &str) {
    let half = file.with_extension("half");
    fs::write(&half, text).expect("a file");
    fs::rename(half, file).expect("a file takes another's place");
}

/// A world with a callers file of its own, and its text.
async fn world() -> (World, String) {
    let mut world = World::prepare(Setup::default());
    world.rewrite("practice-a", str::to_owned);
    world.restart().await.expect("the gateway starts");
    let text = fs::read_to_string(world.callers_file()).expect("a file");
    (world, text)
}

/// `text` without what is registered of an organisation.
fn without(text: &str, organization: &str) -> String {
    let name = format!("organization = \"{organization}\"\n");
    let entries = text.split_inclusive("\n\n");
    entries.filter(|entry| !entry.contains(&name)).collect()
}

/// Who was removed is refused though its token was believed a moment ago, and may come back; what was
/// presented once is remembered, and nobody has to sign again.
#[tokio::test]
async fn a_caller_that_is_removed_is_refused_without_a_restart() {
    let (world, text) = world().await;
    let (gone, once) = (world.caller("practice-a"), world.caller("practice-once"));
    signable(&once).await;
    let mut presented = Presented::default();
    let (often, single, later) = (gone.signed(), once.signed(), once.signed());
    presented.read(&gone, &often).await.expect(200);
    presented.read(&once, &single).await.expect(200);
    replace(&world.callers_file(), &without(&text, "practice-a"));
    let reply = until("it is refused", RELOADED_WITHIN, async || {
        let reply = presented.read(&gone, &often).await;
        (reply.status != 200).then_some(reply)
    })
    .await;
    refused(&reply, 401, "token-signature");
    world.logged(&[FORCED]).await;
    let again = presented.read(&once, &single).await;
    refused(&again, 401, "token-replayed");
    presented.read(&once, &later).await.expect(200);
    replace(&world.callers_file(), &text);
    until("it is believed again", RELOADED_WITHIN, async || {
        (presented.read(&gone, &often).await.status == 200).then_some(())
    })
    .await;
    presented.are_nowhere(&world);
}

/// A callers file with a mistake takes nobody out of force and lets nobody in; it is said once.
#[tokio::test]
async fn a_bad_callers_file_leaves_the_last_good_one_in_force() {
    let (world, text) = world().await;
    let caller = world.caller("practice-a");
    let mut presented = Presented::default();
    let token = caller.signed();
    presented.read(&caller, &token).await.expect(200);
    let without_b = without(&text, "practice-b");
    let bad = without_b.replacen("algorithm = \"ES256\"", "algorithm = \"none\"", 1);
    replace(&world.callers_file(), &bad);
    world
        .logged(&["argine::callers", "caller 1.algorithm"])
        .await;
    presented.read(&caller, &token).await.expect(200);
    let b = world.caller("practice-b");
    presented.read(&b, &b.signed()).await.expect(200);
    fs::remove_file(world.callers_file()).expect("it is there");
    world
        .logged(&["argine::callers", "callers.file: must be readable"])
        .await;
    presented.read(&caller, &token).await.expect(200);
    replace(&world.callers_file(), &without_b);
    world.logged(&[FORCED]).await;
    let token = b.signed();
    until("b is not known any more", RELOADED_WITHIN, async || {
        (presented.read(&b, &token).await.status == 401).then_some(())
    })
    .await;
    let alarms = world.output().matches("bad callers were refused").count();
    assert_eq!(alarms, 2, "each bad file is said once");
}

/// A certificate that its authority has revoked is worth nothing any more, though its token was believed.
#[tokio::test]
async fn a_signing_certificate_that_is_revoked_is_refused_without_a_restart() {
    let mut world = World::prepare(Setup::default());
    let list = world.directory().join("signing-crl.pem");
    let certs = world.certs_dir().to_owned();
    let lists = |name: &str| fs::read_to_string(certs.join(name)).expect("it was minted");
    replace(&list, &lists("signing-crl-before.pem"));
    world.reconfigure("callers.signing_crl_file", list.display().to_string());
    world.rewrite("practice-fse", |entry| {
        entry.replace("pattern = \"FSE\"", "pattern = \"ID_AUTH_REST_01\"")
    });
    world.restart().await.expect("the gateway starts");
    let caller = world.caller("practice-fse");
    let sign = |certificate| {
        let token = caller
            .token()
            .sign_under(&certs, "practice-fse", certificate);
        token.expect("a minted key signs")
    };
    let mut presented = Presented::default();
    let (good, other) = (
        sign(SigningCertificate::Good),
        sign(SigningCertificate::Revoked),
    );
    presented.read(&caller, &good).await.expect(200);
    presented.read(&caller, &other).await.expect(200);
    replace(&list, &lists("signing-crl.pem"));
    let reply = until("it is refused", RELOADED_WITHIN, async || {
        let reply = presented.read(&caller, &other).await;
        (reply.status != 200).then_some(reply)
    })
    .await;
    refused(&reply, 401, "token-signing-certificate");
    assert_eq!(reply.text("/errors/0/rule"), "certificate-revoked");
    presented.read(&caller, &good).await.expect(200);

    replace(&list, "no list");
    let rule = "callers.signing_crl_file: must hold";
    world.logged(&["argine::callers", rule]).await;
    let reply = presented.read(&caller, &other).await;
    refused(&reply, 401, "token-signing-certificate");
    presented.are_nowhere(&world);
}
