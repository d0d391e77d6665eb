//! No tax code, name, number, clinical word, key, token or card leaves in a log, a span, a metric, an error, a
//! URL, an argument, or in clear in a file.
//!
//! Words are planted in every place where a caller, an operator or the SAC can put them, every operation of the
//! description is driven with them and every fault met; then all that the gateway left is searched for them, in
//! every form in which a word can be written down ([`words`]).
//!
//! # In clear by design
//!
//! - *Names of organisations*, in logs, spans, tables and the audit's list: they are no persons, and without
//!   them nobody could say who called.
//! - *Ids of entries*, in URLs, logs and tables: drawn at random by us, they name nothing outside the store.
//! - *Hosts of callbacks*, in logs, metrics and the table of what is to be pushed, which goes by host. The rest
//!   of the address is the caller's, may name anybody, and is sealed; the host that asked for it is asked for it.
//! - *Ids of keys*, in rows, logs and requests to PDND: they say which key, and open nothing.
//! - *What an operator writes into the arguments of a command* (`--reason`, `--author`) is shown to the users of
//!   that machine as arguments are. A tax code is never an argument: `audit export` reads it.
//! - *Answers* to who may have them, and the list that `audit export` prints.
//!
//! # Not here
//!
//! A panic: no request is known to cause one. What a handler that panics answers is tested in `gateway::edge`.

mod artefacts;
mod drivers;
mod fates;
mod operators;
mod refusals;
mod scene;
// The attribute tells clippy that helpers in there are tests, too.
#[cfg(test)]
mod words;

use std::time::Duration;

use tests::certs::PIN_CODE;
use tests::world::prescription::PATIENT;
use tests::world::wait::until;

use crate::signals::page;
use artefacts::Artefacts;
use scene::{CARD, FAMILY, LISTED, Scene};
use words::Search;

const SOON: Duration = Duration::from_secs(10);
/// What must be found where it is known to stand, or nothing was searched.
const CONTROLS: [(&str, &str); 15] = [
    ("entries.db", "SQLite format 3"),
    ("entries.db", "practice-a"),
    ("entries.db-wal", "practice-a"),
    ("entries.db-shm", "\0"),
    ("persons.db", "SQLite format 3"),
    ("store/keys", "\0"),
    ("store/audit/", "\0"),
    ("copy/entries.db", "practice-a"),
    ("copy/manifest.json", "entries.db"),
    ("output.log", "practice-a"),
    ("gateway cmdline", "argine.toml"),
    ("spans", "GET /v1/events"),
    ("metrics", "state=\"rejected\""),
    ("URLs asked of the SAC", "demInvioPrescritto"),
    ("URLs asked of PDND", "/keys/practice-b-1"),
];
/// The same of what the commands of operators show.
const SHOWN: [(&str, &str); 4] = [
    ("argine audit cmdline", "export"),
    ("argine backup arguments", "--to"),
    ("argine restore arguments", "--from"),
    ("said by check", "registry"),
];

/// Everything the gateway prints at its most talkative, exports, asks others for and leaves on disk, while it
/// runs, as it dies, and after it was restored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_personal_is_printed_or_stored_in_clear() {
    let mut scene = Scene::start().await;
    drivers::drive_every_operation(&mut scene).await;
    operators::rotated(&scene).await;
    scene.practice().search_person(LISTED).await.expect(200);
    fates::push_in_vain(&mut scene).await;
    fates::doubt_vouchers(&mut scene).await;
    refusals::be_refused(&mut scene).await;
    fates::meet_every_fault(&mut scene).await;
    operators::export(&mut scene);
    operators::command_everything(&mut scene);
    operators::rotated(&scene).await;
    operators::run_out_of_disk(&mut scene).await;
    keep_signals(&mut scene).await;
    operators::die_and_come_back(&mut scene).await;
    scene.registered().await;
    keep_signals(&mut scene).await;
    scene.look(true);
    scene.world.terminate().await;
    scene.look(false);
    keep_urls(&mut scene);

    were_used(&scene);
    plant_numbers(&mut scene);
    let search = Search::of(&scene.words);
    scene.shown.hold(&SHOWN);
    scene.shown.are_clean(&search);
    operators::GIVEN
        .iter()
        .for_each(|word| scene.words.plant(word));
    let search = Search::of(&scene.words);
    scene.kept.hold(&CONTROLS);
    scene.kept.are_clean(&search);
    println!("{} words in {} bytes", scene.words.len(), scene.kept.size());
}

/// The page of metrics, and the spans once every kind of them is exported.
async fn keep_signals(scene: &mut Scene) {
    let metrics = page::get(page::address(&scene.world).await, "/metrics").await;
    scene.kept.keep("metrics", metrics);
    until("every kind of span is exported", SOON, async || {
        let spans = scene.collector.spans();
        let kinds = ["GET /v1/events", "attempt", "call"];
        let is_there = |kind: &str| spans.iter().any(|span| span.name == kind);
        kinds.into_iter().all(is_there).then_some(())
    })
    .await;
    let spans = scene.collector.bytes();
    scene.kept.keep("spans", spans);
}

/// What others were asked for. A receiver is asked for the address that its own organisation gave.
fn keep_urls(scene: &mut Scene) {
    let sac = scene.world.sac().targets().join("\n");
    scene.kept.keep("URLs asked of the SAC", sac);
    let pdnd = scene.pdnd.asked().join("\n");
    scene.kept.keep("URLs asked of PDND", pdnd);
    let pushed = scene.receiver.book().targets;
    let is_given = |target: &String| target.contains(FAMILY);
    assert!(
        !pushed.is_empty() && pushed.iter().all(is_given),
        "{pushed:?}"
    );
}

/// What was planted has been where it belongs: at the SAC.
fn were_used(scene: &Scene) {
    let book = scene.world.book();
    for word in ["POSOLOGIA", "IPERTENSIONE"] {
        let mut prescriptions = book.prescriptions.iter();
        assert!(
            prescriptions.any(|held| held.words.contains(word)),
            "{word}"
        );
    }
    assert!(
        book.prescriptions
            .iter()
            .any(|held| held.patient == PATIENT)
    );
    let looked = scene.world.sac().look_ups();
    assert!(!looked.is_empty(), "the registry was asked");
    let card = scene
        .world
        .sac()
        .assisted(LISTED)
        .expect("they are known")
        .card;
    assert_eq!((card.as_str(), PIN_CODE.len()), (CARD, 10));
}

/// Every number and code that the SAC gave out or was sent.
fn plant_numbers(scene: &mut Scene) {
    let book = scene.world.book();
    let before = scene.words.len();
    for held in book.prescriptions {
        scene.words.plant(&held.nre);
        scene.words.plant(&held.codice_autenticazione);
    }
    for received in book.received {
        scene.words.plant(&received.nre);
    }
    assert!(
        scene.words.len() > before + 50,
        "too little happened to show anything"
    );
}

/// A search that finds nothing anywhere is none: one word left in one file of a store is found.
#[test]
fn one_word_in_one_file_is_found() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let deep = directory.path().join("audit/inbox");
    std::fs::create_dir_all(&deep).expect("it can be made");
    let mut words = words::Words::default();
    words.plant(PATIENT);
    let search = Search::of(&words);
    let attempts: [(&str, &[u8]); 2] = [("record", PATIENT.as_bytes()), (PATIENT, b"")];
    for (name, bytes) in attempts {
        let file = deep.join(name);
        std::fs::write(&file, bytes).expect("it can be written");
        let mut kept = Artefacts::default();
        kept.keep_files(directory.path());
        assert_eq!(kept.leaks(&search).len(), 1, "{name}");
        std::fs::remove_file(file).expect("it is there");
    }
}
