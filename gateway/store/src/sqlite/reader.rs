//! The threads that read, each with a connection of its own that cannot write.
//!
//! A read sees everything that was committed when it began, and never half a transaction. Reads go
//! on when nothing can be written any more.
//!
//! # Limits
//!
//! The queue in front of the threads is bounded; whoever finds it full waits there.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use engine::ports::ReadError;
use rusqlite::Connection;
use rusqlite::ffi::ErrorCode;
use tokio::sync::{mpsc, oneshot};

type Job<C> = Box<dyn FnOnce(&mut C) + Send>;

enum Message<C> {
    Read(Job<C>),
    Stop,
}

/// The way to the reading threads.
pub(crate) struct Readers<C = Connection> {
    queue: mpsc::Sender<Message<C>>,
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl<C: Send + 'static> Readers<C> {
    /// Starts a thread named after `file` over each of `connections`.
    pub(crate) fn start(
        file: &str,
        connections: Vec<C>,
        queue_max: usize,
    ) -> io::Result<Readers<C>> {
        let (queue, waiting) = mpsc::channel(queue_max.max(1));
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::with_capacity(connections.len());
        for (index, conn) in connections.into_iter().enumerate() {
            let waiting = Arc::clone(&waiting);
            let thread = thread::Builder::new()
                .name(format!("{file}-reader-{index}"))
                .spawn(move || run(conn, &waiting))?;
            threads.push(thread);
        }
        Ok(Readers {
            queue,
            threads: Mutex::new(threads),
        })
    }

    /// Runs `read` on one of the threads.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: FnOnce(&mut C) -> Result<T, Unread> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job<C> = Box::new(move |conn| {
            let outcome = read(conn).map_err(Unread::into_error);
            // The caller may have left.
            drop(reply.send(outcome));
        });
        if self.queue.send(Message::Read(job)).await.is_err() {
            return Err(ReadError::Unavailable);
        }
        answer.await.unwrap_or(Err(ReadError::Unavailable))
    }

    /// Waits until the reads handed over so far are answered and the threads have ended.
    pub(crate) async fn close(&self) {
        let threads: Vec<_> = self
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .drain(..)
            .collect();
        for _ in &threads {
            if self.queue.send(Message::Stop).await.is_err() {
                break;
            }
        }
        self.queue.closed().await;
        for thread in threads {
            drop(thread.join());
        }
    }
}

fn run<C>(mut conn: C, waiting: &Mutex<mpsc::Receiver<Message<C>>>) {
    loop {
        let next = waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .blocking_recv();
        match next {
            Some(Message::Read(job)) => job(&mut conn),
            Some(Message::Stop) | None => return,
        }
    }
}

/// Why a read gave nothing.
#[derive(Debug)]
pub(crate) enum Unread {
    /// SQLite said so.
    Failed(rusqlite::Error),
    /// The row is there, and not to be used.
    Damaged,
}

impl From<rusqlite::Error> for Unread {
    fn from(error: rusqlite::Error) -> Self {
        Unread::Failed(error)
    }
}

impl Unread {
    fn into_error(self) -> ReadError {
        match self {
            Unread::Damaged => ReadError::Damaged,
            Unread::Failed(error) => {
                tracing::error!(error = %error, "a read failed");
                match error.sqlite_error_code() {
                    Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                        ReadError::Damaged
                    }
                    _ => ReadError::Unavailable,
                }
            }
        }
    }
}
