//! What the gateway keeps on disk, opened and closed in this order.

use std::sync::Arc;

use adapters::model::Relations;
use adapters::sac::ANNULLA;
use engine::ports::Clock;
use store::keys::Rotation;
use store::persons::{Persons, PersonsSettings};
use store::sealing::Key;
use store::sqlite::{self, Sqlite};
use tokio::sync::watch;

use super::{Fatal, ServeError};
use crate::config::StoreFiles;

/// What the key of digests of persons is derived for. Changing it makes everything that is kept
/// about them unfindable.
const RELATIONS: &str = "relations";

/// What is kept on disk, and what makes the names that persons have there.
pub(super) struct Kept {
    pub(super) entries: Arc<Sqlite>,
    pub(super) persons: Arc<Persons>,
    pub(super) relations: Relations,
    /// Who changes the keys under which it is kept.
    pub(super) rotation: Arc<Rotation>,
}

impl Kept {
    /// The entries first: who holds their lock may open what lies beside them.
    pub(super) fn open(
        files: &StoreFiles,
        clock: &Arc<dyn Clock>,
        alarm: &watch::Sender<Option<Fatal>>,
    ) -> Result<Kept, ServeError> {
        let key = Key::from_file(&files.key_file).map_err(ServeError::Key)?;
        let (directory, alarm) = (files.directory.clone(), alarm.clone());
        let mut settings =
            sqlite::Settings::new(directory.clone(), key, Arc::clone(clock), ANNULLA);
        settings.entries_max = files.entries_max;
        settings.on_poison = Some(Arc::new(move || {
            alarm.send_replace(Some(Fatal::StorePoisoned));
        }));
        let entries = Arc::new(Sqlite::open(&settings).map_err(ServeError::Store)?);
        let keys = entries.keys();
        let relations = Relations::new(&keys.derive(RELATIONS));
        let settings = PersonsSettings::new(directory, Arc::clone(keys), Arc::clone(clock));
        let persons = Arc::new(Persons::open(&settings).map_err(ServeError::Runtime)?);
        Ok(Kept {
            rotation: Arc::new(Rotation::new(
                Arc::clone(&entries),
                Arc::clone(&persons),
                Arc::clone(clock),
            )),
            entries,
            persons,
            relations,
        })
    }

    /// What can be asked for again closes last: nothing waits for it.
    pub(super) async fn close(&self) {
        self.entries.close().await;
        self.persons.close().await;
    }
}
