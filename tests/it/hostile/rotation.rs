//! Certificates and lists of revoked ones that change while the gateway runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tests::certs::{self, Validity};
use tests::world::wait::until;
use tests::world::{Setup, World};

use super::raw::{Raw, STATUS, network};

/// What the gateway promises, and some more for a busy machine.
const ROTATED_WITHIN: Duration = Duration::from_secs(30);

/// A gateway whose certificate lies behind a link to one of two directories.
struct Ground {
    world: World,
    directory: PathBuf,
}

impl Ground {
    async fn new() -> Ground {
        let mut world = World::prepare(Setup::default());
        let directory = world.directory().to_owned();
        for name in ["a", "b"] {
            fs::create_dir(directory.join(name)).expect("a directory");
            let stem = directory.join(name).join("edge");
            certs::edge(world.certs_dir(), &stem, Validity::Current).expect("a certificate");
        }
        symlink(directory.join("a"), directory.join("tls")).expect("a link");
        let at = |name: &str| directory.join("tls").join(name).display().to_string();
        world.reconfigure("listen.certificate_file", at("edge.pem"));
        world.reconfigure("listen.key_file", at("edge.key"));
        let list = directory.join("revoked.pem");
        revoke(&world, &list, &[]);
        world.reconfigure("listen.callers_crl_file", list.display().to_string());
        world.restart().await.expect("the gateway starts");
        Ground { world, directory }
    }

    /// Puts the link to another directory, in one step.
    fn swap(&self, name: &str) {
        let (new, link) = (self.directory.join("new"), self.directory.join("tls"));
        symlink(self.directory.join(name), &new).expect("a link");
        fs::rename(new, link).expect("a link takes another's place");
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    async fn shown(&self) -> Vec<u8> {
        let connected = Raw::connect(&self.world, "practice-a", network(1)).await;
        let mut caller = connected.expect("a caller connects");
        let answer = caller.ask(STATUS).await.expect("it is answered");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        caller.shown()
    }

    async fn until_shown(&self, name: &str) {
        let expected = leaf(&self.file(name).join("edge.pem"));
        until(
            "the other certificate is shown",
            ROTATED_WITHIN,
            async || (self.shown().await == expected).then_some(()),
        )
        .await;
    }
}

/// Puts a list of these organisations at `list`, in one step.
fn revoke(world: &World, list: &Path, organizations: &[&str]) {
    let text = certs::revoked(world.certs_dir(), organizations).expect("a list");
    let half = list.with_extension("half");
    fs::write(&half, text).expect("a file");
    fs::rename(half, list).expect("a file takes another's place");
}

/// Asks over a connection that stays, until it is refused; what is said then.
async fn until_refused(caller: &mut Raw) -> String {
    until(
        "the old connection is refused",
        ROTATED_WITHIN,
        async || {
            let answer = caller.ask(STATUS).await.expect("it is answered");
            (!answer.starts_with("HTTP/1.1 200")).then_some(answer)
        },
    )
    .await
}

fn leaf(path: &Path) -> Vec<u8> {
    let certificate = CertificateDer::from_pem_file(path).expect("a certificate");
    certificate.to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_29_a_certificate_is_swapped_by_a_link_and_a_bad_one_never() {
    let ground = Ground::new().await;
    ground.until_shown("a").await;
    let connected = Raw::connect(&ground.world, "practice-b", network(1)).await;
    let mut old = connected.expect("a caller connects");
    ground.swap("b");
    ground.until_shown("b").await;
    let answer = old.ask(STATUS).await.expect("an old connection goes on");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let good = fs::read(ground.file("b/edge.key")).expect("a key");
    fs::copy(ground.file("a/edge.key"), ground.file("b/edge.key")).expect("another's key");
    let rule = "listen.key_file: must hold the key of the certificate";
    ground.world.logged(&["argine::certificates", rule]).await;
    ground.until_shown("b").await;

    fs::write(ground.file("b/edge.key"), &good[..good.len() / 2]).expect("half a key");
    let rule = "listen.key_file: must hold a private key in PEM";
    ground.world.logged(&["argine::certificates", rule]).await;
    ground.until_shown("b").await;

    ground.swap("a");
    ground.until_shown("a").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_29_who_is_revoked_is_refused_on_new_connections_and_on_old_ones() {
    let mut world = World::prepare(Setup::default());
    let list = world.directory().join("revoked.pem");
    revoke(&world, &list, &[]);
    world.reconfigure("listen.callers_crl_file", list.display().to_string());
    world.restart().await.expect("the gateway starts");
    let connect = async |name: &str| Raw::connect(&world, name, network(1)).await;
    let mut kept = connect("practice-a").await.expect("a caller connects");
    let mut revoked = connect("practice-b").await.expect("a caller connects");
    for caller in [&mut kept, &mut revoked] {
        let answer = caller.ask(STATUS).await.expect("it is answered");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    revoke(&world, &list, &["practice-b"]);
    let last = until_refused(&mut revoked).await;
    assert!(last.starts_with("HTTP/1.1 401"), "{last}");
    assert!(last.contains(r#""code":"certificate-refused""#), "{last}");
    let rest = revoked.read_to_end().await;
    assert_eq!(rest.as_deref(), Some(""), "it is closed");
    let again = async || connect("practice-b").await?.ask(STATUS).await;
    // TLS 1.3 tells a caller of the refusal after its own part of the handshake.
    let answer = again().await;
    assert!(answer.as_ref().map_or(true, String::is_empty), "{answer:?}");
    let answer = kept.ask(STATUS).await.expect("the others go on");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // A list that is nobody's takes nothing out of force.
    fs::write(&list, "no list").expect("a file");
    let rule = "listen.callers_crl_file: must hold";
    world.logged(&["argine::certificates", rule]).await;
    let answer = again().await;
    assert!(answer.as_ref().map_or(true, String::is_empty), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_29_a_certificate_that_begins_soon_is_shown_once_it_has() {
    let ground = Ground::new().await;
    let stem = ground.file("b").join("edge");
    certs::edge(ground.world.certs_dir(), &stem, Validity::From(3)).expect("a certificate");
    ground.swap("b");
    ground.until_shown("b").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_29_a_list_takes_effect_whatever_our_own_certificate_is_like() {
    let ground = Ground::new().await;
    let connected = Raw::connect(&ground.world, "practice-b", network(1)).await;
    let mut stolen = connected.expect("a caller connects");
    for (validity, rule) in [
        (Validity::NotYet, "that is valid already"),
        (Validity::Expired, "that is valid still"),
    ] {
        let stem = ground.file("b").join("edge");
        certs::edge(ground.world.certs_dir(), &stem, validity).expect("a certificate");
        ground.swap("b");
        ground.world.logged(&["argine::certificates", rule]).await;
        ground.until_shown("a").await;
        ground.swap("a");
    }
    ground.swap("b");
    let list = ground.file("revoked.pem");
    revoke(&ground.world, &list, &["practice-b"]);
    let last = until_refused(&mut stolen).await;
    assert!(last.contains(r#""code":"certificate-refused""#), "{last}");
    ground.until_shown("a").await;
}
