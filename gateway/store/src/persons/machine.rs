//! What a machine knows of time beside its wall clock: how long it has been up, and since which start.
//!
//! # Limits
//!
//! Where there is no `/proc` (or no boot id in it) nothing but the wall clock is known. A container
//! whose `/proc/uptime` is its own (lxcfs) tells the time it was down from that alone.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use policies::time::Timestamp;
use uuid::Uuid;

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Seconds since the machine started, suspensions included, with two decimals.
const UPTIME: &str = "/proc/uptime";

/// One look at a machine's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Names this start of the machine; `None` if it cannot be told from another.
    pub boot: Option<Uuid>,
    /// For how long the machine has been up, suspensions included.
    pub uptime: Duration,
    /// The wall clock, as it stands.
    pub wall: Timestamp,
}

/// Who reads the clocks of a machine; the tests have one of their own.
pub trait Machine: Send + Sync {
    /// Reads them now.
    fn read(&self) -> Reading;
}

/// The machine this process runs on.
#[derive(Debug, Clone, Copy)]
pub struct ThisMachine;

impl Machine for ThisMachine {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is compared with what the next process reads; nothing is scheduled by it"
    )]
    fn read(&self) -> Reading {
        let uptime = fs::read_to_string(UPTIME)
            .ok()
            .and_then(|text| seconds(&text));
        let boot = fs::read_to_string(BOOT_ID)
            .ok()
            .and_then(|text| Uuid::parse_str(text.trim()).ok());
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Reading {
            boot: boot.filter(|_| uptime.is_some()),
            uptime: uptime.unwrap_or_default(),
            wall: Timestamp(0) + wall,
        }
    }
}

/// The first number of `/proc/uptime`.
fn seconds(text: &str) -> Option<Duration> {
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linux_machine_knows_its_boot_and_its_uptime() {
        assert_eq!(
            seconds("350735.47 234388.90\n"),
            Some(Duration::from_millis(350_735_470))
        );
        assert_eq!(seconds("-1 2"), None);
        assert_eq!(seconds(""), None);
        if cfg!(target_os = "linux") {
            let (first, second) = (ThisMachine.read(), ThisMachine.read());
            assert!(first.boot.is_some());
            assert_eq!(first.boot, second.boot);
            assert!(second.uptime >= first.uptime && first.uptime > Duration::ZERO);
        }
    }
}
