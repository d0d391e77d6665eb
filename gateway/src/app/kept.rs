//! What the gateway keeps on disk, opened and closed in this order.

use std::sync::Arc;

use adapters::model::Relations;
use adapters::sac::ANNULLA;
use engine::ports::Clock;
use policies::time::Timestamp;
use store::audit::{self, Audit};
use store::keys::Rotation;
use store::persons::{Persons, PersonsSettings};
use store::sealing::Key;
use store::sqlite::{self, Sqlite};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::lanes::watched;
use super::{Fatal, ServeError};
use crate::audit::{Deed, Draft};
use crate::config::{self, StoreFiles};
use crate::keys;

/// What the key of digests of persons is derived for. Changing it makes everything that is kept
/// about them unfindable.
const RELATIONS: &str = "relations";

/// What is kept on disk, and what makes the names that persons have there.
pub(super) struct Kept {
    pub(super) entries: Arc<Sqlite>,
    pub(super) persons: Arc<Persons>,
    pub(super) audit: Arc<Audit>,
    pub(super) relations: Relations,
    /// Who changes the keys under which it is kept.
    pub(super) rotation: Arc<Rotation>,
    rotating: JoinHandle<()>,
}

impl Kept {
    /// The entries first: who holds their lock may open what lies beside them.
    pub(super) fn open(
        files: &StoreFiles,
        kept: config::Audit,
        clock: &Arc<dyn Clock>,
        alarm: &watch::Sender<Option<Fatal>>,
        runtime: &Runtime,
    ) -> Result<Kept, ServeError> {
        let key = Key::from_file(&files.key_file).map_err(ServeError::Key)?;
        if keys::is_exposed(&files.key_file) {
            tracing::warn!("{}", keys::EXPOSED);
        }
        let (directory, poisoned) = (files.directory.clone(), alarm.clone());
        let mut settings =
            sqlite::Settings::new(directory.clone(), key, Arc::clone(clock), ANNULLA);
        settings.entries_max = files.entries_max;
        settings.on_poison = Some(Arc::new(move || {
            poisoned.send_replace(Some(Fatal::StorePoisoned));
        }));
        let entries = Arc::new(Sqlite::open(&settings).map_err(ServeError::Store)?);
        let ring = entries.keys();
        let relations = Relations::new(&ring.derive(RELATIONS));
        let mut settings = audit::Settings::new(directory.clone(), Arc::clone(clock));
        settings.keep_for = kept.keep_for;
        settings.reserve_bytes = kept.reserve_bytes;
        let died = alarm.clone();
        settings.on_death = Some(Arc::new(move || {
            died.send_replace(Some(Fatal::AuditDied));
        }));
        let audit = Audit::open(settings, Arc::clone(&entries)).map_err(ServeError::Audit)?;
        note_found(&audit, clock.now());
        let settings = PersonsSettings::new(directory, Arc::clone(ring), Arc::clone(clock));
        let persons = Arc::new(Persons::open(&settings).map_err(ServeError::Runtime)?);
        let rotation = Rotation::new(
            Arc::clone(&entries),
            Arc::clone(&persons),
            Arc::clone(clock),
        );
        let rotation = Arc::new(rotation);
        let rotates = Arc::clone(&rotation);
        let rotating = async move { rotates.run().await };
        Ok(Kept {
            rotating: runtime.spawn(watched(rotating, alarm.clone())),
            rotation,
            entries,
            persons,
            audit: Arc::new(audit),
            relations,
        })
    }

    /// The audit before the entries, which it still asks and is anchored in; what can be asked for again
    /// last: nothing waits for it.
    pub(super) async fn close(mut self) {
        // The next process goes on with it.
        self.rotating.abort();
        drop((&mut self.rotating).await);
        self.audit.close().await;
        self.entries.close().await;
        self.persons.close().await;
    }
}

/// Leaves a record of what the start of the audit has found: whoever reads it later should know.
fn note_found(audit: &Audit, now: Timestamp) {
    let found = audit.found();
    let note = |deed, target: String| {
        let mut draft = Draft::new();
        draft.deed(deed).target(&target);
        if audit.note(now, draft.into_record()).is_err() {
            tracing::error!("what the start of the audit has found is not in it");
        }
    };
    if found.torn_bytes > 0 {
        note(Deed::Cut, format!("{} bytes", found.torn_bytes));
    }
    if let Some(bad) = &found.bad {
        note(Deed::Damage, format!("{} {}", bad.segment, bad.sequence));
    }
}
