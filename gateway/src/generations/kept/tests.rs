//! What is kept, on a real disk with real limits.

use std::path::Path;
use std::sync::Arc;

use adapters::sac::ANNULLA;
use engine::clock::AnchoredClock;
use store::sealing::Key;
use store::sqlite::{Settings, Sqlite};

use super::*;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

fn open(directory: &Path) -> Sqlite {
    let key = directory.join("key");
    if !key.exists() {
        std::fs::write(&key, "ab".repeat(32)).unwrap();
    }
    let key = Key::from_file(&key).unwrap();
    let clock = Arc::new(AnchoredClock::start());
    Sqlite::open(&Settings::new(directory.join("store"), key, clock, ANNULLA)).unwrap()
}

/// As long as a toggle may be, in the characters that take most room.
fn longest(number: usize) -> Held {
    Held {
        organization: "\"".repeat(128),
        toggle: Toggle {
            target: format!("sac.prescriptions.{number:0>100}"),
            value: "\u{1f691}".repeat(1_000),
            reason: "\u{1f691}".repeat(500),
            author: "\u{1f691}".repeat(64),
            set_at: NOW,
            expires_at: NOW,
        },
        is_overdue: true,
    }
}

#[tokio::test]
async fn any_number_of_the_longest_toggles_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut kept = Kept::default();
    for number in 0..200 {
        let held = longest(number % 40);
        let by = By {
            organization: held.organization.clone(),
            author: held.toggle.author.clone(),
            reason: held.toggle.reason.clone(),
        };
        let target = held.toggle.target.clone();
        let replaced = Ended::by_itself(held.clone(), End::Replaced(by), NOW);
        push(&mut kept.ended, replaced);
        kept.toggles.retain(|held| held.toggle.target != target);
        kept.toggles.push(held);
        kept.write_toggle(&target, &store).await.unwrap();
    }
    store.close().await;
    let read = Kept::read(&open(directory.path())).await.unwrap();
    assert_eq!((read.toggles.len(), read.ended.len()), (40, ENDED_MAX));
}

#[tokio::test]
async fn the_largest_file_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let room = usize::try_from(crate::rules::FILE_BYTES_MAX).unwrap();
    // Each of these takes two bytes where it is kept.
    let files = Files::of(&"\n".repeat(room));
    write_last_good(&files, &store).await.unwrap();
    store.close().await;
    let read = Kept::read(&open(directory.path())).await.unwrap();
    assert_eq!(read.last_good, Some(files));
}

#[tokio::test]
async fn a_toggle_that_cannot_be_read_is_not_overlooked() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let target = longest(1).toggle.target;
    let name = format!("{TOGGLE}{target}");
    for value in ["{}", "[", "{\"held\":null,\"ended\":[],\"more\":1}"] {
        let value = Some(Opaque(value.as_bytes().to_vec()));
        store.put_operator_state(name.clone(), value).await.unwrap();
        let refused = Kept::read(&store).await;
        let target = target.clone();
        assert_eq!(refused, Err(KeptError::Unparsable { target }));
    }
    store.put_operator_state(name, None).await.unwrap();
    assert_eq!(Kept::read(&store).await, Ok(Kept::default()));
}
