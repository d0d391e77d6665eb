//! A process killed at any moment has left an event and its place in the outbox, or neither.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use engine::ports::Outbox;
use policies::state::State;
use rusqlite::Connection;
use store::sqlite::Sqlite;
use uuid::Uuid;

use super::{HOST, followed};
use crate::world::{self, SEND, TestClock, accept, deliver};

const DIRECTORY: &str = "OUTBOX_TEST_DIRECTORY";
/// Each run is killed after some more events than the one before.
const RUNS: usize = 6;

/// Runs in the process that is killed: has one prescription registered after the other, for ever.
#[tokio::test]
#[ignore = "run by the test below, in a process of its own"]
async fn register_until_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else {
        return;
    };
    let clock = TestClock::new();
    let store = Sqlite::open(&world::settings(Path::new(&directory), &clock)).unwrap();
    loop {
        accept(&store, followed(&Uuid::now_v7().to_string(), HOST)).await;
        deliver(&store, SEND, State::Registered, None).await;
        println!("registered");
        std::io::stdout().flush().unwrap();
    }
}

fn start(directory: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["outbox::killed::register_until_killed", "--exact"])
        .args(["--ignored", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Events of the end, and those of them that wait to be pushed.
fn counted(directory: &Path) -> (i64, i64) {
    let conn = Connection::open(directory.join("entries.db")).unwrap();
    let count = |sql: &str| conn.query_row(sql, [], |row| row.get(0)).unwrap();
    (
        count("SELECT count(*) FROM events WHERE state = 'registered'"),
        count("SELECT count(*) FROM events JOIN outbox USING (seq) WHERE state = 'registered'"),
    )
}

#[tokio::test]
async fn a_killed_process_leaves_event_and_callback_or_neither() {
    let directory = world::scratch();
    let mut confirmed = 0;
    for run in 1..=RUNS {
        let mut child = start(directory.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut registered = lines.filter(|line| line.as_ref().unwrap().contains("registered"));
        for _ in 0..run * 11 {
            registered.next().expect("the process goes on").unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        confirmed += i64::try_from(run * 11).unwrap();
        let clock = TestClock::new();
        let store = Sqlite::open(&world::settings(directory.path(), &clock)).unwrap();
        assert_eq!(
            store.waiting().await.unwrap(),
            u64::try_from(
                store
                    .due(usize::MAX, BTreeSet::new())
                    .await
                    .unwrap()
                    .due
                    .len()
            )
            .unwrap()
        );
        store.close().await;
        let (events, waiting) = counted(directory.path());
        assert!(events >= confirmed, "{events} of {confirmed}");
        assert_eq!(waiting, events);
    }
}
