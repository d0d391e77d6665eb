//! The SAC: the country's register of electronic prescriptions, as far as a region sees it.
//!
//! A [`Simulator`] speaks SOAP over mutual TLS, keeps the published rules
//! (`prescription-2024-12`, `strong-authentication-2025-06`) and answers as the real test
//! environment was seen to answer. It fails on command, over a control port, while it runs.
//!
//! # Invariants
//!
//! 1. What the specification refuses is refused; where it is silent, the stricter reading holds.
//! 2. A code that is not public is never mistaken for one that is ([`rules::unpublished`]).
//! 3. The book says what was applied, whatever the caller was told.
//!
//! # Not here
//!
//! Dispensers (their effect is set over the control port), expiry by time, Basic authentication
//! of single doctors, and registers that are not ours to ship.

pub mod admission;
pub mod book;
pub mod c14n;
pub mod cipher;
pub mod control;
mod damage;
pub mod faults;
mod invio;
pub mod lots;
mod lotto;
pub mod operation;
mod reads;
pub mod registry;
mod reminder;
pub mod rules;
pub mod saml;
pub mod schema;
mod service;
pub mod settings;
pub mod tax_code;
pub mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, version};
use tokio::runtime::{Builder, Runtime};

pub use self::book::Book;
pub use self::faults::{Fault, Rule};
pub use self::operation::{Host, Operation};
pub use self::registry::{Assisted, LookUp, Registry};
pub use self::settings::{Live, Settings};

use self::admission::FrontEnd;
use self::book::Moved;
use self::control::Control;
use self::lots::Lot;
use self::service::Service;
use super::http::server::{Server, Tls};

const WORKERS: usize = 2;

/// A running simulator. Dropped, it takes its listeners and every connection with it.
pub struct Simulator {
    inner: Arc<Inner>,
    control: SocketAddr,
    runtime: Option<Runtime>,
}

struct Inner {
    service: Arc<Service>,
    main: Server,
    lots: Option<Server>,
    registry: Option<Server>,
}

impl Inner {
    fn set_faults(&self, rules: Vec<Rule>) {
        let renew = rules.iter().any(|rule| rule.fault.is_of_connections());
        let mut state = self.service.state();
        state.faults.replace(rules);
        let refused: Vec<Host> = Operation::ALL
            .into_iter()
            .filter(|operation| state.faults.refuse(&[*operation]))
            .map(Operation::host)
            .collect();
        drop(state);
        let mut is_main_refused = refused.contains(&Host::Prescriptions);
        for (host, server) in [(Host::Lots, &self.lots), (Host::Registry, &self.registry)] {
            match server {
                Some(server) => server.set_open(!refused.contains(&host), renew),
                None => is_main_refused |= refused.contains(&host),
            }
        }
        self.main.set_open(!is_main_refused, renew);
    }

    fn give_lot(&self, kind: u8, doctor: Option<&str>) -> Option<Lot> {
        self.service
            .state()
            .ledger
            .lots
            .give(self.service.region(), kind, doctor)
            .cloned()
    }
}

impl Simulator {
    /// Starts it on threads of its own.
    ///
    /// # Errors
    ///
    /// When a file of the certificate directory cannot be used or an address cannot be bound.
    pub fn start(settings: Settings) -> io::Result<Simulator> {
        let front_end = FrontEnd::open(&settings.certs, &settings.region)?;
        let tls = tls(&settings)?;
        let service = Arc::new(Service::new(front_end, &settings));
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()?;
        let guard = runtime.enter();
        let serve = |address| Server::start(address, Some(tls.clone()), service.clone());
        let main = serve(settings.listen)?;
        let lots = settings.lots_listen.map(serve).transpose()?;
        let registry = settings.registry_listen.map(serve).transpose()?;
        let inner = Arc::new(Inner {
            service,
            main,
            lots,
            registry,
        });
        let control = Server::start(
            settings.control,
            None,
            Arc::new(Control(Arc::clone(&inner))),
        )?;
        drop(guard);
        let address = control.address();
        // The control server lives as long as the runtime does.
        runtime.spawn(async move {
            std::future::pending::<()>().await;
            drop(control);
        });
        Ok(Simulator {
            inner,
            control: address,
            runtime: Some(runtime),
        })
    }

    /// Where every service is offered.
    pub fn address(&self) -> SocketAddr {
        self.inner.main.address()
    }

    /// Where lots are asked for: a listener of their own if the settings gave one.
    pub fn lots_address(&self) -> SocketAddr {
        self.inner
            .lots
            .as_ref()
            .unwrap_or(&self.inner.main)
            .address()
    }

    /// Where assisted persons are looked up: a listener of their own if the settings gave one.
    pub fn registry_address(&self) -> SocketAddr {
        self.inner
            .registry
            .as_ref()
            .unwrap_or(&self.inner.main)
            .address()
    }

    /// Every look-up that reached the registry's rules, in order.
    pub fn look_ups(&self) -> Vec<LookUp> {
        self.inner.service.state().registry.look_ups().to_vec()
    }

    /// An assisted person as the registry holds them.
    pub fn assisted(&self, tax_code: &str) -> Option<Assisted> {
        self.inner.service.state().registry.find(tax_code).cloned()
    }

    /// Changes what the registry holds: moves a person to another doctor, gives them a new card,
    /// takes them out of it.
    pub fn change_registry<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        change(&mut self.inner.service.state().registry)
    }

    /// Where the control port listens.
    pub fn control_address(&self) -> SocketAddr {
        self.control
    }

    /// Every request target that a service was asked for, once.
    pub fn targets(&self) -> Vec<String> {
        let state = self.inner.service.state();
        state.targets.iter().cloned().collect()
    }

    /// Everything it knows, now.
    pub fn book(&self) -> Book {
        self.inner.service.state().ledger.view()
    }

    /// Replaces every fault; those of connections are in force when this returns.
    ///
    /// # Panics
    ///
    /// When a rule makes no sense ([`faults::Faults::problem`]).
    pub fn set_faults(&self, rules: Vec<Rule>) {
        assert_eq!(faults::Faults::problem(&rules), None);
        self.inner.set_faults(rules);
    }

    /// Lifts every fault.
    pub fn clear_faults(&self) {
        self.inner.set_faults(Vec::new());
    }

    /// Changes the settings that may change.
    pub fn configure(&self, change: impl FnOnce(&mut Live)) {
        let mut state = self.inner.service.state();
        let mut live = (*state.live).clone();
        change(&mut live);
        state.live = Arc::new(live);
    }

    /// Gives a lot to the region, as if it had been asked for over the wire.
    ///
    /// # Panics
    ///
    /// When there is no such kind.
    pub fn give_lot(&self, kind: u8, doctor: Option<&str>) -> Option<Lot> {
        assert!(kind < 8, "kinds of lots are 0 to 7");
        self.inner.give_lot(kind, doctor)
    }

    /// Moves a prescription to another state, as a dispenser or the passing of time would.
    ///
    /// # Errors
    ///
    /// When there is no such prescription, or no such transition.
    pub fn move_to(&self, nre: &str, state: u8) -> Result<(), Moved> {
        self.inner.service.state().ledger.move_to(nre, state)
    }

    /// Ends it at once; what was still to be applied late never is.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait, so that it may be dropped on another runtime's thread.
            runtime.shutdown_background();
        }
    }
}

fn tls(settings: &Settings) -> io::Result<Tls> {
    let certs = &settings.certs;
    Ok(Tls {
        usual: server_config(certs, "sac-ca.pem", settings.tls13)?,
        // Any authority but the right one will do.
        distrustful: server_config(certs, "gateway-ca.pem", settings.tls13)?,
    })
}

/// A server with the certificate of `certs` that admits whom the authority `trusted` vouches for.
pub(super) fn server_config(
    certs: &Path,
    trusted: &str,
    tls13: bool,
) -> io::Result<Arc<ServerConfig>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(certs.join(trusted)).map_err(io::Error::other)?;
    roots.add(authority).map_err(io::Error::other)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(io::Error::other)?;
    let chain = CertificateDer::from_pem_file(certs.join("sac.pem")).map_err(io::Error::other)?;
    let key = PrivateKeyDer::from_pem_file(certs.join("sac.key")).map_err(io::Error::other)?;
    let versions: &[&rustls::SupportedProtocolVersion] = if tls13 {
        &[&version::TLS13, &version::TLS12]
    } else {
        &[&version::TLS12]
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![chain], key)
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}
