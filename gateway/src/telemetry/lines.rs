//! Log lines on their way out: whoever logs never waits for whoever reads.
//!
//! One thread writes. A reader that has stopped fills the pipe, then the queue; from then on lines are
//! dropped and counted, and no request waits.
//!
//! # Invariants
//!
//! 1. A line is written whole or not at all, and in the order of its thread.
//! 2. Every line is either written or counted as dropped.
//!
//! # Limits
//!
//! [`LINES_MAX`] lines that wait.
//!
//! # Not here
//!
//! `tracing-appender` does the same, but prints to standard output when the process ends while its
//! queue is full: with a reader that has stopped, that never returns.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus::IntCounter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait to be written: about two megabytes, and seconds of a gateway at its busiest.
const LINES_MAX: usize = 8_192;
/// Bytes that one write gathers, so that a burst costs few of them.
const WRITE_BYTES: usize = 64 << 10;
/// How long lines are gathered after a write. To wake a thread costs whoever logs more than all else that
/// a line costs; while nobody waits, nobody is woken.
const GATHER_FOR: Duration = Duration::from_millis(10);

/// Where log lines go in.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    queue: SyncSender<Vec<u8>>,
    progress: Arc<Progress>,
    dropped: IntCounter,
}

#[derive(Debug, Default)]
struct Progress {
    queued: AtomicU64,
    /// Taken from the queue, and out or lost for good.
    done: Mutex<u64>,
    moved: Condvar,
}

impl Lines {
    /// Starts the thread that writes to `out`; what does not get there counts as `dropped`.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        dropped: IntCounter,
    ) -> io::Result<Lines> {
        let (queue, lines) = sync_channel(LINES_MAX);
        let progress = Arc::new(Progress::default());
        let (of_writer, lost) = (Arc::clone(&progress), dropped.clone());
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(out, &lines, &of_writer, &lost))?;
        Ok(Lines {
            queue,
            progress,
            dropped,
        })
    }

    /// Waits until what was logged so far is written, but not longer than `within`.
    pub(super) fn flush(&self, within: Duration) {
        let queued = self.progress.queued.load(Ordering::Acquire);
        let done = self.progress.done();
        let waited = self
            .progress
            .moved
            .wait_timeout_while(done, within, |done| *done < queued);
        drop(waited);
    }

    fn push(&self, line: Vec<u8>) {
        // Counted first, so that whoever waits for it does not miss one that is being pushed.
        self.progress.queued.fetch_add(1, Ordering::AcqRel);
        if self.queue.try_send(line).is_err() {
            self.progress.queued.fetch_sub(1, Ordering::AcqRel);
            self.dropped.inc();
        }
    }
}

impl Progress {
    /// A count cannot be left half changed: it is used on.
    fn done(&self) -> std::sync::MutexGuard<'_, u64> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(
    mut out: impl Write,
    lines: &Receiver<Vec<u8>>,
    progress: &Progress,
    dropped: &IntCounter,
) {
    while let Ok(mut text) = lines.recv() {
        let mut count = 1;
        while text.len() < WRITE_BYTES
            && let Ok(more) = lines.try_recv()
        {
            text.extend_from_slice(&more);
            count += 1;
        }
        // There is nowhere to say so: a reader that has gone away loses its lines.
        if out.write_all(&text).and_then(|()| out.flush()).is_err() {
            dropped.inc_by(count);
        }
        *progress.done() += count;
        progress.moved.notify_all();
        if text.len() < WRITE_BYTES {
            thread::sleep(GATHER_FOR);
        }
    }
}

/// One line that is being formatted, handed over when it is complete.
pub(super) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    /// The formatter writes a line in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line.to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A reader that takes nothing until it is let go.
    struct Stopped {
        go: Receiver<()>,
        out: mpsc::SyncSender<Vec<u8>>,
    }

    impl Write for Stopped {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let _let_go = self.go.recv();
            drop(self.out.send(text.to_owned()));
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_has_stopped_costs_lines_and_no_time() {
        let (go, gate) = sync_channel(0);
        let (out, read) = sync_channel(LINES_MAX + 2);
        let dropped = IntCounter::new("dropped", "dropped").unwrap();
        let lines = Lines::start(Stopped { go: gate, out }, dropped.clone()).unwrap();
        // The writer holds at most one chunk beside what the queue does.
        let held = LINES_MAX + WRITE_BYTES / 5 + 1;
        let pushed = held + 1_000;
        for _ in 0..pushed {
            lines.make_writer().write_all(b"line\n").unwrap();
        }
        assert!(dropped.get() as usize >= pushed - held);
        lines.flush(Duration::from_millis(10));
        drop(go);
        lines.flush(Duration::from_secs(10));
        drop(lines);
        let written: usize = read.iter().map(|text| text.len() / 5).sum();
        assert_eq!(written + dropped.get() as usize, pushed);
    }

    #[test]
    fn what_was_logged_is_written_once_it_is_flushed() {
        let (out, read) = sync_channel(16);
        let (go, gate) = sync_channel(0);
        drop(go);
        let dropped = IntCounter::new("dropped", "dropped").unwrap();
        let lines = Lines::start(Stopped { go: gate, out }, dropped).unwrap();
        lines.make_writer().write_all(b"last\n").unwrap();
        lines.flush(Duration::from_secs(10));
        assert_eq!(read.try_recv().unwrap(), b"last\n");
    }
}
