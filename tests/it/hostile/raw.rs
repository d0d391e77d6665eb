//! A caller that says what it likes, over a connection from an address of its choice.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tests::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A server that has neither answered nor closed by then does not mean to.
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// What the system keeps for a caller until it reads.
const RECEIVED_BYTES: u32 = 64 << 10;

/// A question that needs no token.
pub(crate) const STATUS: &str = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// An address of this machine, as a network of its own.
pub(crate) fn network(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

/// A connection without TLS.
pub(crate) async fn dial(from: IpAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    // What the system keeps for a caller that does not read is little, and the same everywhere.
    socket.set_recv_buffer_size(RECEIVED_BYTES)?;
    socket.connect(to).await
}

/// What `organization` connects with.
pub(crate) fn client(certs: &Path, organization: &str) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(certs.join("gateway-ca.pem")).expect("minted");
    roots.add(authority).expect("an authority");
    let stem = certs.join("callers").join(organization);
    let chain = CertificateDer::from_pem_file(stem.with_extension("pem")).expect("minted");
    let key = PrivateKeyDer::from_pem_file(stem.with_extension("key")).expect("minted");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has suites for both versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![chain], key);
    Arc::new(config.expect("a minted identity makes a client"))
}

/// What a caller says first.
pub(crate) fn greeting(config: Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut connection = ClientConnection::new(config, name).expect("a connection");
    let mut said = Vec::new();
    connection.write_tls(&mut said).expect("memory takes it");
    said
}

/// A connection of TLS.
pub(crate) struct Raw(TlsStream<TcpStream>);

impl Raw {
    /// Connects `organization` to the gateway of `world`.
    pub(crate) async fn connect(
        world: &World,
        organization: &str,
        from: IpAddr,
    ) -> io::Result<Raw> {
        let config = client(world.certs_dir(), organization);
        Raw::with(config, from, world.address()).await
    }

    /// Connects with this configuration.
    pub(crate) async fn with(
        config: Arc<ClientConfig>,
        from: IpAddr,
        to: SocketAddr,
    ) -> io::Result<Raw> {
        let socket = dial(from, to).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let connecting = TlsConnector::from(config).connect(name, socket);
        let connected = timeout(ENDS_WITHIN, connecting).await;
        Ok(Raw(connected.map_err(|_| io::ErrorKind::TimedOut)??))
    }

    /// The certificate that the gateway showed.
    pub(crate) fn shown(&self) -> Vec<u8> {
        let shown = self.0.get_ref().1.peer_certificates().unwrap_or_default();
        shown.first().map(|leaf| leaf.to_vec()).unwrap_or_default()
    }

    pub(crate) async fn send(&mut self, text: &str) -> io::Result<()> {
        self.0.write_all(text.as_bytes()).await?;
        self.0.flush().await
    }

    /// Sends a whole request and reads the head of its answer and what came with it.
    pub(crate) async fn ask(&mut self, text: &str) -> io::Result<String> {
        self.send(text).await?;
        let mut answer = Vec::new();
        let reading = async {
            while self.0.read_buf(&mut answer).await? > 0 {
                let text = String::from_utf8_lossy(&answer);
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head.to_ascii_lowercase();
                    let length = length.split("content-length: ").nth(1);
                    let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
                    if body.len() >= length.unwrap_or(0) {
                        break;
                    }
                }
            }
            Ok::<_, io::Error>(())
        };
        timeout(ENDS_WITHIN, reading)
            .await
            .map_err(|_| io::ErrorKind::TimedOut)??;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Reads what there is, at most so many bytes; 0 once the gateway has closed.
    pub(crate) async fn read(&mut self, bytes_max: usize) -> io::Result<usize> {
        let mut read = vec![0; bytes_max];
        let reading = timeout(ENDS_WITHIN, self.0.read(&mut read)).await;
        reading.map_err(|_| io::ErrorKind::TimedOut)?
    }

    /// Reads until the gateway closes; none if it does not.
    pub(crate) async fn read_to_end(&mut self) -> Option<String> {
        let mut answer = Vec::new();
        // A connection may be cut as well as closed.
        let reading = async { while self.0.read_buf(&mut answer).await.is_ok_and(|n| n > 0) {} };
        timeout(ENDS_WITHIN, reading).await.ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// The value of a series on the page of metrics, 0 if it is not there.
pub(crate) async fn metric(world: &World, series: &str) -> f64 {
    let address = crate::signals::page::address(world).await;
    let page = crate::signals::page::get(address, "/metrics").await;
    crate::signals::page::value(&page, series).unwrap_or(0.0)
}
