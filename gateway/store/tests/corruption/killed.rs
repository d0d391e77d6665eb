//! A process killed at any moment has lost nothing it confirmed.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use engine::ports::{EntryId, Store};
use store::sqlite::OpenError;
use uuid::Uuid;

use super::open;
use crate::world::{self, accept, entry, practice};

const DIRECTORY: &str = "STORE_TEST_DIRECTORY";
/// Each run is killed after some more confirmed entries than the one before.
const RUNS: usize = 6;

/// Runs in the process that is killed: appends and says so, for ever.
#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn append_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let store = open(Path::new(&directory)).unwrap();
    loop {
        let id = accept(&store, entry(&Uuid::now_v7().to_string())).await;
        println!("confirmed {}", id.0);
        std::io::stdout().flush().unwrap();
    }
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["corruption::killed::append_until_killed", "--exact"])
        .args(["--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_killed_process_has_lost_nothing_it_confirmed() {
    let directory = world::scratch();
    let mut confirmed = Vec::new();
    for run in 1..=RUNS {
        let mut child = start(directory.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut id = || {
            lines.find_map(|line| {
                let line = line.unwrap();
                let (_, id) = line.split_once("confirmed ")?;
                Some(EntryId(Uuid::parse_str(id).unwrap()))
            })
        };
        confirmed.push(id().expect("the process confirms"));
        let second = open(directory.path()).err();
        assert!(
            matches!(second, Some(OpenError::InUse { .. })),
            "{second:?}"
        );
        for _ in 0..run * 17 {
            confirmed.push(id().expect("the process confirms"));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it confirmed while it was being killed.
        while let Some(last) = id() {
            confirmed.push(last);
        }
    }
    let store = open(directory.path()).unwrap();
    for id in &confirmed {
        assert!(store.get(practice(), *id).await.unwrap().is_some(), "{id}");
    }
    let tally = store.tally().await.unwrap();
    assert!(tally.stored >= u64::try_from(confirmed.len()).unwrap());
    assert!(tally.balances());
    store.close().await;
}
