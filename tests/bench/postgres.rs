//! PostgreSQL beside us: one row, one commit, synced, over 64 connections.
//!
//! It stores a unique key of 32 bytes and a row as large as ours, kept in the row's page, with the
//! settings it comes with; `fsync` and `synchronous_commit` are named because they decide.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tests::world::wait::found;
use tokio::process::Command;
use tokio_postgres::{NoTls, Statement};

use crate::cores::{Cores, Processes};
use crate::phase::{Connection, Served};
use crate::server::{self, Server, User};

/// How long it may take from listening to serving.
const SERVES_WITHIN: Duration = Duration::from_secs(20);
const VERSIONS: &str = "/usr/lib/postgresql";
/// Who it runs as where we are root, which it refuses to be.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// A database server, and the clients that load it.
pub(crate) struct Postgres {
    /// What is measured.
    pub(crate) served: Served<Client>,
    server: Server,
}

impl Postgres {
    /// A new database in `directory`.
    ///
    /// # Errors
    ///
    /// Why there is none, in words for the report.
    pub(crate) async fn start(
        directory: &Path,
        clients: usize,
        row_bytes: usize,
        cores: Cores,
    ) -> io::Result<Postgres> {
        let program = |name| server::find(name, &directories()).ok_or_else(|| missing(name));
        let (initdb, postgres) = (program("initdb")?, program("postgres")?);
        let user = unprivileged().await?;
        let data = directory.join("postgres");
        std::fs::create_dir(&data)?;
        initialise(&initdb, &data, user.as_ref()).await?;
        let address = server::free_address()?;
        let arguments = [
            "-D".to_owned(),
            data.display().to_string(),
            format!("--listen_addresses={}", address.ip()),
            format!("--port={}", address.port()),
            "--unix_socket_directories=".to_owned(),
            "--fsync=on".to_owned(),
            "--synchronous_commit=on".to_owned(),
        ];
        let log = directory.join("postgres.log");
        let command = (postgres.as_path(), &arguments[..]);
        let server = Server::start(command, user.as_ref(), address, cores.server, &log).await?;
        let connections = connect(&server, clients, row_bytes).await?;
        let processes = Processes::WithChildren(server.pid());
        let served = Served {
            connections,
            processes,
            cores,
        };
        Ok(Postgres { served, server })
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) -> io::Result<()> {
        drop(self.served);
        self.server.stop().await
    }
}

fn missing(program: &str) -> io::Error {
    io::Error::other(format!("{program} is not installed"))
}

/// Where Debian keeps what it does not put on the `PATH`, newest first.
fn directories() -> Vec<PathBuf> {
    let versions = std::fs::read_dir(VERSIONS).into_iter().flatten().flatten();
    let mut directories: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin")).collect();
    directories.sort();
    directories.reverse();
    directories
}

/// Nobody else, unless we are root.
async fn unprivileged() -> io::Result<Option<User>> {
    if said("id", &["-u"]).await.as_deref() != Some("0") {
        return Ok(None);
    }
    for user in UNPRIVILEGED {
        let (uid, gid) = (
            said("id", &["-u", user]).await,
            said("id", &["-g", user]).await,
        );
        if let (Some(uid), Some(gid)) = (uid, gid) {
            return Ok(Some(User { uid, gid }));
        }
    }
    Err(io::Error::other(
        "there is no unprivileged user to run it as",
    ))
}

async fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().await.ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

async fn initialise(initdb: &Path, data: &Path, user: Option<&User>) -> io::Result<()> {
    let mut command = match user {
        None => Command::new(initdb),
        Some(user) => {
            let owned = Command::new("chown")
                .arg(&user.uid)
                .arg(data)
                .status()
                .await?;
            if !owned.success() {
                return Err(io::Error::other(
                    "its directory cannot be given to its user",
                ));
            }
            let mut command = Command::new("setpriv");
            command.args(user.words()).arg(initdb);
            command
        }
    };
    let output = command
        .arg("-D")
        .arg(data)
        .args([
            "--auth=trust",
            "--username=bench",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ])
        .current_dir("/")
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr);
    let failed = || io::Error::other(format!("initdb: {}", said.trim()));
    output.status.success().then_some(()).ok_or_else(failed)
}

async fn connect(server: &Server, clients: usize, row_bytes: usize) -> io::Result<Vec<Client>> {
    // It listens before it serves.
    let first = found(SERVES_WITHIN, async || log_in(server).await.ok()).await;
    let first = first.ok_or_else(|| io::Error::other("it takes no connection"))?;
    let table = "CREATE TABLE entries (key bytea PRIMARY KEY, payload bytea NOT NULL); \
                 ALTER TABLE entries ALTER payload SET STORAGE PLAIN";
    first.batch_execute(table).await.map_err(in_full)?;
    let mut connections = Vec::new();
    for _ in 0..clients {
        let client = log_in(server).await.map_err(in_full)?;
        let insert = client.prepare("INSERT INTO entries (key, payload) VALUES ($1, $2)");
        let insert = insert.await.map_err(in_full)?;
        let payload = crate::payload(row_bytes);
        connections.push(Client {
            client,
            insert,
            payload,
        });
    }
    Ok(connections)
}

async fn log_in(server: &Server) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::Config::new()
        .host(server.address.ip().to_string())
        .port(server.address.port())
        .user("bench")
        .dbname("postgres")
        .connect(NoTls)
        .await?;
    // It ends with its client.
    tokio::spawn(connection);
    Ok(client)
}

/// What the server said, which the error itself does not show.
fn in_full(error: tokio_postgres::Error) -> io::Error {
    let said = error.as_db_error().map(ToString::to_string);
    io::Error::other(said.unwrap_or_else(|| error.to_string()))
}

/// One connection.
pub(crate) struct Client {
    client: tokio_postgres::Client,
    insert: Statement,
    payload: Vec<u8>,
}

impl Connection for Client {
    async fn operate(&mut self) -> io::Result<bool> {
        let key = crate::fresh_key();
        let inserted = self
            .client
            .execute(&self.insert, &[&&key[..], &self.payload])
            .await;
        Ok(inserted.map_err(in_full)? == 1)
    }
}
