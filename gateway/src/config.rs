//! The settings of one process, checked before anything is opened.
//!
//! # Invariants
//!
//! 1. A value comes from exactly one place: environment, else file, else compiled-in default.
//! 2. Either every rule holds and there is a [`Config`], or there is a list of *all* problems, each
//!    with its key, its value and the rule it breaks.
//! 3. A value that names a secret is a path; nothing printed from here is secret, not even a secret
//!    that stands where its path belongs.
//!
//! # Not here
//!
//! The values operators change while the gateway runs are policies (`policies::rules`).

mod audit;
mod callbacks;
mod callers;
mod layers;
mod limits;
mod listen;
mod pdnd;
pub(crate) mod pem;
mod probing;
mod process;
mod sac;
mod section;
mod signals;
mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

use policies::probing::ProbingRules;

use crate::problem::Problem;

pub use self::audit::Audit;
pub use self::callers::InForce as CallersInForce;
pub use self::layers::{Effective, Origin};
pub use self::limits::Limits;
pub use self::listen::{BodyLimits, Listen, PeerLimits, Transport};
pub use self::pdnd::Pdnd;
pub use self::process::{Log, Shutdown};
pub use self::sac::SacFiles;
pub use self::signals::{Signals, Traces};
pub use self::store::StoreFiles;

use self::layers::Layers;
use self::section::Section;

/// Everything the composition root needs to build the gateway. No field can hold a bad value.
#[derive(Debug)]
pub struct Config {
    /// The socket of the edge.
    pub listen: Listen,
    /// How much each organisation may ask.
    pub limits: Limits,
    /// When an organisation seems to try tax codes out.
    pub probing: ProbingRules,
    /// Where durable state lives.
    pub store: StoreFiles,
    /// How much of who saw what is kept.
    pub audit: Audit,
    /// Who may call.
    pub callers: CallersInForce,
    /// How events are pushed to callers, if they are.
    pub callbacks: Option<adapters::callbacks::Settings>,
    /// How PDND is reached; none if vouchers are not accepted.
    pub pdnd: Option<Pdnd>,
    /// How the SAC is reached.
    pub sac: SacFiles,
    /// The directory of the operators' policy files, if there is one; who reads them checks them.
    pub policies_directory: Option<PathBuf>,
    /// What is logged.
    pub log: Log,
    /// What else can be seen.
    pub signals: Signals,
    /// How the process stops.
    pub shutdown: Shutdown,
}

/// A [`Config`] and where each of its values came from.
#[derive(Debug)]
pub struct Loaded {
    /// The checked settings.
    pub config: Config,
    /// Every setting in force, in the order of its key.
    pub effective: Vec<Effective>,
}

/// The settings break at least one rule.
#[derive(Debug, thiserror::Error)]
#[error("the configuration breaks {} rule(s)", problems.len())]
pub struct ConfigError {
    /// All of them, in the order of the default file.
    pub problems: Vec<Problem>,
    /// What can be used all the same, to find what else is wrong.
    pub sound: Box<Sound>,
}

/// Those sections without a problem that other checks start from.
#[derive(Debug, Default)]
pub struct Sound {
    /// The limit of a whole request.
    pub answer_within: Option<Duration>,
    /// How the SAC is reached.
    pub sac: Option<SacFiles>,
    /// The directory of the operators' policy files, if there is one.
    pub policies_directory: Option<PathBuf>,
}

impl Sound {
    /// All of it: `config` has no problem.
    pub fn of(config: &Config) -> Sound {
        Sound {
            answer_within: Some(config.listen.answer_within),
            sac: Some(config.sac.clone()),
            policies_directory: config.policies_directory.clone(),
        }
    }
}

/// Lays the environment over `file` over the defaults, and checks every rule.
///
/// # Errors
///
/// Lists every broken rule.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, ConfigError> {
    let (layers, mut problems) = Layers::gather(file, environment);
    let (config, sound) = read(&layers, &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded {
            config,
            effective: layers.effective(),
        }),
        _ => Err(ConfigError {
            problems,
            sound: Box::new(sound),
        }),
    }
}

/// No [`Config`] only where `problems` says why.
fn read(layers: &Layers, problems: &mut Vec<Problem>) -> (Option<Config>, Sound) {
    let section = |name| Section::new(layers, name);
    let mut listen = section("listen");
    let mut limits = section("limits");
    let mut probing = section("probing");
    let mut store = section("store");
    let mut audit = section("audit");
    let mut callers = section("callers");
    let mut callbacks = section("callbacks");
    let mut pdnd = section("pdnd");
    let mut sac = section("sac");
    let mut policies = section("policies");
    let mut log = section("log");
    let mut signals = section("signals");
    let mut shutdown = section("shutdown");

    let listen_read = Listen::read(&mut listen);
    let shutdown_read = Shutdown::read(&mut shutdown);
    let mut sound = Sound::default();
    if let Some(listen_read) = &listen_read
        && !listen.has_problems()
    {
        shutdown_read.check_against(listen_read.answer_within, &mut shutdown);
        sound.answer_within = Some(listen_read.answer_within);
    }
    let limits_read = Limits::read(&mut limits);
    let probing_read = probing::read(&mut probing);
    let store_read = StoreFiles::read(&mut store);
    let audit_read = Audit::read(&mut audit);
    let known_limits = (!limits.has_problems()).then_some(&limits_read);
    let callers_read = callers::read(&mut callers, known_limits);
    let rules = callers_read.as_ref().map(|read| &read.files.rules);
    let issuer = rules.map(|rules| &*rules.audience);
    let callbacks_read = callbacks::read(&mut callbacks, issuer);
    let pdnd_read = Pdnd::read(&mut pdnd, rules);
    let sac_read = SacFiles::read(&mut sac);
    if !sac.has_problems() {
        sound.sac.clone_from(&sac_read);
    }
    let policies_directory = policies.path_if_set("directory");
    sound.policies_directory.clone_from(&policies_directory);
    let log_read = Log::read(&mut log);
    let signals_read = Signals::read(&mut signals);
    for done in [
        listen, limits, probing, store, audit, callers, pdnd, callbacks, sac, policies, log,
        signals, shutdown,
    ] {
        problems.extend(done.into_problems());
    }
    let config = || {
        Some(Config {
            listen: listen_read?,
            limits: limits_read,
            probing: probing_read,
            store: store_read?,
            audit: audit_read,
            callers: callers_read?,
            callbacks: callbacks_read?,
            pdnd: pdnd_read,
            sac: sac_read?,
            policies_directory,
            log: log_read,
            signals: signals_read,
            shutdown: shutdown_read,
        })
    };
    (config(), sound)
}

#[cfg(test)]
mod tests;
