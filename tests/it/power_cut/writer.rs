//! The role of the writer: takes entries into the store at several desks, as fast as it can, and
//! acknowledges each once the store has answered.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::clock::AnchoredClock;
use engine::numbers::Numbers;
use engine::ports::{
    Appended, Clock, EntryId, NewEntry, NumberRange, NumberUse, Organization, Renumber, Settled,
    Settlement, Start, Store,
};
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::Opaque;
use policies::family::Role;
use policies::operation::{LaneName, OpName};
use policies::state::State;
use store::sealing::Key;
use store::sqlite::{Settings, Sqlite};
use uuid::Uuid;

use super::acknowledged::Line;

/// The test that plays the role.
pub(super) const ROLE: &str = "power_cut::writer::write_until_the_power_is_cut";
/// Where the store lies.
pub(super) const DIRECTORY: &str = "ARGINE_POWER_CUT_DIRECTORY";
/// Its key file.
pub(super) const KEY: &str = "ARGINE_POWER_CUT_KEY";
/// Desks that write at the same time: what they hand over together is one commit.
pub(super) const DESKS: usize = 4;
/// Numbers of one block: few, so that blocks are leased all the time.
const BLOCK: u64 = 32;
/// About what a prescription takes.
pub(super) const PAYLOAD_BYTES: usize = 1_200;
const LEASE: Duration = Duration::from_secs(60);
const DEADLINE: Duration = Duration::from_secs(86_400);

/// The range of every store of the rig.
pub(super) fn range() -> NumberRange {
    NumberRange {
        prefix: "1300A4".to_owned(),
        digits: 9,
    }
}

pub(super) fn organization() -> Organization {
    Organization("practice-a".to_owned())
}

/// Opens the store in `directory`.
pub(super) fn open(directory: &Path, key: &Path) -> Sqlite {
    let key = Key::from_file(key).expect("the key file was written");
    let clock = Arc::new(AnchoredClock::start());
    let settings = Settings::new(directory.to_owned(), key, clock, OpName("annulla"));
    Sqlite::open(&settings).expect("the store opens")
}

/// An entry under `number`, to be sent at once by whoever appends it.
pub(super) fn entry(id: Uuid, number: NumberUse, clock: &dyn Clock) -> NewEntry {
    let id = EntryId(id);
    NewEntry {
        id,
        lane: LaneName("sac.prescriptions"),
        op: OpName("invio"),
        role: Role::Create,
        order_key: id,
        depends_on: None,
        organization: organization(),
        key: id.to_string(),
        fingerprint: Opaque(id.to_string().into_bytes()),
        person: None,
        number,
        identity: Opaque(b"PROVAX00X00X000Y".to_vec()),
        payload: Opaque(vec![b'p'; PAYLOAD_BYTES]),
        authority: Opaque(b"an authority".to_vec()),
        terms: Terms {
            fallback: Fallback::Hold,
            uncertain: Uncertain::Verify,
            deadline: clock.now() + DEADLINE,
            answer_within: Duration::from_secs(8),
            paper_within: Duration::from_secs(7_200),
            look_after: Duration::from_secs(60),
            annul_consent: false,
        },
        start: Start::Leased(LEASE),
        trace: None,
        audit: Opaque::default(),
        reply_to: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the process whose power the tests of this module cut"]
async fn write_until_the_power_is_cut() {
    let (Ok(directory), Ok(key)) = (std::env::var(DIRECTORY), std::env::var(KEY)) else {
        return;
    };
    let store = open(directory.as_ref(), key.as_ref());
    store.add_range(range()).await.expect("a range is stored");
    let numbers = Numbers::default();
    let clock = AnchoredClock::start();
    let desks = (0..DESKS).map(|_| async {
        loop {
            write_one(&store, &numbers, &clock).await;
        }
    });
    let _: Vec<()> = futures_util::future::join_all(desks).await;
}

/// A prescription on a good day: accepted, then registered.
async fn write_one(store: &dyn Store, numbers: &Numbers, clock: &dyn Clock) {
    if numbers.left() < DESKS as u64 {
        let block = store.lease_block(BLOCK).await.expect("a block is leased");
        numbers.add(block.expect("the range is far from used up"));
    }
    let number = numbers.take(clock).await.expect("there are numbers");
    let Opaque(digits) = number.number().cloned().unwrap_or_default();
    let id = Uuid::now_v7();
    let appended = store.append(vec![entry(id, number, clock)]).await.remove(0);
    let Ok(Appended::Accepted { epoch, .. }) = appended else {
        panic!("the entry is not accepted: {appended:?}");
    };
    let digits = String::from_utf8(digits).expect("a number is made of digits");
    Line::Accepted(id, digits).say();
    let registered = Settlement {
        id: EntryId(id),
        epoch,
        state: State::Registered,
        due: None,
        sends: 1,
        failures: 0,
        reason: None,
        answer: Some(Opaque(b"a receipt".to_vec())),
        document: None,
        number: Renumber::Kept,
    };
    let settled = store.settle(vec![registered]).await.expect("it is settled");
    assert_eq!(settled, [Settled::Settled]);
    Line::Registered(id).say();
}
