//! An audit for a gateway under test, over a store that nothing is written to.

use std::sync::Arc;

use engine::ports::Clock;
use store::audit::Audit;
use store::sealing::Key;
use store::sqlite::Sqlite;

/// It; its files have no name any more once it is open.
pub(super) fn audited(clock: &Arc<dyn Clock>) -> Audit {
    let directory = tempfile::tempdir().unwrap();
    let key_file = directory.path().join("key");
    std::fs::write(&key_file, "5a".repeat(32)).unwrap();
    let key = Key::from_file(&key_file).unwrap();
    let at = || directory.path().to_owned();
    let undo = adapters::sac::ANNULLA;
    let store = store::sqlite::Settings::new(at(), key, Arc::clone(clock), undo);
    let store = Arc::new(Sqlite::open(&store).unwrap());
    let mut settings = store::audit::Settings::new(at(), Arc::clone(clock));
    settings.reserve_bytes = 1 << 20;
    Audit::open(settings, store).unwrap()
}
