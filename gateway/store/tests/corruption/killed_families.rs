//! A process killed at any moment leaves no half of a family: a prescription and what is about it
//! have moved together, or neither has.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use engine::ports::{EntryId, Recall, Settlement, Store};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;
use store::sqlite::Sqlite;
use uuid::Uuid;

use super::open;
use crate::world::{
    self, SEND, UNDOING, about, accept, deliver, entry, practice, red_recipe, show,
};

const DIRECTORY: &str = "STORE_TEST_FAMILIES";
/// Each run is killed after some more finished families than the one before.
const RUNS: usize = 5;

/// Runs in the process that is killed: one family after another, each told before it begins.
#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn move_families_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let store = open(Path::new(&directory)).unwrap();
    loop {
        let key = Uuid::now_v7().to_string();
        let new = entry(&key);
        println!("family {} {key}", new.id.0);
        std::io::stdout().flush().unwrap();
        let id = accept(&store, new).await;
        let sending = world::lease_one(&store, SEND).await;
        accept(&store, about(id, Role::Cancel, &format!("cancel {key}"))).await;
        world::settle(&store, &sending, State::Registered, None).await;
        deliver(&store, UNDOING, State::Registered, None).await;
        let red = accept(&store, red_recipe(&format!("red {key}"))).await;
        let withdrawn = Settlement::withdrawn(red, 1, Code::UpstreamTimeout);
        store.settle(vec![withdrawn]).await.unwrap();
        accept(&store, about(red, Role::Paper, &format!("paper {key}"))).await;
    }
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "corruption::killed_families::move_families_until_killed",
            "--exact",
        ])
        .args(["--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

async fn recall(store: &Sqlite, key: &str) -> Option<(EntryId, State)> {
    let body = entry(key).fingerprint;
    match store.recall(practice(), key.to_owned(), body).await {
        Ok(Recall::Replay(entry)) => Some((entry.id, entry.state)),
        Ok(Recall::Nothing) => None,
        other => panic!("{other:?}"),
    }
}

/// Where a cancel and its prescription can stand together, after a start.
fn is_whole(cancel: Option<State>, parent: State) -> bool {
    match cancel {
        None => matches!(parent, State::Accepted | State::Uncertain),
        Some(State::Accepted) => matches!(parent, State::Uncertain | State::Cancelling),
        Some(State::Uncertain) => parent == State::Cancelling,
        Some(State::Registered) => parent == State::Cancelled,
        Some(_) => false,
    }
}

async fn check(store: &Sqlite, families: &[(EntryId, String)]) {
    for (id, key) in families {
        let Ok(Some(parent)) = store.get(practice(), *id).await else {
            continue;
        };
        let cancel = recall(store, &format!("cancel {key}")).await;
        let cancel = cancel.map(|(_, state)| state);
        assert!(is_whole(cancel, parent.state), "{cancel:?} {parent:?}");
        let Some((red, state)) = recall(store, &format!("red {key}")).await else {
            continue;
        };
        let red = show(store, red).await;
        assert!(red.watched, "{state:?}: it was sent, and is given up");
        let paper = recall(store, &format!("paper {key}")).await;
        let (expected, answer) = match paper {
            None => (State::Withdrawn, false),
            Some(_) => (State::RedRecipe, true),
        };
        assert_eq!((red.state, red.paper.is_some()), (expected, answer));
    }
    assert!(store.tally().await.unwrap().balances());
}

#[tokio::test]
async fn a_killed_process_leaves_no_half_of_a_family() {
    for run in 1..=RUNS {
        let directory = world::scratch();
        let mut child = start(directory.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut family = || {
            lines.find_map(|line| {
                let line = line.unwrap();
                let (_, told) = line.split_once("family ")?;
                let (id, key) = told.split_once(' ')?;
                Some((EntryId(Uuid::parse_str(id).unwrap()), key.to_owned()))
            })
        };
        let mut families = Vec::new();
        for _ in 0..run * 5 {
            families.push(family().expect("the process goes on"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        families.extend(std::iter::from_fn(family));
        let store = open(directory.path()).unwrap();
        check(&store, &families).await;
        store.close().await;
    }
}
