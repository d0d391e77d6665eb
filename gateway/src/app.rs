//! The composition root: builds each part once, and owns the order of start and stop.
//!
//! Start: store, adapter, lanes, the first numbers, edge. Stop: nothing new begins; what is in
//! flight ends, or is cut short when the drain is over and written down as it stands; then the
//! store closes.
//!
//! # Failure
//!
//! When the store no longer knows what is on disk, or a lane has died, the process ends: only a
//! restart can find out, and what was in flight is uncertain then.

mod lanes;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::rt::System;
use adapters::model::Relations;
use adapters::sac::{ANNULLA, Sac};
use engine::clock::AnchoredClock;
use engine::ports::Clock;
use policies::rules::SacRules;
use store::sealing::{Key, KeyError};
use store::sqlite::{self, Sqlite};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::config::{Config, StoreFiles};
use crate::edge::{self, Gateway};
use crate::policy::Policy;
use lanes::Lanes;

/// The number of the policy that a process starts with.
const FIRST_GENERATION: u64 = 1;

/// How long callers are given to hear that their write is unknown, before a poisoned process ends.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the key of digests of persons is derived for. Changing it makes everything that is kept
/// about them unfindable.
const RELATIONS: &str = "relations";

/// The gateway could not serve, or could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No threads.
    #[error("cannot start the threads of the lanes")]
    Runtime(#[source] std::io::Error),
    /// The key file is not one.
    #[error("cannot read the key of the store")]
    Key(#[source] KeyError),
    /// The store does not open.
    #[error("cannot open the store")]
    Store(#[source] sqlite::OpenError),
    /// The adapter's files do not serve.
    #[error("cannot set up the SAC adapter")]
    Sac(#[source] adapters::sac::OpenError),
    /// The address is not to be had.
    #[error("cannot serve")]
    Bind(#[source] edge::BindError),
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
}

/// Serves until told to stop.
pub fn serve(config: Config, rules: SacRules) -> Result<(), ServeError> {
    let runtime = Builder::new_multi_thread()
        .thread_name("lane")
        .enable_all()
        .build()
        .map_err(ServeError::Runtime)?;
    let clock: Arc<dyn Clock> = Arc::new(AnchoredClock::start());
    let (alarm, fatal) = watch::channel(None);
    let key = Key::from_file(&config.store.key_file).map_err(ServeError::Key)?;
    let relations = Relations::new(&key.derive(RELATIONS));
    let store = Arc::new(open_store(
        &config.store,
        key,
        Arc::clone(&clock),
        alarm.clone(),
    )?);
    let sac = Sac::open(&config.sac.settings(&rules, relations)).map_err(ServeError::Sac)?;
    let sac = Arc::new(sac);
    let lanes = runtime.block_on(Lanes::start(
        Arc::clone(&store) as _,
        sac,
        Policy::new(FIRST_GENERATION, rules),
        &clock,
        &alarm,
    ));
    let gateway = Gateway {
        prescriptions: lanes.prescriptions.clone(),
        calls: lanes.calls.clone(),
        store: Arc::clone(&store) as _,
        callers: config.callers,
        clock,
        limits: config.limits,
        policy: lanes.policy.clone(),
        drain: config.shutdown.drain,
    };
    let served = System::new().block_on(async {
        let (server, addresses) =
            edge::server(gateway, &config.listen).map_err(ServeError::Bind)?;
        announce(&addresses);
        let handle = server.handle();
        let server = actix_web::rt::spawn(server);
        let ended = until_ended(server, fatal).await;
        if ended.is_ok() {
            stop(&handle, &lanes, config.shutdown.drain).await;
        }
        ended
    });
    // What only a restart can mend is not waited for: every second of it nobody is served.
    let drain = if served.is_ok() {
        config.shutdown.drain
    } else {
        Duration::ZERO
    };
    finish(runtime, lanes, &store, drain);
    served
}

fn open_store(
    files: &StoreFiles,
    key: Key,
    clock: Arc<dyn Clock>,
    alarm: watch::Sender<Option<Fatal>>,
) -> Result<Sqlite, ServeError> {
    let mut settings = sqlite::Settings::new(files.directory.clone(), key, clock, ANNULLA);
    settings.entries_max = files.entries_max;
    settings.on_poison = Some(Arc::new(move || {
        alarm.send_replace(Some(Fatal::StorePoisoned));
    }));
    Sqlite::open(&settings).map_err(ServeError::Store)
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

/// Joins the lanes and closes the store, in this order and within bounds.
fn finish(runtime: Runtime, lanes: Lanes, store: &Sqlite, drain: Duration) {
    runtime.block_on(async {
        lanes.join(drain).await;
        store.close().await;
    });
    runtime.shutdown_timeout(LAST_WORDS);
    tracing::info!("stopped");
}
