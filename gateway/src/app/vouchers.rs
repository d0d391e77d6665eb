//! Who asks PDND for keys, where its vouchers are accepted.

use std::sync::Arc;

use adapters::pdnd::Pdnd;
use engine::ports::Clock;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::ServeError;
use crate::config;
use crate::edge::Vouchers;
use crate::tokens::pdnd;

/// The task that asks, running; it owns nothing that outlives it.
pub(super) struct Keeping(Option<JoinHandle<()>>);

/// Opens the way to PDND, if there is one.
pub(super) fn start(
    runtime: &Runtime,
    given: Option<config::Pdnd>,
    clock: &Arc<dyn Clock>,
) -> Result<(Option<Vouchers>, Keeping), ServeError> {
    let Some(given) = given else {
        return Ok((None, Keeping(None)));
    };
    let pdnd = Pdnd::open(given.settings).map_err(ServeError::Pdnd)?;
    let (keys, keeper) = pdnd::open(pdnd, given.life, Arc::clone(clock));
    let task = runtime.spawn(keeper.run());
    let vouchers = Vouchers {
        rules: given.rules,
        keys,
    };
    Ok((Some(vouchers), Keeping(Some(task))))
}

impl Keeping {
    /// Ends it: whoever waited for a key has gone, and a question changes nothing at PDND.
    pub(super) async fn join(self) {
        if let Some(task) = self.0 {
            task.abort();
            // Cut short, which was wanted.
            task.await.ok();
        }
    }
}
