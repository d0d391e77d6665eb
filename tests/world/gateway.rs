//! The gateway as its operators see it: a process with arguments, output, signals and an exit code.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use super::wait::{found, until};

/// How long a start may take on a busy machine.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How long an end may take: longer than the longest drain of a test.
const END_WITHIN: Duration = Duration::from_secs(40);
/// Of the output, how much is read back at most.
const OUTPUT_MAX: u64 = 64 << 20;
/// The number of the signal that asks a process to stop.
const SIGKILL: i32 = 9;

/// A running `argine serve`.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    address: SocketAddr,
}

/// How a process ended, and everything it printed.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output and standard error, as they came.
    pub output: String,
}

impl Gateway {
    /// Starts it over `config`, its output appended to `output`, and waits until it says where it
    /// listens.
    ///
    /// # Errors
    ///
    /// When it ends before that: how, and what it printed.
    pub async fn serve(config: &Path, output: &Path) -> Result<Gateway, Ended> {
        Gateway::serve_in(&[], config, output).await
    }

    /// The same in an environment that holds these variables, and no other.
    ///
    /// # Errors
    ///
    /// When it ends before it says where it listens.
    pub async fn serve_in(
        environment: &[(&str, &str)],
        config: &Path,
        output: &Path,
    ) -> Result<Gateway, Ended> {
        let before = fs::metadata(output).map_or(0, |file| file.len());
        let mut command = command(&["serve", "--config"], config, output);
        let mut child = command
            .envs(environment.iter().copied())
            .spawn()
            .expect("the gateway's binary can be run");
        let announced = found(START_WITHIN, async || {
            if let Some(address) = announced(&read(output, before)) {
                return Some(Ok(address));
            }
            let ended = child.try_wait().expect("a child can be asked");
            ended.map(|status| Err(status.code()))
        });
        match announced.await {
            Some(Ok(address)) => Ok(Gateway { child, address }),
            Some(Err(code)) => Err(Ended {
                code,
                output: read(output, before),
            }),
            None => panic!(
                "the gateway did not say where it listens: {}",
                read(output, before)
            ),
        }
    }

    /// Starts it over `config`, with a log that is read into `output` until it says where it listens, and
    /// by nobody from then on.
    ///
    /// # Panics
    ///
    /// When it ends before that.
    pub async fn serve_unread(config: &Path, output: &Path) -> Gateway {
        let mut child = Command::new(binary())
            .args(["serve", "--config"])
            .arg(config)
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the gateway's binary can be run");
        let pipe = child.stdout.as_mut().expect("its output is piped");
        let mut said = Vec::new();
        let address = loop {
            let read = pipe.read_buf(&mut said).await;
            assert_ne!(
                read.ok(),
                Some(0),
                "it ended before it said where it listens"
            );
            if let Some(address) = announced(&String::from_utf8_lossy(&said)) {
                break address;
            }
        };
        fs::write(output, said).expect("the output of the gateway can be written");
        Gateway { child, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name the system knows it by.
    ///
    /// # Panics
    ///
    /// When it has been waited for.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("nobody has waited for it yet")
    }

    /// Ends it as a power cut would, without a word.
    pub async fn kill(mut self) {
        self.child.start_kill().expect("a child can be killed");
        self.ended().await;
    }

    /// Asks it to stop.
    pub fn ask_to_stop(&self) {
        signal(self.pid(), "TERM");
    }

    /// Whether it is still there.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the gateway ends", END_WITHIN, async || {
            child.try_wait().expect("a child can be asked")
        })
        .await
    }
}

/// Whether a process was ended by `SIGKILL`, and by nothing of its own.
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(SIGKILL)
}

/// Ends a process as a power cut would.
pub fn kill(pid: u32) {
    signal(pid, "KILL");
}

/// Runs `argine` with `arguments` and the path of `config` to its end.
pub async fn run(arguments: &[&str], config: &Path, output: &Path) -> Ended {
    let before = fs::metadata(output).map_or(0, |file| file.len());
    let mut child = spawn(arguments, config, output);
    let status = until("argine ends", END_WITHIN, async || {
        child.try_wait().expect("a child can be asked")
    })
    .await;
    Ended {
        code: status.code(),
        output: read(output, before),
    }
}

/// Starts the gateway over `config` and kills it `moment` later, wherever it has got to.
pub async fn start_and_kill(config: &Path, output: &Path, moment: Duration) {
    let mut child = spawn(&["serve", "--config"], config, output);
    tokio::time::sleep(moment).await;
    child.start_kill().expect("a child can be killed");
    child.wait().await.expect("a child can be waited for");
}

/// Everything a process has printed into `output`.
pub fn printed(output: &Path) -> String {
    read(output, 0)
}

fn spawn(arguments: &[&str], config: &Path, output: &Path) -> Child {
    command(arguments, config, output)
        .spawn()
        .expect("the gateway's binary can be run")
}

fn command(arguments: &[&str], config: &Path, output: &Path) -> Command {
    let (out, err) = outputs(output);
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .arg(config)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .kill_on_drop(true);
    command
}

/// Standard output and standard error, both appended to `output`.
pub(super) fn outputs(output: &Path) -> (File, File) {
    let out = append_to(output).expect("the output of the gateway can be written");
    let err = out
        .try_clone()
        .expect("a file has as many handles as it needs");
    (out, err)
}

fn append_to(output: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(output)
}

/// What was printed into `output` after its first `from` bytes.
pub(super) fn read(output: &Path, from: u64) -> String {
    let bytes = fs::read(output).unwrap_or_default();
    assert!(
        bytes.len() as u64 <= OUTPUT_MAX,
        "the gateway prints without end"
    );
    let from = usize::try_from(from).expect("a file of a test fits into memory");
    String::from_utf8_lossy(bytes.get(from..).unwrap_or_default()).into_owned()
}

/// The address that the gateway logs once it accepts connections.
pub(super) fn announced(output: &str) -> Option<SocketAddr> {
    output.lines().find_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line.get("listen.address")?.as_str()?.parse().ok()
    })
}

/// The binary that `cargo build` left beside the one that runs.
pub fn binary() -> PathBuf {
    let running = std::env::current_exe().expect("a running program has a path");
    let binary = running
        .ancestors()
        .skip(1)
        .take(2)
        .map(|directory| directory.join("argine"))
        .find(|binary| binary.is_file());
    binary.expect("target/<profile>/argine is there: run `cargo build --workspace --bins` first")
}

/// Sends a signal by name, through the shell's own tool: the standard library knows only `SIGKILL`.
pub(super) fn signal(pid: u32, name: &str) {
    let sent = std::process::Command::new("kill")
        .args([&format!("-{name}"), &pid.to_string()])
        .status();
    assert!(
        sent.is_ok_and(|status| status.success()),
        "cannot signal {pid}"
    );
}
