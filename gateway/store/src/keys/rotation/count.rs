//! How the keys stand, and how many values lie under each of them.
//!
//! # Limits
//!
//! A count reads the headers of a thousand rows at a time, with [`COUNT_PAUSE`] after each read.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::ports::ReadError;

use super::{Progress, Rotation};
use crate::keys::{KeyId, KeyInfo};
use crate::sqlite::reseal::{Next, TABLES};

/// Between two reads that count: others read meanwhile, and logs are folded.
const COUNT_PAUSE: Duration = Duration::from_millis(1);

/// The keys, and what lies under them.
#[derive(Debug, Clone)]
pub struct Report {
    /// Each key.
    pub keys: Vec<KeyInfo>,
    /// How many values name each, if they were counted; one that none names is not in it. An audit key is
    /// not counted: its segments are files.
    pub values: Option<BTreeMap<KeyId, u64>>,
    /// The rotation that is under way, or was last.
    pub progress: Progress,
}

impl Report {
    /// How many values name the key `id`, if they were counted.
    pub fn values_of(&self, id: KeyId) -> Option<u64> {
        let values = self.values.as_ref()?;
        Some(values.get(&id).copied().unwrap_or(0))
    }
}

impl Rotation {
    /// The keys, and how far the rotation has come. Reads nothing.
    pub fn report(&self) -> Report {
        Report {
            keys: self.keys.list(),
            values: None,
            progress: self.progress(),
        }
    }

    /// The same, and how many values each of them seals. It looks at every row, a thousand at a time with
    /// `COUNT_PAUSE` between them: some seconds for a hundred thousand prescriptions.
    ///
    /// # Errors
    ///
    /// Something cannot be read.
    pub async fn counted(&self) -> Result<Report, ReadError> {
        let values = Some(self.count().await?);
        Ok(Report {
            values,
            ..self.report()
        })
    }

    pub(super) async fn count(&self) -> Result<BTreeMap<KeyId, u64>, ReadError> {
        let mut counts = BTreeMap::new();
        for table in TABLES {
            let mut next = Next::After(0);
            // Names begin with any letter, numbers with 1.
            while let Next::After(after) = next {
                let count = move |conn: &rusqlite::Connection| {
                    let mut counts = counts;
                    let next = table.count(conn, after, &mut counts)?;
                    Ok((counts, next))
                };
                (counts, next) = self.entries.look(count).await?;
                self.clock.sleep(COUNT_PAUSE).await;
            }
        }
        let mut next = Some(0);
        while let Some(after) = next {
            (counts, next) = self.persons.count(after, counts).await?;
            self.clock.sleep(COUNT_PAUSE).await;
        }
        Ok(counts)
    }
}
