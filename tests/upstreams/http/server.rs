//! A listener that can refuse, hang, cut and reset, on a port that stays its own.
//!
//! # Invariants
//!
//! 1. Once [`Server::set_open`] has returned, new connections are accepted (or refused) as asked.
//! 2. While it refuses, the port stays bound: nobody else can take it, and it is the same after.
//! 3. A request whose connection was accepted is handled even if the server stops accepting.

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::{Parsed, Request, Response, parse};

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long a begun request may take to arrive.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection may stay idle.
const IDLE_FOR: Duration = Duration::from_secs(120);
/// How long [`Server::set_open`] waits for the accept loop.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
const BACKLOG: u32 = 1024;

/// How an answer leaves, or fails to.
#[derive(Debug)]
pub enum Ending {
    /// Whole and at once; the connection stays open.
    Answer(Response),
    /// Half of its bytes, and then nothing until the peer gives up.
    Half(Response),
    /// One byte in every so long.
    Trickle(Response, Duration),
    /// Nothing until the peer gives up.
    Hang,
    /// An orderly close without a byte.
    Close,
    /// A TCP reset.
    Reset,
}

/// What becomes of one request.
pub struct Delivery {
    /// How long the peer waits first. If it gives up meanwhile, nothing is sent.
    pub delay: Duration,
    /// How the answer leaves.
    pub ending: Ending,
    /// What is done once the connection is dead; given only with an ending that kills it.
    pub afterwards: Option<BoxFuture<'static, ()>>,
    /// Dropped once the answer has left, or will never leave.
    pub held: Option<Box<dyn Any + Send>>,
}

impl Delivery {
    /// At once, with nothing after.
    pub fn of(ending: Ending) -> Delivery {
        Delivery {
            delay: Duration::ZERO,
            ending,
            afterwards: None,
            held: None,
        }
    }
}

/// How a new connection is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Greeting {
    /// With a handshake.
    Serve,
    /// With a reset on the first byte of the handshake.
    Reset,
    /// With a handshake that trusts another authority, so that the peer's certificate is refused.
    Distrust,
}

/// What a server does with its connections and requests.
pub trait Handler: Send + Sync + 'static {
    /// Decides what becomes of one request.
    fn handle(self: Arc<Self>, request: Request) -> BoxFuture<'static, Delivery>;

    /// Decides how a new connection is met.
    fn greet(&self) -> Greeting {
        Greeting::Serve
    }
}

/// The two faces of a TLS server.
#[derive(Clone)]
pub struct Tls {
    /// The usual one.
    pub usual: Arc<rustls::ServerConfig>,
    /// The one of [`Greeting::Distrust`].
    pub distrustful: Arc<rustls::ServerConfig>,
}

/// A running listener.
pub struct Server {
    address: SocketAddr,
    wanted: watch::Sender<bool>,
    actual: Arc<(Mutex<bool>, Condvar)>,
}

impl Server {
    /// Binds `address` and serves it on the current runtime, as long as the `Server` lives.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub fn start(
        address: SocketAddr,
        tls: Option<Tls>,
        handler: Arc<dyn Handler>,
    ) -> io::Result<Server> {
        let socket = bind(address)?;
        let address = socket.local_addr()?;
        let (wanted, seen) = watch::channel(true);
        let actual = Arc::new((Mutex::new(true), Condvar::new()));
        let door = Door {
            tls,
            handler,
            wanted: seen,
        };
        let listener = socket.listen(BACKLOG)?;
        tokio::spawn(accept_loop(address, listener, door, Arc::clone(&actual)));
        Ok(Server {
            address,
            wanted,
            actual,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections, or refuses them all and closes those that are idle.
    ///
    /// Blocks the thread for the moment it takes; not to be called from the server's own runtime.
    pub fn set_open(&self, open: bool) {
        self.wanted.send_replace(open);
        let (state, changed) = &*self.actual;
        let state = state.lock().expect("no one panics while holding it");
        let waited = changed
            .wait_timeout_while(state, OPEN_WITHIN, |actual| *actual != open)
            .expect("no one panics while holding it");
        assert!(
            !waited.1.timed_out(),
            "the accept loop of {} is gone",
            self.address
        );
    }
}

#[derive(Clone)]
struct Door {
    tls: Option<Tls>,
    handler: Arc<dyn Handler>,
    wanted: watch::Receiver<bool>,
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept_loop(
    address: SocketAddr,
    mut listener: TcpListener,
    mut door: Door,
    actual: Arc<(Mutex<bool>, Condvar)>,
) {
    let report = |open: bool| {
        *actual.0.lock().expect("no one panics while holding it") = open;
        actual.1.notify_all();
    };
    // Dropping the set ends every connection with the server.
    let mut connections = JoinSet::new();
    loop {
        report(true);
        while *door.wanted.borrow_and_update() {
            tokio::select! {
                changed = door.wanted.changed() => if changed.is_err() { return },
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, door.clone()));
                },
            }
        }
        drop(listener);
        // Bound but not listening: the kernel answers a connection with a reset.
        let socket = bind(address).expect("the port was ours a moment ago");
        report(false);
        while !*door.wanted.borrow_and_update() {
            if door.wanted.changed().await.is_err() {
                return;
            }
        }
        listener = socket.listen(BACKLOG).expect("a bound socket can listen");
    }
}

async fn connection(tcp: TcpStream, door: Door) {
    if tcp.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = door.tls.clone() else {
        return serve(tcp, None, door).await;
    };
    let config = match door.handler.greet() {
        Greeting::Serve => tls.usual,
        Greeting::Distrust => tls.distrustful,
        Greeting::Reset => {
            let mut tcp = tcp;
            // Only once the peer has begun, so that it sees a handshake fail and not a refusal.
            let begun = timeout(HANDSHAKE_WITHIN, tcp.read_u8()).await;
            return if begun.is_ok() {
                tcp.reset()
            };
        }
    };
    let handshake = timeout(HANDSHAKE_WITHIN, TlsAcceptor::from(config).accept(tcp)).await;
    if let Ok(Ok(stream)) = handshake {
        let chain = stream.get_ref().1.peer_certificates();
        let peer = chain
            .and_then(<[_]>::first)
            .map(|certificate| certificate.to_vec());
        serve(stream, peer, door).await;
    }
}

/// A stream that can be torn down without a goodbye.
trait Reset {
    fn reset(&self);
}

impl Reset for TcpStream {
    fn reset(&self) {
        // A socket that cannot linger is closed the usual way, which is all we could do anyway.
        self.set_zero_linger().ok();
    }
}

impl Reset for TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Reset {}
impl<S: AsyncRead + AsyncWrite + Unpin + Reset> Stream for S {}

async fn serve<S: Stream>(mut stream: S, peer: Option<Vec<u8>>, mut door: Door) {
    let mut buffer = Vec::new();
    while let Some(mut request) = next_request(&mut stream, &mut buffer, &mut door.wanted).await {
        request.peer_certificate.clone_from(&peer);
        let delivery = Arc::clone(&door.handler).handle(request).await;
        let lives = tokio::select! {
            () = sleep(delivery.delay), if !delivery.delay.is_zero() => {
                deliver(&mut stream, &mut buffer, delivery.ending).await
            }
            () = until_gone(&mut stream, &mut buffer), if !delivery.delay.is_zero() => false,
            else => deliver(&mut stream, &mut buffer, delivery.ending).await,
        };
        drop(delivery.held);
        if !lives {
            drop(stream);
            if let Some(afterwards) = delivery.afterwards {
                afterwards.await;
            }
            return;
        }
    }
    // The peer may be gone already; there is nobody to tell.
    stream.shutdown().await.ok();
}

/// The next request; none when the connection is to be closed.
async fn next_request<S: Stream>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    wanted: &mut watch::Receiver<bool>,
) -> Option<Request> {
    if buffer.is_empty() {
        let first = tokio::select! {
            biased;
            first = timeout(IDLE_FOR, stream.read_buf(buffer)) => first,
            _ = wanted.wait_for(|open| !open) => return None,
        };
        if !matches!(first, Ok(Ok(1..))) {
            return None;
        }
    }
    timeout(REQUEST_WITHIN, whole_request(stream, buffer))
        .await
        .ok()
        .flatten()
}

async fn whole_request<S: Stream>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<Request> {
    let mut continued = false;
    loop {
        match parse(buffer) {
            Parsed::Whole(request, taken) => {
                buffer.drain(..taken);
                return Some(*request);
            }
            Parsed::Refused(status) => {
                let refusal = Response::new(status, "text/plain", "").encode();
                stream.write_all(&refusal).await.ok()?;
                return None;
            }
            Parsed::Partial { continue_first } => {
                if continue_first && !continued {
                    continued = true;
                    stream
                        .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                        .await
                        .ok()?;
                    stream.flush().await.ok()?;
                }
                if stream.read_buf(buffer).await.ok()? == 0 {
                    return None;
                }
            }
        }
    }
}

/// Sends the answer as asked; whether the connection lives on.
async fn deliver<S: Stream>(stream: &mut S, buffer: &mut Vec<u8>, ending: Ending) -> bool {
    match ending {
        Ending::Answer(response) => write(stream, &response.encode()).await.is_ok(),
        Ending::Half(response) => {
            let bytes = response.encode();
            if write(stream, &bytes[..bytes.len() / 2]).await.is_ok() {
                until_gone(stream, buffer).await;
            }
            false
        }
        Ending::Trickle(response, every) => {
            for byte in response.encode() {
                if write(stream, &[byte]).await.is_err() {
                    return false;
                }
                tokio::select! {
                    () = sleep(every) => {}
                    () = until_gone(stream, buffer) => return false,
                }
            }
            true
        }
        Ending::Hang => {
            until_gone(stream, buffer).await;
            false
        }
        Ending::Close => {
            stream.shutdown().await.ok();
            false
        }
        Ending::Reset => {
            stream.reset();
            false
        }
    }
}

async fn write<S: Stream>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Returns when the peer has closed its side, keeping whatever it sends until then.
async fn until_gone<S: Stream>(stream: &mut S, buffer: &mut Vec<u8>) {
    while buffer.len() < super::BODY_MAX && matches!(stream.read_buf(buffer).await, Ok(1..)) {}
}
