//! A world to test in: the SAC's simulator, the real gateway over real TLS, its callers, and the
//! account that is drawn up at the end.
//!
//! Tests speak through the verbs of [`World`] and of [`caller::Caller`]. Everything lives in a
//! directory of its own and ends with the world: the gateway is killed, the files are removed. A
//! world whose test fails prints the last lines of its gateway first.
//!
//! # Limits
//!
//! Every wait has a bound ([`wait`]): a world that hangs fails.

pub mod account;
mod backup;
mod callbacks;
pub mod caller;
mod callers;
pub mod disk;
pub mod gateway;
pub mod load;
mod operating;
mod output;
pub mod power;
pub mod prescription;
pub mod record;
mod registering;
mod settings;
mod setup;
pub mod strace;
pub mod wait;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use policies::state::{State, Tally};
use tempfile::TempDir;

use crate::certs;
use crate::upstreams::sac::Simulator;
use crate::upstreams::sac::book::Book;
use crate::upstreams::sac::faults::Rule;
use crate::upstreams::sac::settings::Settings as SacSettings;
use caller::Address;
use callers::CALLERS;
use gateway::{Ended, Gateway};
use record::Record;
use settings::Settings;
pub use setup::Setup;
use strace::{Start, Strace};
use wait::until;

/// How long everything accepted may take to settle once the SAC is well.
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
/// How long a gateway that listens may take to answer.
const READY_WITHIN: Duration = Duration::from_secs(15);
/// The kind of lot that a doctor may ask for: a hundred numbers.
const DOCTORS_LOT: u8 = 0;
/// Lines of the gateway's output that a failed test prints.
const LINES_ON_FAILURE: usize = 40;

/// The simulator, a gateway, and everything that is known about them.
pub struct World {
    sac: Simulator,
    gateway: Option<Gateway>,
    address: Address,
    record: Arc<Record>,
    settings: Settings,
    environment: Vec<(&'static str, &'static str)>,
    config: PathBuf,
    store: PathBuf,
    directory: TempDir,
    certs: Arc<TempDir>,
}

impl World {
    /// Starts a world in which all is well.
    pub async fn start() -> World {
        World::with(Setup::default()).await
    }

    /// Starts a world with something special about it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn with(setup: Setup) -> World {
        let mut world = World::prepare(setup);
        let started = world.restart().await;
        started.unwrap_or_else(|ended| {
            panic!("the gateway ended ({:?}): {}", ended.code, ended.output)
        });
        until("the first lot has come", READY_WITHIN, async || {
            (!world.book().lots.is_empty()).then_some(())
        })
        .await;
        world
    }

    /// Lays out a world whose gateway has not been started.
    pub fn prepare(setup: Setup) -> World {
        let certs = minted();
        let directory = tempfile::tempdir().expect("a directory for the world can be made");
        let mut sac_settings = SacSettings::new(certs.path());
        let own_listener = Some(([127, 0, 0, 1], 0).into());
        sac_settings.lots_listen = own_listener;
        sac_settings.registry_listen = own_listener;
        if let Some(live) = setup.live {
            sac_settings.live = live;
        }
        if let Some(population) = setup.population {
            sac_settings.population = population;
        }
        let sac = Simulator::start(sac_settings).expect("the simulator starts");
        let store = setup
            .store
            .unwrap_or_else(|| directory.path().join("store"));
        let sac_addresses = [sac.address(), sac.lots_address(), sac.registry_address()];
        let mut settings = Settings::new(certs.path(), &store, sac_addresses);
        for (key, value) in setup.config {
            settings.config(key, value);
        }
        for (key, value) in setup.policy {
            settings.policy(key, value);
        }
        let config = settings.write(directory.path());
        World {
            settings,
            environment: setup.environment,
            sac,
            gateway: None,
            address: Arc::new(Mutex::new(([127, 0, 0, 1], 0).into())),
            record: Arc::default(),
            config: config.expect("the files of the world can be written"),
            store,
            directory,
            certs,
        }
    }

    /// Starts the gateway (again) over the same files, and waits until it answers.
    ///
    /// # Errors
    ///
    /// When it ends instead: how, and what it printed.
    pub async fn restart(&mut self) -> Result<(), Ended> {
        assert!(self.gateway.is_none(), "the gateway is running already");
        let output = self.output_file();
        let gateway = Gateway::serve_in(&self.environment, &self.config, &output).await?;
        self.serves(gateway);
        let caller = self.caller("practice-a");
        until("the gateway answers", READY_WITHIN, async || {
            let reply = caller.try_get("/v1/status").await.ok()?;
            (reply.status == 200).then_some(())
        })
        .await;
        Ok(())
    }

    /// Starts the gateway with a log that nobody reads once it listens.
    pub async fn restart_unread(&mut self) {
        let gateway = Gateway::serve_unread(&self.config, &self.output_file()).await;
        self.serves(gateway);
    }

    fn serves(&mut self, gateway: Gateway) {
        let mut address = self
            .address
            .lock()
            .expect("no holder of the address panics");
        *address = gateway.address();
        drop(address);
        self.gateway = Some(gateway);
    }

    /// Starts the gateway and ends it as a power cut would, wherever it has got to after `moment`.
    pub async fn start_and_kill(&self, moment: Duration) {
        gateway::start_and_kill(&self.config, &self.output_file(), moment).await;
    }

    /// Starts the gateway with `fault` waiting for it in calls on this file of its store. None, with a
    /// printed reason, where that is not possible.
    ///
    /// # Panics
    ///
    /// When the gateway ended for a reason of its own.
    pub async fn start_under(&self, file: &str, fault: &str) -> Option<Start> {
        if let Err(reason) = strace::permitted() {
            println!("skipped: {reason}");
            return None;
        }
        let output = self.output_file();
        let log = self.directory.path().join("strace.log");
        let files = (self.config.as_path(), output.as_path());
        let started = strace::start(files, &self.store.join(file), fault, &log).await;
        Some(started.unwrap_or_else(|said| panic!("{file} {fault}: {said}")))
    }

    /// Sets a key of the gateway's configuration for its next start.
    pub fn reconfigure(&mut self, key: &str, value: impl Into<serde_json::Value>) {
        self.settings.config(key, value.into());
        let written = self.settings.write(self.directory.path());
        written.expect("the files of the world can be written");
    }

    /// Ends the gateway as a power cut would.
    pub async fn kill(&mut self) {
        self.running().kill().await;
    }

    /// Asks the gateway to stop and waits for its end.
    pub async fn terminate(&mut self) -> ExitStatus {
        let mut gateway = self.running();
        gateway.ask_to_stop();
        gateway.ended().await
    }

    /// Asks the gateway to stop and does not wait.
    pub fn ask_to_stop(&self) {
        let gateway = self.gateway.as_ref().expect("the gateway is running");
        gateway.ask_to_stop();
    }

    /// Waits until the gateway has ended, for its own reasons or a tracer's.
    pub async fn ended(&mut self) -> ExitStatus {
        self.running().ended().await
    }

    fn running(&mut self) -> Gateway {
        self.gateway.take().expect("the gateway is running")
    }

    /// Injects faults into the gateway's system calls, into those on one file of its store if one is
    /// named; none, with a printed reason, where that is not possible.
    pub async fn inject(&self, file: Option<&str>, faults: &[&str]) -> Option<Strace> {
        let gateway = self.gateway.as_ref().expect("the gateway is running");
        let log = self.directory.path().join("strace.log");
        let file = file.map(|name| self.store.join(name));
        match Strace::attach(gateway.pid(), file.as_deref(), faults, &log).await {
            Ok(strace) => Some(strace),
            Err(reason) => {
                println!("skipped: {reason}");
                None
            }
        }
    }

    /// Replaces the faults of the SAC.
    pub fn faults(&self, rules: Vec<Rule>) {
        self.sac.set_faults(rules);
    }

    /// Lets the SAC be well again.
    pub fn recover(&self) {
        self.faults(Vec::new());
    }

    /// What the SAC holds.
    pub fn book(&self) -> Book {
        self.sac.book()
    }

    /// The simulator itself.
    pub fn sac(&self) -> &Simulator {
        &self.sac
    }

    /// A number of a lot that the SAC gave to a doctor, and not to the gateway.
    pub fn own_number(&self) -> String {
        let lot = self.sac.give_lot(DOCTORS_LOT, Some(prescription::DOCTOR));
        let lot = lot.expect("the simulator has lots to give");
        format!("{}00", lot.prefix)
    }

    /// What every number that the gateway gives begins with.
    pub fn regional_lot(&self) -> String {
        let lots = self.book().lots;
        let lot = lots.into_iter().find(|lot| lot.doctor.is_none());
        lot.expect("the gateway has asked for a lot").prefix
    }

    /// What the callers know.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The directory of the gateway's state.
    pub fn store_dir(&self) -> &Path {
        &self.store
    }

    /// The directory of the certificates and keys.
    pub fn certs_dir(&self) -> &Path {
        self.certs.path()
    }

    /// The callers file that the gateway is configured with.
    pub fn callers_file(&self) -> PathBuf {
        self.settings.path("callers.file")
    }

    /// A directory that ends with the world.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the gateway listens at present.
    pub fn address(&self) -> SocketAddr {
        *self
            .address
            .lock()
            .expect("no holder of the address panics")
    }

    /// The name the system knows the running gateway by.
    ///
    /// # Panics
    ///
    /// When it is not running.
    pub fn gateway_pid(&self) -> u32 {
        let gateway = self.gateway.as_ref().expect("the gateway is running");
        gateway.pid()
    }

    /// The gateway's configuration file.
    pub fn config_file(&self) -> &Path {
        &self.config
    }

    fn output_file(&self) -> PathBuf {
        self.directory.path().join("output.log")
    }

    /// Where every entry stands, by id.
    pub fn entries(&self) -> BTreeMap<String, State> {
        account::entries(&self.store)
    }

    /// The equation of the design, by id, against the callers' own record and the SAC's book.
    ///
    /// # Panics
    ///
    /// When something was lost, happened twice or was told differently.
    pub fn equation(&self) -> Tally {
        assert_eq!(
            account::integrity(&self.store),
            "ok",
            "the database is damaged"
        );
        let tally = account::equation(&self.entries(), &self.record);
        account::book_is_sound(&self.book());
        tally
    }

    /// Waits until nothing moves any more, then draws up the equation and compares store and book.
    ///
    /// # Panics
    ///
    /// As [`World::equation`]; and when something still moves after a bound.
    pub async fn settled(&self) -> Tally {
        until("every entry is settled", SETTLED_WITHIN, async || {
            let mut states = self.entries().into_values();
            (!states.any(State::is_pending)).then_some(())
        })
        .await;
        let tally = self.equation();
        account::book_agrees(&self.entries(), &self.record, &self.book());
        tally
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let output = self.output();
            let lines: Vec<&str> = output.lines().collect();
            let last = &lines[lines.len().saturating_sub(LINES_ON_FAILURE)..];
            eprintln!("the gateway's last lines:\n{}", last.join("\n"));
        }
    }
}

/// The certificates of all worlds that live at the same time: minting takes longer than a test.
fn minted() -> Arc<TempDir> {
    static MINTED: Mutex<Weak<TempDir>> = Mutex::new(Weak::new());
    let mut minted = MINTED.lock().expect("no holder of the certificates panics");
    if let Some(certs) = minted.upgrade() {
        return certs;
    }
    let directory = tempfile::tempdir().expect("a directory for certificates can be made");
    certs::mint(directory.path(), &CALLERS).expect("certificates can be minted");
    let certs = Arc::new(directory);
    *minted = Arc::downgrade(&certs);
    certs
}
