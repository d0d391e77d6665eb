//! A copy of a store in use, and what is made of it: whole or none, and never taken for the store
//! it was copied from.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::ports::{NumberRange, NumberUse, Store};
use store::backup::{self, BackupError, Made, Making, RestoreError, Restored, Restoring};
use store::sqlite::Sqlite;
use tempfile::TempDir;

use crate::world::{self, START, TestClock, accept, bytes, entry};

mod beside;
mod places;
mod refused;
mod restored;
mod taken;

const DATABASE: &str = "entries.db";
const MANIFEST: &str = "manifest.json";
const UNFINISHED: &str = "manifest.unfinished";
const STAGING: &str = "restore.unfinished";

/// A store with other files beside it, and a place for copies of it.
struct Site {
    directory: TempDir,
    clock: Arc<TestClock>,
}

impl Site {
    fn new() -> Site {
        Site {
            directory: world::scratch(),
            clock: TestClock::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn store(&self) -> PathBuf {
        self.path("store")
    }

    fn copy(&self) -> PathBuf {
        self.path("copy")
    }

    fn open(&self) -> Sqlite {
        let settings = world::settings(&self.store(), &self.clock);
        Sqlite::open(&settings).expect("it opens")
    }

    /// Writes the files that lie beside the database.
    fn lay_beside(&self) {
        let audit = self.store().join("audit");
        fs::create_dir_all(audit.join("node-a")).unwrap();
        fs::write(audit.join("000001"), vec![7; 300_000]).unwrap();
        fs::write(audit.join("node-a/000002"), "an open segment").unwrap();
        fs::write(self.store().join("persons.db"), "answers about persons").unwrap();
    }

    fn make_at(&self, to: &Path) -> Result<Made, BackupError> {
        let making = Making {
            store: &self.store(),
            to,
            key: &world::key(1),
            now: START,
            release: "test",
            log_bytes_max: backup::LOG_BYTES_MAX,
        };
        backup::make(&making, &|_| {})
    }

    fn make(&self) -> Made {
        self.make_at(&self.copy()).expect("a backup is made")
    }

    /// The store is gone, as in a fire.
    fn burn(&self) {
        fs::remove_dir_all(self.store()).unwrap();
    }

    fn try_restore(&self, key: u8) -> Result<Restored, RestoreError> {
        let restoring = Restoring {
            from: &self.copy(),
            store: &self.store(),
            key: &world::key(key),
        };
        backup::restore(&restoring, &|_| {})
    }

    fn restore(&self) -> Restored {
        self.try_restore(1).expect("it is restored")
    }
}

/// Every file under `directory`, as a path from there, in order.
fn files(directory: &Path) -> Vec<String> {
    fn below(top: &Path, directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                below(top, &path, found);
            } else {
                let path = path.strip_prefix(top).unwrap();
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    let mut found = Vec::new();
    below(directory, directory, &mut found);
    found.sort();
    found
}

/// A range of numbers, of which a block is leased and one number held.
async fn with_numbers(store: &Sqlite) {
    let range = NumberRange {
        prefix: "1300A4000".to_owned(),
        digits: 6,
    };
    store.add_range(range).await.unwrap();
    let block = store.lease_block(10).await.unwrap().unwrap();
    let mut numbered = entry("numbered");
    numbered.number = NumberUse::Ours {
        block: block.id,
        position: block.next,
        number: bytes(&block.range.number(block.next)),
    };
    accept(store, numbered).await;
}
