//! Which network addresses may be called: public ones, and those that an operator names.
//!
//! # Invariants
//!
//! 1. Nothing private, local, shared, multicast, reserved or embedding another address is called unless a
//!    network that was named contains it (RFC 6890 and IANA's registries of special addresses).
//! 2. An IPv6 address that stands for an IPv4 one is called by neither name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: an address and how many of its bits count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// Reads `10.0.0.0/8`, `fd00::/8`. `None` if it is none, or says more than its bits.
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let bits: u8 = bits.parse().ok()?;
        let network = Network { address, bits };
        let is_whole = bits <= width(address) && network.head(address) == number(address);
        is_whole.then_some(network)
    }

    const fn v4(address: [u8; 4], bits: u8) -> Network {
        let [a, b, c, d] = address;
        Network {
            address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            bits,
        }
    }

    const fn v6(head: [u16; 2], bits: u8) -> Network {
        Network {
            address: IpAddr::V6(Ipv6Addr::new(head[0], head[1], 0, 0, 0, 0, 0, 0)),
            bits,
        }
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && self.head(address) == number(self.address)
    }

    /// The bits of `address` that count, the others zero.
    fn head(&self, address: IpAddr) -> u128 {
        let free = u32::from(width(address).saturating_sub(self.bits));
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        number(address) & mask
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

const NOT_PUBLIC_V4: [Network; 15] = [
    Network::v4([0, 0, 0, 0], 8),
    Network::v4([10, 0, 0, 0], 8),
    // Shared by the customers of a carrier.
    Network::v4([100, 64, 0, 0], 10),
    Network::v4([127, 0, 0, 0], 8),
    Network::v4([169, 254, 0, 0], 16),
    Network::v4([172, 16, 0, 0], 12),
    Network::v4([192, 0, 0, 0], 24),
    Network::v4([192, 0, 2, 0], 24),
    Network::v4([192, 88, 99, 0], 24),
    Network::v4([192, 168, 0, 0], 16),
    Network::v4([198, 18, 0, 0], 15),
    Network::v4([198, 51, 100, 0], 24),
    Network::v4([203, 0, 113, 0], 24),
    // Multicast, then what is reserved, broadcast included.
    Network::v4([224, 0, 0, 0], 4),
    Network::v4([240, 0, 0, 0], 4),
];
/// The only part of IPv6 that is public, loopback, mapped, local and multicast being elsewhere.
const PUBLIC_V6: Network = Network::v6([0x2000, 0], 3);
const NOT_PUBLIC_V6: [Network; 4] = [
    // Protocols of their own, tunnels (Teredo) among them.
    Network::v6([0x2001, 0], 23),
    Network::v6([0x2001, 0xdb8], 32),
    // An IPv4 address inside (6to4).
    Network::v6([0x2002, 0], 16),
    Network::v6([0x3fff, 0], 20),
];

/// Networks that may be called although they are not public.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// These.
    pub fn new(allowed: Vec<Network>) -> Networks {
        Networks(allowed)
    }

    /// Whether `address` may be called.
    pub fn may_call(&self, address: IpAddr) -> bool {
        is_public(address) || self.0.iter().any(|network| network.contains(address))
    }
}

fn is_public(address: IpAddr) -> bool {
    let is_in = |networks: &[Network]| networks.iter().any(|network| network.contains(address));
    match address {
        IpAddr::V4(_) => !is_in(&NOT_PUBLIC_V4),
        IpAddr::V6(_) => PUBLIC_V6.contains(address) && !is_in(&NOT_PUBLIC_V6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: [&str; 29] = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "fe80::1",
        "fd12:3456::1",
        "ff02::1",
        "2001:db8::1",
        "2001::1",
        "2002:7f00:1::",
    ];

    #[test]
    fn what_is_not_public_is_not_called() {
        for text in LOCAL {
            let address = text.parse().unwrap();
            assert!(!Networks::default().may_call(address), "{text}");
        }
        for text in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "193.204.1.1",
            "223.255.255.254",
            "2606:4700::1111",
            "2a00:1450:4002::1",
        ] {
            let address = text.parse().unwrap();
            assert!(Networks::default().may_call(address), "{text}");
        }
    }

    #[test]
    fn a_network_that_is_named_is_called_and_no_other() {
        let named = ["10.20.0.0/16", "fd00::/8"].map(|text| Network::parse(text).unwrap());
        let networks = Networks::new(named.to_vec());
        for (text, may) in [
            ("10.20.255.1", true),
            ("10.21.0.1", false),
            ("fd12::1", true),
            ("fc00::1", false),
            ("::ffff:10.20.0.1", false),
            ("127.0.0.1", false),
        ] {
            assert_eq!(networks.may_call(text.parse().unwrap()), may, "{text}");
        }
    }

    #[test]
    fn a_network_says_no_more_than_its_bits() {
        for text in [
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0",
            "10.0.0/8",
            "::/129",
            "fd00::1/8",
            "",
        ] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        for text in ["0.0.0.0/0", "10.0.0.1/32", "::/0", "::1/128"] {
            assert!(Network::parse(text).is_some(), "{text}");
        }
        let all = Networks::new(vec![Network::parse("0.0.0.0/0").unwrap()]);
        assert!(all.may_call("127.0.0.1".parse().unwrap()));
        assert!(!all.may_call("::1".parse().unwrap()));
    }
}
