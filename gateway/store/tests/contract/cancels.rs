//! Taking a prescription back, wherever it stands.

use engine::ports::{Appended, NewEntry, Organization, Page, Settled, Start, Store};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;

use super::{PLENTY, Place, reopen};
use crate::world::{
    LEASE, LOOK_UP, SEND, START, UNDO, UNDOING, VERIFY, about, accept, bytes, deliver, entry,
    lease_one, practice, recalled, settle, settlement, show, stands,
};

const REQUESTED: (State, Option<Code>) = (State::Withdrawn, Some(Code::CancelRequested));

async fn append(store: &dyn Store, new: NewEntry) -> Appended {
    let mut appended = store.append(vec![new]).await;
    appended.remove(0).expect("it is understood")
}

pub(crate) async fn what_was_never_sent_is_withdrawn_with_its_cancel(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let cancel = append(&*store, about(id, Role::Cancel, "c")).await;
    let Appended::Accepted {
        at: START,
        state: State::Registered,
        epoch: 0,
        request: None,
    } = cancel
    else {
        panic!("{cancel:?}")
    };
    assert_eq!(stands(&*store, id).await, REQUESTED);
    assert!(!show(&*store, id).await.watched);
    assert!(store.lease_due(SEND, 9, LEASE).await.unwrap().is_empty());
    assert!(store.lease_due(UNDOING, 9, LEASE).await.unwrap().is_empty());
    drop(store);
    let store = reopen(place).await;
    assert_eq!(stands(&*store, id).await, REQUESTED);
    assert_eq!(recalled(&*store, "c").await, (State::Registered, None));
    let again = append(&*store, about(id, Role::Cancel, "another")).await;
    assert!(
        matches!(again, Appended::Moot(State::Withdrawn)),
        "{again:?}"
    );
}

pub(crate) async fn what_may_be_there_is_cancelled_once_that_is_known(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let sending = lease_one(&*store, SEND).await;
    accept(&*store, about(id, Role::Cancel, "c")).await;
    assert_eq!(stands(&*store, id).await, (State::Sending, None));
    assert_eq!(recalled(&*store, "c").await, (State::Accepted, None));
    assert_eq!(store.next_due(UNDOING).await.unwrap(), None, "it is held");
    settle(
        &*store,
        &sending,
        State::Uncertain,
        Some(Code::UpstreamTimeout),
    )
    .await;
    assert!(store.lease_due(UNDOING, 9, LEASE).await.unwrap().is_empty());

    let looking = lease_one(&*store, VERIFY).await;
    settle(&*store, &looking, State::Registered, None).await;
    assert_eq!(stands(&*store, id).await, (State::Cancelling, None));
    let cancelling = lease_one(&*store, UNDOING).await;
    assert_eq!(cancelling.role, Role::Cancel);
    assert_eq!(cancelling.op, UNDO.0);
    let request = cancelling.request.clone().unwrap();
    assert_eq!(request.payload, bytes("the prescription of k"));
    assert_eq!(request.number, bytes("own-k"));
    assert_eq!(request.authority, bytes("a later authority"));
    settle(&*store, &cancelling, State::Registered, None).await;
    assert_eq!(stands(&*store, id).await, (State::Cancelled, None));

    let events = store.events(practice(), id).await.unwrap().unwrap();
    let told: Vec<_> = events.iter().map(|event| event.state).collect();
    let expected = [
        State::Accepted,
        State::Uncertain,
        State::Registered,
        State::Cancelling,
        State::Cancelled,
    ];
    assert_eq!(told, expected);
    let all = store.events_after(practice(), 0, 100).await.unwrap();
    assert_eq!(all, events, "a cancel has none of its own");
}

/// Shown absent, it is not sent again for a prescriber who does not want it.
pub(crate) async fn what_is_shown_absent_is_withdrawn_and_watched(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let sending = lease_one(&*store, SEND).await;
    accept(&*store, about(id, Role::Cancel, "c")).await;
    settle(&*store, &sending, State::Accepted, None).await;
    assert_eq!(stands(&*store, id).await, REQUESTED);
    let shown = show(&*store, id).await;
    assert!(shown.watched && shown.terms.annul_consent);
    assert_eq!(recalled(&*store, "c").await, (State::Registered, None));
    place.clock().advance(shown.terms.look_after);
    let watch = lease_one(&*store, LOOK_UP).await;
    assert!(watch.terms.annul_consent, "whoever cancels agrees to it");
}

pub(crate) async fn a_registered_one_is_cancelled_at_once(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    deliver(&*store, SEND, State::Registered, None).await;
    let mut new = about(id, Role::Cancel, "c");
    new.start = Start::Leased(LEASE);
    let cancel = append(&*store, new.clone()).await;
    let Appended::Accepted {
        state: State::Sending,
        epoch: 1,
        request: Some(request),
        ..
    } = cancel
    else {
        panic!("{cancel:?}")
    };
    assert_eq!(request.number, bytes("own-k"));
    assert_eq!(request.payload, bytes("the prescription of k"));
    assert_eq!(request.authority, new.authority);
    assert_eq!(stands(&*store, id).await, (State::Cancelling, None));
    // Its process is gone: the cancel is looked after, and its prescription waits for it.
    drop(store);
    let store = reopen(place).await;
    let (state, reason) = recalled(&*store, "c").await;
    assert_eq!(
        (state, reason),
        (State::Uncertain, Some(Code::LeaseExpired))
    );
    assert_eq!(stands(&*store, id).await, (State::Cancelling, None));
    deliver(&*store, LOOK_UP, State::Registered, None).await;
    assert_eq!(stands(&*store, id).await, (State::Cancelled, None));
}

pub(crate) async fn a_refused_cancel_leaves_what_it_found(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let refused = Some(Code::UpstreamRejected);
    let id = accept(&*store, entry("registered")).await;
    deliver(&*store, SEND, State::Registered, None).await;
    accept(&*store, about(id, Role::Cancel, "c1")).await;
    deliver(&*store, UNDOING, State::Rejected, refused).await;
    let expected = (State::Registered, Some(Code::CancelRefused));
    assert_eq!(stands(&*store, id).await, expected);
    assert_eq!(recalled(&*store, "c1").await, (State::Rejected, refused));

    let double = accept(&*store, entry("double")).await;
    let mismatch = Some(Code::UpstreamMismatch);
    deliver(&*store, SEND, State::Conflict, mismatch).await;
    accept(&*store, about(double, Role::Cancel, "c2")).await;
    assert_eq!(stands(&*store, double).await, (State::Cancelling, mismatch));
    deliver(&*store, UNDOING, State::Rejected, refused).await;
    assert_eq!(stands(&*store, double).await, (State::Conflict, mismatch));

    accept(&*store, about(double, Role::Cancel, "c3")).await;
    let unreadable = Some(Code::Unreadable);
    deliver(&*store, UNDOING, State::Parked, unreadable).await;
    assert_eq!(stands(&*store, double).await, (State::Conflict, unreadable));
}

pub(crate) async fn a_cancel_waits_for_its_prescriber_like_any_other(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    deliver(&*store, SEND, State::Registered, None).await;
    accept(&*store, about(id, Role::Cancel, "c")).await;
    for (sends, wanted) in [(0, UNDOING), (1, LOOK_UP)] {
        let leased = lease_one(&*store, UNDOING).await;
        let expired = Some(Code::AuthorityExpired);
        let mut waits = settlement(&leased, State::NeedsAuthorization, expired);
        waits.sends = sends;
        assert_eq!(store.settle(vec![waits]).await, Ok(vec![Settled::Settled]));
        // Whoever follows the prescription sees for whom its cancel waits.
        assert_eq!(stands(&*store, id).await, (State::Cancelling, expired));
        assert_eq!(store.authority_awaited().await, Ok(true));
        let doctor = bytes("PROVAX00X00X000Y");
        let renewed = store.reauthorize(practice(), doctor, bytes("renewed"));
        assert_eq!(renewed.await, Ok(1));
        assert_eq!(stands(&*store, id).await, (State::Cancelling, None));
        let leased = lease_one(&*store, wanted).await;
        let request = leased.request.clone().unwrap();
        assert_eq!(request.authority, bytes("renewed"));
        assert_eq!(request.number, bytes("own-k"));
        settle(&*store, &leased, State::Accepted, None).await;
    }
}

/// One whose prescriber must authenticate again goes on when he does, and its cancel with it.
pub(crate) async fn a_cancel_behind_one_that_waits_for_its_prescriber(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let expired = Some(Code::AuthorityExpired);
    let id = accept(&*store, entry("k")).await;
    deliver(&*store, SEND, State::NeedsAuthorization, expired).await;
    accept(&*store, about(id, Role::Cancel, "c")).await;
    assert_eq!(
        recalled(&*store, "c").await,
        (State::Accepted, None),
        "held"
    );
    let doctor = bytes("PROVAX00X00X000Y");
    let renewed = store.reauthorize(practice(), doctor, bytes("renewed"));
    assert_eq!(renewed.await, Ok(1));
    deliver(&*store, VERIFY, State::Registered, None).await;
    assert_eq!(stands(&*store, id).await, (State::Cancelling, None));
}

pub(crate) async fn a_cancel_is_its_writers_and_its_organizations(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let mut elsewhere = about(id, Role::Cancel, "c");
    elsewhere.organization = Organization("practice-b".to_owned());
    assert!(matches!(
        append(&*store, elsewhere).await,
        Appended::NoParent
    ));
    let never = about(entry("never stored").id, Role::Cancel, "c");
    assert!(matches!(append(&*store, never).await, Appended::NoParent));
    let mut another = about(id, Role::Cancel, "c");
    another.identity = bytes("RSSMRA80A01H501U");
    assert!(matches!(
        append(&*store, another).await,
        Appended::OtherIdentity
    ));
    assert_eq!(stands(&*store, id).await, (State::Accepted, None));
    assert!(!show(&*store, id).await.terms.annul_consent);
    // Nothing was stored: the key is free.
    let cancel = about(id, Role::Cancel, "c");
    let name = accept(&*store, cancel.clone()).await;
    let replay = append(&*store, cancel).await;
    let Appended::Replay(entry) = replay else {
        panic!("{replay:?}")
    };
    assert_eq!((entry.id, entry.state), (name, State::Registered));
    assert_eq!(store.get(practice(), name).await.unwrap(), None);
    let all = Page {
        after: None,
        entries_max: 9,
    };
    let listed = store.list(practice(), Default::default(), all).await;
    assert_eq!(listed.unwrap().len(), 1);
    assert_eq!(store.tally().await.unwrap().stored, 1);
    assert_eq!(store.events(practice(), name).await.unwrap(), None);
}

/// A full store must still take what empties it, and what is held takes no room.
pub(crate) async fn a_full_store_still_takes_cancels(place: &mut dyn Place) {
    let store = place.open(2);
    let ids = [
        accept(&*store, entry("a")).await,
        accept(&*store, entry("b")).await,
    ];
    let sending = lease_one(&*store, SEND).await;
    accept(&*store, about(ids[0], Role::Cancel, "ca")).await;
    let full = store.append(vec![entry("c")]).await.remove(0);
    assert!(full.is_err(), "{full:?}");
    accept(&*store, about(ids[1], Role::Cancel, "cb")).await;
    accept(&*store, entry("c")).await;
    settle(&*store, &sending, State::Rejected, None).await;
    let expected = (State::Withdrawn, Some(Code::DependencyRejected));
    assert_eq!(recalled(&*store, "ca").await, expected);
    accept(&*store, entry("d")).await;
    let full = store.append(vec![entry("e")]).await.remove(0);
    assert!(full.is_err(), "{full:?}");
}

/// A deadline parks what is on its way, and never the mere wish that waits behind something else.
pub(crate) async fn a_cancel_past_its_deadline(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let soon = |mut new: NewEntry| {
        new.terms.deadline = START + LEASE;
        new
    };
    let held = accept(&*store, entry("held")).await;
    let sending = lease_one(&*store, SEND).await;
    accept(&*store, soon(about(held, Role::Cancel, "ch"))).await;
    let due = accept(&*store, entry("due")).await;
    deliver(&*store, SEND, State::Registered, None).await;
    accept(&*store, soon(about(due, Role::Cancel, "cd"))).await;
    settle(&*store, &sending, State::Uncertain, None).await;
    place.clock().advance(2 * LEASE);
    assert_eq!(store.sweep(10).await.unwrap().parked, 1);
    let late = (State::Parked, Some(Code::DeadlinePassed));
    assert_eq!(recalled(&*store, "cd").await, late);
    let raised = (State::Conflict, Some(Code::DeadlinePassed));
    assert_eq!(stands(&*store, due).await, raised, "with its prescription");
    assert_eq!(recalled(&*store, "ch").await, (State::Accepted, None));
}
