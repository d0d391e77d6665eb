//! The edge: REST over mutual TLS. It parses, authorises, checks and hands over; it decides nothing.
//!
//! Each worker is a runtime of its own with one thread, so that nothing here takes long: a write goes
//! through its lane's [`Door`], a look-up through its lane's [`Reader`], which answers from memory on
//! the spot, a read to the store, and the worker waits for each under a deadline. A caller who goes away does not stop what it asked for.
//!
//! # Invariants
//!
//! 1. Nothing is stored before the caller was recognised and every blocking rule holds.
//! 2. An entry is shown to the organisation that wrote it, and to nobody else.
//! 3. Handlers return a body or a problem; only `respond` knows what a problem looks like.

pub mod codes;
pub mod openapi;

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
mod query;
mod respond;
mod status;
mod trace;
mod unread;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::dev::{Extensions, Server};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{App, HttpRequest, HttpServer};
use adapters::model::Relations;
use engine::calls::Calls;
use engine::lane::read_through::Reader;
use engine::lane::write_behind::Door;
use engine::live::Live;
use engine::ports::{Clock, ReadError, Store};
use store::audit::Audit;
use tokio::time::timeout;

use self::caller::Caller;
use self::limiter::Limiter;
use self::respond::Problem;
use crate::callers::Callers;
use crate::config::{BodyLimits, Limits, Listen, Transport};
use crate::generations::desk::Desk;
use crate::policy::Policy;
use crate::telemetry::Watcher;
use crate::tls::CertificateDigest;

/// How long a caller whose body was not read to its end may take to hear the answer, before the
/// connection is closed.
const LINGER: Duration = Duration::from_secs(1);

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
    pub callers: Callers,
    /// Time for quotas, deadlines and log lines.
    pub clock: Arc<dyn Clock>,
    /// How much each organisation may ask.
    pub limits: Limits,
    /// The policy in force. A handler loads it once, and all that it does goes by that one.
    pub policy: Live<Policy>,
    /// Who counts requests, and opens their spans.
    pub watcher: Arc<Watcher>,
    /// Who decides about the next one.
    pub policies: Desk,
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
    pub(crate) body: BodyLimits,
    pub(crate) answer_within: Duration,
    /// The description of the API, made once.
    pub(crate) openapi: Bytes,
}

impl Edge {
    fn new(gateway: Gateway, body: BodyLimits, answer_within: Duration) -> Edge {
        Edge {
            limiter: Limiter::new(gateway.limits),
            gateway,
            body,
            answer_within,
            openapi: Bytes::from(openapi::text()),
        }
    }

    /// Who makes `request`.
    fn caller(&self, request: &HttpRequest) -> Result<Caller, Problem> {
        let caller = caller::authenticate(&self.gateway.callers, request, caller::wall())?;
        noted::caller(request, &caller);
        Ok(caller)
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
    let drain_seconds = gateway.drain.as_millis().div_ceil(1_000);
    let edge = Data::new(Edge::new(gateway, listen.body, listen.answer_within));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::clone(&edge))
            .wrap(from_fn(frame::frame))
            .configure(routes)
    })
    .on_connect(peers(&listen.transport))
    .workers(listen.workers)
    .max_connections(listen.connections_max)
    .max_connection_rate(listen.handshakes_max)
    .tls_handshake_timeout(listen.handshake_within)
    .client_request_timeout(listen.header_within)
    .client_disconnect_timeout(LINGER)
    .keep_alive(listen.keep_alive)
    .shutdown_timeout(u64::try_from(drain_seconds).unwrap_or(u64::MAX))
    .disable_signals();
    let server = match &listen.transport {
        Transport::Tls(tls) => {
            server.bind_rustls_0_23(listen.address, rustls::ServerConfig::clone(tls))
        }
        Transport::Plain(_) => server.bind(listen.address),
    }
    .map_err(|source| BindError {
        address: listen.address,
        source,
    })?;
    let addresses = server.addrs();
    Ok((server.run(), addresses))
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

/// Keeps the certificate of the peer with its connection.
fn peers(transport: &Transport) -> impl Fn(&dyn Any, &mut Extensions) + Clone + Send + use<> {
    let everybody = match transport {
        Transport::Tls(_) => None,
        Transport::Plain(certificate) => Some(*certificate),
    };
    move |io, connection| {
        let stream = io.downcast_ref::<TlsStream<TcpStream>>();
        let presented = stream.and_then(|stream| stream.get_ref().1.peer_certificates()?.first());
        if let Some(certificate) = presented.map(CertificateDigest::of).or(everybody) {
            connection.insert(certificate);
        }
    }
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
