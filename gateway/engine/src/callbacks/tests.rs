//! One push, and what is written down of it.

use std::collections::BTreeSet;
use std::sync::Mutex;

use futures_util::future::{BoxFuture, pending, ready};
use policies::failure::Opaque;
use policies::state::State;
use uuid::Uuid;

use super::*;
use crate::entry::{EntryId, Organization, ReadError, WriteError};
use crate::ports::Unwatched;
use crate::stop::StopSwitch;

const DAY: Duration = Duration::from_secs(86_400);
const HOST: &str = "practice.example:443";

/// An outbox that notes what is written to it, receivers that fail, a clock that stands.
struct Stage {
    now: Timestamp,
    is_registered: bool,
    unreadable: Vec<Unreadable>,
    notes: Mutex<Vec<String>>,
}

impl Stage {
    fn note(&self, what: String) {
        self.notes.lock().unwrap().push(what);
    }
}

impl Outbox for Stage {
    fn due(&self, _: usize, _: BTreeSet<String>) -> BoxFuture<'_, Result<Waiting, ReadError>> {
        let unreadable = self.unreadable.clone();
        Box::pin(ready(Ok(Waiting {
            unreadable,
            ..Waiting::default()
        })))
    }
    fn put_off<'a>(
        &'a self,
        seq: u64,
        host: &'a str,
        tries: u32,
        due: Timestamp,
    ) -> BoxFuture<'a, Result<(), WriteError>> {
        self.note(format!(
            "{seq} at {host} put off by {:?}, tried {tries} times",
            due.since(self.now)
        ));
        Box::pin(ready(Ok(())))
    }
    fn remove<'a>(&'a self, seq: u64, host: &'a str) -> BoxFuture<'a, Result<(), WriteError>> {
        self.note(format!("{seq} at {host} removed"));
        Box::pin(ready(Ok(())))
    }
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(pending())
    }
    fn waiting(&self) -> BoxFuture<'_, Result<u64, ReadError>> {
        Box::pin(ready(Ok(0)))
    }
}

impl Receivers for Stage {
    fn push<'a>(&'a self, callback: &'a Callback, _: Duration) -> BoxFuture<'a, Pushed> {
        self.note(format!("{} pushed", callback.seq));
        Box::pin(ready(died(Said::Failed, "connection")))
    }
}

impl Clock for Stage {
    fn now(&self) -> Timestamp {
        self.now
    }
    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(pending())
    }
}

impl Rng for Stage {
    fn unit(&self) -> f64 {
        0.5
    }
}

/// Eight days after [`callback`] happened, as far as the clock goes.
fn stage() -> Stage {
    Stage {
        now: Timestamp(0) + 8 * DAY,
        is_registered: true,
        unreadable: Vec::new(),
        notes: Mutex::default(),
    }
}

fn rules() -> CallbackRules {
    CallbackRules {
        retry_after: vec![Duration::from_secs(2), Duration::from_secs(3_600)],
        jitter_share: 0.0,
        give_up_after: 7 * DAY,
        request_within: Duration::from_secs(1),
        requests_max: 4,
        requests_per_host_max: 2,
    }
}

fn callback() -> Callback {
    Callback {
        seq: 7,
        id: Uuid::nil(),
        entry: EntryId(Uuid::nil()),
        organization: Organization("practice-a".to_owned()),
        state: State::Registered,
        reason: None,
        at: Timestamp(0),
        tries: 0,
        host: HOST.to_owned(),
        url: Ok(Opaque::default()),
    }
}

fn callbacks(stage: &Arc<Stage>) -> Callbacks {
    let (_switch, stop) = StopSwitch::new();
    let is_registered = stage.is_registered;
    Callbacks {
        outbox: Arc::clone(stage) as _,
        receivers: Arc::clone(stage) as _,
        may_receive: Arc::new(move |organization, host| {
            is_registered && (organization.0.as_str(), host) == ("practice-a", HOST)
        }),
        clock: Arc::clone(stage) as _,
        rng: Arc::clone(stage) as _,
        signals: Arc::new(Unwatched),
        rules: Live::new(rules()),
        stop,
    }
}

/// What is noted of a push by a process that began at `began`.
async fn noted(stage: Stage, began: Timestamp) -> (Said, Vec<String>) {
    let stage = Arc::new(stage);
    let ended = callbacks(&stage).push(callback(), &rules(), began).await;
    assert!(ended.is_written);
    let notes = stage.notes.lock().unwrap().clone();
    (ended.pushed.said, notes)
}

const PUT_OFF: &str = "7 at practice.example:443 put off by 2s, tried 1 times";
const REMOVED: &str = "7 at practice.example:443 removed";

#[tokio::test]
async fn a_process_gives_up_nothing_for_what_its_clock_says_at_its_start() {
    let (said, notes) = noted(stage(), stage().now).await;
    assert_eq!(
        (said, notes),
        (
            Said::Failed,
            vec!["7 pushed".to_owned(), PUT_OFF.to_owned()]
        )
    );
    let (_, notes) = noted(stage(), Timestamp(0)).await;
    assert_eq!(notes[1..], [REMOVED]);
}

#[tokio::test]
async fn who_is_not_registered_any_more_is_not_called() {
    let gone = || Stage {
        is_registered: false,
        ..stage()
    };
    let (said, notes) = noted(gone(), stage().now).await;
    assert_eq!((said, notes), (Said::Unsent, vec![PUT_OFF.to_owned()]));
    let (_, notes) = noted(gone(), Timestamp(0)).await;
    assert_eq!(notes, [REMOVED]);
}

#[tokio::test]
async fn what_cannot_be_read_is_given_up() {
    let unreadable = Unreadable {
        seq: 7,
        host: HOST.to_owned(),
    };
    let stage = Arc::new(Stage {
        unreadable: vec![unreadable],
        ..stage()
    });
    let (mut hosts, mut under_way) = (Hosts::default(), JoinSet::new());
    let callbacks = callbacks(&stage);
    let wait = callbacks.begin(&mut hosts, &mut under_way, stage.now).await;
    assert_eq!(wait, LOOK_EVERY);
    assert_eq!(*stage.notes.lock().unwrap(), [REMOVED]);
}
