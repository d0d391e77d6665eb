//! Who runs on which core, and how much processor time was used there.
//!
//! Server and generator are kept apart with `taskset`; times are read from `/proc`, in ticks of
//! 10 ms.

use std::fs;
use std::io;
use std::process::Command;
use std::time::Duration;

/// What `/proc` counts in: `USER_HZ`, the same on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The two cores of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cores {
    /// Where the server runs, ours and the peer's.
    pub(crate) server: usize,
    /// Where the load comes from.
    pub(crate) generator: usize,
}

impl Cores {
    /// Core 0 and core 1.
    ///
    /// # Errors
    ///
    /// When there is only one: then nothing can be measured.
    pub(crate) fn of_this_machine() -> io::Result<Cores> {
        let cores = std::thread::available_parallelism()?.get();
        if cores < 2 {
            return Err(io::Error::other("two cores are needed, and there is one"));
        }
        Ok(Cores {
            server: 0,
            generator: 1,
        })
    }
}

/// Moves every thread of a process to `core`; what it starts later stays there.
pub(crate) fn pin(pid: u32, core: usize) -> io::Result<()> {
    let moved = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid"])
        .args([core.to_string(), pid.to_string()])
        .output()?;
    if moved.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&moved.stderr);
    Err(io::Error::other(format!("taskset: {}", said.trim())))
}

/// The processes of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Processes {
    /// One.
    One(u32),
    /// One, its children, and those of its children that have ended.
    WithChildren(u32),
}

impl Processes {
    /// Processor time used so far, user and system.
    pub(crate) fn cpu(self) -> io::Result<Duration> {
        match self {
            Processes::One(pid) => Ok(stat(pid)?.own),
            Processes::WithChildren(parent) => {
                let of_parent = stat(parent)?;
                let mut sum = of_parent.own + of_parent.of_ended_children;
                for entry in fs::read_dir("/proc")? {
                    let name = entry?.file_name();
                    let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                        continue;
                    };
                    // It may have ended in between; then its parent counts it next time.
                    match stat(pid) {
                        Ok(child) if child.parent == parent => sum += child.own,
                        _ => {}
                    }
                }
                Ok(sum)
            }
        }
    }
}

struct Stat {
    parent: u32,
    own: Duration,
    of_ended_children: Duration,
}

fn stat(pid: u32) -> io::Result<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat"))?)
        .ok_or_else(|| io::Error::other("/proc/PID/stat has another form"))
}

/// Fields 4 and 14 to 17 of proc(5); the second field is a name that may hold anything.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |place: usize| Some(TICK * fields.get(place)?.parse::<u32>().ok()?);
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        own: ticks(11)? + ticks(12)?,
        of_ended_children: ticks(13)? + ticks(14)?,
    })
}

/// What a core has done since the machine started, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    idle: u64,
    all: u64,
}

impl Times {
    /// The share of the time since `earlier` in which the core had nothing to do.
    pub(crate) fn idle_since(&self, earlier: &Times) -> f64 {
        let all = self.all.saturating_sub(earlier.all).max(1);
        self.idle.saturating_sub(earlier.idle) as f64 / all as f64
    }
}

/// What `core` has done so far, whoever used it: work of others takes from the generator, too.
pub(crate) fn times(core: usize) -> io::Result<Times> {
    parse_times(&fs::read_to_string("/proc/stat")?, core)
        .ok_or_else(|| io::Error::other("/proc/stat has another form"))
}

/// user, nice, system, idle, iowait, irq, softirq, steal; guest time is in the first two.
fn parse_times(text: &str, core: usize) -> Option<Times> {
    let name = format!("cpu{core} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name))?;
    let ticks = line.split_whitespace().take(8).map(str::parse);
    let ticks: Vec<u64> = ticks.collect::<Result<_, _>>().ok()?;
    Some(Times {
        idle: ticks.get(3)? + ticks.get(4)?,
        all: ticks.iter().sum(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_its_name() {
        let text = "42 (a b) c) S 7 42 42 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 99 0 0";
        let stat = parse_stat(text).expect("it has the form of proc(5)");
        assert_eq!(stat.parent, 7);
        assert_eq!(stat.own, Duration::from_secs(2));
        assert_eq!(stat.of_ended_children, Duration::from_millis(500));
    }

    #[test]
    fn a_core_is_idle_when_it_waits_for_the_disk() {
        let at = |idle, iowait| format!("cpu  9\ncpu1 100 0 0 {idle} {iowait} 0 0 0 5 0\n");
        let before = parse_times(&at(0, 0), 1).expect("it has the form of proc(5)");
        let after = parse_times(&at(100, 0).replace("cpu1 100", "cpu1 200"), 1);
        assert_eq!(after.expect("as before").idle_since(&before), 0.5);
        let waited = parse_times(&at(50, 50), 1).expect("as before");
        assert_eq!(waited.idle_since(&before), 1.0);
        assert!(parse_times(&at(0, 0), 7).is_none());
    }
}
