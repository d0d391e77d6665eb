//! The composition root: builds each part once, and owns the order of start and stop.
//!
//! Start: store, shelf of persons, policy, adapter, lanes, the first numbers, edge. Stop: nothing new
//! begins; what is in flight ends, or is cut short when the drain is over and written down as it
//! stands; then the store closes, and the shelf last.
//!
//! # Failure
//!
//! When the store no longer knows what is on disk, or a lane or the audit has died, the process ends: only a
//! restart can find out, and what was in flight is uncertain then.

mod certificates;
mod in_force;
mod kept;
mod lanes;
mod policies;
mod vouchers;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use adapters::callbacks::{self, Pusher};
use adapters::sac::Sac;
use engine::clock::AnchoredClock;
use engine::live::Live;
use engine::ports::{Clock, MayReceive};
use store::sealing::KeyError;
use store::sqlite;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::callers::Callers;
use crate::config::Listen;
use crate::edge::{self, Gateway, Suspicion};
use crate::generations::kept::KeptError;
use crate::rules::RulesError;
use crate::telemetry::Watcher;
use crate::telemetry::page::{self, Page};
use crate::tokens::replay::Replay;
use crate::told::Told;
use certificates::Certificates;
pub(crate) use certificates::certificate_files;
use kept::Kept;
use lanes::{Given, Lanes};
use policies::Policies;
use vouchers::Keeping;

/// How long callers are given to hear that their write is unknown, before a poisoned process ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What only a restart can mend is not waited for: every second of it nobody is served.
const AT_ONCE: Duration = Duration::ZERO;

/// The gateway could not serve, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No threads.
    #[error("cannot start the threads of the lanes")]
    Runtime(#[source] std::io::Error),
    /// The key file is not one.
    #[error("cannot read the key of the store")]
    Key(#[source] KeyError),
    /// The policies break rules, and no good one is remembered.
    #[error(transparent)]
    Policies(#[from] RulesError),
    /// What operators have set cannot be read.
    #[error("cannot read what operators have set")]
    Unreadable(#[source] KeptError),
    /// The store does not open.
    #[error("cannot open the store")]
    Store(#[source] sqlite::OpenError),
    /// The audit does not begin.
    #[error("cannot begin the audit")]
    Audit(#[source] store::audit::StartError),
    /// The adapter's files do not serve.
    #[error("cannot set up the SAC adapter")]
    Sac(#[source] adapters::sac::OpenError),
    /// The files of callbacks do not serve.
    #[error("cannot set up callbacks")]
    Callbacks(#[source] callbacks::OpenError),
    /// The trust file of PDND does not serve.
    #[error("cannot set up the way to PDND")]
    Pdnd(#[source] adapters::ClientError),
    /// The address is not to be had.
    #[error("cannot serve")]
    Bind(#[source] edge::BindError),
    /// The address of the metrics is not to be had.
    #[error("cannot serve the metrics on {address}")]
    Metrics {
        /// Where they should have been served.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The system gives no signals.
    #[error("cannot hear signals")]
    Signals(#[source] std::io::Error),
    /// The server ended by itself.
    #[error("the server ended")]
    Server(#[source] std::io::Error),
    /// It cannot go on.
    #[error(transparent)]
    Fatal(#[from] Fatal),
}

/// What only a restart can mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// Nobody knows what the last write left on disk.
    #[error("the store does not know what is on disk: start again, and it will find out")]
    StorePoisoned,
    /// A defect: the lane is not served any more.
    #[error("a lane has died: start again, and it goes on where it was")]
    LaneDied,
    /// A defect: no record is written any more.
    #[error("the audit has died: start again, and it goes on where it was")]
    AuditDied,
}

/// Serves until told to stop, under the eyes of `watcher`.
///
/// # Errors
///
/// Says why it could not serve, or not go on.
pub fn serve(told: Told, watcher: &Arc<Watcher>) -> Result<(), ServeError> {
    let config = told.settings.config;
    policies::refuse_at_once(&told.policies, &config)?;
    let runtime = lanes_runtime().map_err(ServeError::Runtime)?;
    let clock = clock(&runtime);
    let (alarm, fatal) = watch::channel(None);
    let kept = Kept::open(&config.store, config.audit, &clock, &alarm, &runtime)?;
    let begun = runtime.block_on(policies::begin(
        told.policies,
        &config,
        &*kept.entries,
        &clock,
    ))?;
    let settings = config.sac.settings(begun.rules(), kept.relations.clone());
    let pusher = pusher(config.callbacks.as_ref())?;
    let suspicion = Suspicion::new(config.probing, Arc::clone(&clock), Arc::clone(watcher));
    let suspicion = Arc::new(suspicion);
    let lanes = runtime.block_on(Lanes::start(Given {
        kept: &kept,
        sac: Arc::new(Sac::open(&settings).map_err(ServeError::Sac)?),
        pusher: pusher.clone(),
        may_receive: may_receive(config.callers.callers.clone()),
        policy: begun.policy(),
        clock: &clock,
        signals: Arc::clone(watcher) as _,
        landings: Arc::clone(&suspicion) as _,
        alarm: &alarm,
    }));
    let policies = Policies::start(
        &runtime,
        begun,
        &config,
        &kept,
        &clock,
        &lanes.in_force,
        &alarm,
    );
    let page = shown(watcher, &*clock, &lanes, &kept);
    let certificates = Certificates::start(&runtime, &config, watcher, &clock);
    let (vouchers, keeping) = vouchers::start(&runtime, config.pdnd, &clock)?;
    let ending = Arc::clone(&clock);
    let gateway = Gateway {
        prescriptions: lanes.prescriptions.clone(),
        persons: lanes.persons.clone(),
        relations: kept.relations.clone(),
        calls: lanes.in_force.calls.to_vec(),
        store: Arc::clone(&kept.entries) as _,
        callers: config.callers.callers,
        replay: Replay::since(Arc::clone(&clock)),
        is_pushing: pusher.is_some(),
        vouchers,
        clock,
        limits: config.limits,
        suspicion,
        policy: lanes.in_force.policy.clone(),
        watcher: Arc::clone(watcher),
        policies: policies.desk.clone(),
        keys: Arc::clone(&kept.rotation),
        audit: Arc::clone(&kept.audit),
        drain: config.shutdown.drain,
    };
    let page = (config.signals.metrics_address, page);
    let served = run(gateway, &config.listen, page, fatal, (&policies, &lanes));
    let drain = served.as_ref().map_or(AT_ONCE, |()| config.shutdown.drain);
    runtime.block_on(certificates.join());
    finish(runtime, policies, lanes, keeping, (kept, ending), drain);
    served
}

/// Serves callers, and the page of metrics where it is shown, until the end; then nothing new begins.
fn run(
    gateway: Gateway,
    listen: &Listen,
    (metrics_address, page): (Option<SocketAddr>, Page),
    fatal: watch::Receiver<Option<Fatal>>,
    (policies, lanes): (&Policies, &Lanes),
) -> Result<(), ServeError> {
    let drain = gateway.drain;
    System::new().block_on(async {
        let (server, addresses) = edge::server(gateway, listen).map_err(ServeError::Bind)?;
        show(metrics_address, page)?;
        announce(&addresses);
        let handle = server.handle();
        let ended = until_ended(actix_web::rt::spawn(server), fatal).await;
        if ended.is_ok() {
            policies.drain();
            stop(&handle, lanes, drain).await;
        }
        ended
    })
}

/// Who reaches those that events are pushed to, if they are.
fn pusher(settings: Option<&callbacks::Settings>) -> Result<Option<Arc<Pusher>>, ServeError> {
    let opened = settings.map(Pusher::open).transpose();
    let opened = opened.map_err(ServeError::Callbacks)?;
    Ok(opened.map(Arc::new))
}

/// Whether events may be pushed, by the callers in force when it is asked.
fn may_receive(callers: Live<Callers>) -> Arc<MayReceive> {
    Arc::new(move |organization, host| callers.load().may_receive(organization, host))
}

/// The clock of this process, whose jumps are said as long as `runtime` lives.
fn clock(runtime: &Runtime) -> Arc<dyn Clock> {
    let clock = Arc::new(AnchoredClock::start());
    let watched = Arc::clone(&clock);
    runtime.spawn(async move { watched.watch().await });
    clock
}

/// Where everything runs that talks to an upstream.
fn lanes_runtime() -> std::io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.thread_name("lane").enable_all().build()
}

/// The page of metrics of all that runs.
fn shown(watcher: &Watcher, clock: &dyn Clock, lanes: &Lanes, kept: &Kept) -> Page {
    Page::new(
        watcher,
        clock,
        lanes.in_force.calls.to_vec(),
        Arc::clone(&kept.entries) as _,
        Arc::clone(&kept.entries) as _,
        lanes.in_force.policy.clone(),
        Arc::clone(&kept.audit),
    )
}

/// Serves the page of metrics until the end, if anywhere, in the runtime that calls this.
fn show(address: Option<SocketAddr>, page: Page) -> Result<(), ServeError> {
    let Some(address) = address else {
        return Ok(());
    };
    let (server, addresses) =
        page::server(address, page).map_err(|source| ServeError::Metrics { address, source })?;
    for address in addresses {
        tracing::info!(metrics.address = %address, "showing metrics");
    }
    actix_web::rt::spawn(server);
    Ok(())
}

fn announce(addresses: &[SocketAddr]) {
    for address in addresses {
        tracing::info!(listen.address = %address, "serving");
    }
}

/// Waits for a signal to stop, or for the reason why it cannot go on.
async fn until_ended(
    server: actix_web::rt::task::JoinHandle<std::io::Result<()>>,
    mut fatal: watch::Receiver<Option<Fatal>>,
) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signals)?;
    tokio::select! {
        biased;
        Ok(fatal) = fatal.wait_for(Option::is_some) => {
            let fatal = fatal.expect("it was waited for");
            tracing::error!(reason = %fatal, "ending");
            actix_web::rt::time::sleep(LAST_WORDS).await;
            Err(fatal.into())
        }
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = server => match ended {
            Ok(Err(source)) => Err(ServeError::Server(source)),
            _ => Ok(()),
        },
    }
}

/// Refuses what is new, lets open requests be answered, and cuts short what outlasts the drain.
async fn stop(handle: &ServerHandle, lanes: &Lanes, drain: Duration) {
    tracing::info!("stopping");
    lanes.drain();
    if actix_web::rt::time::timeout(drain, handle.stop(true))
        .await
        .is_err()
    {
        tracing::warn!("some requests were still open when the drain was over");
    }
}

/// Ends changes of the policy, joins the lanes and closes what is on disk, in this order and within
/// bounds.
fn finish(
    runtime: Runtime,
    policies: Policies,
    lanes: Lanes,
    keeping: Keeping,
    (kept, clock): (Kept, Arc<dyn Clock>),
    drain: Duration,
) {
    runtime.block_on(async {
        keeping.join().await;
        policies.join().await;
        lanes.join(drain).await;
        kept.close(clock.now()).await;
    });
    runtime.shutdown_timeout(LAST_WORDS);
    tracing::info!("stopped");
}
