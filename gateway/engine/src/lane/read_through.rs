//! A lane of look-ups: its way in, until the lane itself is there.

use std::sync::Arc;

use policies::operation::LaneName;
use policies::rules::RegistryRules;

use crate::calls::Calls;
use crate::door::GateView;
use crate::live::Live;
use crate::lookup::{Asker, Digest, Known, Looked, Lookup, LookupKey, LookupRefusal};
use crate::ports::{Clock, Shelf, WriteError};
use crate::stop::Stop;

/// What a lane of look-ups works with.
#[expect(missing_debug_implementations, reason = "a stand-in")]
pub struct ReadCore {
    /// Its name.
    pub lane: LaneName,
    /// Its calls.
    pub calls: Arc<Calls>,
    /// What it keeps through a restart.
    pub shelf: Arc<dyn Shelf>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The rules in force.
    pub rules: Live<RegistryRules>,
    /// When to stop.
    pub stop: Stop,
}

/// The way in.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a stand-in")]
pub struct Reader(Arc<ReadCore>);

/// The lane.
#[expect(missing_debug_implementations, reason = "a stand-in")]
pub struct ReadLane(Stop);

/// Opens a lane.
pub fn open(core: ReadCore) -> (Reader, ReadLane) {
    let stop = core.stop.clone();
    (Reader(Arc::new(core)), ReadLane(stop))
}

impl Reader {
    /// What is known.
    pub fn hit(&self, _: &LookupKey, _: &Asker) -> Option<Known> {
        None
    }

    /// Looks up.
    pub async fn lookup(&self, _: Lookup) -> Result<Looked, LookupRefusal> {
        Err(LookupRefusal::Stopping)
    }

    /// Forgets a person.
    pub async fn purge(&self, person: Digest) -> Result<usize, WriteError> {
        self.0.shelf.purge(person).await
    }

    /// Its gates.
    pub fn gates(&self) -> Vec<GateView> {
        self.0.calls.view()
    }
}

impl ReadLane {
    /// Serves until told to stop.
    pub async fn run(self) {
        self.0.draining().await;
    }
}
