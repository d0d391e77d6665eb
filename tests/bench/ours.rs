//! The real gateway under load: one TLS connection a client, kept alive, and a signed token each.

use std::io;
use std::path::Path;
use std::time::Duration;

use policies::operation::OpName;
use rusqlite::{Connection as Database, OpenFlags};
use serde_json::Value;
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::world::wait::until;
use tests::world::{Setup, World, prescription};

use crate::cores::{self, Cores, Processes};
use crate::phase::{Connection, Served};
use crate::wire::{Identity, Wire};

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
    wire: Wire,
    token: String,
    /// The status that counts; another success does not.
    counts: u16,
}

impl Client {
    async fn connect(world: &World, counts: u16) -> io::Result<Client> {
        let identity = Identity {
            certs: world.certs_dir(),
            organization: PRACTICE,
        };
        Ok(Client {
            wire: Wire::connect(world.address(), Some(&identity)).await?,
            token: world.caller(PRACTICE).signed(),
            counts,
        })
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
        match self.wire.exchange(request.as_bytes()).await? {
            status if status == self.counts => Ok(true),
            ACCEPTED | REGISTERED => Ok(false),
            status => {
                let said = self.wire.said();
                Err(io::Error::other(format!(
                    "the gateway answered {status}: {said}"
                )))
            }
        }
    }
}
