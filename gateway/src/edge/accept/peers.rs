//! How many connections and handshakes each network has.
//!
//! A network is one IPv4 address, or the 64 bits of an IPv6 address that are given to one link: whoever
//! has one of those has them all. An IPv6 site is given many of these at once, and so is counted as a
//! whole besides: 48 bits.
//!
//! # Limits
//!
//! [`PeerLimits`], and [`LINKS_OF_A_SITE`] times as much of an IPv6 site. As many networks are kept as
//! have connections.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::PeerLimits;
use crate::telemetry::Watcher;

/// The prefix of one link (RFC 4291).
const LINK_BITS: u32 = 64;
/// The prefix that a site is given at most (RFC 6177).
const SITE_BITS: u32 = 48;
/// What a site may have, in links that have all they may: some of its own fit, and no site fills the rest.
const LINKS_OF_A_SITE: usize = 4;

/// The connections of every network.
pub(super) struct Peers {
    limits: PeerLimits,
    networks: Mutex<HashMap<Network, Counted>>,
    watcher: Arc<Watcher>,
}

/// Addresses that are counted together: the first of them, and how many bits they share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Network {
    first: IpAddr,
    bits: u32,
}

struct Counted {
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

    /// A place for one more connection from `address`; none if a network of it has all it may have.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let within = networks_of(address);
        let mut networks = self.networks();
        let is_full = |network: &Network| {
            let connections = networks.get(network).map_or(0, |found| found.connections);
            connections >= self.limits.connections_max * links_of(network)
        };
        if within.iter().any(is_full) {
            return None;
        }
        let mut handshakes = Vec::with_capacity(within.len());
        for network in &within {
            let found = networks.entry(*network).or_insert_with(|| {
                let turns = self.limits.handshakes_max * links_of(network);
                Counted {
                    connections: 0,
                    handshakes: Arc::new(Semaphore::new(turns)),
                }
            });
            found.connections += 1;
            handshakes.push(Arc::clone(&found.handshakes));
        }
        drop(networks);
        self.watcher.connections_open(1);
        Some(Place {
            peers: Arc::clone(self),
            networks: within,
            turns: Turns(handshakes),
        })
    }

    fn networks(&self) -> MutexGuard<'_, HashMap<Network, Counted>> {
        // A panic between two writes of plain numbers leaves nothing half-done.
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one connection, until it is dropped.
pub(super) struct Place {
    peers: Arc<Peers>,
    networks: Vec<Network>,
    turns: Turns,
}

impl Place {
    /// The handshakes that its networks may have under way.
    pub(super) fn turns(&self) -> Turns {
        self.turns.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut networks = self.peers.networks();
        for one in &self.networks {
            if let Some(network) = networks.get_mut(one) {
                network.connections -= 1;
                if network.connections == 0 {
                    networks.remove(one);
                }
            }
        }
        drop(networks);
        self.peers.watcher.connections_open(-1);
    }
}

/// The turns of every network of a connection, the smallest first.
#[derive(Clone)]
pub(super) struct Turns(Vec<Arc<Semaphore>>);

impl Turns {
    /// Waits for a turn of every one: in this order, so that a link does not fill the queue of its site.
    pub(super) async fn take(self) -> Vec<OwnedSemaphorePermit> {
        let mut taken = Vec::with_capacity(self.0.len());
        for turns in self.0 {
            // They are never closed.
            taken.extend(turns.acquire_owned().await.ok());
        }
        taken
    }
}

/// What `address` is counted with, the smallest first.
fn networks_of(address: IpAddr) -> Vec<Network> {
    match address.to_canonical() {
        IpAddr::V4(address) => vec![Network {
            first: IpAddr::V4(address),
            bits: u32::BITS,
        }],
        IpAddr::V6(address) => [LINK_BITS, SITE_BITS]
            .map(|bits| Network {
                first: Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))).into(),
                bits,
            })
            .into(),
    }
}

/// Whose limits a network has, as a multiple of one link's.
fn links_of(network: &Network) -> usize {
    if network.first.is_ipv6() && network.bits == SITE_BITS {
        LINKS_OF_A_SITE
    } else {
        1
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

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
        let link: Vec<_> = (1..=3).map(|n| enter(&format!("2001:db8::{n}"))).collect();
        assert!(link[1].is_some() && link[2].is_none(), "a link is one");
        drop((again, mapped, link));
        assert!(peers.networks().is_empty(), "nothing is kept of who left");
    }

    #[tokio::test]
    async fn a_site_of_many_links_does_not_have_as_many_places() {
        let limits = PeerLimits {
            connections_max: 2,
            handshakes_max: 1,
        };
        let peers = Arc::new(Peers::new(limits, Arc::new(Watcher::counting())));
        let enter = |text: &str| peers.enter(text.parse().unwrap());
        let links = 0..256;
        let site: Vec<_> = links
            .filter_map(|link| enter(&format!("2001:db8:1:{link:x}::1")))
            .collect();
        assert_eq!(site.len(), 2 * LINKS_OF_A_SITE);
        let another = enter("2001:db8:2::1").expect("another site has its own");

        let mut taken = Vec::new();
        for place in &site[..LINKS_OF_A_SITE] {
            taken.push(place.turns().take().await);
        }
        let next = site[LINKS_OF_A_SITE].turns().take().now_or_never();
        assert!(next.is_none(), "a site waits for itself");
        assert!(another.turns().take().now_or_never().is_some());
        drop(taken);
        assert!(
            site[LINKS_OF_A_SITE]
                .turns()
                .take()
                .now_or_never()
                .is_some()
        );
        drop((site, another));
        assert!(peers.networks().is_empty(), "nothing is kept of who left");
    }
}
