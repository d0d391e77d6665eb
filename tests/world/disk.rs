//! A disk that can be filled: a small file system in memory, where one may be mounted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What fills a disk, in one write.
const CHUNK: usize = 64 * 1024;
const FILLER: &str = "filler";

/// A small file system, unmounted when it is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    mount: TempDir,
}

impl SmallDisk {
    /// Mounts one of `megabytes`.
    ///
    /// # Errors
    ///
    /// Why none can be mounted here.
    pub fn mount(megabytes: u32) -> Result<SmallDisk, String> {
        let mount = tempfile::tempdir().map_err(|error| error.to_string())?;
        let output = Command::new("mount")
            .args([
                "-t",
                "tmpfs",
                "-o",
                &format!("size={megabytes}m,mode=0700"),
                "tmpfs",
            ])
            .arg(mount.path())
            .output()
            .map_err(|error| format!("mount cannot be run: {error}"))?;
        if output.status.success() {
            Ok(SmallDisk { mount })
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("no file system can be mounted: {}", said.trim()))
        }
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.mount.path()
    }

    /// Fills it to the last byte.
    ///
    /// # Panics
    ///
    /// When writing fails for another reason than want of space.
    pub fn fill(&self) {
        let mut filler = File::create(self.filler()).expect("a full disk still takes a name");
        for size in [CHUNK, 4096, 1] {
            let bytes = vec![0_u8; size];
            loop {
                match filler.write(&bytes) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => panic!("the disk cannot be filled: {error}"),
                }
            }
        }
    }

    /// Gives the space back.
    ///
    /// # Panics
    ///
    /// When it was not full.
    pub fn free(&self) {
        fs::remove_file(self.filler()).expect("what filled the disk can be removed");
    }

    fn filler(&self) -> PathBuf {
        self.mount.path().join(FILLER)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the gateway that used it may still be ending.
        let unmounted = Command::new("umount")
            .arg("-l")
            .arg(self.mount.path())
            .status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} stays mounted", self.mount.path().display());
        }
    }
}
