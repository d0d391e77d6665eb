//! What a lane promises while its rules are changed.

use std::sync::{Arc, Weak};
use std::time::Duration;

use engine::door::{Refusal, Submitted};
use engine::entry::{EntryId, Start};
use policies::delivery::Uncertain;
use policies::failure::Code;
use policies::gate::{GateState, Mode};
use policies::rules::{LotRules, WriteBehindRules};
use policies::state::State;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::rig::store::DISK;
use crate::rig::upstream::Turn;
use crate::rig::{Rig, SEND, UNDO, rules};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
const ADOPTIONS: usize = 10_000;
const DESKS: u64 = 20;

fn edited(edit: impl FnOnce(&mut WriteBehindRules)) -> WriteBehindRules {
    let mut rules = rules().0;
    edit(&mut rules);
    rules
}

/// A policy that differs from the standard one in everything that is told or kept.
fn other() -> WriteBehindRules {
    edited(|rules| {
        rules.answer_within = SECOND * 3;
        rules.entry_deadline = HOUR * 24;
        rules.uncertain = Uncertain::AnnulAndResend;
        rules.fallback.paper_within = HOUR;
        rules.watch.look_after = vec![SECOND * 90];
        rules.calls.calls_max = 4;
        rules.delivery.lease_for = SECOND * 45;
        rules.gate.window = SECOND * 25;
        rules.gate.ramp = SECOND * 2;
    })
}

/// Whether everything that is kept with an entry is of `policy`.
fn is_wholly_of(rig: &Rig, id: EntryId, policy: &WriteBehindRules) -> bool {
    let disk = rig.store.disk();
    let row = disk.row(id);
    let (terms, start) = (row.new.terms, row.new.start);
    let span = terms.deadline.since(row.accepted_at);
    let is_leased_so = match start {
        Start::Leased(lease_for) => lease_for == policy.delivery.lease_for,
        Start::Due | Start::Withdrawn(_) => true,
    };
    (terms.answer_within, terms.uncertain) == (policy.answer_within, policy.uncertain)
        && terms.paper_within == policy.fallback.paper_within
        && terms.look_after == policy.watch.first_look()
        // The instant is taken just before it is written down.
        && (policy.entry_deadline - SECOND..=policy.entry_deadline).contains(&span)
        && is_leased_so
}

/// Desks that write without a pause until `until`, and what each of them was told, and after how long.
fn busy_desks(rig: &Rig, until: Duration) -> JoinSet<Vec<(Submitted, Duration)>> {
    let end = rig.clock.now() + until;
    let mut desks = JoinSet::new();
    for desk in 0..DESKS {
        let (door, clock) = (rig.door.clone(), Arc::clone(&rig.clock));
        desks.spawn(async move {
            let mut told = Vec::new();
            for n in 0.. {
                let asked_at = clock.now();
                if asked_at >= end {
                    break;
                }
                let write = Rig::write(&format!("{desk} {n}"));
                let read_for = Duration::from_millis(n % 4);
                let submitted = door.submit_read_for(write, read_for).await;
                let took = clock.now().since(asked_at + read_for);
                told.push((submitted.expect("it is stored"), took));
                sleep(Duration::from_millis(100 + desk)).await;
            }
            told
        });
    }
    desks
}

/// Puts a new generation in force every millisecond, now of one policy and now of the other; how many
/// generations were alive at the same time at most, and each of them.
async fn adopt_again_and_again(
    rig: &Rig,
    policies: &[WriteBehindRules; 2],
) -> (usize, Vec<Weak<WriteBehindRules>>) {
    let alive = |all: &[Weak<_>]| all.iter().filter(|one| one.strong_count() > 0).count();
    let (mut generations, mut alive_max) = (Vec::new(), 0);
    for n in 0..ADOPTIONS {
        let policy = Arc::new(policies[n % 2].clone());
        rig.adopt(&policy);
        generations.push(Arc::downgrade(&policy));
        drop(policy);
        sleep(Duration::from_millis(1)).await;
        if n % 100 == 0 {
            alive_max = alive_max.max(alive(&generations));
        }
    }
    (alive_max, generations)
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_adoptions_under_traffic_mix_nothing_and_keep_nothing() {
    let policies = [rules().0, other()];
    let lots = LotRules {
        low_water: 5_000,
        block: 1_000,
        ..rules().1
    };
    let rig = Rig::start_with((rules().0, lots)).await;
    // Longer than the one policy lets a caller wait, and shorter than the other.
    rig.upstream.always(SEND, Turn::Slow(SECOND * 5));
    let desks = busy_desks(&rig, Duration::from_millis(ADOPTIONS as u64));
    let (alive_max, generations) = adopt_again_and_again(&rig, &policies).await;
    let told: Vec<_> = desks.join_all().await.into_iter().flatten().collect();
    let mut of_each = [0, 0];
    for (submitted, took) in &told {
        let id = submitted.entry.id;
        let whole = [0, 1].map(|n| is_wholly_of(&rig, id, &policies[n]));
        let terms = rig.store.disk().row(id).new.terms;
        assert!(
            whole[0] != whole[1],
            "of neither policy, or of both: {terms:?}"
        );
        of_each[usize::from(whole[1])] += 1;
        assert!(
            *took <= terms.answer_within + DISK * 4,
            "{took:?}, promised {terms:?}"
        );
    }
    assert!(of_each.iter().all(|entries| *entries >= 100), "{of_each:?}");
    rig.upstream.book().always.clear();
    for (submitted, _) in &told {
        rig.until(submitted.entry.id, State::Registered).await;
    }
    assert_eq!(
        rig.upstream.book().live.len(),
        told.len(),
        "lost or doubled"
    );
    // Nothing is under way any more, and nobody holds a generation but what is in force.
    assert_eq!(rig.calls.room().1, 0);
    assert!(rig.calls.view().iter().all(|gate| gate.view.under_way == 0));
    let alive: usize = generations
        .iter()
        .filter(|one| one.strong_count() > 0)
        .count();
    assert_eq!(alive, 1);
    let calls_at_once = policies[0].calls.calls_max;
    let holders = DESKS as usize + calls_at_once + 2;
    assert!(
        alive_max <= holders,
        "{alive_max} generations of {holders} holders"
    );
}

/// Who waits under one policy is answered under it: in its time, with what it says of paper.
#[tokio::test(start_paused = true)]
async fn a_desk_that_waits_is_told_what_it_was_promised() {
    let rig = Rig::start().await;
    rig.upstream.next(SEND, &[Turn::Slow(SECOND * 9)]);
    let door = rig.door.clone();
    let asked_at = rig.clock.now();
    let desk = tokio::spawn(async move { door.submit(Rig::at_the_desk("a", false)).await });
    sleep(SECOND).await;
    rig.adopt(&Arc::new(other()));
    let entry = desk.await.unwrap().unwrap().entry;
    assert_eq!(rig.clock.now().since(asked_at), SECOND * 8 + DISK);
    let lost = (State::Withdrawn, Some(Code::UpstreamTimeout));
    assert_eq!((entry.state, entry.reason), lost);
    let due = entry.paper_due.unwrap();
    assert_eq!(due.since(rig.clock.now()), HOUR * 2);
    assert_eq!(rig.store.disk().row(entry.id).paper_due, Some(due));
}

#[tokio::test(start_paused = true)]
async fn what_waits_keeps_the_deadline_it_was_accepted_with() {
    let rig = Rig::start().await;
    rig.adopt(&Arc::new(edited(|rules| rules.mode = Mode::ForcedOpen)));
    let waiting = rig.submit("before").await.unwrap().entry.id;
    let soon = edited(|rules| {
        rules.mode = Mode::ForcedOpen;
        rules.entry_deadline = SECOND * 60;
    });
    rig.adopt(&Arc::new(soon));
    let late = rig.submit("after").await.unwrap().entry.id;
    rig.pass(120).await;
    assert_eq!(
        rig.stands(late),
        (State::Parked, Some(Code::DeadlinePassed))
    );
    assert_eq!(rig.state(waiting), State::Accepted);
    rig.adopt(&Arc::new(rules().0));
    rig.until(waiting, State::Registered).await;
}

/// What becomes of an unknown outcome is what the policy said when the prescription was accepted.
#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_settled_as_it_was_accepted() {
    for (uncertain, undone) in [(Uncertain::Verify, 0), (Uncertain::AnnulAndResend, 1)] {
        let [mut accepted, mut after] = [rules().0, other()];
        accepted.uncertain = uncertain;
        after.uncertain = match uncertain {
            Uncertain::Verify => Uncertain::AnnulAndResend,
            Uncertain::AnnulAndResend => Uncertain::Verify,
        };
        let rig = Rig::start_with((accepted, rules().1)).await;
        rig.upstream.next(SEND, &[Turn::LoseAnswer]);
        let entry = rig.submit("a").await.unwrap().entry;
        assert_eq!(entry.state, State::Uncertain);
        rig.adopt(&Arc::new(after));
        rig.until(entry.id, State::Registered).await;
        assert_eq!(rig.upstream.book().count(UNDO), undone, "{uncertain:?}");
        assert_eq!(rig.upstream.book().count(SEND), 1 + undone, "{uncertain:?}");
    }
}

/// A call takes no longer than its lease was meant for, and is not given up for one that would.
#[tokio::test(start_paused = true)]
async fn a_lease_and_the_call_under_it_are_of_one_policy() {
    let rig = Rig::start().await;
    let door = rig.door.clone();
    let desk = tokio::spawn(async move { door.submit(Rig::write("a")).await });
    // It is on its way to the disk: leased, and not sent.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.store.disk().appends_begun, 1);
    assert_eq!(rig.upstream.book().count(SEND), 0);
    let patient = edited(|rules| {
        rules.calls.write_within = SECOND * 100;
        rules.delivery.lease_for = SECOND * 300;
    });
    rig.adopt(&Arc::new(patient));
    let entry = desk.await.unwrap().unwrap().entry;
    assert_eq!(
        entry.state,
        State::Registered,
        "handed back: {:?}",
        entry.reason
    );
}

#[tokio::test(start_paused = true)]
async fn a_mode_takes_effect_at_once_and_is_taken_back_so() {
    let rig = Rig::start().await;
    let mode = |mode| Arc::new(edited(|rules| rules.mode = mode));
    let calls = |rig: &Rig| rig.upstream.book().calls.len();
    rig.adopt(&mode(Mode::ForcedOpen));
    let called = calls(&rig);
    let waiting = rig.submit("waits").await.unwrap().entry;
    assert_eq!(waiting.state, State::Accepted);
    rig.adopt(&mode(Mode::Disabled));
    assert_eq!(rig.submit("refused").await, Err(Refusal::Disabled));
    rig.pass(60).await;
    assert_eq!(calls(&rig), called, "it was called");
    let taken_back_at = rig.clock.now();
    rig.adopt(&mode(Mode::Auto));
    assert_eq!(rig.calls.recovered_at(SEND), Some(taken_back_at));
    rig.until(waiting.id, State::Registered).await;
    rig.adopt(&mode(Mode::Auto));
    assert_eq!(
        rig.calls.recovered_at(SEND),
        Some(taken_back_at),
        "it recovered twice"
    );
}

/// A gate that is open and a limit that was learnt are not forgotten for a change of something else.
#[tokio::test(start_paused = true)]
async fn what_gates_and_room_have_seen_survives() {
    let rig = Rig::start().await;
    // It hangs.
    rig.upstream.always(SEND, Turn::Slow(SECOND * 20));
    let mut n = 0;
    let open = |rig: &Rig| {
        let gates = rig.calls.view();
        gates
            .iter()
            .any(|gate| gate.op == SEND && gate.view.state == GateState::Open)
    };
    while !open(&rig) {
        rig.submit(&format!("{n}")).await.unwrap();
        n += 1;
    }
    let (room, wait) = (rig.calls.room().0, rig.calls.retry_after(SEND));
    assert!(room < 8, "nothing was learnt");
    for n in 0..100 {
        rig.adopt(&Arc::new(edited(|rules| {
            rules.answer_within = SECOND + Duration::from_millis(n);
            rules.gate.open_for = SECOND * 30;
        })));
    }
    assert!(open(&rig));
    assert_eq!(
        (rig.calls.room().0, rig.calls.retry_after(SEND)),
        (room, wait)
    );
}

#[tokio::test(start_paused = true)]
async fn room_that_shrinks_lets_end_what_is_under_way() {
    let rig = Rig::start().await;
    rig.upstream.always(SEND, Turn::Slow(SECOND * 2));
    let mut desks = JoinSet::new();
    for n in 0..7 {
        let door = rig.door.clone();
        desks.spawn(async move { door.submit(Rig::write(&format!("{n}"))).await });
    }
    while rig.calls.room().1 < 7 {
        sleep(DISK).await;
    }
    rig.adopt(&Arc::new(edited(|rules| {
        rules.calls.calls_max = 2;
        rules.calls.live_reserve = 1;
    })));
    assert_eq!(rig.calls.room(), (2, 7));
    let waits = rig.submit("one more").await.unwrap().entry;
    assert_eq!(waits.state, State::Accepted);
    for told in desks.join_all().await {
        assert_eq!(told.unwrap().entry.state, State::Registered);
    }
    rig.until(waits.id, State::Registered).await;
}

#[tokio::test(start_paused = true)]
async fn the_pace_of_delivery_changes_from_one_turn_to_the_next() {
    let slowly = |mode| {
        Arc::new(edited(|rules| {
            rules.mode = mode;
            rules.delivery.rate_per_second = 1;
        }))
    };
    let rig = Rig::start().await;
    rig.adopt(&slowly(Mode::ForcedOpen));
    for n in 0..100 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    rig.adopt(&slowly(Mode::Auto));
    rig.pass(10).await;
    let sent = rig.upstream.book().count(SEND);
    assert!(
        (8..=12).contains(&sent),
        "{sent} in ten seconds at one a second"
    );
    rig.adopt(&Arc::new(rules().0));
    rig.pass(3).await;
    assert_eq!(rig.upstream.book().count(SEND), 100);
}
