//! A shelf in memory, which fails, hangs and dawdles on cue.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use engine::lookup::{Digest, LookupKey, Shelved};
use engine::ports::{ReadError, Shelf, WriteError};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::time::Timestamp;

/// How it behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Fine,
    Fails,
    Hangs,
    /// Reads as of now, and tells only this much later.
    SlowToRead(Duration),
    /// Reads, and does not write.
    WritesFail,
    /// Reads, and does not end a write.
    WritesHang,
    /// Reads, and ends no write before an hour is over.
    WritesWait,
    /// Writes, and does not tell what it has.
    ReadsFail,
    /// Panics over every write.
    Panics,
}

#[derive(Default)]
pub(crate) struct Rows {
    pub(crate) kept: BTreeMap<LookupKey, Shelved>,
    pub(crate) mood: Mood,
    pub(crate) reads: usize,
    pub(crate) sweeps: usize,
    /// Always more is swept, each step as slowly as this.
    pub(crate) backlog: Option<Duration>,
}

#[derive(Default)]
pub(crate) struct ModelShelf(Mutex<Rows>);

impl ModelShelf {
    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().expect("no test panics under this lock")
    }

    pub(crate) fn is(&self, mood: Mood) {
        self.rows().mood = mood;
    }

    fn write<'a, T: Send + 'a>(
        &'a self,
        write: impl FnOnce(&mut Rows) -> T + Send + 'a,
    ) -> BoxFuture<'a, Result<T, WriteError>> {
        async move {
            let mood = self.rows().mood;
            match mood {
                Mood::Fails | Mood::WritesFail => Err(WriteError::Refused),
                Mood::Hangs | Mood::WritesHang => std::future::pending().await,
                Mood::WritesWait => {
                    tokio::time::sleep(Duration::from_secs(3_600)).await;
                    Ok(write(&mut self.rows()))
                }
                Mood::Panics => panic!("a defect of the store"),
                Mood::Fine | Mood::SlowToRead(_) | Mood::ReadsFail => Ok(write(&mut self.rows())),
            }
        }
        .boxed()
    }
}

impl Shelf for ModelShelf {
    fn get(&self, key: LookupKey) -> BoxFuture<'_, Result<Option<Shelved>, ReadError>> {
        async move {
            let (mood, read) = {
                let mut rows = self.rows();
                rows.reads += 1;
                (rows.mood, rows.kept.get(&key).cloned())
            };
            match mood {
                Mood::Fails | Mood::ReadsFail => return Err(ReadError::Unavailable),
                Mood::Hangs => std::future::pending().await,
                Mood::SlowToRead(span) => tokio::time::sleep(span).await,
                Mood::Fine
                | Mood::WritesFail
                | Mood::WritesHang
                | Mood::WritesWait
                | Mood::Panics => {}
            }
            Ok(read)
        }
        .boxed()
    }

    fn put(&self, answer: Shelved) -> BoxFuture<'_, Result<(), WriteError>> {
        self.write(move |rows| drop(rows.kept.insert(answer.key, answer)))
    }

    fn remove(&self, key: LookupKey) -> BoxFuture<'_, Result<(), WriteError>> {
        self.write(move |rows| drop(rows.kept.remove(&key)))
    }

    fn purge(&self, person: Digest) -> BoxFuture<'_, Result<usize, WriteError>> {
        self.write(move |rows| {
            let before = rows.kept.len();
            rows.kept.retain(|key, _| key.person != person);
            before - rows.kept.len()
        })
    }

    fn sweep(
        &self,
        before: Timestamp,
        answers_max: usize,
    ) -> BoxFuture<'_, Result<usize, WriteError>> {
        let backlog = self.rows().backlog;
        if let Some(span) = backlog {
            return async move {
                tokio::time::sleep(span).await;
                Ok(answers_max)
            }
            .boxed();
        }
        self.write(move |rows| {
            rows.sweeps += 1;
            let old = rows.kept.iter().filter(|(_, row)| row.fetched_at < before);
            let old: Vec<_> = old.map(|(key, _)| *key).take(answers_max).collect();
            old.iter().for_each(|key| drop(rows.kept.remove(key)));
            old.len()
        })
    }
}
