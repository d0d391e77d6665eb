//! The edge over real sockets and real TLS: who may connect, and how long they may take.

mod rotation;

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::live::Live;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::super::server;
use super::DRUG;
use super::kit::Kit;
use crate::config::{BodyLimits, Listen, PeerLimits, Transport};
use crate::tls::CertificateDigest;
use crate::tls::credentials::{Credentials, TlsFiles};

type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// An authority, what it issues, and its own certificate.
struct Authority(Issuer<'static, KeyPair>, CertificateDer<'static>, String);

impl Authority {
    fn new() -> Authority {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let (der, pem) = (certificate.der().clone(), certificate.pem());
        Authority(Issuer::new(params, key), der, pem)
    }

    fn issue(&self, purpose: ExtendedKeyUsagePurpose) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (certificate.der().clone(), key)
    }

    /// Writes a certificate for the server, its key and the authority itself.
    fn serve_from(&self, directory: &Path) -> TlsFiles {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &self.0).unwrap().pem();
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        TlsFiles {
            certificate: write("server.pem", &certificate),
            key: write("server.key", &key.serialize_pem()),
            authorities: write("ca.pem", &self.2),
            revoked: None,
        }
    }
}

/// A server that has not closed a connection by then does not mean to.
const CLOSES_WITHIN: Duration = Duration::from_secs(10);

/// A server with tight limits, and whom it knows.
struct Served {
    address: SocketAddr,
    authority: Authority,
    handle: actix_web::dev::ServerHandle,
    practice: Identity,
    token: String,
    credentials: Live<Credentials>,
    files: TlsFiles,
    directory: tempfile::TempDir,
}

fn serve() -> Served {
    serve_at_most(1_000)
}

/// [`serve`], with a quota of `requests_max`.
fn serve_at_most(requests_max: u32) -> Served {
    serve_as(requests_max, |_| {})
}

/// A server whose limits `changed` has changed.
fn serve_as(requests_max: u32, changed: impl FnOnce(&mut Listen)) -> Served {
    let authority = Authority::new();
    let practice = authority.issue(ExtendedKeyUsagePurpose::ClientAuth);
    let mut kit = Kit::behind(CertificateDigest::of(&practice.0));
    kit.requests_max = requests_max;
    let directory = tempfile::tempdir().unwrap();
    let files = authority.serve_from(directory.path());
    let credentials = Live::new(Credentials::compose(&files.read(), 1).unwrap());
    let mut listen = Listen {
        address: "127.0.0.1:0".parse().unwrap(),
        transport: Transport::Tls {
            credentials: credentials.clone(),
            files: files.clone(),
        },
        workers: 1,
        connections_max: 100,
        handshakes_max: 10,
        peers: PeerLimits {
            connections_max: 100,
            handshakes_max: 10,
        },
        handshake_within: Duration::from_secs(5),
        header_within: Duration::from_secs(1),
        body: BodyLimits {
            within: Duration::from_millis(300),
            rate_min: 1,
            bytes_max: 1_000,
        },
        write_within: Duration::from_secs(1),
        keep_alive: Duration::from_secs(5),
        answer_within: Duration::from_secs(5),
    };
    changed(&mut listen);
    let (server, addresses) = server(kit.open(), &listen).unwrap();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    Served {
        address: addresses[0],
        authority,
        handle,
        practice,
        token: kit.token_a,
        credentials,
        files,
        directory,
    }
}

impl Served {
    fn practice(&self) -> Option<Identity> {
        Some((self.practice.0.clone(), self.practice.1.clone_key()))
    }

    /// A write of the practice that announces `length` bytes and sends `body`.
    fn write(&self, length: usize, body: &str) -> String {
        format!(
            "POST /v1/prescriptions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Authorization: Bearer {}\r\nIdempotency-Key: k\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
            self.token
        )
    }
}

/// Connects as `identity`, sends `text` and reads until the server closes: what it said, and the
/// protocol that was agreed on.
async fn talk(
    served: &Served,
    identity: Option<Identity>,
    text: String,
) -> std::io::Result<(String, Option<Vec<u8>>)> {
    let (address, config) = (served.address, client(served, identity));
    let connecting = actix_web::rt::task::spawn_blocking(move || {
        let mut stream = connect(address, config)?;
        stream.write_all(text.as_bytes())?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer);
        let protocol = stream.conn.alpn_protocol().map(<[u8]>::to_vec);
        match read {
            Err(error) if answer.is_empty() || is_open(&error) => Err(error),
            _ => Ok((String::from_utf8_lossy(&answer).into_owned(), protocol)),
        }
    });
    connecting.await.unwrap()
}

/// Whether reading ended because nothing came, and not because the server closed.
fn is_open(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Sends a request that is refused and chunks of its body for as long as the server takes them.
async fn flood(served: &Served) -> std::io::Result<()> {
    let (address, config) = (served.address, client(served, served.practice()));
    let request = silent("POST", "/v1/prescriptions", "");
    let flooding = actix_web::rt::task::spawn_blocking(move || {
        let mut stream = connect(address, config)?;
        stream.write_all(request.as_bytes())?;
        let chunk = format!("1000\r\n{}\r\n", "a".repeat(1 << 12));
        let began = tokio::time::Instant::now();
        while began.elapsed() < CLOSES_WITHIN {
            stream.write_all(chunk.as_bytes())?;
        }
        Ok(())
    });
    flooding.await.unwrap()
}

fn client(served: &Served, identity: Option<Identity>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(served.authority.1.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        Some((certificate, key)) => config
            .with_client_auth_cert(vec![certificate], key)
            .unwrap(),
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

fn connect(
    address: SocketAddr,
    config: ClientConfig,
) -> std::io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    let tls = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(CLOSES_WITHIN))?;
    socket.set_write_timeout(Some(CLOSES_WITHIN))?;
    Ok(StreamOwned::new(tls, socket))
}

const STATUS: &str = "GET /v1/status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[actix_web::test]
async fn only_a_certificate_of_our_authority_connects_and_speaks_http_1() {
    let served = serve();
    let (answer, protocol) = talk(&served, served.practice(), STATUS.into())
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert_eq!(protocol.as_deref(), Some(&b"http/1.1"[..]));

    let stranger = Authority::new().issue(ExtendedKeyUsagePurpose::ClientAuth);
    let for_servers_only = served.authority.issue(ExtendedKeyUsagePurpose::ServerAuth);
    for identity in [None, Some(stranger), Some(for_servers_only)] {
        let refused = talk(&served, identity, STATUS.into()).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_token_is_believed_on_its_own_connection_only() {
    let served = serve();
    let write = served.write(DRUG.len(), DRUG);
    let (answer, _) = talk(&served, served.practice(), write.clone())
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\"code\":\"stopping\""), "{answer}");

    let another = served.authority.issue(ExtendedKeyUsagePurpose::ClientAuth);
    let (answer, _) = talk(&served, Some(another), write).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(
        answer.contains("\"code\":\"token-certificate\""),
        "{answer}"
    );
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_head_or_a_body_that_does_not_arrive_is_not_waited_for() {
    let served = serve();
    let half_a_head = "GET /v1/status HTTP/1.1\r\nHost: local".to_owned();
    let (answer, _) = talk(&served, served.practice(), half_a_head).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");

    let half_a_body = served.write(500, "{");
    let (answer, _) = talk(&served, served.practice(), half_a_body).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"body-too-slow\""), "{answer}");
    assert!(
        answer
            .to_ascii_lowercase()
            .contains("\r\nconnection: close\r\n"),
        "{answer}"
    );
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let served = serve();
    let announced = served.write(10 << 20, "{");
    let (answer, _) = talk(&served, served.practice(), announced).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":\"body-too-large\""), "{answer}");
    served.handle.stop(false).await;
}

/// A head whose chunked body says that it goes on, and never does.
fn silent(method: &str, path: &str, headers: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\
         Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    )
}

#[actix_web::test]
async fn a_chunked_body_that_never_ends_holds_no_connection() {
    let served = serve();
    let token = format!("Authorization: Bearer {}\r\n", served.token);
    let json = "Idempotency-Key: k\r\nContent-Type: application/json\r\n";
    let text = "Idempotency-Key: k\r\nContent-Type: text/plain\r\n";
    let write = |headers: &str| silent("POST", "/v1/prescriptions", headers);
    let large = write(&format!("{token}{json}")) + &format!("1000\r\n{}", "a".repeat(1 << 12));
    let cases = [
        (silent("GET", "/v1/status", ""), "200"),
        (write("Authorization: Bearer x\r\n"), "401"),
        (write(""), "403"),
        (silent("POST", "/v1/nowhere", ""), "404"),
        (silent("POST", "/v1/status", ""), "405"),
        (write(&format!("{token}{json}")), "408"),
        (large, "413"),
        (write(&format!("{token}{text}")), "415"),
    ];
    for (request, status) in cases {
        let talk = talk(&served, served.practice(), request);
        let (answer, _) = talk
            .await
            .unwrap_or_else(|error| panic!("{status}: {error}"));
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{status}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    }
    served.handle.stop(false).await;

    let served = serve_at_most(1);
    let request = STATUS.to_owned();
    talk(&served, served.practice(), request).await.unwrap();
    let talk = talk(&served, served.practice(), write(""));
    let (answer, _) = talk.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_body_that_goes_on_after_its_answer_is_not_read_on() {
    let served = serve();
    let began = tokio::time::Instant::now();
    let sent = flood(&served).await;
    assert!(sent.is_err_and(|error| !is_open(&error)), "not closed");
    assert!(began.elapsed() < CLOSES_WITHIN, "{:?}", began.elapsed());
    served.handle.stop(false).await;
}

#[actix_web::test]
async fn a_body_that_was_read_leaves_its_connection_open() {
    let served = serve();
    let chunk = format!("{:x}\r\n{DRUG}\r\n0\r\n\r\n", DRUG.len());
    let write = format!(
        "POST /v1/prescriptions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         Idempotency-Key: k\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n{chunk}",
        served.token
    );
    let (answers, _) = talk(&served, served.practice(), write + STATUS)
        .await
        .unwrap();
    assert!(answers.starts_with("HTTP/1.1 503 "), "{answers}");
    assert!(answers.contains("HTTP/1.1 200 OK"), "{answers}");
    served.handle.stop(false).await;
}
