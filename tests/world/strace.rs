//! Faults at one precise system call of the gateway, by `strace`.
//!
//! Where strace is missing or may not trace, the attack says so and the test says that it was
//! skipped: an attack that did not happen must not count as one that was withstood.

use std::fs::{self, File};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};

use super::gateway;
use super::wait::{found, until};

const ATTACH_WITHIN: Duration = Duration::from_secs(10);
const START_WITHIN: Duration = Duration::from_secs(30);

/// A tracer at work. It ends with its tracee, or when it is dropped.
#[derive(Debug)]
pub struct Strace {
    _child: Child,
}

impl Strace {
    /// Attaches to every thread of `pid` and injects `faults`, each in strace's own words
    /// (`fsync:signal=SIGKILL:when=1`), into calls on `file` only if one is given. What it traced
    /// goes to `log`.
    ///
    /// # Errors
    ///
    /// Why the attack cannot be made here.
    pub async fn attach(
        pid: u32,
        file: Option<&Path>,
        faults: &[&str],
        log: &Path,
    ) -> Result<Strace, String> {
        let said = log.with_extension("said");
        let err = File::create(&said).map_err(|error| error.to_string())?;
        let mut child = strace(file, faults, log)
            .args(["-p", &pid.to_string()])
            .stdout(Stdio::null())
            .stderr(err)
            .spawn()
            .map_err(|error| format!("strace cannot be run: {error}"))?;
        let attached = found(ATTACH_WITHIN, async || {
            let said = fs::read_to_string(&said).unwrap_or_default();
            if said.contains(" attached") {
                return Some(Ok(()));
            }
            let ended = child.try_wait().ok().flatten();
            ended.map(|_| Err(format!("strace may not trace: {}", said.trim())))
        });
        match attached.await {
            Some(Ok(())) => Ok(Strace { _child: child }),
            Some(Err(reason)) => Err(reason),
            None => Err("strace did not attach in time".to_owned()),
        }
    }
}

/// How a start under a fault ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// The fault ended it.
    Struck,
    /// It came to no such call, and served; then it was killed.
    Served,
}

/// Starts `argine serve` over `config`, its output appended to `output`, with `fault` waiting for it
/// in calls on `file`.
///
/// # Errors
///
/// When it ended for a reason of its own: what it printed.
pub async fn start(
    (config, output): (&Path, &Path),
    file: &Path,
    fault: &str,
    log: &Path,
) -> Result<Start, String> {
    let before = fs::metadata(output).map_or(0, |file| file.len());
    let (out, err) = gateway::outputs(output);
    let mut child = strace(Some(file), &[fault], log)
        .arg(gateway::binary())
        .args(["serve", "--config"])
        .arg(config)
        .stdout(out)
        .stderr(err)
        .spawn()
        .map_err(|error| format!("strace cannot be run: {error}"))?;
    let tracer = child.id().expect("nobody has waited for it yet");
    let ended = found(START_WITHIN, async || {
        let served = gateway::announced(&gateway::read(output, before)).is_some();
        let ended = child.try_wait().ok().flatten();
        (served || ended.is_some()).then_some(ended)
    });
    match ended.await.flatten() {
        // A tracer ends as its tracee did.
        Some(status) if gateway::was_killed(status) => Ok(Start::Struck),
        Some(_) => Err(gateway::read(output, before)),
        None => {
            // The tracer first would leave its tracee alone in the world.
            for tracee in children(tracer) {
                gateway::signal(tracee, "KILL");
            }
            child.wait().await.map_err(|error| error.to_string())?;
            Ok(Start::Served)
        }
    }
}

/// Runs `argine` with `arguments` and the path of `config` to its end, `fault` waiting for it in its
/// calls, its output appended to `output`; how it ended.
///
/// # Panics
///
/// When it does not end.
pub async fn run(
    arguments: &[&str],
    (config, output): (&Path, &Path),
    fault: &str,
    log: &Path,
) -> ExitStatus {
    let (out, err) = gateway::outputs(output);
    let mut child = strace(None, &[fault], log)
        .arg(gateway::binary())
        .args(arguments)
        .arg(config)
        .stdout(out)
        .stderr(err)
        .spawn()
        .expect("strace runs where it has been seen to");
    until("argine ends", START_WITHIN, async || {
        child.try_wait().expect("a child can be asked")
    })
    .await
}

/// Whether strace is there and may trace what it starts.
///
/// # Errors
///
/// Why not.
pub fn permitted() -> Result<(), String> {
    let tried = std::process::Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .output()
        .map_err(|error| format!("strace cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&tried.stderr);
    let refused = || format!("strace may not trace: {}", said.trim());
    tried.status.success().then_some(()).ok_or_else(refused)
}

/// A tracer that follows every thread, notes what it traced in `log`, and injects `faults` into
/// calls on `file`, or on anything if none is given.
fn strace(file: Option<&Path>, faults: &[&str], log: &Path) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-y", "-o"]).arg(log);
    if let Some(file) = file {
        command.arg("-P").arg(file);
    }
    let calls = faults.iter().filter_map(|fault| fault.split(':').next());
    let calls: Vec<&str> = calls.collect();
    command.args(["-e", &format!("trace={}", calls.join(","))]);
    for fault in faults {
        command.args(["-e", &format!("inject={fault}")]);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The processes that `pid` has started.
fn children(pid: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let listed = listed.unwrap_or_default();
    listed
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}
