//! Where every prescription stands, as its practice may see it.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use policies::state::State;
use tests::world::caller::Caller;

use crate::log::Offered;

/// Questions under way at most.
const ASKS_MAX: usize = 8;

/// Where a prescription stands, and under which number.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// Its state; empty if the gateway does not know it.
    pub(crate) state: String,
    /// Why.
    pub(crate) reason: String,
    /// Its number, where it may be shown.
    pub(crate) nre: Option<String>,
    /// A number of it is looked for, or the number of a red form is waited for.
    pub(crate) looked_after: bool,
}

/// By the name of the entry.
pub(crate) type Standings = BTreeMap<String, Standing>;

impl Standing {
    /// Whether the gateway will still move it.
    pub(crate) fn moves(&self) -> bool {
        self.looked_after || State::parse(&self.state).is_some_and(State::is_pending)
    }
}

/// Asks for every prescription on disk that is `wanted`.
pub(crate) async fn ask(
    practices: &[Caller],
    log: &[Offered],
    wanted: impl Fn(&str) -> bool,
) -> Standings {
    let named = log.iter().filter_map(|offered| {
        let id = offered.id.clone().filter(|id| wanted(id))?;
        Some(standing(practices[offered.practice].clone(), id))
    });
    let asked = stream::iter(named).buffer_unordered(ASKS_MAX);
    asked.collect().await
}

async fn standing(practice: Caller, id: String) -> (String, Standing) {
    let reply = practice.prescription(&id).await;
    let standing = Standing {
        state: reply.text("/state"),
        reason: reply.text("/reason"),
        nre: reply.at("/nre").as_str().map(str::to_owned),
        looked_after: reply.at("/watched") == true || reply.at("/paper_due").is_string(),
    };
    (id, standing)
}
