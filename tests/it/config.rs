//! Configurations that cannot work: every problem is listed, and no port is bound.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use tests::world::gateway::{self, Ended};
use tests::world::{Setup, World};

/// The exit code of a wrong configuration (`EX_USAGE`).
const WRONG_CONFIGURATION: i32 = 64;

/// Starts the gateway of `world` and expects it to end at once, naming all of `named`.
async fn refused(world: &mut World, named: &[&str]) -> Ended {
    let ended = world
        .restart()
        .await
        .expect_err("a wrong configuration is refused");
    assert_eq!(ended.code, Some(WRONG_CONFIGURATION), "{}", ended.output);
    for name in named {
        assert!(
            ended.output.contains(name),
            "{name} is not named in:\n{}",
            ended.output
        );
    }
    assert!(
        !ended.output.contains("listen.address\":"),
        "a port was bound: {}",
        ended.output
    );
    ended
}

/// Problems are listed all at once, each by key, value and rule; and the port stays free.
#[tokio::test]
async fn every_problem_is_listed_before_a_port_is_bound() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = port.local_addr().expect("a listener has an address");
    drop(port);
    let setup = Setup::default()
        .config("listen.address", address.to_string())
        .config("listen.workers", 0)
        .config("store.key_file", "/nowhere/store.key")
        .config("sac.region", "ab")
        .config("sac.prescriptions_url", "http://localhost")
        .config("log.level", "loud")
        .config("no.such", 1);
    let mut world = World::prepare(setup);
    let named = [
        "listen.workers",
        "store.key_file",
        "sac.region",
        "sac.prescriptions_url",
        "log.level",
        "no.such",
    ];
    let ended = refused(&mut world, &named).await;
    assert!(
        ended.output.contains("\"ab\"") && ended.output.contains("loud"),
        "{}",
        ended.output
    );
    drop(TcpListener::bind(address).expect("nobody has bound the port"));
    assert!(!world.store_dir().exists(), "the store was opened");
}

/// A policy that contradicts itself is refused like a configuration that does.
#[tokio::test]
async fn a_policy_that_contradicts_itself_is_refused() {
    let setup = Setup::default()
        .policy("prescriptions.delivery.lease_for", "1s")
        .policy("lots.kind", 0)
        .policy("prescriptions.gate.open_for", "1h");
    let mut world = World::prepare(setup);
    let named = [
        "prescriptions.delivery.lease_for",
        "lots.kind",
        "prescriptions.gate.open_for",
    ];
    refused(&mut world, &named).await;

    let mut world = World::prepare(Setup::default().policy("prescriptions.no_such", "1s"));
    refused(&mut world, &["no_such"]).await;
}

/// The edge may not give up before the lane it waits for.
#[tokio::test]
async fn waits_that_contradict_each_other_are_refused() {
    let setup = Setup::default().policy("prescriptions.answer_within", "40s");
    let mut world = World::prepare(setup);
    refused(&mut world, &["answer_within"]).await;
    let mut world = World::prepare(Setup::default().config("shutdown.drain", "1s"));
    refused(&mut world, &["shutdown.drain"]).await;
}

/// Files that are missing, empty, or no configuration at all.
#[tokio::test]
async fn files_that_are_none_are_refused() {
    for (text, named) in [
        ("", "listen.certificate_file"),
        ("[listen", "line 1"),
        ("\u{0}", "TOML"),
    ] {
        let mut world = World::prepare(Setup::default());
        fs::write(world.config_file(), text).expect("the configuration can be overwritten");
        refused(&mut world, &[named]).await;
    }
    let mut world = World::prepare(Setup::default());
    fs::remove_file(world.config_file()).expect("the configuration can be removed");
    refused(&mut world, &["argine.toml"]).await;
}

/// A key that is not the key of its certificate is found before anyone connects.
#[tokio::test]
async fn a_key_of_another_certificate_is_refused() {
    let probe = World::prepare(Setup::default());
    let other = probe.certs_dir().join("region.key");
    let other = other.to_str().expect("a temporary path is text");
    let mut world = World::prepare(Setup::default().config("listen.key_file", other));
    refused(&mut world, &["listen.key_file"]).await;
}

/// `argine check` says the same without starting anything, and is content with a good one.
#[tokio::test]
async fn check_finds_what_serve_would_refuse() {
    let world = World::prepare(Setup::default().config("sac.region", "ab"));
    let ended = check(&world).await;
    assert_eq!(ended.code, Some(WRONG_CONFIGURATION), "{}", ended.output);
    assert!(ended.output.contains("sac.region"), "{}", ended.output);

    let world = World::prepare(Setup::default());
    let ended = check(&world).await;
    assert_eq!(ended.code, Some(0), "{}", ended.output);
    assert!(ended.output.contains("listen.address"), "{}", ended.output);
    assert!(
        !Path::new(world.store_dir()).exists(),
        "a check opens no store"
    );
}

/// Keys and values of a policy, and what is said of it.
type Contradiction = (Vec<(&'static str, Value)>, Vec<&'static str>);

/// What the law or the truth does not allow no policy may say: `argine check` refuses it, and lists
/// all of it.
#[tokio::test]
async fn check_refuses_what_no_policy_may_say() {
    let cases = [provisional(), legal_bases(), contradictions()].concat();
    for (keys, named) in cases {
        let mut setup = Setup::default();
        for (key, value) in keys {
            setup = setup.policy(key, value);
        }
        let ended = check(&World::prepare(setup)).await;
        assert_eq!(ended.code, Some(WRONG_CONFIGURATION), "{}", ended.output);
        for name in named {
            assert!(ended.output.contains(name), "{name} in {}", ended.output);
        }
    }
}

/// A sheet without the SAC's code.
fn provisional() -> Vec<Contradiction> {
    let provisional = json!(["hold", "provisional"]);
    vec![
        (
            vec![("prescriptions.fallback.allowed", provisional.clone())],
            vec![
                "provisional needs legal_basis",
                "not offered by this release",
            ],
        ),
        (
            vec![
                ("prescriptions.fallback.allowed", provisional),
                ("prescriptions.fallback.legal_basis.act", json!("DL 1/2026")),
                ("prescriptions.fallback.legal_basis.article", json!("3")),
                (
                    "prescriptions.fallback.legal_basis.valid_until",
                    json!("2999-12-31"),
                ),
                ("prescriptions.uncertain", json!("annul-and-resend")),
            ],
            vec!["cannot stand beside provisional"],
        ),
    ]
}

/// A law that does not hold any more, or never did.
fn legal_bases() -> Vec<Contradiction> {
    vec![
        (
            vec![
                ("prescriptions.fallback.legal_basis.act", json!("DL 1/2026")),
                ("prescriptions.fallback.legal_basis.article", json!("3")),
                (
                    "prescriptions.fallback.legal_basis.valid_until",
                    json!("2020-12-31"),
                ),
            ],
            vec!["legal_basis.valid_until: has passed"],
        ),
        (
            vec![
                ("prescriptions.fallback.legal_basis.act", json!("DL 1/2026")),
                ("prescriptions.fallback.legal_basis.article", json!("3")),
                (
                    "prescriptions.fallback.legal_basis.valid_until",
                    json!("31/12/2999"),
                ),
            ],
            vec!["legal_basis.valid_until: must be a date"],
        ),
    ]
}

/// Values that contradict each other.
fn contradictions() -> Vec<Contradiction> {
    vec![
        (
            vec![
                ("prescriptions.fallback.allowed", json!(["hold"])),
                ("prescriptions.fallback.otherwise", json!("wait")),
                ("prescriptions.fallback.paper_within", json!("0s")),
            ],
            vec![
                "fallback.patient_waiting = ",
                "fallback.otherwise = ",
                "must name hold, red-recipe or provisional",
                "fallback.paper_within = ",
            ],
        ),
        (
            vec![
                ("prescriptions.watch.look_after", json!(["5m", "1m"])),
                ("prescriptions.watch.horizon", json!("30m")),
                ("prescriptions.authn_age_max.send", json!("0s")),
                ("prescriptions.authn_age_max.annul", json!("29m")),
                ("prescriptions.authn_age_max.read", json!("29m")),
            ],
            vec![
                "watch.look_after = ",
                "watch.horizon = ",
                "authn_age_max.send = ",
                "authn_age_max.annul = ",
                "authn_age_max.read = ",
            ],
        ),
    ]
}

async fn check(world: &World) -> Ended {
    let output = world.directory().join("check.log");
    gateway::run(&["check", "--config"], world.config_file(), &output).await
}
