//! What gates, modes, the retry budget and the waits of a lane promise.

use std::time::Duration;

use engine::door::Refusal;
use engine::entry::AppendError;
use policies::gate::{GateState, Mode};
use policies::rules::WriteBehindRules;
use policies::state::State;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::rig::upstream::Turn;
use crate::rig::{LOOK, LOT, Rig, SEND, rules};

const SECOND: Duration = Duration::from_secs(1);

async fn rig_with(change: impl FnOnce(&mut WriteBehindRules)) -> Rig {
    let (mut writes, lots) = rules();
    change(&mut writes);
    Rig::start_with((writes, lots)).await
}

fn sent(rig: &Rig) -> usize {
    rig.upstream.book().count(SEND)
}

fn asked(rig: &Rig) -> usize {
    rig.upstream.book().count(LOOK)
}

fn gate(rig: &Rig) -> policies::gate::View {
    let gates = rig.door.gates();
    gates
        .iter()
        .find(|gate| gate.op == SEND)
        .expect("the write has a gate")
        .view
}

/// Opens the gate of the write, and lets the upstream be well again.
async fn trip(rig: &Rig) {
    rig.upstream.always(SEND, Turn::Refuse);
    while gate(rig).state != GateState::Open {
        let told = rig.submit(&format!("trip {}", sent(rig))).await;
        assert!(told.is_ok(), "{told:?}");
    }
    rig.upstream.book().always.clear();
}

#[tokio::test(start_paused = true)]
async fn forced_open_writes_are_stored_and_nothing_is_called() {
    let rig = Rig::start().await;
    rig.set_mode(Mode::ForcedOpen);
    let (lots, mut ids) = (rig.upstream.book().count(LOT), Vec::new());
    for n in 0..600 {
        let entry = rig.submit(&format!("{n}")).await.unwrap().entry;
        assert_eq!(entry.state, State::Accepted);
        ids.push(entry.id);
    }
    sleep(SECOND * 600).await;
    assert_eq!(sent(&rig), 0, "it probed");
    assert_eq!(rig.upstream.book().count(LOT), lots, "a lot was asked for");
    rig.set_mode(Mode::Auto);
    for id in ids {
        rig.until(id, State::Registered).await;
    }
}

#[tokio::test(start_paused = true)]
async fn disabled_a_new_write_is_refused_before_anything_is_stored() {
    let rig = Rig::start().await;
    rig.set_mode(Mode::ForcedOpen);
    let waiting = rig.submit("waits").await.unwrap().entry;
    rig.set_mode(Mode::Disabled);
    let appends = rig.store.disk().appends_begun;
    assert_eq!(rig.submit("new").await, Err(Refusal::Disabled));
    assert_eq!(rig.store.disk().appends_begun, appends);
    assert_eq!(rig.door.retry_after(Refusal::Disabled), Some(SECOND * 60));
    let repeated = rig.submit("waits").await.unwrap();
    assert_eq!((repeated.replayed, repeated.entry.id), (true, waiting.id));
    sleep(SECOND * 600).await;
    assert_eq!(sent(&rig), 0, "delivery went on");
    rig.set_mode(Mode::Auto);
    rig.until(waiting.id, State::Registered).await;
    assert!(rig.submit("new").await.is_ok(), "a refused key stays free");
}

#[tokio::test(start_paused = true)]
async fn forced_closed_every_call_is_made_and_counted() {
    let rig = Rig::start().await;
    rig.set_mode(Mode::ForcedClosed);
    rig.upstream.always(SEND, Turn::Refuse);
    for n in 0..40 {
        rig.submit(&format!("{n}")).await.unwrap();
    }
    assert!(sent(&rig) >= 40, "the gate refused calls");
    rig.set_mode(Mode::Auto);
    let before = sent(&rig);
    rig.submit("after").await.unwrap();
    assert_eq!(sent(&rig), before, "what it has seen was forgotten");
}

/// A thousand desks wait when the gate is half-open: one read, one write, then the ramp.
#[tokio::test(start_paused = true)]
async fn a_thousand_waiting_calls_come_back_along_the_ramp() {
    let rig = rig_with(|rules| {
        rules.gate.ramp = SECOND * 30;
        rules.delivery.rate_per_second = 10_000;
    })
    .await;
    trip(&rig).await;
    rig.upstream.always(LOOK, Turn::Slow(SECOND));
    rig.upstream.always(SEND, Turn::Slow(SECOND));
    let (reads, writes) = (asked(&rig), sent(&rig));
    let mut desks = JoinSet::new();
    for n in 0..1_000 {
        let (door, write) = (rig.door.clone(), Rig::write(&format!("desk {n}")));
        desks.spawn(async move {
            // Some come while it is open, some while it is half-open.
            sleep(Duration::from_millis(4 * n)).await;
            while door.submit(write.clone()).await.is_err() {
                sleep(SECOND).await;
            }
        });
    }
    let made = |rig: &Rig| (asked(rig) - reads, sent(rig) - writes);
    let mut seen = Vec::new();
    while gate(&rig).state != GateState::Closed {
        seen.push(made(&rig));
        sleep(Duration::from_millis(10)).await;
    }
    seen.dedup();
    assert_eq!(seen, [(0, 0), (1, 0), (1, 1)]);
    let mut by_second = Vec::new();
    let mut before = made(&rig).1;
    for _ in 0..30 {
        sleep(SECOND).await;
        by_second.push(made(&rig).1 - before);
        before = made(&rig).1;
    }
    // Calls of a second, eight at a time at most: a tenth of that at first.
    assert!(
        by_second[0] <= 3 && by_second[..3].iter().sum::<usize>() <= 6,
        "{by_second:?}"
    );
    assert!(
        by_second[25..].iter().all(|calls| *calls >= 5),
        "{by_second:?}"
    );
    assert!(by_second.iter().all(|calls| *calls <= 8), "{by_second:?}");
    desks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn after_the_wait_that_was_told_a_call_passes() {
    let rig = Rig::start().await;
    trip(&rig).await;
    let wait = rig
        .calls
        .retry_after(SEND)
        .expect("an open gate says how long");
    assert!(rig.calls.try_enter(SEND).is_err());
    rig.submit("waits").await.unwrap();
    sleep(wait).await;
    let live = rig.submit("live").await.unwrap().entry;
    assert_eq!(live.state, State::Registered, "told {wait:?}");

    rig.store.disk().refuse_appends = Some(AppendError::Full);
    assert_eq!(rig.submit("full").await, Err(Refusal::Full));
    let wait = rig.door.retry_after(Refusal::Full).unwrap();
    assert!(wait >= SECOND, "sixty-four places at {wait:?}");
}

/// What is never put on the wire tells nothing of the upstream, and takes no probe from the others.
#[tokio::test(start_paused = true)]
async fn a_backlog_without_authority_does_not_keep_a_half_open_gate_from_closing() {
    for op in [SEND, LOOK] {
        let rig = Rig::start().await;
        trip(&rig).await;
        let mut backlog = Vec::new();
        for n in 0..40 {
            backlog.push(rig.submit(&format!("{n}")).await.unwrap().entry.id);
        }
        // The first tripped it, and waits with the backlog.
        let tripped = sent(&rig);
        rig.upstream
            .next(op, &vec![Turn::ExpiredAuthority; 40 + tripped]);
        let last = rig.submit("last").await.unwrap().entry.id;
        rig.pass(10).await;
        for id in &backlog {
            assert_eq!(rig.state(*id), State::NeedsAuthorization, "{op:?}");
        }
        assert_eq!(rig.state(last), State::Registered, "{op:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_says_how_long_it_takes_at_its_pace() {
    let rig = Rig::start().await;
    rig.upstream.always(SEND, Turn::Slow(SECOND * 5));
    let mut desks = JoinSet::new();
    let mut told = None;
    for n in 0..2_000 {
        let (door, write) = (rig.door.clone(), Rig::write(&format!("{n}")));
        desks.spawn(async move {
            match door.submit(write).await {
                Err(Refusal::Busy) => door.retry_after(Refusal::Busy),
                _ => None,
            }
        });
    }
    while let Some(ended) = desks.join_next().await {
        told = told.max(ended.unwrap());
    }
    let told = told.expect("two thousand at once are too many");
    assert!(told <= SECOND * 60, "{told:?}");
    sleep(told).await;
    assert!(rig.submit("later").await.is_ok());
}

/// A third of all calls fails for long: retries stay a share of the calls, first tries go at once.
#[tokio::test(start_paused = true)]
async fn retries_stay_within_their_budget() {
    let rig = rig_with(|rules| {
        rules.delivery.resend_after = vec![Duration::from_millis(10)];
        rules.delivery.retry_floor_per_second = 1;
        rules.gate.failures_in_row = 1_000;
        rules.gate.failure_share = 1.0;
    })
    .await;
    let mut ids = Vec::new();
    for n in 0..1_200 {
        if n % 2 == 0 {
            rig.upstream.next(SEND, &[Turn::Refuse]);
        }
        ids.push(rig.submit(&format!("{n}")).await.unwrap().entry.id);
        sleep(Duration::from_millis(50)).await;
    }
    let calls = sent(&rig);
    let retries = calls - ids.len();
    assert!(retries >= 60, "{retries} retries");
    assert!(retries * 100 <= calls * 13, "{retries} of {calls}");
    rig.upstream.book().turns.clear();
    for id in ids {
        rig.until(id, State::Registered).await;
    }
}

/// The looks of watches come by their own schedule, and use up none of what retries may take.
#[tokio::test(start_paused = true)]
async fn looks_that_find_nothing_leave_the_budget_to_retries() {
    let rig = rig_with(|rules| {
        rules.delivery.retry_share = 0.0;
        rules.delivery.retry_floor_per_second = 1;
        rules.gate.failures_in_row = 1_000;
        rules.gate.failure_share = 1.0;
    })
    .await;
    for n in 0..60 {
        rig.upstream.next(SEND, &[Turn::LoseRequest]);
        let write = Rig::at_the_desk(&format!("{n}"), true);
        let given_up = rig.door.submit(write).await.unwrap().entry;
        assert_eq!(given_up.state, State::Withdrawn);
        // A share of calls goes well, so that the gate stays closed.
        rig.submit(&format!("fine {n}")).await.unwrap();
    }
    rig.pass(65).await;
    assert_eq!(asked(&rig), 60);
    rig.upstream.next(SEND, &[Turn::Refuse]);
    let refused = rig.submit("refused").await.unwrap().entry;
    assert_eq!(refused.state, State::Accepted);
    rig.pass(5).await;
    assert_eq!(rig.state(refused.id), State::Registered);
}

/// After a recovery many watches are due at once: they and what is to be sent take turns.
#[tokio::test(start_paused = true)]
async fn neither_watches_nor_what_is_to_be_sent_starve() {
    let rig = rig_with(|rules| {
        rules.delivery.rate_per_second = 2;
        rules.delivery.retry_floor_per_second = 100;
        rules.gate.failures_in_row = 1_000;
        rules.gate.failure_share = 1.0;
    })
    .await;
    for n in 0..60 {
        rig.upstream.next(SEND, &[Turn::LoseRequest]);
        let write = Rig::at_the_desk(&format!("{n}"), true);
        rig.door.submit(write).await.unwrap();
        rig.submit(&format!("fine {n}")).await.unwrap();
    }
    rig.pass(58).await;
    let mut waiting = Vec::new();
    for n in 0..20 {
        rig.upstream.next(SEND, &[Turn::Refuse]);
        waiting.push(rig.submit(&format!("waits {n}")).await.unwrap().entry.id);
    }
    rig.pass(26).await;
    for id in waiting {
        assert_eq!(rig.state(id), State::Registered);
    }
    let looks = asked(&rig);
    assert!((20..60).contains(&looks), "{looks} looks");
}

/// Desks never pause: what waits is delivered all the same, and desks are not kept waiting by it.
#[tokio::test(start_paused = true)]
async fn neither_desks_nor_delivery_starve() {
    let rig = rig_with(|rules| rules.answer_within = SECOND * 8).await;
    rig.set_mode(Mode::ForcedOpen);
    let mut waiting = Vec::new();
    for n in 0..30 {
        waiting.push(rig.submit(&format!("waits {n}")).await.unwrap().entry.id);
    }
    rig.upstream.always(SEND, Turn::Slow(SECOND));
    rig.set_mode(Mode::Auto);
    let mut desks = JoinSet::new();
    for desk in 0..40 {
        let door = rig.door.clone();
        desks.spawn(async move {
            let mut registered = 0;
            for n in 0..60 {
                let told = door.submit(Rig::write(&format!("{desk} {n}"))).await;
                let state = told.map(|told| told.entry.state);
                registered += usize::from(state == Ok(State::Registered));
                sleep(Duration::from_millis(50)).await;
            }
            registered
        });
    }
    for id in &waiting {
        rig.until(*id, State::Registered).await;
    }
    let registered: usize = desks.join_all().await.into_iter().sum();
    assert!(registered >= 10, "only {registered} desks were answered");
}
