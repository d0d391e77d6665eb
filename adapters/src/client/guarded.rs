//! A client for addresses that callers chose: it connects only where it may.
//!
//! # Invariants
//!
//! 1. The address that was checked is the one that is connected to: a name is resolved once, by us, and what
//!    may not be called is dropped before anything connects. A host that is an address is checked itself.
//! 2. Of an answer nothing is used but its status, which counts as soon as it is there: who then sends a
//!    body without end holds nobody up.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{Cause, ClientError, TlsFiles, builder, cause, tls};
use crate::callbacks::Networks;

/// Of an answer, what is read to keep its connection; of a longer one it is closed.
const READ_MAX: usize = 16 * 1024;
/// How long that may take.
const READ_WITHIN: Duration = Duration::from_millis(250);

/// A client that connects only where it may.
pub(crate) struct Guarded {
    http: reqwest::Client,
    networks: Arc<Networks>,
}

/// One request.
pub(crate) struct Push<'a> {
    pub(crate) url: &'a str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// The whole time it may take.
    pub(crate) within: Duration,
}

impl Guarded {
    /// Builds a client from these files.
    pub(crate) fn open(files: &TlsFiles<'_>, allowed: Networks) -> Result<Guarded, ClientError> {
        let networks = Arc::new(allowed);
        let resolver = Checked(Arc::clone(&networks));
        let http = builder(tls(files)?).dns_resolver(resolver).build();
        Ok(Guarded {
            http: http.map_err(ClientError::Http)?,
            networks,
        })
    }

    /// Makes the request; the status of its answer, or what it died of in a word.
    pub(crate) async fn post(&self, push: Push<'_>) -> Result<u16, &'static str> {
        let url = Url::parse(push.url).map_err(|_| "address-refused")?;
        if literal(&url).is_some_and(|address| !self.networks.may_call(address)) {
            return Err("address-not-allowed");
        }
        let mut request = self.http.post(url).timeout(push.within).body(push.body);
        for (name, value) in push.headers {
            request = request.header(name, value);
        }
        let mut response = request.send().await.map_err(|error| word(&error))?;
        let status = response.status().as_u16();
        let rest = async {
            let mut left = READ_MAX;
            while let Ok(Some(chunk)) = response.chunk().await {
                left = left.saturating_sub(chunk.len());
                if left == 0 {
                    break;
                }
            }
        };
        // What is not read by then goes with its connection.
        drop(tokio::time::timeout(READ_WITHIN, rest).await);
        Ok(status)
    }
}

/// The address that the host of `url` is, where it is no name.
fn literal(url: &Url) -> Option<IpAddr> {
    let host = url.host_str()?;
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .parse()
        .ok()
}

fn word(error: &reqwest::Error) -> &'static str {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<NotAllowed>() {
            return "address-not-allowed";
        }
        source = error.source();
    }
    match cause(error) {
        Cause::Connection => "connection",
        Cause::Timeout => "timeout",
        Cause::PeerCertificate => "receivers-certificate",
        Cause::OwnCertificate => "own-certificate",
        Cause::TooLarge => "too-large",
    }
}

/// Nothing that a name resolves to may be called.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to no address that may be called")]
struct NotAllowed;

/// Resolves names to what may be called.
struct Checked(Arc<Networks>);

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let networks = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|found| networks.may_call(found.ip()))
                .collect();
            if allowed.is_empty() {
                return Err(NotAllowed.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

impl fmt::Debug for Guarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").finish_non_exhaustive()
    }
}
