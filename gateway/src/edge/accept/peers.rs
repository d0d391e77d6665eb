//! How many connections and handshakes each network has.
//!
//! A network is one IPv4 address, or the 64 bits of an IPv6 address that are given to one site: whoever
//! has one of those has them all.
//!
//! # Limits
//!
//! [`PeerLimits`]. As many networks are kept as have connections.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;

use crate::config::PeerLimits;
use crate::telemetry::Watcher;

/// The connections of every network.
pub(super) struct Peers {
    limits: PeerLimits,
    networks: Mutex<HashMap<IpAddr, Network>>,
    watcher: Arc<Watcher>,
}

struct Network {
    connections: usize,
    handshakes: Arc<Semaphore>,
}

impl Peers {
    pub(super) fn new(limits: PeerLimits, watcher: Arc<Watcher>) -> Peers {
        Peers {
            limits,
            networks: Mutex::new(HashMap::new()),
            watcher,
        }
    }

    /// A place for one more connection from `address`; none if its network has all it may have.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let network = network_of(address);
        let mut networks = self.networks();
        let found = networks.entry(network).or_insert_with(|| Network {
            connections: 0,
            handshakes: Arc::new(Semaphore::new(self.limits.handshakes_max)),
        });
        if found.connections >= self.limits.connections_max {
            return None;
        }
        found.connections += 1;
        let handshakes = Arc::clone(&found.handshakes);
        drop(networks);
        self.watcher.connections_open(1);
        Some(Place {
            peers: Arc::clone(self),
            network,
            handshakes,
        })
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<IpAddr, Network>> {
        // A panic between two writes of plain numbers leaves nothing half-done.
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, until it is dropped.
pub(super) struct Place {
    peers: Arc<Peers>,
    network: IpAddr,
    handshakes: Arc<Semaphore>,
}

impl Place {
    /// The handshakes that its network may have under way.
    pub(super) fn handshakes(&self) -> Arc<Semaphore> {
        Arc::clone(&self.handshakes)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut networks = self.peers.networks();
        if let Some(network) = networks.get_mut(&self.network) {
            network.connections -= 1;
            if network.connections == 0 {
                networks.remove(&self.network);
            }
        }
        drop(networks);
        self.peers.watcher.connections_open(-1);
    }
}

/// What is counted together with `address`.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_places_and_gives_them_back() {
        let limits = PeerLimits {
            connections_max: 2,
            handshakes_max: 1,
        };
        let peers = Arc::new(Peers::new(limits, Arc::new(Watcher::counting())));
        let enter = |text: &str| peers.enter(text.parse().unwrap());
        let first = enter("10.0.0.1").unwrap();
        let mapped = enter("::ffff:10.0.0.1").unwrap();
        assert!(enter("10.0.0.1").is_none(), "all places are taken");
        assert!(enter("10.0.0.2").is_some(), "another's are not");
        drop(first);
        let again = enter("10.0.0.1").unwrap();
        let site: Vec<_> = (1..=3).map(|n| enter(&format!("2001:db8::{n}"))).collect();
        assert!(site[1].is_some() && site[2].is_none(), "a site is one");
        drop((again, mapped, site));
        assert!(peers.networks().is_empty(), "nothing is kept of who left");
    }
}
