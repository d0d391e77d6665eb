//! What happened after the copy was made: none of it happens again.

use std::collections::BTreeSet;
use std::fs;

use policies::state::State;
use tests::upstreams::sac::book::Book;
use tests::upstreams::sac::operation::Operation;
use tests::world::World;
use tests::world::load::Load;
use tests::world::prescription::{DOCTOR, FAMILY_NAME, PATIENT, drug, key};
use tests::world::wait::until;

use super::{SOON, copy, done, down};

/// Prescriptions that wait in the copy, at least.
const WAITING: usize = 100;

/// Fault 60: a copy is made under load while prescriptions wait; they and others are registered after
/// it; then the store burns down, is restored, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_60_a_restored_store_doubles_nothing() {
    let mut world = World::start().await;
    let caller = world.caller("practice-a");
    let (known, body) = (key(), drug());
    let before = caller.prescribe(&known, &body).await.expect(201);
    let load = Load::start(vec![caller.clone(); 4]);
    until("prescriptions are registered", SOON, async || {
        (load.answered() > 40).then_some(())
    })
    .await;
    world.faults(down());
    until("prescriptions wait", SOON, async || {
        (waiting(&world) >= WAITING).then_some(())
    })
    .await;
    done(&world.backup(&copy(&world)).await);
    let told = world.book();
    world.recover();
    until("what waited is being registered", SOON, async || {
        let since = world.book().received.len() - told.received.len();
        (since >= WAITING / 5).then_some(())
    })
    .await;
    world.kill().await;
    load.stop().await;
    world.equation();
    world.burn();
    let said = world.restore(&copy(&world)).await;
    done(&said);
    let lost = until("the SAC has seen to the last request", SOON, async || {
        Some(world.book()).filter(is_quiet)
    })
    .await;
    assert!(
        said.output.contains("New\n  lots are asked for"),
        "{}",
        said.output
    );
    let copied = world.entries();
    let waited = copied.values().filter(|state| state.is_pending()).count();
    assert!(waited >= WAITING, "only {waited} wait in the copy");

    world.restart().await.expect("a restored store is opened");
    world.logged(&["put back from a copy"]).await;
    let new = caller.prescribe(&key(), &drug()).await;
    let again = caller.prescribe(&known, &body).await;
    assert_eq!(
        (again.id(), again.text("/nre")),
        (before.id(), before.text("/nre"))
    );
    let tally = world.settled_after_restore().await;
    assert_eq!(tally.registered, tally.stored, "{tally:?}");
    assert_eq!(tally.stored, copied.len() as u64 + 1);
    let number = caller
        .prescription(&new.id())
        .await
        .expect(200)
        .text("/nre");
    asked_before_it_sent(&lost, &world.book());
    numbers_are_new(&lost, &world.book(), &number);
    println!(
        "{waited} waited in the copy, {} were registered after it and before the fire",
        lost.prescriptions.len() - told.prescriptions.len()
    );
    nothing_in_clear(&world);
}

/// Whether every call that came in has been seen to.
fn is_quiet(book: &Book) -> bool {
    let mut calls = book.calls.values();
    calls.all(|calls| calls.received == calls.answered + calls.faulted + calls.over_capacity)
}

fn waiting(world: &World) -> usize {
    let entries = world.entries();
    let waiting = entries.values().filter(|state| **state == State::Accepted);
    waiting.count()
}

/// What the SAC held when the store burnt down is not sent to it again, and what is sent under a number
/// of before was asked for first.
fn asked_before_it_sent(lost: &Book, book: &Book) {
    let since = &book.asked[lost.asked.len()..];
    let of_before: BTreeSet<&str> = lost.lots.iter().map(|lot| lot.prefix.as_str()).collect();
    let mut read = BTreeSet::new();
    let mut sent_again = 0;
    for asked in since {
        match asked.operation {
            Operation::Visualizza => {
                read.insert(&asked.nre);
            }
            Operation::Invio if of_before.iter().any(|lot| asked.nre.starts_with(lot)) => {
                assert!(
                    read.contains(&asked.nre),
                    "sent without having been asked for; held before: {}; calls for it: {:?}",
                    lost.prescription(&asked.nre).is_some(),
                    calls_for(book, &asked.nre)
                );
                let is_there = lost.prescription(&asked.nre).is_some();
                assert!(!is_there, "sent again though the SAC held it");
                sent_again += 1;
            }
            _ => {}
        }
    }
    assert!(
        sent_again > 0,
        "nothing was left to send: this run shows little"
    );
    assert!(
        read.len() > sent_again,
        "nothing was found: this run shows little"
    );
}

/// Every call about a number, by its place.
fn calls_for(book: &Book, nre: &str) -> Vec<(usize, Operation)> {
    let all = book.asked.iter().enumerate();
    let its = all.filter(|(_, asked)| asked.nre == nre);
    its.map(|(place, asked)| (place, asked.operation)).collect()
}

/// A lot was asked for before the first new number was sent, and no number carries two prescriptions.
fn numbers_are_new(lost: &Book, book: &Book, number: &str) {
    let is_old = |nre: &str| lost.lots.iter().any(|lot| nre.starts_with(&lot.prefix));
    assert!(!is_old(number), "a number of a lot that was discarded");
    let since = &book.asked[lost.asked.len()..];
    let place = |is: &dyn Fn(&Operation, &str) -> bool| {
        since
            .iter()
            .position(|asked| is(&asked.operation, &asked.nre))
    };
    let lot = place(&|operation, _| *operation == Operation::Lotto);
    let first = place(&|operation, nre| *operation == Operation::Invio && !is_old(nre));
    assert!(lot.is_some() && lot < first, "{lot:?} {first:?}");
    let numbers: BTreeSet<&str> = book.prescriptions.iter().map(|held| &*held.nre).collect();
    assert_eq!(numbers.len(), book.prescriptions.len());
    let contents: BTreeSet<&str> = book
        .prescriptions
        .iter()
        .map(|held| &*held.content)
        .collect();
    assert_eq!(
        contents.len(),
        book.prescriptions.len(),
        "one is there twice"
    );
}

fn nothing_in_clear(world: &World) {
    let numbers = world.book().prescriptions.into_iter().map(|held| held.nre);
    let mut words: Vec<String> = numbers.collect();
    words.extend([PATIENT, DOCTOR, FAMILY_NAME, "LEVETIRACETAM"].map(str::to_owned));
    let names = |directory| {
        let listed = fs::read_dir(directory).expect("there is a backup");
        listed.map(|file| file.expect("a file has a name").path())
    };
    let audit = names(copy(world).join("audit"));
    for path in names(copy(world))
        .chain(audit)
        .filter(|path| path.is_file())
    {
        let bytes = fs::read(&path).expect("a file of a backup can be read");
        let text = String::from_utf8_lossy(&bytes);
        let found = words.iter().find(|word| text.contains(word.as_str()));
        assert_eq!(found, None, "in {}", path.display());
    }
}
