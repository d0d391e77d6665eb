//! The same request, many times at once: one entry, one number, one effect.

use std::collections::BTreeSet;

use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::World;
use tests::world::caller::Reply;
use tests::world::prescription::{drug, key};

/// How many desks send the same key.
const DESKS: usize = 50;

/// A practice whose software repeats in panic still has one prescription, and everyone at its desks
/// hears of the same one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_fifty_times_at_once_is_one_entry_and_one_number() {
    let world = World::start().await;
    // Slow enough that all of them are there before the first is answered.
    let slow = Fault::Slow {
        delay: Delay::Fixed { ms: 300 },
    };
    world.faults(vec![Rule::on(Operation::Invio, slow)]);
    let (key, body) = (key(), drug());
    let caller = world.caller("practice-a");
    let desks: Vec<_> = (0..DESKS)
        .map(|_| {
            let (caller, key, body) = (caller.clone(), key.clone(), body.clone());
            tokio::spawn(async move { caller.prescribe(&key, &body).await })
        })
        .collect();
    let mut replies: Vec<Reply> = Vec::new();
    for desk in desks {
        replies.push(desk.await.expect("a desk hears an answer"));
    }
    for reply in &replies {
        let in_flight = reply.status == 409 && reply.text("/code") == "key-in-flight";
        assert!(
            in_flight || matches!(reply.status, 201 | 202),
            "{}",
            reply.text("/code")
        );
        assert!(!in_flight || !reply.header("retry-after").is_empty());
    }
    let ids: BTreeSet<_> = replies.iter().map(|reply| reply.text("/id")).collect();
    let ids: Vec<_> = ids.iter().filter(|id| !id.is_empty()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");

    assert_eq!(world.settled().await.stored, 1);
    let book = world.book();
    let numbers: BTreeSet<_> = book.received.iter().map(|received| &received.nre).collect();
    assert_eq!((book.prescriptions.len(), numbers.len()), (1, 1));
    let last = caller.prescribe(&key, &body).await.expect(201);
    assert_eq!(
        (&last.text("/id"), &last.text("/nre")),
        (ids[0], numbers.first().unwrap().to_owned())
    );
}

/// Many prescriptions at once have a number each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_keys_at_once_have_different_numbers() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let desks: Vec<_> = (0..DESKS)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move { caller.prescribe(&key(), &drug()).await })
        })
        .collect();
    for desk in desks {
        let reply = desk.await.expect("a desk hears an answer");
        assert!(matches!(reply.status, 201 | 202), "{}", reply.text("/code"));
    }
    let tally = world.settled().await;
    assert_eq!(tally.registered, DESKS as u64);
}
