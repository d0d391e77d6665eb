//! The real gateway under load: one TLS connection a client, kept alive, and a signed token each.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use policies::operation::OpName;
use rusqlite::{Connection as Database, OpenFlags};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::wait::until;
use tests::world::{Setup, World, prescription};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::answer;
use crate::cores::{self, Cores, Processes};
use crate::phase::{Connection, Served};

const PRACTICE: &str = "practice-a";
/// Durable, and delivered later.
const ACCEPTED: u16 = 202;
/// Registered by the SAC, with its code.
const REGISTERED: u16 = 201;
/// How long the gate may take to open once nobody answers.
const OPEN_WITHIN: Duration = Duration::from_secs(20);
/// Longer than any run: an open gate stays open.
const STAYS_OPEN_FOR: &str = "1h";
/// The operation whose gate is held open.
const WRITE: OpName = OpName("invio");

/// A gateway, and the clients that load it.
pub(crate) struct Ours {
    /// What is measured.
    pub(crate) served: Served<Client>,
    world: World,
}

impl Ours {
    /// A gateway that sends nothing: its gate is open. Every accept counts.
    pub(crate) async fn accepting(store: &Path, clients: usize, cores: Cores) -> io::Result<Ours> {
        let setup = Setup::default()
            .store(store)
            .policy("prescriptions.gate.open_for", STAYS_OPEN_FOR)
            .policy("prescriptions.gate.open_for_max", STAYS_OPEN_FOR);
        let world = World::with(setup).await;
        // The lots are another service of the SAC, which goes on.
        world.faults(vec![Rule::on(Operation::Invio, Fault::Refuse)]);
        let caller = world.caller(PRACTICE);
        until("the gate is open", OPEN_WITHIN, async || {
            let (key, body) = (prescription::key(), prescription::drug());
            caller.prescribe(&key, &body).await;
            let status = caller.get("/v1/status").await;
            let lanes = status.at("/lanes");
            let mut gates = lanes
                .as_array()?
                .iter()
                .flat_map(|lane| lane["gates"].as_array());
            let is_open = |gate: &Value| gate["operation"] == WRITE.0 && gate["state"] == "open";
            gates.any(|gates| gates.iter().any(is_open)).then_some(())
        })
        .await;
        Ours::over(world, clients, ACCEPTED, cores).await
    }

    /// A gateway whose SAC answers at once. What is registered within its request counts.
    pub(crate) async fn settling(store: &Path, clients: usize, cores: Cores) -> io::Result<Ours> {
        let world = World::with(Setup::default().store(store)).await;
        Ours::over(world, clients, REGISTERED, cores).await
    }

    async fn over(world: World, clients: usize, counts: u16, cores: Cores) -> io::Result<Ours> {
        cores::pin(world.gateway_pid(), cores.server)?;
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(Client::connect(&world, counts).await?);
        }
        let processes = Processes::One(world.gateway_pid());
        let served = Served {
            connections,
            processes,
            cores,
        };
        Ok(Ours { served, world })
    }

    /// The bytes of one stored entry, on average, so that every peer stores as many.
    pub(crate) fn row_bytes(&self) -> io::Result<usize> {
        row_bytes(&self.world.store_dir().join("entries.db")).map_err(io::Error::other)
    }
}

fn row_bytes(database: &Path) -> rusqlite::Result<usize> {
    let database = Database::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut columns = database.prepare("SELECT name FROM pragma_table_info('entries')")?;
    let columns: Vec<String> = columns
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let sizes = columns
        .iter()
        .map(|column| format!("coalesce(octet_length({column}), 0)"));
    let sum = sizes.collect::<Vec<_>>().join(" + ");
    let average = format!("SELECT CAST(avg({sum}) AS INTEGER) FROM entries");
    let bytes: u32 = database.query_row(&average, [], |row| row.get(0))?;
    Ok(bytes as usize)
}

/// One connection of a practice.
pub(crate) struct Client {
    stream: TlsStream<TcpStream>,
    token: String,
    /// The status that counts; another success does not.
    counts: u16,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(world: &World, counts: u16) -> io::Result<Client> {
        let tcp = TcpStream::connect(world.address()).await?;
        tcp.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::new(tls(world.certs_dir())?));
        let name = ServerName::from(world.address().ip());
        Ok(Client {
            stream: connector.connect(name, tcp).await?,
            token: world.caller(PRACTICE).signed(),
            counts,
            buffer: Vec::new(),
        })
    }

    /// Reads one whole answer and returns its status.
    async fn answer(&mut self) -> io::Result<u16> {
        self.buffer.clear();
        loop {
            if let Some((status, whole)) = answer::head(&self.buffer)?
                && self.buffer.len() >= whole
            {
                return Ok(status);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Connection for Client {
    async fn operate(&mut self) -> io::Result<bool> {
        let body = prescription::drug().to_string();
        let request = format!(
            "POST /v1/prescriptions HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {}\r\n\
             Idempotency-Key: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            prescription::key(),
            body.len(),
        );
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        match self.answer().await? {
            status if status == self.counts => Ok(true),
            ACCEPTED | REGISTERED => Ok(false),
            status => {
                let said = String::from_utf8_lossy(&self.buffer);
                Err(io::Error::other(format!(
                    "the gateway answered {status}: {said}"
                )))
            }
        }
    }
}

fn tls(certs: &Path) -> io::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for root in certificates(&certs.join("gateway-ca.pem"))? {
        roots.add(root).map_err(io::Error::other)?;
    }
    let callers = certs.join("callers");
    let chain = certificates(&callers.join(format!("{PRACTICE}.pem")))?;
    let key = PrivateKeyDer::from_pem_file(callers.join(format!("{PRACTICE}.key")))
        .map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
        })
        .map_err(io::Error::other)
}

fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(io::Error::other)?;
    certificates
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}
