//! The socket of the edge: address, certificate, and the limits that hold strangers off.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use engine::live::Live;

use super::section::Section;
use crate::tls::CertificateDigest;
use crate::tls::credentials::{Credentials, TlsFiles};

/// The number of the credentials that a process begins with.
const FIRST: u64 = 1;

/// The server's own timer, which waits for heads, looks at the time twice a second.
const HEADER_WITHIN_MIN: Duration = Duration::from_secs(1);

/// How the edge listens.
pub struct Listen {
    /// Where.
    pub address: SocketAddr,
    /// How callers are told apart.
    pub transport: Transport,
    /// Worker threads.
    pub workers: usize,
    /// Connections per worker.
    pub connections_max: usize,
    /// TLS handshakes in progress per worker.
    pub handshakes_max: usize,
    /// What one network may have of both.
    pub peers: PeerLimits,
    /// Limit of one handshake.
    pub handshake_within: Duration,
    /// Limit of the head of a request.
    pub header_within: Duration,
    /// Limits of its body.
    pub body: BodyLimits,
    /// Limit of what waits to be read by the caller.
    pub write_within: Duration,
    /// Life of an idle connection.
    pub keep_alive: Duration,
    /// Limit of a whole request.
    pub answer_within: Duration,
}

/// How callers are told apart.
#[derive(Clone)]
pub enum Transport {
    /// By the certificates that they present; ours is in here, and whom we trust.
    Tls {
        /// Those in force.
        credentials: Live<Credentials>,
        /// Where they come from.
        files: TlsFiles,
    },
    /// Not at all: everybody is taken for the holder of this certificate. No configuration leads here;
    /// it is for measuring what TLS costs.
    Plain(CertificateDigest),
}

/// What one network may have: an IPv4 address, or the 64 bits of IPv6 that a site is given.
#[derive(Debug, Clone, Copy)]
pub struct PeerLimits {
    /// Connections.
    pub connections_max: usize,
    /// TLS handshakes under way; others of its own wait.
    pub handshakes_max: usize,
}

/// How a body may arrive.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// All of it within this.
    pub within: Duration,
    /// At least so many bytes a second, after the first second.
    pub rate_min: u64,
    /// At most so many bytes.
    pub bytes_max: usize,
}

impl Listen {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Listen> {
        let address = section.required("address").and_then(|text| {
            let parsed = text.parse::<SocketAddr>();
            if parsed.is_err() {
                section.refuse("address", "must be an address and a port, as 0.0.0.0:8443");
            }
            parsed.ok()
        });
        let tls = read_tls(section);
        let workers = section.count("workers", 1..=256);
        let connections_max = section.count("connections_max", 1..=1_000_000);
        let handshakes_max = section.count("handshakes_max", 1..=100_000);
        let peers = PeerLimits {
            connections_max: section.count("connections_per_network_max", 1..=1_000_000),
            handshakes_max: section.count("handshakes_per_network_max", 1..=100_000),
        };
        let handshake_within = section.duration("handshake_within", Duration::from_secs(60));
        let header_within = section.duration("header_within", Duration::from_secs(60));
        if header_within < HEADER_WITHIN_MIN {
            section.refuse(
                "header_within",
                "must be at least 1s: the server counts half seconds",
            );
        }
        let body = BodyLimits {
            within: section.duration("body_within", Duration::from_secs(300)),
            rate_min: section.integer("body_rate_min", 1..=1 << 30),
            bytes_max: section.count("body_bytes_max", 1 << 10..=16 << 20),
        };
        let write_within = section.duration("write_within", Duration::from_secs(300));
        let keep_alive = section.duration("keep_alive", Duration::from_secs(3600));
        let answer_within = section.duration("answer_within", Duration::from_secs(300));
        if answer_within <= body.within && !section.has_problems() {
            section.refuse("answer_within", "must exceed listen.body_within");
        }
        Some(Listen {
            address: address?,
            transport: tls?,
            workers,
            connections_max,
            handshakes_max,
            peers,
            handshake_within,
            header_within,
            body,
            write_within,
            keep_alive,
            answer_within,
        })
    }
}

fn read_tls(section: &mut Section<'_>) -> Option<Transport> {
    let paths = [
        section.path("certificate_file"),
        section.path("key_file"),
        section.path("callers_ca_file"),
    ];
    let is_whole = paths.iter().all(Option::is_some);
    let [certificate, key, authorities] = paths.map(Option::unwrap_or_default);
    let files = TlsFiles {
        certificate,
        key,
        authorities,
        revoked: section.path_if_set("callers_crl_file"),
    };
    match Credentials::compose(&files.read(), FIRST) {
        Ok(credentials) => is_whole.then(|| Transport::Tls {
            credentials: Live::new(credentials),
            files,
        }),
        Err(flaws) => {
            for flaw in flaws {
                // A path that is not set has been named already.
                if !section.text(flaw.key).is_empty() {
                    section.refuse(flaw.key, flaw.rule);
                }
            }
            None
        }
    }
}

impl fmt::Debug for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listen")
            .field("address", &self.address)
            .field("workers", &self.workers)
            .field("connections_max", &self.connections_max)
            .field("body", &self.body)
            .field("answer_within", &self.answer_within)
            .finish_non_exhaustive()
    }
}
