//! A disk that runs short, and has space again.

use std::fs::{self, File};
use std::io::Write;
use std::process::Command;
use std::time::Duration;

use super::*;

/// A small file system of its own, if this user may mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
            .arg(directory.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(SmallDisk(directory)),
            _ => None,
        }
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes all the space there is, but for `bytes_left`.
    fn fill(&self, bytes_left: u64) {
        let mut ballast = File::create(self.ballast()).unwrap();
        while ballast.write(&[0; 4096]).is_ok_and(|written| written > 0) {}
        let length = ballast.metadata().unwrap().len();
        ballast.set_len(length - bytes_left).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} could not be unmounted", self.0.path().display());
        }
    }
}

/// The space ahead in the last segment.
fn ahead(directory: &Path) -> u64 {
    let bytes = fs::read(segments(directory).pop().unwrap()).unwrap();
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0);
    zeros.count() as u64
}

#[tokio::test]
async fn a_reserve_is_filled_again_under_load() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: no tmpfs can be mounted here");
        return;
    };
    let rig = Rig::open(disk.0.path());
    rig.note("anchored").await;
    disk.fill(0);
    for _ in 0..3 {
        rig.note(&"x".repeat(20_000)).await;
    }
    assert!(ahead(disk.0.path()) < RESERVE);
    fs::remove_file(disk.ballast()).unwrap();
    for _ in 0..30 {
        rig.clock.advance(Duration::from_millis(300));
        rig.note("load").await;
    }
    let ahead = ahead(disk.0.path());
    assert!(ahead >= RESERVE - 1_000, "{ahead}");
    rig.close().await;
    assert_eq!(verified(disk.0.path()).bad, None);
}

/// A segment that is due takes no space from the store that it cannot keep.
#[tokio::test]
async fn a_segment_is_begun_only_where_there_is_space_for_it_and_more() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("SKIPPED: no tmpfs can be mounted here");
        return;
    };
    let rig = Rig::open(disk.0.path());
    rig.note("today").await;
    disk.fill(RESERVE * 3 / 2);
    rig.clock.advance(Duration::from_secs(86_400));
    for _ in 0..3 {
        rig.note("tomorrow").await;
    }
    assert_eq!(segments(disk.0.path()).len(), 1);
    fs::remove_file(disk.ballast()).unwrap();
    for _ in 0..3 {
        rig.note("not tried all the time").await;
    }
    assert_eq!(segments(disk.0.path()).len(), 1);
    rig.clock.advance(Duration::from_secs(600));
    rig.note("later").await;
    rig.note("in the next one").await;
    assert_eq!(segments(disk.0.path()).len(), 2);
    rig.close().await;
    assert_eq!(verified(disk.0.path()).bad, None);
}
