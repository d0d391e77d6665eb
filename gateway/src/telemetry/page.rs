//! The page of metrics: plain HTTP for a scraper on this machine, `GET /metrics` and nothing else.
//!
//! It names no person, no organisation and no number, so that it needs no token; the address it is
//! served on is the operator's choice, loopback or named.
//!
//! # Limits
//!
//! One thread and [`CONNECTIONS_MAX`] connections. The store counts for one scraper at a time, and is
//! waited for [`STORE_WITHIN`]: without its answer the page has no tally, and is there all the same.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::web::{self, Data};
use actix_web::{App, HttpResponse, HttpServer};
use engine::calls::Calls;
use engine::live::Live;
use engine::ports::{Clock, Outbox, Store};
use futures_util::future::join3;
use policies::gate::{GateState, Mode};
use policies::state::Tally;
use store::audit::Audit;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::metrics::{Metrics, NONE};
use super::watcher::Watcher;
use crate::policy::Policy;

/// Scrapers that may be connected.
const CONNECTIONS_MAX: usize = 16;
/// How long the store may take to count.
const STORE_WITHIN: Duration = Duration::from_secs(1);
/// How long a head may take, and a connection be idle: longer than between two scrapes.
const HEADER_WITHIN: Duration = Duration::from_secs(2);
const KEEP_ALIVE: Duration = Duration::from_secs(75);

const STATES: [GateState; 3] = [GateState::Closed, GateState::HalfOpen, GateState::Open];
const MODES: [Mode; 4] = [
    Mode::Auto,
    Mode::ForcedOpen,
    Mode::ForcedClosed,
    Mode::Disabled,
];

/// What the page shows.
pub(crate) struct Page {
    metrics: Arc<Metrics>,
    calls: Vec<Arc<Calls>>,
    store: Arc<dyn Store>,
    outbox: Arc<dyn Outbox>,
    policy: Live<Policy>,
    audit: Arc<Audit>,
    /// Held while the store counts.
    counting: Mutex<()>,
}

impl Page {
    /// The page of these lanes, this store and this policy, as seen by `watcher`.
    pub(crate) fn new(
        watcher: &Watcher,
        clock: &dyn Clock,
        calls: Vec<Arc<Calls>>,
        store: Arc<dyn Store>,
        outbox: Arc<dyn Outbox>,
        policy: Live<Policy>,
        audit: Arc<Audit>,
    ) -> Page {
        let metrics = Arc::clone(&watcher.metrics);
        metrics.started.set(signed(clock.now().0 / 1_000));
        Page {
            metrics,
            calls,
            store,
            outbox,
            policy,
            audit,
            counting: Mutex::new(()),
        }
    }

    /// The page as it is now.
    pub(crate) async fn text(&self) -> String {
        let counted = self.count().await;
        // From here on nothing is waited for: two scrapes do not mix their gauges.
        self.show_lanes();
        self.show_store(&counted);
        self.show_audit();
        self.metrics.policy.set(signed(self.policy.load().number));
        self.metrics.text()
    }

    /// What the store counts now, as far as it answers.
    async fn count(&self) -> Counted {
        let _one_at_a_time = self.counting.lock().await;
        let store = &self.store;
        let asked = join3(store.tally(), store.numbers_left(), self.outbox.waiting());
        let answered = timeout(STORE_WITHIN, asked).await.ok();
        answered.map_or_else(Counted::default, |(tally, numbers_left, callbacks)| {
            Counted {
                tally: tally.ok(),
                numbers_left: numbers_left.ok(),
                callbacks_waiting: callbacks.ok(),
            }
        })
    }

    fn show_audit(&self) {
        let counts = self.audit.counts();
        self.metrics.audit_waiting.set(signed(counts.waiting));
        for (result, count) in [("written", counts.written), ("refused", counts.refused)] {
            let series = self.metrics.audit_records.with_label_values(&[result]);
            series.inc_by(count.saturating_sub(series.get()));
        }
    }

    fn show_lanes(&self) {
        let metrics = &self.metrics;
        for calls in &self.calls {
            let gates = calls.view();
            for gate in &gates {
                let at = (gate.lane.0, gate.op.0);
                for state in STATES {
                    let series =
                        metrics
                            .gate_state
                            .with_label_values(&[at.0, at.1, state.as_str()]);
                    series.set((gate.view.state == state).into());
                }
                for mode in MODES {
                    let series = metrics
                        .gate_mode
                        .with_label_values(&[at.0, at.1, mode.as_str()]);
                    series.set((gate.view.mode == mode).into());
                }
            }
            if let Some(gate) = gates.first() {
                let lane = [gate.lane.0];
                let (calls_max, under_way) = calls.room();
                let series = metrics.calls_max.with_label_values(&lane);
                series.set(signed(calls_max as u64));
                let series = metrics.calls_under_way.with_label_values(&lane);
                series.set(signed(under_way as u64));
            }
        }
    }

    fn show_store(&self, counted: &Counted) {
        let metrics = &self.metrics;
        metrics.entries.reset();
        for (state, count) in counted.tally.iter().flat_map(groups) {
            let series = metrics.entries.with_label_values(&[state]);
            series.set(signed(count));
        }
        for (gauge, count) in [
            (&metrics.numbers_left, counted.numbers_left),
            (&metrics.callbacks_waiting, counted.callbacks_waiting),
        ] {
            gauge.reset();
            if let Some(count) = count {
                gauge.with_label_values(NONE).set(signed(count));
            }
        }
    }
}

/// What the store counts, as far as it answers.
#[derive(Default)]
struct Counted {
    tally: Option<Tally>,
    numbers_left: Option<u64>,
    callbacks_waiting: Option<u64>,
}

/// The groups of the equation, each with the word of its state.
fn groups(tally: &Tally) -> [(&'static str, u64); 10] {
    [
        ("waiting", tally.waiting),
        ("uncertain", tally.uncertain),
        ("registered", tally.registered),
        ("rejected", tally.rejected),
        ("cancelled", tally.cancelled),
        ("withdrawn", tally.withdrawn),
        ("red-recipe", tally.red_recipe),
        ("needs-authorization", tally.needs_authorization),
        ("parked", tally.parked),
        ("conflict", tally.conflict),
    ]
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Binds `address` and returns the server, which serves once it is awaited or spawned, and the
/// addresses it bound.
///
/// # Errors
///
/// Fails if the address cannot be bound.
pub(crate) fn server(
    address: SocketAddr,
    page: Page,
) -> Result<(Server, Vec<SocketAddr>), std::io::Error> {
    let page = Data::new(page);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::clone(&page))
            .route("/metrics", web::get().to(show))
    })
    .workers(1)
    .max_connections(CONNECTIONS_MAX)
    .client_request_timeout(HEADER_WITHIN)
    .client_disconnect_timeout(HEADER_WITHIN)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(0)
    .disable_signals()
    .bind(address)?;
    let addresses = server.addrs();
    Ok((server.run(), addresses))
}

async fn show(page: Data<Page>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .body(page.text().await)
}
