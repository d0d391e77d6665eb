//! Takes connections in: so many of each network, each with its deadlines, over TLS as it is in force.
//!
//! The framework's own server would accept for one TLS configuration, count all peers alike and wait for
//! ever for one that does not read; so its parts are put together here, with a stream of ours.
//!
//! # Limits
//!
//! `connections_max` and `handshakes_max` of a worker, those of one network in [`peers`], and the
//! deadline of a write in [`stream`]. Whoever is over the limit of their network is closed at once.
//!
//! A handshake has `handshake_within`, and in it waits for its turn behind others of its network. One of
//! the turns that all share is taken only once the caller has said something ([`ClientHello`]), and is
//! kept for [`TURN_WITHIN`] at most: who is silent takes nothing from other networks.
//!
//! [`ClientHello`]: rustls::server::ClientHello

mod peers;
mod stream;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_http::error::DispatchError;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_web::dev::{AppConfig, Extensions, Server};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::Data;
use actix_web::{App, Error};
use engine::live::Live;
use rustls::server::Acceptor;
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use self::peers::Peers;
use self::stream::{Held, Stream};
use super::{Edge, frame, routes};
use crate::config::{Listen, Transport};
use crate::telemetry::Watcher;
use crate::tls::credentials::Credentials;
use crate::tls::{CertificateDigest, Presented};

/// How long a caller whose body was not read to its end may take to hear the answer, before the
/// connection is closed.
const LINGER: Duration = Duration::from_secs(1);
/// How long a handshake keeps others waiting. A whole one takes two turns of the network and some
/// milliseconds of work; one that takes longer goes on all the same.
const TURN_WITHIN: Duration = Duration::from_millis(250);
/// What the system keeps for a caller until it reads (Linux takes twice as much, for its own use too).
/// More: faster over long lines; less: the sooner a caller that does not read is told apart.
const UNSENT_BYTES: u32 = 32 << 10;
/// Connections that the system holds until a worker has room.
const BACKLOG: u32 = 1024;

/// Serves `edge` on the address of `listen`: the server, and the address it bound.
pub(super) fn serve(
    edge: Data<Edge>,
    listen: &Listen,
    drain: Duration,
) -> io::Result<(Server, Vec<SocketAddr>)> {
    let listener = bind(listen.address)?;
    let address = listener.local_addr()?;
    let door = Arc::new(Entrance::new(listen, Arc::clone(&edge.gateway.watcher)));
    let (header_within, keep_alive) = (listen.header_within, listen.keep_alive);
    let drain_seconds = drain.as_millis().div_ceil(1_000);
    let builder = Server::build()
        .workers(listen.workers)
        .max_concurrent_connections(listen.connections_max)
        .shutdown_timeout(u64::try_from(drain_seconds).unwrap_or(u64::MAX))
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    let service = move || {
        let app = App::new()
            .app_data(Data::clone(&edge))
            .wrap(from_fn(frame::frame))
            .configure(routes)
            .into_factory()
            .map_err(|error: Error| error.error_response());
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(keep_alive)
            .client_request_timeout(header_within)
            .client_disconnect_timeout(LINGER)
            .local_addr(address)
            .on_connect_ext(keep_with)
            .h1(map_config(app, |()| AppConfig::default()));
        let door = Arc::clone(&door);
        fn_service(move |socket: TcpStream| {
            let door = Arc::clone(&door);
            async move { door.open(socket).await.map_err(DispatchError::Io) }
        })
        .and_then(http)
    };
    let server = builder.listen("edge", listener, service)?.run();
    Ok((server, vec![address]))
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    // Every connection inherits it.
    socket.set_send_buffer_size(UNSENT_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}

/// Keeps the certificate of the peer with its connection.
fn keep_with(stream: &Stream, connection: &mut Extensions) {
    match stream {
        Stream::Plain { taken_for, .. } => {
            connection.insert(*taken_for);
        }
        Stream::Tls { tls, generation } => {
            let chain = tls.get_ref().1.peer_certificates().unwrap_or_default();
            if let Some(presented) = Presented::new(chain, *generation) {
                connection.insert(presented.digest());
                connection.insert(presented);
            }
        }
    }
}

/// Whom connections come from, and what they are met with.
struct Entrance {
    peers: Arc<Peers>,
    /// Handshakes that may be under way.
    handshakes: Semaphore,
    handshake_within: Duration,
    write_within: Duration,
    transport: Meeting,
    watcher: Arc<Watcher>,
}

enum Meeting {
    Tls(Live<Credentials>),
    Plain(CertificateDigest),
}

impl Entrance {
    fn new(listen: &Listen, watcher: Arc<Watcher>) -> Entrance {
        Entrance {
            peers: Arc::new(Peers::new(listen.peers, Arc::clone(&watcher))),
            handshakes: Semaphore::new(listen.handshakes_max * listen.workers),
            handshake_within: listen.handshake_within,
            write_within: listen.write_within,
            transport: match &listen.transport {
                Transport::Tls { credentials, .. } => Meeting::Tls(credentials.clone()),
                Transport::Plain(certificate) => Meeting::Plain(*certificate),
            },
            watcher,
        }
    }

    /// Gives a connection its place and its TLS.
    async fn open(&self, socket: TcpStream) -> io::Result<(Stream, Option<SocketAddr>)> {
        let refused = |reason: &'static str, kind| {
            self.watcher.connection_ended(reason);
            io::Error::from(kind)
        };
        let address = socket.peer_addr()?;
        // An answer leaves at once: nothing more is to come that could go with it.
        socket.set_nodelay(true)?;
        let Some(place) = self.peers.enter(address.ip()) else {
            return Err(refused("network-full", io::ErrorKind::ConnectionRefused));
        };
        let turns = place.turns();
        let ended = Arc::clone(&self.watcher);
        let held = Held::new(socket, place, self.write_within, ended);
        let credentials = match &self.transport {
            Meeting::Tls(credentials) => credentials,
            Meeting::Plain(taken_for) => {
                let taken_for = *taken_for;
                return Ok((Stream::Plain { held, taken_for }, Some(address)));
            }
        };
        let handshake = async {
            let _own_turn = turns.take().await;
            self.shake(held, credentials).await
        };
        match timeout(self.handshake_within, handshake).await {
            Ok(Ok((tls, generation))) => {
                let tls = Box::new(tls);
                Ok((Stream::Tls { tls, generation }, Some(address)))
            }
            Ok(Err(error)) => {
                self.watcher.connection_ended("handshake-failed");
                Err(error)
            }
            Err(_) => Err(refused("handshake-slow", io::ErrorKind::TimedOut)),
        }
    }

    /// A whole handshake, and the generation of credentials that it was under.
    async fn shake(
        &self,
        held: Held,
        credentials: &Live<Credentials>,
    ) -> io::Result<(TlsStream<Held>, u64)> {
        let greeted = LazyConfigAcceptor::new(Acceptor::default(), held).await?;
        // It is never closed.
        let turn = self.handshakes.acquire().await.ok();
        let credentials = credentials.load();
        let mut shaking = pin!(greeted.into_stream(Arc::clone(&credentials.config)));
        let tls = match timeout(TURN_WITHIN, shaking.as_mut()).await {
            Ok(tls) => tls?,
            Err(_) => {
                drop(turn);
                shaking.await?
            }
        };
        Ok((tls, credentials.number))
    }
}
