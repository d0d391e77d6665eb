//! Peers as processes: found, started on the server's core, ended with the run.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tests::world::wait::found;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// How long a server may take until it listens.
const LISTENS_WITHIN: Duration = Duration::from_secs(20);
/// How long it may take to end in order.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `program` on `core` and waits until it accepts connections at `address`; it is asked
    /// to stop if this process ends first.
    pub(crate) async fn start(
        command: (&Path, &[String]),
        user: Option<&User>,
        address: SocketAddr,
        core: usize,
        log: &Path,
    ) -> io::Result<Server> {
        let (program, arguments) = command;
        let output = File::create(log)?;
        let mut child = Command::new("taskset")
            .args(["--cpu-list", &core.to_string()])
            .args(["setpriv", "--pdeathsig", "INT"])
            .args(user.map(User::words).into_iter().flatten())
            .arg(program)
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()?;
        let listens = found(LISTENS_WITHIN, async || {
            if let Ok(Some(status)) = child.try_wait() {
                return Some(Err(status));
            }
            TcpStream::connect(address).await.ok().map(Ok)
        });
        match listens.await {
            Some(Ok(_)) => Ok(Server { child, address }),
            Some(Err(status)) => Err(failed(&format!("ended ({status})"), log)),
            None => Err(failed("does not listen", log)),
        }
    }

    /// The name the system knows it by.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("nobody has waited for it yet")
    }

    /// Asks it to end at once, and in order.
    pub(crate) async fn stop(mut self) -> io::Result<()> {
        let asked = Command::new("kill")
            .args(["-INT", &self.pid().to_string()])
            .status()
            .await?;
        if asked.success() {
            drop(tokio::time::timeout(ENDS_WITHIN, self.child.wait()).await);
        }
        Ok(())
    }
}

/// What became of a server, with the last it said.
fn failed(what: &str, log: &Path) -> io::Error {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let last = said.lines().last().unwrap_or_default();
    io::Error::other(format!("the server {what}: {last}"))
}

/// Whom a server runs as, by number.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) uid: String,
    pub(crate) gid: String,
}

impl User {
    /// What tells `setpriv` to run a program as this user.
    pub(crate) fn words(&self) -> [String; 3] {
        let (uid, gid) = (&self.uid, &self.gid);
        [
            "--clear-groups".to_owned(),
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
        ]
    }
}

/// A free port of this machine.
pub(crate) fn free_address() -> io::Result<SocketAddr> {
    std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// A program on the `PATH`, or in one of these directories.
pub(crate) fn find(program: &str, directories: &[PathBuf]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    let mut candidates = on_path
        .chain(directories.iter().cloned())
        .map(|directory| directory.join(program));
    candidates.find(|candidate| candidate.is_file())
}
