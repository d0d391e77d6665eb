//! Faults at one precise system call of a running gateway, by `strace`.
//!
//! Where strace is missing or may not trace, [`Strace::attach`] says so and the test says that it
//! was skipped: an attack that did not happen must not count as one that was withstood.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};

use super::wait::found;

const ATTACH_WITHIN: Duration = Duration::from_secs(10);

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
        let mut command = Command::new("strace");
        command
            .args(["-f", "-y", "-p", &pid.to_string(), "-o"])
            .arg(log);
        if let Some(file) = file {
            command.arg("-P").arg(file);
        }
        let calls: Vec<&str> = faults.iter().filter_map(|f| f.split(':').next()).collect();
        command.args(["-e", &format!("trace={}", calls.join(","))]);
        for fault in faults {
            command.args(["-e", &format!("inject={fault}")]);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(err)
            .kill_on_drop(true)
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
