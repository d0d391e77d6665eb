//! A disk whose power can be cut: what had reached it is there afterwards, what the kernel still
//! held in memory is gone.
//!
//! The disk is an ext4 file system in a file, which lies on a second one. To cut the power, the
//! second one is frozen: from that instant nothing reaches the file any more, also not the rest of a
//! sync that is under way, and no sync returns that has anything left to write. The file is copied,
//! and the copy mounted as after a restart: its journal replays.
//!
//! # Limits
//!
//! What the disk took is kept: a disk that loses what it has in a cache of its own is not shown.
//!
//! # Failure
//!
//! Where no file system may be mounted [`Disk::make`] says why. Everything is unmounted when it is
//! dropped; what a killed test left mounted, the next one removes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// How the directory of a disk begins; the process it belongs to follows.
const PREFIX: &str = "argine-power-cut-";
/// Far more than the longest life of a disk writes: a full disk stops its writer, and then no cut
/// shows anything. The files are sparse.
const DISK_BYTES: u64 = 512 << 20;
/// Room for the disk and what its file system needs around it.
const OUTER_BYTES: u64 = 640 << 20;

/// A disk to write to, unmounted when it is dropped.
#[derive(Debug)]
pub struct Disk {
    // Dropped in this order.
    disk: Mount,
    outer: Mount,
    directory: TempDir,
}

impl Disk {
    /// Makes and mounts one.
    ///
    /// # Errors
    ///
    /// Why none can be had here.
    pub fn make() -> Result<Disk, String> {
        remove_leftovers();
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let directory = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir()
            .map_err(|error| format!("no directory can be made: {error}"))?;
        let outer_image = directory.path().join("outer.img");
        format(&outer_image, OUTER_BYTES)?;
        let outer = Mount::image(&outer_image, directory.path().join("outer"))?;
        let image = image(&outer);
        format(&image, DISK_BYTES)?;
        let disk = Mount::image(&image, directory.path().join("disk"))?;
        let disk = Disk {
            disk,
            outer,
            directory,
        };
        // Where this may not be done, it is better said now.
        drop(disk.freeze()?);
        Ok(disk)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.disk.at
    }

    /// Where the rig may keep what no cut may take.
    pub fn outside(&self) -> &Path {
        self.directory.path()
    }

    /// Cuts the power. `end` is called while it is cut, and must kill whoever writes, without waiting
    /// for the death: a process in the middle of a sync dies when the disk is let go.
    ///
    /// # Errors
    ///
    /// Why the power could not be cut; nothing was shown then.
    pub fn cut(&self, end: impl FnOnce()) -> Result<Cut, String> {
        let copy = self.directory.path().join("copy.img");
        let frozen = self.freeze()?;
        end();
        let image = image(&self.outer);
        let arguments = [
            "--sparse=auto".as_ref(),
            image.as_os_str(),
            copy.as_os_str(),
        ];
        run("cp", arguments)?;
        drop(frozen);
        let mount = Mount::image(&copy, self.directory.path().join("copy"))?;
        Ok(Cut { mount })
    }

    fn freeze(&self) -> Result<Frozen<'_>, String> {
        let outer = &self.outer.at;
        run("fsfreeze", ["--freeze".as_ref(), outer.as_os_str()])?;
        Ok(Frozen(outer))
    }
}

fn image(outer: &Mount) -> PathBuf {
    outer.at.join("disk.img")
}

/// The disk as it is found after the power came back, unmounted when it is dropped.
#[derive(Debug)]
pub struct Cut {
    mount: Mount,
}

impl Cut {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.mount.at
    }
}

#[derive(Debug)]
struct Mount {
    at: PathBuf,
}

impl Mount {
    /// Mounts the file system in `image`; its loop device goes with the mount.
    fn image(image: &Path, at: PathBuf) -> Result<Mount, String> {
        fs::create_dir_all(&at).map_err(|error| format!("no mount point: {error}"))?;
        let options = ["-t", "ext4", "-o", "loop,noatime"].map(OsStr::new);
        let places = [image.as_os_str(), at.as_os_str()];
        run("mount", options.into_iter().chain(places))?;
        Ok(Mount { at })
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        unmount(&self.at);
    }
}

/// A frozen file system, until it is dropped.
struct Frozen<'d>(&'d Path);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if let Err(error) = run("fsfreeze", ["--unfreeze".as_ref(), self.0.as_os_str()]) {
            eprintln!("{} stays frozen: {error}", self.0.display());
        }
    }
}

/// Unmounts, at the latest when the last user of the file system is gone.
fn unmount(at: &Path) -> bool {
    let done =
        run("umount", [at.as_os_str()]).or_else(|_| run("umount", ["-l".as_ref(), at.as_os_str()]));
    if let Err(error) = &done {
        eprintln!("{} stays mounted: {error}", at.display());
    }
    done.is_ok()
}

/// Makes an empty file system in a sparse file. All of it is written now: nothing goes on behind a
/// test's back.
fn format(image: &Path, bytes: u64) -> Result<(), String> {
    File::create(image)
        .and_then(|file| file.set_len(bytes))
        .map_err(|error| format!("no image can be made: {error}"))?;
    let options = ["-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"].map(OsStr::new);
    run("mkfs.ext4", options.into_iter().chain([image.as_os_str()]))
}

/// Runs a tool to its end.
fn run<'a>(tool: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<(), String> {
    let output = Command::new(tool)
        .args(arguments)
        .output()
        .map_err(|error| format!("{tool} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{tool} failed: {}", said.trim()))
}

/// Unmounts what tests left that were killed themselves. A disk whose process lives is in use.
fn remove_leftovers() {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    // The later ones stand on the earlier ones.
    for line in mounts.lines().rev() {
        let Some(at) = line.split(' ').nth(1).map(Path::new) else {
            continue;
        };
        let Some(directory) = at.parent().filter(|directory| is_left(directory)) else {
            continue;
        };
        // Refused by all that is not frozen.
        drop(run("fsfreeze", ["--unfreeze".as_ref(), at.as_os_str()]));
        if unmount(at) && at.ends_with("outer") {
            drop(fs::remove_dir_all(directory));
        }
    }
}

/// Whether `directory` was a disk of a process that is gone.
fn is_left(directory: &Path) -> bool {
    let name = directory.file_name().and_then(OsStr::to_str);
    name.and_then(|name| name.strip_prefix(PREFIX))
        .and_then(|rest| rest.split('-').next())
        .and_then(|pid| pid.parse::<u32>().ok())
        .is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
}
