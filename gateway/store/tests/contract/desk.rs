//! Desks that do not wait: paper forms, and what must reach a prescriber.

use std::time::Duration;

use engine::ports::{Appended, EntryId, Filter, NumberUse, Page, Start, Store, Swept};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;

use super::{PLENTY, Place, reopen};
use crate::world::{
    LEASE, LOOK_UP, SEND, START, UNDOING, VERIFY, about, accept, bytes, deliver, entry, lease_one,
    practice, recalled, red_recipe, settlement, show, stands,
};

const HOUR: Duration = Duration::from_secs(3_600);

async fn unacknowledged(store: &dyn Store) -> Vec<EntryId> {
    let filter = Filter {
        unacknowledged: true,
        ..Filter::default()
    };
    let page = Page {
        after: None,
        entries_max: 100,
    };
    let listed = store.list(practice(), filter, page).await.unwrap();
    listed.iter().map(|entry| entry.id).collect()
}

pub(crate) async fn what_is_not_sent_at_all_is_withdrawn_from_the_start(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut new = red_recipe("k");
    new.start = Start::Withdrawn(Code::GateOpen);
    new.number = NumberUse::None;
    let id = new.id;
    let appended = store.append(vec![new]).await.remove(0);
    let Ok(Appended::Accepted {
        state: State::Withdrawn,
        epoch: 0,
        request: None,
        ..
    }) = appended
    else {
        panic!("{appended:?}")
    };
    let shown = show(&*store, id).await;
    assert_eq!(
        (shown.state, shown.reason),
        (State::Withdrawn, Some(Code::GateOpen))
    );
    assert!(!shown.watched, "nothing was sent");
    assert_eq!(shown.paper_due, Some(START + 2 * HOUR));
    assert_eq!(shown.number, bytes(""));
    let tally = store.tally().await.unwrap();
    assert_eq!((tally.stored, tally.withdrawn), (1, 1));
    assert!(store.lease_due(SEND, 9, LEASE).await.unwrap().is_empty());
    let mut another = red_recipe("another");
    another.start = Start::Withdrawn(Code::GateOpen);
    another.number = NumberUse::None;
    accept(&*store, another).await;
}

pub(crate) async fn a_paper_form_is_waited_for_and_then_missed(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut ids = Vec::new();
    for key in ["confirmed", "forgotten", "forgotten too"] {
        let mut new = red_recipe(key);
        new.start = Start::Withdrawn(Code::GateOpen);
        new.number = NumberUse::None;
        ids.push(accept(&*store, new).await);
        place.clock().advance(Duration::from_secs(1));
    }
    accept(&*store, about(ids[0], Role::Paper, "p")).await;
    let shown = show(&*store, ids[0]).await;
    assert_eq!((shown.state, shown.reason), (State::RedRecipe, None));
    assert_eq!(shown.paper, Some(bytes("the number of the paper form")));
    assert_eq!((shown.paper_due, shown.watched), (None, false));
    place.clock().advance(2 * HOUR - Duration::from_secs(2));
    assert_eq!(store.sweep(10).await.unwrap(), Swept::default());
    place.clock().advance(Duration::from_secs(3));
    assert_eq!(store.sweep(1).await.unwrap().papers_missing, 1);
    let missing = (State::Withdrawn, Some(Code::PaperMissing));
    assert_eq!(stands(&*store, ids[1]).await, missing);
    assert_eq!(store.sweep(9).await.unwrap().papers_missing, 1);
    assert_eq!(store.sweep(9).await.unwrap(), Swept::default());
    let open = unacknowledged(&*store).await;
    assert_eq!(open, [ids[2], ids[1]]);
    // It comes late, and is welcome.
    accept(&*store, about(ids[1], Role::Paper, "late")).await;
    assert_eq!(stands(&*store, ids[1]).await, (State::RedRecipe, None));
    assert_eq!(unacknowledged(&*store).await, [ids[2]]);
    assert!(store.tally().await.unwrap().balances());
}

pub(crate) async fn a_paper_form_for_what_may_be_registered_too(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    // On its way: its deliverer has lost it, and its number is watched.
    let sent = accept(&*store, entry("sent")).await;
    let sending = lease_one(&*store, SEND).await;
    accept(&*store, about(sent, Role::Paper, "p1")).await;
    let shown = show(&*store, sent).await;
    assert_eq!((shown.state, shown.watched), (State::RedRecipe, true));
    let late = store
        .settle(vec![settlement(&sending, State::Registered, None)])
        .await;
    let stale = engine::ports::Settled::Stale(State::RedRecipe);
    assert_eq!(late, Ok(vec![stale]));
    assert_eq!(lease_one(&*store, LOOK_UP).await.role, Role::Watch);

    let issued = Some(Code::PaperIssued);
    let refuses = accept(&*store, entry("registered")).await;
    deliver(&*store, SEND, State::Registered, None).await;
    accept(&*store, about(refuses, Role::Paper, "p2")).await;
    assert_eq!(stands(&*store, refuses).await, (State::Conflict, issued));
    let said = Some(bytes("the number of the paper form"));
    assert_eq!(show(&*store, refuses).await.paper, said);

    let mut new = entry("registered, may be annulled");
    new.terms.annul_consent = true;
    let agrees = accept(&*store, new).await;
    let leased = lease_one(&*store, SEND).await;
    let mut registered = settlement(&leased, State::Registered, None);
    registered.answer = Some(bytes("the receipt"));
    store.settle(vec![registered]).await.unwrap();
    accept(&*store, about(agrees, Role::Paper, "p3")).await;
    assert_eq!(stands(&*store, agrees).await, (State::RedRecipe, issued));
    let shown = show(&*store, agrees).await;
    assert_eq!(
        (shown.answer, shown.paper),
        (Some(bytes("the receipt")), said)
    );
    let watch = lease_one(&*store, LOOK_UP).await;
    assert!(watch.terms.annul_consent);
    assert_eq!(
        watch.request.clone().unwrap().number,
        bytes("own-registered, may be annulled")
    );
    assert!(store.lease_due(UNDOING, 9, LEASE).await.unwrap().is_empty());
}

/// What is annulled in somebody's name is not theirs to ask for who only sits at the same desk.
pub(crate) async fn paper_for_what_is_registered_needs_its_writer(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let mut new = entry("k");
    new.terms.annul_consent = true;
    let id = accept(&*store, new).await;
    let by_another = |key: &str| {
        let mut paper = about(id, Role::Paper, key);
        paper.identity = bytes("RSSMRA80A01H501U");
        paper
    };
    deliver(&*store, SEND, State::Registered, None).await;
    let refused = store.append(vec![by_another("p1")]).await.remove(0);
    assert!(
        matches!(refused, Ok(Appended::OtherIdentity)),
        "{refused:?}"
    );
    assert_eq!(stands(&*store, id).await, (State::Registered, None));
    assert_eq!(show(&*store, id).await.paper, None);
    assert!(store.lease_due(LOOK_UP, 9, LEASE).await.unwrap().is_empty());

    let waits = accept(&*store, entry("waits")).await;
    let mut paper = about(waits, Role::Paper, "p2");
    paper.identity = bytes("RSSMRA80A01H501U");
    accept(&*store, paper).await;
    assert_eq!(stands(&*store, waits).await, (State::RedRecipe, None));
    accept(&*store, about(id, Role::Paper, "p3")).await;
    let issued = Some(Code::PaperIssued);
    assert_eq!(stands(&*store, id).await, (State::RedRecipe, issued));
}

pub(crate) async fn what_must_reach_its_prescriber_is_listed_until_it_has(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let rejected = accept(&*store, entry("rejected")).await;
    deliver(&*store, SEND, State::Rejected, Some(Code::UpstreamRejected)).await;
    let parked = accept(&*store, entry("parked")).await;
    deliver(&*store, SEND, State::Parked, None).await;
    let fine = accept(&*store, entry("fine")).await;
    deliver(&*store, SEND, State::Registered, None).await;
    assert_eq!(unacknowledged(&*store).await, [parked, rejected]);

    accept(&*store, about(rejected, Role::Acknowledge, "a1")).await;
    assert_eq!(recalled(&*store, "a1").await, (State::Registered, None));
    assert!(show(&*store, rejected).await.acknowledged);
    assert!(!show(&*store, parked).await.acknowledged);
    assert_eq!(unacknowledged(&*store).await, [parked]);
    let events = store.events(practice(), rejected).await.unwrap().unwrap();
    assert_eq!(events.len(), 2, "that is no step of the prescription");
    let nothing = about(fine, Role::Acknowledge, "a2");
    let moot = store.append(vec![nothing]).await.remove(0);
    assert!(matches!(moot, Ok(Appended::Moot(State::Registered))));
    drop(store);

    let store = reopen(place).await;
    assert_eq!(unacknowledged(&*store).await, [parked]);
    assert!(show(&*store, rejected).await.acknowledged);
}

/// What was taken note of is not what happens next.
pub(crate) async fn a_new_reason_is_to_be_acknowledged_again(place: &mut dyn Place) {
    let store = place.open(PLENTY);
    let id = accept(&*store, entry("k")).await;
    let leased = lease_one(&*store, SEND).await;
    let mut rejected = settlement(&leased, State::Rejected, Some(Code::UpstreamRejected));
    rejected.number = engine::ports::Renumber::Watched;
    store.settle(vec![rejected]).await.unwrap();
    accept(&*store, about(id, Role::Acknowledge, "a1")).await;
    assert!(unacknowledged(&*store).await.is_empty());
    place.clock().advance(HOUR);
    deliver(&*store, LOOK_UP, State::Conflict, Some(Code::LateCommit)).await;
    assert_eq!(unacknowledged(&*store).await, [id]);
    assert!(!show(&*store, id).await.acknowledged);
    accept(&*store, about(id, Role::Acknowledge, "a2")).await;
    assert!(unacknowledged(&*store).await.is_empty());
    assert_eq!(store.next_due(VERIFY).await.unwrap(), None);
}
