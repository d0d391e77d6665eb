//! Every way in which the SAC was seen, or can be made, to fail: what must finally hold.

use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::settings::Duplicate;
use tests::world::caller::Caller;
use tests::world::load::Load;
use tests::world::prescription::{DOCTOR, drug, key, specialist};
use tests::world::{Setup, World};

/// Longer than any call of ours waits.
const NEVER_MS: u64 = 60_000;
/// More than the adapter reads.
const OVERSIZED: usize = 8 * 1024 * 1024;

/// Meets each of `faults` with one call of `operation`, and expects the prescription to be
/// registered in the end: once.
async fn withstand(operation: Operation, faults: Vec<Fault>) {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let count = faults.len() as u64;
    for fault in faults {
        println!("{operation} {fault:?}");
        let mut rules = vec![Rule::on(operation, fault).times(1)];
        if operation != Operation::Invio {
            // What makes the gateway ask at all.
            rules.push(Rule::on(Operation::Invio, Fault::LostAnswer).times(1));
        }
        world.faults(rules);
        let reply = caller.prescribe(&key(), &drug()).await;
        assert!(matches!(reply.status, 201 | 202), "{}", reply.text("/code"));
        caller.until(&reply.text("/id"), "registered").await;
    }
    assert_eq!(world.settled().await.registered, count);
    let numbers = world.book().prescriptions.len() as u64;
    assert_eq!(numbers, count, "a number was used up besides");
}

fn before_it_was_looked_at() -> Vec<Fault> {
    vec![
        Fault::ResetBefore,
        Fault::Status { status: 502 },
        Fault::Status { status: 503 },
        Fault::Status { status: 504 },
        Fault::MaintenancePage,
        Fault::Hang,
    ]
}

fn after_it_was_applied() -> Vec<Fault> {
    vec![
        Fault::ResetAfter,
        Fault::LostAnswer,
        Fault::HangHalfway,
        Fault::Trickle { every_ms: 1_000 },
        Fault::Slow {
            delay: Delay::Fixed { ms: NEVER_MS },
        },
    ]
}

fn answers_that_are_none() -> Vec<Fault> {
    vec![
        Fault::Truncated,
        Fault::Garbage,
        Fault::Empty,
        Fault::WrongNamespace,
        Fault::TrailingDocument,
        Fault::Oversized { bytes: OVERSIZED },
        Fault::OtherNumber,
    ]
}

/// A write that was not looked at, though nobody could know, is registered once.
#[tokio::test]
async fn a_write_that_failed_before_is_registered_once() {
    withstand(Operation::Invio, before_it_was_looked_at()).await;
}

/// A write that was applied and not answered is registered once.
#[tokio::test]
async fn a_write_that_was_applied_unanswered_is_registered_once() {
    withstand(Operation::Invio, after_it_was_applied()).await;
}

/// A write whose answer is not one is registered once.
#[tokio::test]
async fn a_write_whose_answer_is_none_is_registered_once() {
    withstand(Operation::Invio, answers_that_are_none()).await;
}

/// A read that fails leaves the outcome as unknown as it was, and is asked again.
#[tokio::test]
async fn a_read_that_fails_settles_nothing() {
    let mut faults = answers_that_are_none();
    faults.extend([
        Fault::ResetBefore,
        Fault::LostAnswer,
        Fault::Status { status: 503 },
    ]);
    withstand(Operation::Visualizza, faults).await;
}

/// The second read failing is as good as no read at all: the write is not sent again on one.
#[tokio::test]
async fn one_absence_is_not_enough_to_send_again() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    world.faults(vec![
        Rule::on(Operation::Invio, Fault::ResetBefore).times(1),
        Rule::on(Operation::Interroga, Fault::Status { status: 503 }),
    ]);
    let reply = caller.prescribe(&key(), &drug()).await.expect(202);
    tests::world::wait::until(
        "both reads were made",
        std::time::Duration::from_secs(10),
        async || (world.book().calls(Operation::Interroga).faulted >= 2).then_some(()),
    )
    .await;
    assert_eq!(world.book().calls(Operation::Invio).received, 1);
    world.recover();
    caller.until(&reply.text("/id"), "registered").await;
    world.settled().await;
}

/// Refused connections and handshakes: nothing left, everything waits, everything is delivered.
#[tokio::test]
async fn a_sac_that_cannot_be_reached_is_waited_for() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    let faults = [
        Fault::Refuse,
        Fault::HandshakeReset,
        Fault::CertificateRefused,
    ];
    for fault in faults {
        println!("{fault:?}");
        // A pooled connection would not see what becomes of new ones.
        world.faults(vec![
            Rule::everywhere(fault),
            Rule::on(Operation::Invio, Fault::ResetBefore),
            Rule::on(Operation::Visualizza, Fault::ResetBefore),
        ]);
        let mut ids = Vec::new();
        for _ in 0..8 {
            ids.push(
                caller
                    .prescribe(&key(), &drug())
                    .await
                    .expect(202)
                    .text("/id"),
            );
        }
        world.recover();
        for id in ids {
            caller.until(&id, "registered").await;
        }
    }
    assert_eq!(world.settled().await.registered, 24);
}

/// What is applied long after its connection died, while we send the same number again, is still
/// one prescription: whatever the SAC answers to a number that it has.
#[tokio::test]
async fn a_late_commit_meets_the_resend_under_the_same_number() {
    let answers = [Duplicate::default(), Duplicate::AsNew, Duplicate::Fault];
    // One delivery a second: the first asks and finds nothing, the next sends again.
    let slowly = Setup::default().policy("prescriptions.delivery.rate_per_second", 1);
    let world = World::with(slowly).await;
    let caller = world.caller("practice-a");
    let mut met = 0;
    for answer in answers {
        println!("{answer:?}");
        world.sac().configure(|live| live.duplicate = answer);
        let late = Fault::LateCommit {
            after_ms: 600,
            hang: false,
        };
        world.faults(vec![Rule::on(Operation::Invio, late).times(1)]);
        let reply = caller.prescribe(&key(), &drug()).await.expect(202);
        caller.until(&reply.text("/id"), "registered").await;
        met += world.book().duplicate_attempts().count();
    }
    assert!(
        met > 0,
        "no resend met its own late commit: this test shows nothing"
    );
    assert_eq!(world.settled().await.registered, 3);
}

/// An authentication that the SAC refuses stops its doctor's prescriptions and nobody else's; once
/// the practice has authenticated again they go out.
#[tokio::test]
async fn a_refused_authority_waits_for_the_practice() {
    for fault in [Fault::AuthenticationFault, Fault::PolicyFault] {
        println!("{fault:?}");
        let world = World::start().await;
        // An authentication is told from the next one by its second.
        let earlier = jiff::Timestamp::now() - jiff::SignedDuration::from_mins(10);
        let caller = world
            .caller("practice-a")
            .authenticated_at(&earlier.to_string());
        world.faults(vec![Rule::on(Operation::Invio, fault).times(1)]);
        let reply = caller.prescribe(&key(), &drug()).await.expect(202);
        let id = reply.text("/id");
        caller.until(&id, "needs-authorization").await;
        let another = caller.prescribe(&key(), &drug()).await.expect(202);
        caller
            .until(&another.text("/id"), "needs-authorization")
            .await;
        assert_eq!(world.equation().needs_authorization, 2);
        assert_eq!(
            world.book().calls(Operation::Invio).received,
            1,
            "it was not tried again"
        );

        again(&caller).await;
        caller.until(&id, "registered").await;
        caller.until(&another.text("/id"), "registered").await;
        assert_eq!(world.settled().await.registered, 3);
    }
}

/// The doctor authenticates anew, and writes another prescription.
async fn again(caller: &Caller) {
    let anew = caller.clone().with_doctor(DOCTOR);
    let reply = anew.prescribe(&key(), &drug()).await;
    assert!(matches!(reply.status, 201 | 202), "{}", reply.text("/code"));
}

/// A request that the SAC finds against its schema is a defect of ours: it is parked for a person.
#[tokio::test]
async fn a_schema_fault_parks_the_prescription() {
    let world = World::start().await;
    let caller = world.caller("practice-a");
    world.faults(vec![
        Rule::on(Operation::Invio, Fault::SchemaFault).times(1),
    ]);
    let reply = caller.prescribe(&key(), &drug()).await.expect(202);
    let entry = caller.until(&reply.text("/id"), "parked").await;
    assert_eq!(entry.text("/reason"), "schema-refused");
    caller.prescribe(&key(), &drug()).await.expect(201);
    let tally = world.settled().await;
    assert_eq!((tally.parked, tally.registered), (1, 1));
}

/// A total outage in mid-morning: everything offered is accepted, and everything accepted is
/// registered once it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_loses_nothing_and_doubles_nothing() {
    let world = World::start().await;
    let load = Load::start(vec![world.caller("practice-a"), world.caller("practice-b")]);
    reach(&load, 10).await;
    world.faults(vec![Rule::everywhere(Fault::Refuse)]);
    reach(&load, load.answered() + 20).await;
    world.recover();
    reach(&load, load.answered() + 10).await;
    let written = load.stop().await;
    let tally = world.settled().await;
    assert!(
        tally.registered >= written && tally.registered == tally.stored,
        "{tally:?}"
    );
}

/// Everything at once, at random: a third of all calls fail, each in its own way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swarm_of_faults_loses_nothing_and_doubles_nothing() {
    let world = World::start().await;
    let late = Fault::LateCommit {
        after_ms: 120,
        hang: false,
    };
    let faults = [
        Fault::LostAnswer,
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Status { status: 503 },
        Fault::Truncated,
        Fault::OtherNumber,
        Fault::MaintenancePage,
        late,
    ];
    let rules = |operation| {
        faults
            .iter()
            .map(move |fault| Rule::on(operation, fault.clone()).share(0.05))
    };
    let reads = [Operation::Visualizza, Operation::Interroga];
    let mut all: Vec<Rule> = rules(Operation::Invio).collect();
    all.extend(
        reads
            .into_iter()
            .flat_map(rules)
            .filter(|rule| !matches!(rule.fault, Fault::LateCommit { .. })),
    );
    world.faults(all);
    let load = Load::start(vec![world.caller("practice-a"); 4]);
    reach(&load, 120).await;
    load.stop().await;
    world.recover();
    let caller = world.caller("practice-a");
    caller.prescribe(&key(), &specialist()).await;
    let tally = world.settled().await;
    assert_eq!(tally.registered, tally.stored, "{tally:?}");
}

/// Waits until so many prescriptions have been answered.
async fn reach(load: &Load, answered: u64) {
    let within = std::time::Duration::from_secs(30);
    tests::world::wait::until("the desks are at work", within, async || {
        (load.answered() >= answered).then_some(())
    })
    .await;
}
