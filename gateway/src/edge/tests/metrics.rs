//! The page of metrics over a store that does not answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::ports::{Outbox, ReadError, Waiting, WriteError};
use futures_util::future::{BoxFuture, pending, ready};
use policies::time::Timestamp;

use super::kit::Kit;
use crate::telemetry::page::Page;

#[actix_web::test]
async fn a_store_that_hangs_or_fails_leaves_a_page_without_a_tally() {
    let kit = Kit::new();
    let gateway = kit.open();
    let page = Page::new(
        &gateway.watcher,
        &*gateway.clock,
        gateway.calls,
        gateway.store,
        Arc::new(Nothing),
        gateway.policy,
        gateway.audit,
    );
    let has_tally = async || page.text().await.contains("argine_entries{");
    assert!(has_tally().await);
    *kit.shelf.hangs.lock().unwrap() = true;
    assert!(
        !has_tally().await,
        "an old tally is shown as if it were new"
    );
    let text = page.text().await;
    assert!(text.contains("argine_gate_state{"), "{text}");
    *kit.shelf.hangs.lock().unwrap() = false;
    assert!(has_tally().await);
    *kit.shelf.is_unavailable.lock().unwrap() = true;
    assert!(!has_tally().await);
}

/// Nothing is to be pushed.
struct Nothing;

impl Outbox for Nothing {
    fn due(&self, _: usize, _: BTreeSet<String>) -> BoxFuture<'_, Result<Waiting, ReadError>> {
        Box::pin(ready(Ok(Waiting::default())))
    }
    fn put_off(
        &self,
        _: u64,
        _: &str,
        _: u32,
        _: Timestamp,
    ) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(ready(Ok(())))
    }
    fn remove(&self, _: u64, _: &str) -> BoxFuture<'_, Result<(), WriteError>> {
        Box::pin(ready(Ok(())))
    }
    fn changed(&self) -> BoxFuture<'_, ()> {
        Box::pin(pending())
    }
    fn waiting(&self) -> BoxFuture<'_, Result<u64, ReadError>> {
        Box::pin(ready(Ok(0)))
    }
}
