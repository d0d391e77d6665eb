//! One connection to an HTTP server, kept alive, over TLS or not.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::answer;

/// Who presents which certificate, and trusts whom.
pub(crate) struct Identity<'a> {
    /// The certificates of the world.
    pub(crate) certs: &'a Path,
    /// The organisation.
    pub(crate) organization: &'a str,
}

/// What both kinds of connection are.
trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// One connection.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

impl Wire {
    /// Connects, with TLS if there is an identity.
    pub(crate) async fn connect(
        address: SocketAddr,
        identity: Option<&Identity<'_>>,
    ) -> io::Result<Wire> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match identity {
            None => Box::new(tcp),
            Some(identity) => {
                let connector = TlsConnector::from(Arc::new(tls(identity)?));
                let name = ServerName::from(address.ip());
                Box::new(connector.connect(name, tcp).await?)
            }
        };
        let buffer = Vec::new();
        Ok(Wire { stream, buffer })
    }

    /// Sends a request and reads its whole answer; its status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        loop {
            if let Some((status, whole)) = answer::head(&self.buffer)?
                && self.buffer.len() >= whole
            {
                return Ok(status);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The last answer, as it came.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

fn tls(identity: &Identity<'_>) -> io::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for root in certificates(&identity.certs.join("gateway-ca.pem"))? {
        roots.add(root).map_err(io::Error::other)?;
    }
    let (callers, name) = (identity.certs.join("callers"), identity.organization);
    let chain = certificates(&callers.join(format!("{name}.pem")))?;
    let key = PrivateKeyDer::from_pem_file(callers.join(format!("{name}.key")))
        .map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_root_certificates(roots)
                .with_client_auth_cert(chain, key)
        })
        .map_err(io::Error::other)
}

/// The certificates of a file, leaf first.
pub(crate) fn certificates(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(file).map_err(io::Error::other)?;
    certificates
        .collect::<Result<_, _>>()
        .map_err(io::Error::other)
}
