//! The process whose power is cut: this test binary again, in the role of a writer.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tests::world::power::{Cut, Disk};

use super::acknowledged::Line;
use super::{Kind, Place, control, writer};

const SIGKILL: i32 = 9;

/// A running writer.
pub(super) struct Process {
    child: Killed,
    heard: Arc<AtomicUsize>,
    listener: JoinHandle<Vec<Line>>,
}

impl Process {
    pub(super) fn start(kind: Kind, place: &Place) -> Process {
        let role = match kind {
            Kind::Store | Kind::StoreAfterOperator => writer::ROLE,
            Kind::Control(_) => control::ROLE,
        };
        let binary = std::env::current_exe().expect("a test knows its binary");
        let mut command = Command::new(binary);
        command
            .args([role, "--exact", "--ignored", "--nocapture"])
            .env(writer::DIRECTORY, &place.directory)
            .env(writer::KEY, &place.key)
            .stdout(Stdio::piped());
        if let Kind::Control(synchronous) = kind {
            command.env(control::SYNCHRONOUS, synchronous);
        }
        let mut child = command.spawn().expect("the test binary starts again");
        let output = child.stdout.take().expect("its output is a pipe");
        let heard = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&heard);
        // A thread of its own: a full pipe would stop the writer.
        let listener = thread::spawn(move || {
            let lines = BufReader::new(output).lines();
            lines
                .filter_map(|line| Line::hear(&line.expect("a pipe can be read")))
                .inspect(|_| _ = count.fetch_add(1, Ordering::Relaxed))
                .collect()
        });
        Process {
            child: Killed(child),
            heard,
            listener,
        }
    }

    /// How much it has acknowledged so far.
    pub(super) fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }

    /// Cuts its power: what the cut left on the disk, and everything it had acknowledged.
    ///
    /// An acknowledgement of a synced write is true even if it was heard while the power was being
    /// cut; one that promises less counts only if it was heard before.
    pub(super) fn cut(mut self, kind: Kind, disk: &Disk) -> (Cut, Vec<Line>) {
        let child = &mut self.child.0;
        let ended = child.try_wait().expect("a child can be asked");
        assert!(ended.is_none(), "the writer ended by itself: {ended:?}");
        let before = self.heard.load(Ordering::Relaxed);
        let kill = || child.kill().expect("a child can be killed");
        let cut = disk.cut(kill).expect("the power can be cut");
        let status = child.wait().expect("a child can be waited for");
        assert_eq!(status.signal(), Some(SIGKILL), "it ended by itself");
        let mut lines = self.listener.join().expect("its output is read to the end");
        if matches!(kind, Kind::Control(_)) {
            lines.truncate(before);
        }
        (cut, lines)
    }
}

/// A child that ends with the test, also with one that fails: its disk cannot be unmounted while it
/// lives.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
