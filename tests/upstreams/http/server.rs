//! A listener that can refuse, hang, cut and reset, on a port that stays its own.
//!
//! # Invariants
//!
//! 1. Once [`Server::set_open`] has returned, connections are accepted or refused as asked, and no
//!    request is read from a connection of before, if those were to go.
//! 2. While it refuses, the port stays bound: nobody else can take it, and it is the same after.
//! 3. A request that was read is handled, even if the server stops accepting.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::connection::connection;
use super::{Request, Response};

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
    wanted: watch::Sender<Gate>,
    seen: Arc<Seen>,
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
        let first = Gate {
            open: true,
            generation: 0,
        };
        let (wanted, gate) = watch::channel(first);
        let seen = Arc::new(Seen::default());
        seen.update(|state| state.open = true);
        let door = Door {
            tls,
            handler,
            gate,
            seen: Arc::clone(&seen),
        };
        let listener = socket.listen(BACKLOG)?;
        tokio::spawn(accept_loop(address, listener, door));
        Ok(Server {
            address,
            wanted,
            seen,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections, or refuses them all. With `renew`, or when it refuses, connections that
    /// idle are closed and those that serve a request end with it.
    ///
    /// Blocks the thread for the moment it takes; not to be called from the server's own runtime.
    pub fn set_open(&self, open: bool, renew: bool) {
        self.wanted.send_modify(|gate| {
            gate.generation += u64::from(renew || !open);
            gate.open = open;
        });
        let gate = *self.wanted.borrow();
        let state = self.seen.lock();
        let behind = |state: &mut Sighting| {
            let stale = |born: &u64| !gate.open || *born < gate.generation;
            state.open != gate.open || state.idle.keys().any(stale)
        };
        let waited = self
            .seen
            .changed
            .wait_timeout_while(state, OPEN_WITHIN, behind);
        let timeout = waited.expect("no one panics while holding it").1;
        assert!(
            !timeout.timed_out(),
            "the accept loop of {} is gone",
            self.address
        );
    }
}

/// What is asked of the listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gate {
    pub(super) open: bool,
    /// Connections of an earlier one take no more requests.
    pub(super) generation: u64,
}

/// What has become of it.
#[derive(Debug, Default)]
pub(super) struct Seen {
    state: Mutex<Sighting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Sighting {
    open: bool,
    /// How many connections of each generation wait for a request.
    idle: BTreeMap<u64, usize>,
}

impl Seen {
    fn lock(&self) -> MutexGuard<'_, Sighting> {
        self.state.lock().expect("no one panics while holding it")
    }

    fn update(&self, change: impl FnOnce(&mut Sighting)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    /// Counts a connection of this generation as idle until the guard is dropped.
    pub(super) fn idle(&self, generation: u64) -> Idle<'_> {
        self.update(|state| *state.idle.entry(generation).or_default() += 1);
        Idle(self, generation)
    }
}

/// A connection waiting for a request.
pub(super) struct Idle<'a>(&'a Seen, u64);

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.0.update(|state| {
            if let Some(count) = state.idle.get_mut(&self.1) {
                *count -= 1;
            }
            state.idle.retain(|_, count| *count > 0);
        });
    }
}

#[derive(Clone)]
pub(super) struct Door {
    pub(super) tls: Option<Tls>,
    pub(super) handler: Arc<dyn Handler>,
    pub(super) gate: watch::Receiver<Gate>,
    pub(super) seen: Arc<Seen>,
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    // So that the port can be bound once more before it is let go of.
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

async fn accept_loop(address: SocketAddr, mut listener: TcpListener, mut door: Door) {
    // Holds the port from beginning to end: between two listeners nobody else may be given it.
    let _held = bind(address).expect("a port can be bound by those who share it");
    // Dropping the set ends every connection with the server.
    let mut connections = JoinSet::new();
    loop {
        while door.gate.borrow_and_update().open {
            tokio::select! {
                changed = door.gate.changed() => if changed.is_err() { return },
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, door.clone()));
                },
            }
        }
        drop(listener);
        // Bound but not listening: the kernel answers a connection with a reset.
        let socket = bind(address).expect("the port is held");
        door.seen.update(|state| state.open = false);
        while !door.gate.borrow_and_update().open {
            if door.gate.changed().await.is_err() {
                return;
            }
        }
        listener = socket.listen(BACKLOG).expect("a bound socket can listen");
        door.seen.update(|state| state.open = true);
    }
}
