//! Numbers that were given up, and what looks after them.

use std::time::Duration;

use engine::ports::{
    NumberBlock, NumberRange, NumberUse, Renumber, Settled, Settlement, Store, WriteError,
};
use policies::delivery::Uncertain;
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;

use super::{PLENTY, Place, reopen};
use crate::world::{
    LANE, LEASE, LOOK_UP, SEND, START, UNDO, VERIFY, about, accept, bytes, deliver, entry,
    lease_one, red_recipe, settle, settlement, show, stands,
};

const LOOK_AFTER: Duration = Duration::from_secs(60);

/// A red recipe that was sent, and given up before its answer came.
async fn given_up(store: &dyn Store, key: &str) -> Settlement {
    let id = accept(store, red_recipe(key)).await;
    let withdrawn = Settlement::withdrawn(id, 1, Code::UpstreamTimeout);
    let settled = store.settle(vec![withdrawn.clone()]).await;
    assert_eq!(settled, Ok(vec![Settled::Settled]));
    withdrawn
}

pub(crate) async fn a_number_that_is_given_up_is_watched(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = given_up(&*store, "k").await.id;
    let shown = show(&*store, id).await;
    let timeout = Some(Code::UpstreamTimeout);
    assert_eq!((shown.state, shown.reason), (State::Withdrawn, timeout));
    assert!(shown.watched);
    assert_eq!(shown.paper_due, Some(START + shown.terms.paper_within));
    assert_eq!(
        store.tally().await.unwrap().stored,
        1,
        "the watch is no entry"
    );
    let due = store.next_due(LOOK_UP).await.unwrap();
    assert_eq!(due, Some(START + LOOK_AFTER));
    drop(store);

    let store = reopen(place).await;
    place.clock().advance(LOOK_AFTER);
    let watch = lease_one(&*store, LOOK_UP).await;
    assert_eq!((watch.role, watch.op.as_str()), (Role::Watch, UNDO.0));
    assert_eq!((watch.state, watch.sends), (State::Verifying, 0));
    assert_eq!(watch.accepted_at, START);
    assert!(watch.terms.deadline > START + Duration::from_secs(1_000_000_000));
    let request = watch.request.clone().unwrap();
    assert_eq!(request.number, bytes("own-k"));
    assert_eq!(request.payload, bytes("the prescription of k"));
    assert_eq!(request.authority, bytes("an authority"));
    settle(&*store, &watch, State::Withdrawn, None).await;
    assert!(!show(&*store, id).await.watched);
    assert_eq!(stands(&*store, id).await, (State::Withdrawn, timeout));
}

pub(crate) async fn a_red_recipe_of_a_process_that_is_gone_is_withdrawn_and_watched(
    place: &mut dyn Place,
) {
    let store = place.open(PLENTY);
    let id = accept(&*store, red_recipe("k")).await;
    drop(store);
    let store = reopen(place).await;
    let shown = show(&*store, id).await;
    let expired = Some(Code::LeaseExpired);
    assert_eq!((shown.state, shown.reason), (State::Withdrawn, expired));
    assert!(shown.watched && shown.paper_due.is_some());
    assert_eq!(store.next_due(VERIFY).await.unwrap(), None);

    // A watch whose own lease ends goes on watching: it has no desk.
    place.clock().advance(LOOK_AFTER);
    lease_one(&*store, LOOK_UP).await;
    place.clock().advance(LEASE);
    lease_one(&*store, LOOK_UP).await;
    assert!(show(&*store, id).await.watched);
}

pub(crate) async fn a_late_answer_makes_the_watch_look_at_once(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut late = given_up(&*store, "k").await;
    given_up(&*store, "another").await;
    late.number = Renumber::Kept;
    for (state, looks) in [(State::Uncertain, 0), (State::Registered, 1)] {
        late.state = state;
        let settled = store.settle(vec![late.clone()]).await;
        assert_eq!(settled, Ok(vec![Settled::Stale(State::Withdrawn)]));
        let due = store.lease_due(LOOK_UP, 9, LEASE).await.unwrap();
        assert_eq!(due.len(), looks, "{state:?}");
    }
}

/// A look that ends later than what overtook it does not take it back.
pub(crate) async fn what_comes_while_a_watch_looks_makes_it_look_again(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let late_commit = (State::Conflict, Some(Code::LateCommit));
    let nothing = [(State::Uncertain, None), (State::Withdrawn, None)];
    for (round, (state, reason)) in [late_commit].into_iter().chain(nothing).enumerate() {
        let mut given_up = given_up(&*store, &format!("k-{round}")).await;
        let id = given_up.id;
        place.clock().advance(LOOK_AFTER);
        let watch = lease_one(&*store, LOOK_UP).await;
        if state == State::Conflict {
            accept(&*store, about(id, Role::Cancel, "c")).await;
        } else {
            given_up.state = State::Registered;
            given_up.number = Renumber::Kept;
            store.settle(vec![given_up]).await.unwrap();
        }
        let mut looked = settlement(&watch, state, reason);
        looked.due = Some(START + Duration::from_secs(86_400));
        store.settle(vec![looked]).await.unwrap();
        assert_eq!(stands(&*store, id).await.0, State::Withdrawn);
        let again = lease_one(&*store, LOOK_UP).await;
        assert_eq!((again.id, again.reason), (watch.id, None), "{state:?}");
        // Once: what it finds now is not overtaken. An annul that was sent was agreed to.
        let mut found = settlement(&again, State::Conflict, Some(Code::LateCommit));
        found.sends += 1;
        store.settle(vec![found]).await.unwrap();
        assert_eq!(stands(&*store, id).await, late_commit, "{state:?}");
    }
}

pub(crate) async fn a_double_is_raised_and_one_that_was_undone_is_told(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    for (state, reason, expected) in [
        (
            State::Conflict,
            Some(Code::LateCommit),
            (State::Conflict, Some(Code::LateCommit)),
        ),
        (
            State::Cancelled,
            None,
            (State::Withdrawn, Some(Code::Annulled)),
        ),
    ] {
        let id = given_up(&*store, state.as_str()).await.id;
        place.clock().advance(LOOK_AFTER);
        deliver(&*store, LOOK_UP, state, reason).await;
        assert_eq!(stands(&*store, id).await, expected);
        assert!(!show(&*store, id).await.watched);
    }
}

pub(crate) async fn a_watch_that_found_nothing_looks_again(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = given_up(&*store, "k").await.id;
    place.clock().advance(LOOK_AFTER);
    let watch = lease_one(&*store, LOOK_UP).await;
    let mut nothing = settlement(&watch, State::Uncertain, None);
    let again = START + Duration::from_secs(300);
    nothing.due = Some(again);
    store.settle(vec![nothing]).await.unwrap();
    assert_eq!(store.next_due(LOOK_UP).await.unwrap(), Some(again));
    // No deadline ends it.
    place.clock().advance(Duration::from_secs(400 * 86_400));
    let swept = store.sweep(10).await.unwrap();
    assert_eq!((swept.parked, swept.papers_missing), (0, 1));
    assert!(show(&*store, id).await.watched);
}

pub(crate) async fn watches_are_put_forward_and_never_back(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    given_up(&*store, "k").await;
    place.clock().advance(Duration::from_secs(10));
    given_up(&*store, "later").await;
    let look = START + Duration::from_secs(65);
    let elsewhere = policies::operation::LaneName("sac.lots");
    assert_eq!(store.hasten_watches(elsewhere, START).await, Ok(0));
    assert_eq!(store.hasten_watches(LANE, look).await, Ok(1));
    assert_eq!(store.hasten_watches(LANE, look).await, Ok(0));
    place.clock().advance(Duration::from_secs(51));
    assert_eq!(lease_one(&*store, LOOK_UP).await.accepted_at, START);
    assert_eq!(store.next_due(LOOK_UP).await.unwrap(), Some(look));
}

async fn block(store: &dyn Store) -> NumberBlock {
    let range = NumberRange {
        prefix: "1300A4".to_owned(),
        digits: 9,
    };
    store.add_range(range).await.unwrap();
    store.lease_block(100).await.unwrap().unwrap()
}

fn ours(block: &NumberBlock, position: u64) -> NumberUse {
    NumberUse::Ours {
        block: block.id,
        position,
        number: bytes(&block.range.number(position)),
    }
}

pub(crate) async fn a_number_that_is_replaced_stays_taken_and_watched(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let block = block(&*store).await;
    let mut new = entry("k");
    new.number = ours(&block, 0);
    let id = accept(&*store, new).await;
    deliver(&*store, SEND, State::Uncertain, None).await;
    let leased = lease_one(&*store, VERIFY).await;
    let replaced = |number| {
        let mut superseded = settlement(&leased, State::Accepted, Some(Code::Superseded));
        superseded.sends = 0;
        superseded.number = Renumber::Replaced(number);
        store.settle(vec![superseded])
    };
    // Held by itself, or not of a block of ours: nothing is written.
    assert_eq!(
        replaced(ours(&block, 0)).await,
        Ok(vec![Settled::NumberUsed])
    );
    for never in [
        NumberUse::None,
        NumberUse::Callers(bytes("own")),
        ours(&block, 100),
    ] {
        assert_eq!(replaced(never).await, Err(WriteError::Refused));
    }
    assert_eq!(stands(&*store, id).await.0, State::Verifying);
    assert!(!show(&*store, id).await.watched);
    assert_eq!(replaced(ours(&block, 5)).await, Ok(vec![Settled::Settled]));
    let shown = show(&*store, id).await;
    assert_eq!(shown.number, bytes(&block.range.number(5)));
    assert!(shown.watched);
    let sending = lease_one(&*store, SEND).await;
    assert_eq!(sending.request.clone().unwrap().number, shown.number);
    assert_eq!(sending.sends, 1);
    settle(&*store, &sending, State::Registered, None).await;
    drop(store);

    let store = reopen(place).await;
    // The old number stays held, and the mark is past the new one.
    let rest = store.lease_block(100).await.unwrap().unwrap();
    assert_eq!(rest.next, 6);
    place.clock().advance(LOOK_AFTER);
    let watch = lease_one(&*store, LOOK_UP).await;
    let old = bytes(&rest.range.number(0));
    assert_eq!(watch.request.clone().unwrap().number, old);
    settle(&*store, &watch, State::Conflict, Some(Code::LateCommit)).await;
    let double = (State::Conflict, Some(Code::LateCommit));
    assert_eq!(stands(&*store, id).await, double);
}

/// A cancel annuls the present number alone; with its consent, and under its authority, a watch over
/// an earlier one that was found live, or could not be looked for, looks again at once.
pub(crate) async fn a_cancel_lets_the_watch_over_an_earlier_number_look_again(
    place: &mut dyn Place,
) {
    let store = place.open(PLENTY);
    let block = block(&*store).await;
    for (position, reason) in [(0, Code::LateCommit), (1, Code::PossibleDouble)] {
        let id = accept(&*store, entry(reason.as_str())).await;
        deliver(&*store, SEND, State::Uncertain, None).await;
        let leased = lease_one(&*store, VERIFY).await;
        let mut superseded = settlement(&leased, State::Accepted, Some(Code::Superseded));
        superseded.number = Renumber::Replaced(ours(&block, position));
        store.settle(vec![superseded]).await.unwrap();
        deliver(&*store, SEND, State::Registered, None).await;
        place.clock().advance(LOOK_AFTER);
        let watch = lease_one(&*store, LOOK_UP).await;
        settle(&*store, &watch, State::Conflict, Some(reason)).await;
        assert_eq!(stands(&*store, id).await, (State::Conflict, Some(reason)));
        let cancel = about(id, Role::Cancel, &format!("cancel of {reason:?}"));
        let authority = cancel.authority.clone();
        accept(&*store, cancel).await;
        let again = lease_one(&*store, LOOK_UP).await;
        assert_eq!((again.id, again.reason), (watch.id, None));
        assert!(again.terms.annul_consent && show(&*store, id).await.watched);
        settle(&*store, &again, State::Cancelled, None).await;
        let (before, now) = (watch.request.unwrap(), again.request.unwrap());
        assert_eq!((now.number, now.authority), (before.number, authority));
    }
}

/// What its terms say of an unknown outcome tells whether its prescription has gone on under another
/// number: whatever the rule was when it was written.
pub(crate) async fn a_watch_knows_whether_its_number_is_the_present_one(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let block = block(&*store).await;
    for uncertain in Uncertain::ALL {
        let mut new = red_recipe(uncertain.as_str());
        new.terms.uncertain = uncertain;
        let id = accept(&*store, new).await;
        let withdrawn = Settlement::withdrawn(id, 1, Code::UpstreamTimeout);
        store.settle(vec![withdrawn]).await.unwrap();
    }
    place.clock().advance(LOOK_AFTER);
    for watch in store.lease_due(LOOK_UP, 9, LEASE).await.unwrap() {
        assert_eq!(watch.terms.uncertain, Uncertain::Verify);
        settle(&*store, &watch, State::Withdrawn, None).await;
    }
    let mut new = entry("k");
    new.terms.uncertain = Uncertain::AnnulAndResend;
    accept(&*store, new).await;
    deliver(&*store, SEND, State::Uncertain, None).await;
    let leased = lease_one(&*store, VERIFY).await;
    let mut superseded = settlement(&leased, State::Accepted, Some(Code::Superseded));
    superseded.number = Renumber::Replaced(ours(&block, 0));
    store.settle(vec![superseded]).await.unwrap();
    place.clock().advance(LOOK_AFTER);
    let watch = lease_one(&*store, LOOK_UP).await;
    assert_eq!(watch.terms.uncertain, Uncertain::AnnulAndResend);
}

/// The number that a watch took over is held for ever.
pub(crate) async fn a_number_under_watch_is_nobody_elses(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let block = block(&*store).await;
    deliver(&*store, SEND, State::Uncertain, None).await;
    let leased = lease_one(&*store, VERIFY).await;
    let mut superseded = settlement(&leased, State::Accepted, Some(Code::Superseded));
    superseded.number = Renumber::Replaced(ours(&block, 0));
    store.settle(vec![superseded]).await.unwrap();
    let mut again = entry("another");
    again.number = NumberUse::Callers(bytes("own-k"));
    let appended = store.append(vec![again]).await.remove(0);
    assert!(
        matches!(appended, Ok(engine::ports::Appended::NumberUsed)),
        "{appended:?}"
    );
    assert!(show(&*store, id).await.watched);
}

/// Whoever cancels afterwards lets its late commit be annulled.
pub(crate) async fn a_cancel_agrees_for_the_watches_too(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = given_up(&*store, "k").await.id;
    accept(&*store, about(id, Role::Cancel, "c")).await;
    let requested = (State::Withdrawn, Some(Code::CancelRequested));
    assert_eq!(stands(&*store, id).await, requested);
    assert_eq!(show(&*store, id).await.paper_due, None, "none will follow");
    place.clock().advance(LOOK_AFTER);
    let due = store.lease_due(LOOK_UP, 9, LEASE).await.unwrap();
    assert_eq!(due.len(), 1, "it is watched once");
    assert!(due[0].terms.annul_consent);
}
