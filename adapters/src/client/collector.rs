//! The way to a collector of traces: posts bytes, on the thread of whoever posts.
//!
//! # Invariants
//!
//! 1. A post ends within the time the collector was opened with, whatever is at the other end.
//! 2. Over https a connection is made to whom the trust file vouches for, and to nobody else.
//!
//! # Failure
//!
//! Nothing is retried here, and an answer is its status alone: its body is not read.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reqwest::blocking;
use rustls::{ClientConfig, RootCertStore};

use super::{CONNECT_WITHIN, ClientError, IDLE_MAX, certificates};

/// A collector, by whatever address.
#[derive(Debug)]
pub struct Collector {
    http: blocking::Client,
}

/// A post that was not answered.
#[derive(Debug, thiserror::Error)]
#[error("the collector did not answer")]
pub struct Unanswered(#[source] reqwest::Error);

impl Collector {
    /// Opens the way; `trust` names who may vouch for the collector, and without it none is reached
    /// over https.
    ///
    /// # Errors
    ///
    /// Fails if the trust file does not serve.
    ///
    /// # Panics
    ///
    /// Inside an asynchronous runtime, which it would block.
    pub fn open(trust: Option<&Path>, within: Duration) -> Result<Collector, ClientError> {
        let mut roots = RootCertStore::empty();
        if let Some(trust) = trust {
            for root in certificates("a trusted certificate", trust)? {
                roots.add(root).map_err(ClientError::Tls)?;
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(ClientError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let http = blocking::Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .user_agent(concat!("argine/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_WITHIN)
            .timeout(within)
            .pool_idle_timeout(IDLE_MAX)
            .build()
            .map_err(ClientError::Http)?;
        Ok(Collector { http })
    }

    /// Posts `body` to `url` with `headers`; the status of the answer.
    ///
    /// # Errors
    ///
    /// Fails if no answer comes in time.
    pub fn post<'a>(
        &self,
        url: &str,
        headers: impl Iterator<Item = (&'a str, &'a [u8])>,
        body: Vec<u8>,
    ) -> Result<u16, Unanswered> {
        let mut request = self.http.post(url).body(body);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request.send().map_err(Unanswered)?;
        Ok(answer.status().as_u16())
    }
}
