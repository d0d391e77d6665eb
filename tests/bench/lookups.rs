//! Lookups of known persons under load: the same requests to the gateway and to a bare handler.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tests::upstreams::sac::registry::population;
use tests::world::{Setup, World};

use crate::bare::Bare;
use crate::cores::{self, Cores, Processes};
use crate::phase::{Connection, Served};
use crate::plain;
use crate::server::Server;
use crate::wire::{Identity, Wire};

/// What is asked.
pub(crate) const PATH: &str = "/v1/assisted-persons/search";
const PRACTICE: &str = "practice-a";
/// Longer than any run: what is known stays fresh.
const FRESH_FOR: &str = "1h";
const FOUND: u16 = 200;

/// A gateway that knows everybody who is asked for.
pub(crate) struct Lookups {
    world: World,
    cores: Cores,
    /// Tax codes, and the answers they have.
    pub(crate) known: Vec<(String, String)>,
    requests: Arc<Vec<Vec<u8>>>,
    /// The gateway without TLS.
    plain: Option<Server>,
}

impl Lookups {
    /// Starts it, and looks so many persons up once: all of them are in memory from then on.
    pub(crate) async fn start(store: &Path, persons: usize, cores: Cores) -> io::Result<Lookups> {
        let setup = Setup::default()
            .store(store)
            .population(persons, 1)
            .config("listen.workers", 1)
            .policy("registry.freshness.fresh_for", FRESH_FOR)
            .policy("registry.callers.misses_burst", persons)
            .policy("registry.callers.misses_per_minute", persons);
        let world = World::with(setup).await;
        let caller = world.caller(PRACTICE).with_doctor(&population::doctor(0));
        let mut known = Vec::with_capacity(persons);
        for code in (0..persons).map(population::person) {
            let reply = caller.search_person(&code).await.expect(FOUND);
            let body = String::from_utf8(reply.bytes).map_err(io::Error::other)?;
            known.push((code, body));
        }
        let token = caller.signed();
        let requests = known.iter().map(|(code, _)| request(code, &token));
        cores::pin(world.gateway_pid(), cores.server)?;
        Ok(Lookups {
            requests: Arc::new(requests.collect()),
            world,
            cores,
            known,
            plain: None,
        })
    }

    /// The gateway and its clients, over TLS, or without it once [`Lookups::serve_plain`] was called.
    pub(crate) async fn ours(&self, clients: usize) -> io::Result<Served<Client>> {
        let identity = self.identity();
        let (address, identity, pid) = match &self.plain {
            None => (
                self.world.address(),
                Some(&identity),
                self.world.gateway_pid(),
            ),
            Some(plain) => (plain.address, None, plain.pid()),
        };
        self.clients(address, identity, Processes::One(pid), clients)
            .await
    }

    /// Starts the gateway again over the same store, without TLS.
    pub(crate) async fn serve_plain(&mut self) -> io::Result<()> {
        self.world.terminate().await;
        let certificate = self.certs().join(format!("callers/{PRACTICE}.pem"));
        let log = self.world.directory().join("plain.log");
        let config = self.world.config_file();
        self.plain = Some(plain::start(config, &certificate, &log, self.cores).await?);
        Ok(())
    }

    /// The bare handler and its clients.
    pub(crate) async fn beside(
        &self,
        bare: &Bare,
        is_tls: bool,
        clients: usize,
    ) -> io::Result<Served<Client>> {
        let identity = is_tls.then(|| self.identity());
        self.clients(bare.address(), identity.as_ref(), bare.processes(), clients)
            .await
    }

    /// Where the certificates are.
    pub(crate) fn certs(&self) -> &Path {
        self.world.certs_dir()
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            certs: self.world.certs_dir(),
            organization: PRACTICE,
        }
    }

    async fn clients(
        &self,
        address: SocketAddr,
        identity: Option<&Identity<'_>>,
        processes: Processes,
        clients: usize,
    ) -> io::Result<Served<Client>> {
        let mut connections = Vec::with_capacity(clients);
        for number in 0..clients {
            connections.push(Client {
                wire: Wire::connect(address, identity).await?,
                requests: Arc::clone(&self.requests),
                // Each begins elsewhere.
                next: number * self.known.len() / clients,
            });
        }
        Ok(Served {
            connections,
            processes,
            cores: self.cores,
        })
    }
}

fn request(tax_code: &str, token: &str) -> Vec<u8> {
    let body = json!({ "tax_code": tax_code }).to_string();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    request.into_bytes()
}

/// One connection of a practice.
pub(crate) struct Client {
    wire: Wire,
    requests: Arc<Vec<Vec<u8>>>,
    next: usize,
}

impl Connection for Client {
    async fn operate(&mut self) -> io::Result<bool> {
        let request = &self.requests[self.next % self.requests.len()];
        self.next += 1;
        match self.wire.exchange(request).await? {
            FOUND => Ok(true),
            status => {
                let said = self.wire.said();
                Err(io::Error::other(format!("it answered {status}: {said}")))
            }
        }
    }
}
