//! The store without a gateway in front of it, and SQLite without the store around it.
//!
//! Each runs in a process of its own on the server's core, with 64 appenders that wait for their
//! row to be durable, so that nothing of the run stands beside it. The peer groups as the store
//! does: one thread, what waits up to 64 rows in one transaction, one `INSERT` a row, no index but
//! the unique key.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use engine::ports::{Appended, Clock, EntryId, NewEntry, NumberUse, Organization, Start, Store};
use futures_util::future::{BoxFuture, try_join_all};
use policies::delivery::{Fallback, Terms, Uncertain};
use policies::failure::Opaque;
use policies::family::Role;
use policies::operation::{LaneName, OpName};
use policies::time::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
use store::sealing::Key;
use store::sqlite::{Settings, Sqlite};
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::cores::{Cores, Processes};
use crate::phase::Sample;

/// As many rows in one transaction as the store takes, at most.
const GROUP_MAX: usize = 64;
/// As many writes may wait as in front of the store.
const QUEUE_MAX: usize = 1_024;
/// As long as the store lets its log grow.
const LOG_PAGES_MAX: u32 = 4_096;
/// Of a row as the gateway stores it, how much the sealed authority takes; the payload has the rest.
const AUTHORITY_BYTES: usize = 300;
/// What the store adds to payload and authority: digests, names, instants, seals.
const ADDED_BYTES: usize = 480;
const SEALED_UNDER: &str = "07";

/// Who appends alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alone {
    /// Our store, through its port.
    Store,
    /// SQLite and a thread.
    Sqlite,
}

impl Alone {
    /// The word for it on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Alone::Store => "store",
            Alone::Sqlite => "sqlite",
        }
    }

    /// Measures it in a fresh directory by running this program again.
    pub(crate) async fn phase(
        self,
        directory: &Path,
        (appenders, row_bytes): (usize, usize),
        cores: Cores,
        span: Duration,
    ) -> io::Result<Sample> {
        let fresh = tempfile::tempdir_in(directory)?;
        let output = Command::new("taskset")
            .args(["--cpu-list", &cores.server.to_string()])
            .arg(std::env::current_exe()?)
            .args(["alone", self.as_str()])
            .arg(fresh.path())
            .args([appenders, row_bytes].map(|number| number.to_string()))
            .arg(span.as_millis().to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .output()
            .await?;
        let said: Value = serde_json::from_slice(&output.stdout)?;
        let number = |name: &str| {
            let number = said[name].as_u64();
            number.ok_or_else(|| io::Error::other(format!("{} did not say {name}", self.as_str())))
        };
        Ok(Sample {
            operations: number("operations")?,
            elapsed: Duration::from_micros(number("elapsed_us")?),
            cpu: Duration::from_micros(number("cpu_us")?),
            generator_idle: None,
        })
    }
}

/// The other side of [`Alone::phase`]: `alone store|sqlite DIRECTORY APPENDERS ROW_BYTES MILLIS`.
/// None if the command line is not for it.
pub(crate) async fn run(arguments: &[String]) -> Option<io::Result<Value>> {
    let [word, who, directory, appenders, row_bytes, millis] = arguments else {
        return None;
    };
    let who = [Alone::Store, Alone::Sqlite]
        .into_iter()
        .find(|one| one.as_str() == who);
    let (who, directory) = (who.filter(|_| word == "alone")?, Path::new(directory));
    let (appenders, row_bytes) = (appenders.parse().ok()?, row_bytes.parse().ok()?);
    let span = Duration::from_millis(millis.parse().ok()?);
    Some(match who {
        Alone::Store => store(directory, appenders, row_bytes, span).await,
        Alone::Sqlite => sqlite(directory, appenders, row_bytes, span).await,
    })
}

/// Appends from all sides until the time is up.
async fn measured(
    appenders: usize,
    span: Duration,
    append: impl AsyncFn() -> io::Result<()>,
) -> io::Result<Value> {
    let itself = Processes::One(std::process::id());
    let (cpu, began) = (itself.cpu()?, Instant::now());
    let end = began + span;
    let appender = async || {
        let mut operations = 0_u64;
        while Instant::now() < end {
            append().await?;
            operations += 1;
        }
        io::Result::Ok(operations)
    };
    let operations = try_join_all((0..appenders).map(|_| appender())).await?;
    let elapsed = began.elapsed();
    Ok(json!({
        "operations": operations.into_iter().sum::<u64>(),
        "elapsed_us": u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        "cpu_us": u64::try_from((itself.cpu()? - cpu).as_micros()).unwrap_or(u64::MAX),
    }))
}

async fn store(
    directory: &Path,
    appenders: usize,
    row_bytes: usize,
    span: Duration,
) -> io::Result<Value> {
    let key_file = directory.join("key");
    std::fs::write(&key_file, SEALED_UNDER.repeat(32))?;
    let key = Key::from_file(&key_file).map_err(io::Error::other)?;
    let settings = Settings::new(
        directory.join("store"),
        key,
        Arc::new(WallClock),
        OpName("annulla"),
    );
    let store = Sqlite::open(&settings).map_err(io::Error::other)?;
    let payload = crate::payload(row_bytes.saturating_sub(AUTHORITY_BYTES + ADDED_BYTES));
    let authority = crate::payload(AUTHORITY_BYTES);
    let result = measured(appenders, span, async || {
        let appended = store.append(vec![entry(&payload, &authority)]).await.pop();
        match appended {
            Some(Ok(Appended::Accepted { .. })) => Ok(()),
            other => Err(io::Error::other(format!("not accepted: {other:?}"))),
        }
    });
    let result = result.await;
    store.close().await;
    result
}

/// As the lane hands it over when its gate is open.
fn entry(payload: &[u8], authority: &[u8]) -> NewEntry {
    let id = EntryId(Uuid::now_v7());
    NewEntry {
        id,
        lane: LaneName("sac.prescriptions"),
        op: OpName("invio"),
        role: Role::Create,
        order_key: id,
        depends_on: None,
        organization: Organization("practice-a".to_owned()),
        key: id.to_string(),
        fingerprint: Opaque(crate::fresh_key().to_vec()),
        person: Some(Opaque(b"a person".to_vec())),
        number: NumberUse::Callers(Opaque(id.to_string().into_bytes())),
        identity: Opaque(b"a doctor".to_vec()),
        payload: Opaque(payload.to_vec()),
        authority: Opaque(authority.to_vec()),
        terms: Terms {
            fallback: Fallback::Hold,
            uncertain: Uncertain::Verify,
            deadline: WallClock.now() + Duration::from_secs(86_400),
            answer_within: Duration::from_secs(8),
            paper_within: Duration::from_secs(7_200),
            look_after: Duration::from_secs(60),
            annul_consent: false,
        },
        start: Start::Due,
        trace: None,
        audit: Opaque::default(),
        reply_to: None,
    }
}

struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since.expect("it is after 1970").as_millis();
        Timestamp(u64::try_from(millis).expect("it is before the year 500000000"))
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(span))
    }
}

/// A row on its way to the thread that writes, and whom to tell.
type Waiting = ([u8; 32], oneshot::Sender<()>);

async fn sqlite(
    directory: &Path,
    appenders: usize,
    row_bytes: usize,
    span: Duration,
) -> io::Result<Value> {
    let connection = open(&directory.join("peer.db")).map_err(io::Error::other)?;
    let (queue, waiting) = mpsc::channel(QUEUE_MAX);
    let payload = crate::payload(row_bytes);
    let writer = thread::spawn(move || write(&connection, waiting, &payload));
    let result = measured(appenders, span, async || {
        let (told, durable) = oneshot::channel();
        let gone = |()| io::Error::other("the writing thread is gone");
        let handed_over = queue.send((crate::fresh_key(), told)).await;
        handed_over.map_err(|_| gone(()))?;
        durable.await.map_err(|_| gone(()))
    });
    let result = result.await;
    drop(queue);
    let written = writer
        .join()
        .map_err(|_| io::Error::other("the writing thread panicked"))?;
    written.map_err(io::Error::other)?;
    result
}

fn open(file: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX)?;
    connection.execute_batch(
        "CREATE TABLE entries (seq INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, \
         payload BLOB NOT NULL) STRICT",
    )?;
    Ok(connection)
}

fn write(
    connection: &Connection,
    mut waiting: mpsc::Receiver<Waiting>,
    payload: &[u8],
) -> rusqlite::Result<()> {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while let Some(first) = waiting.blocking_recv() {
        group.push(first);
        while group.len() < GROUP_MAX
            && let Ok(next) = waiting.try_recv()
        {
            group.push(next);
        }
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut insert =
            connection.prepare_cached("INSERT INTO entries (key, payload) VALUES (?1, ?2)")?;
        for (key, _) in &group {
            insert.execute((key, payload))?;
        }
        connection.prepare_cached("COMMIT")?.execute([])?;
        for (_, told) in group.drain(..) {
            // An appender that is gone has its row all the same.
            told.send(()).ok();
        }
    }
    Ok(())
}
