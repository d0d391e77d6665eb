//! The edge: REST over mutual TLS. It parses, authorises, checks and hands over; it decides nothing.
//!
//! Each worker is a runtime of its own with one thread, so that nothing here takes long: a write goes
//! through its lane's [`Door`], a look-up through its lane's [`Reader`], which answers from memory on
//! the spot, a read to the store, and the worker waits for each under a deadline. A caller who goes away does not stop what it asked for.
//!
//! # Invariants
//!
//! 1. Nothing is stored before the caller was recognised and every blocking rule holds.
//! 2. A handler is given its caller only where the access rules in force let that caller do what the
//!    handler does (`caller`).
//! 3. An entry is shown to the organisation that wrote it, and to nobody else.
//! 4. Handlers return a body or a problem; only `respond` knows what a problem looks like.

pub mod codes;
pub mod openapi;

mod accept;
mod body;
mod caller;
mod events;
mod frame;
mod json;
mod limiter;
mod notation;
mod noted;
mod notice;
mod ops;
mod persons;
mod prescriptions;
mod probing;
mod proofs;
mod query;
mod respond;
mod slices;
mod status;
mod trace;
mod unread;
mod vouching;

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Server;
use actix_web::web::{self, Bytes, Data, Payload, ServiceConfig};
use adapters::model::Relations;
use engine::calls::Calls;
use engine::lane::read_through::Reader;
use engine::lane::write_behind::Door;
use engine::live::Live;
use engine::ports::{Clock, ReadError, Store};
use store::audit::Audit;
use store::keys::Rotation;
use tokio::time::timeout;

use self::limiter::Limiter;
pub use self::probing::Suspicion;
use self::respond::Problem;
pub use self::vouching::Vouchers;
use crate::callers::Callers;
use crate::config::{BodyLimits, Limits, Listen, Transport};
use crate::generations::desk::Desk;
use crate::policy::Policy;
use crate::telemetry::Watcher;
use crate::tls::credentials::Credentials;
use crate::tokens::replay::Replay;

/// Everything the edge asks for, made by the composition root.
pub struct Gateway {
    /// The way into lane `sac.prescriptions`.
    pub prescriptions: Door,
    /// The way into lane `sac.registry`.
    pub persons: Reader,
    /// Makes the digests under which persons and callers are known there.
    pub relations: Relations,
    /// The calls of every lane, whose gates the status shows.
    pub calls: Vec<Arc<Calls>>,
    /// What is read directly.
    pub store: Arc<dyn Store>,
    /// Who may call.
    pub callers: Live<Callers>,
    /// What may be presented once, and was.
    pub(crate) replay: Replay,
    /// Whether events are pushed to those who ask for it.
    pub is_pushing: bool,
    /// How those are recognised whom PDND vouches for; none if vouchers are not accepted.
    pub vouchers: Option<Vouchers>,
    /// Time for quotas, deadlines and log lines.
    pub clock: Arc<dyn Clock>,
    /// How much each organisation may ask.
    pub limits: Limits,
    /// Who of them seems to try tax codes out.
    pub suspicion: Arc<Suspicion>,
    /// The policy in force. A handler loads it once, and all that it does goes by that one.
    pub policy: Live<Policy>,
    /// Who counts requests, and opens their spans.
    pub watcher: Arc<Watcher>,
    /// Who decides about the next one.
    pub policies: Desk,
    /// Who rotates the keys of what is stored.
    pub keys: Arc<Rotation>,
    /// Who is told who saw what.
    pub audit: Arc<Audit>,
    /// How long a stopping server waits for open requests.
    pub drain: Duration,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}

/// The one thing that every handler is given.
pub(crate) struct Edge {
    pub(crate) gateway: Gateway,
    pub(crate) limiter: Limiter,
    /// Under which certificates of callers must hold; none where nobody shows one.
    pub(crate) credentials: Option<Live<Credentials>>,
    pub(crate) body_limits: BodyLimits,
    pub(crate) answer_within: Duration,
    /// The description of the API, made once.
    pub(crate) openapi: Bytes,
}

impl Edge {
    fn new(gateway: Gateway, body: BodyLimits, answer_within: Duration) -> Edge {
        let watcher = &gateway.watcher;
        let clock = Arc::clone(&gateway.clock);
        Edge {
            limiter: Limiter::new(gateway.limits, clock, Arc::clone(watcher)),
            credentials: None,
            gateway,
            body_limits: body,
            answer_within,
            openapi: Bytes::from(openapi::text()),
        }
    }

    /// The body of `request`, which is the one that its caller signed, where the caller signs bodies.
    async fn body(&self, request: &HttpRequest, payload: Payload) -> Result<Vec<u8>, Problem> {
        let body = body::read(request.headers(), payload, self.body_limits).await?;
        caller::check_body(request, &body)?;
        Ok(body)
    }

    /// The same of a body that may be left out.
    async fn body_if_any(
        &self,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Option<Vec<u8>>, Problem> {
        let body = body::read_if_any(request.headers(), payload, self.body_limits).await?;
        caller::check_body(request, body.as_deref().unwrap_or_default())?;
        Ok(body)
    }

    /// Waits for an answer of the store, but not for ever.
    async fn read<T>(
        &self,
        reading: impl Future<Output = Result<T, ReadError>>,
    ) -> Result<T, Problem> {
        match timeout(self.answer_within, reading).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Problem::from(&codes::TOO_SLOW)),
        }
    }
}

/// Binds the address of `listen` and returns the server, which serves once it is awaited or spawned,
/// and the addresses it bound.
///
/// Stopping is the owner's: the server installs no signal handler.
///
/// # Errors
///
/// Fails if the address cannot be bound.
pub fn server(gateway: Gateway, listen: &Listen) -> Result<(Server, Vec<SocketAddr>), BindError> {
    let drain = gateway.drain;
    let mut edge = Edge::new(gateway, listen.body, listen.answer_within);
    if let Transport::Tls { credentials, .. } = &listen.transport {
        edge.credentials = Some(credentials.clone());
    }
    accept::serve(Data::new(edge), listen, drain).map_err(|source| BindError {
        address: listen.address,
        source,
    })
}

/// The edge cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    /// Where it should have listened.
    pub address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// Every resource, under its version.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config.service(
        web::scope("/v1")
            .configure(persons::routes)
            .configure(prescriptions::routes)
            .configure(events::routes)
            .configure(status::routes)
            .configure(openapi::routes),
    );
    config.service(web::scope("/ops/v1").configure(ops::routes));
}

#[cfg(test)]
mod tests;
