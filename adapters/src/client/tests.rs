//! Calls to a small server over real TLS, which breaks them at each point in turn.

use std::net::SocketAddr;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::*;

mod connections;
mod files;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// Certificates of both sides, and the files our side reads.
pub(crate) struct Parties {
    folder: tempfile::TempDir,
    server: Arc<rustls::ServerConfig>,
}

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn leaf(issuer: &Issuer, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, issuer)
        .unwrap();
    (certificate, key)
}

impl Parties {
    /// Both sides trust each other.
    pub(crate) fn trusting() -> Parties {
        let ca = authority("one for both");
        Parties::mint(&ca, &ca, &ca, &ca)
    }

    /// Our certificate is issued by `ours`, theirs by `theirs`; each side trusts what it is given.
    fn mint(ours: &Issuer, theirs: &Issuer, we_trust: &Issuer, they_trust: &Issuer) -> Parties {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = leaf(ours, &["region"]);
        let write = |name: &str, text: String| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("trust.pem", we_trust.pem());
        write("ours.pem", certificate.pem());
        write("ours.key", key.serialize_pem());

        let (certificate, key) = leaf(theirs, &["127.0.0.1"]);
        let mut roots = RootCertStore::empty();
        roots.add(they_trust.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        let server = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        Parties {
            folder,
            server: Arc::new(server),
        }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn client(&self) -> Client {
        Client::open(&TlsFiles {
            trust: &self.file("trust.pem"),
            certificate: &self.file("ours.pem"),
            key: &self.file("ours.key"),
        })
        .unwrap()
    }
}

/// What the server does with a connection.
#[derive(Clone)]
pub(crate) enum Plays {
    /// Answers with these bytes and closes.
    Answers(Vec<u8>),
    /// Sends these bytes, and nothing more on a connection that stays open.
    Begins(Vec<u8>),
    /// Reads the request and closes.
    Closes,
    /// Reads the request and says nothing.
    Hangs,
    /// Accepts the connection and never shakes hands.
    NeverShakesHands,
}

/// An answer of `status` with `body`.
pub(crate) fn http(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes()
}

/// Serves on a port of its own until dropped; hands on each request it has read.
pub(crate) async fn serve(
    parties: &Parties,
    plays: Plays,
) -> (SocketAddr, mpsc::Receiver<String>, tokio::task::JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::clone(&parties.server));
    let (requests, received) = mpsc::channel(16);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        loop {
            let Ok((tcp, _)) = listener.accept().await else {
                return;
            };
            if matches!(plays, Plays::NeverShakesHands) {
                std::future::pending::<()>().await;
            }
            let Ok(mut tls) = acceptor.accept(tcp).await else {
                continue;
            };
            let Some(request) = read_request(&mut tls).await else {
                continue;
            };
            if requests.send(request).await.is_err() {
                return;
            }
            match &plays {
                Plays::Answers(bytes) => {
                    // The client may hang up first; what it made of it is the test's matter.
                    let written = tls.write_all(bytes).await;
                    if written.is_ok() {
                        drop(tls.shutdown().await);
                    }
                }
                Plays::Begins(bytes) => {
                    drop(tls.write_all(bytes).await);
                    drop(tls.flush().await);
                    std::future::pending::<()>().await;
                }
                Plays::Closes => {}
                Plays::Hangs | Plays::NeverShakesHands => std::future::pending::<()>().await,
            }
        }
    });
    (address, received, tasks)
}

async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4_096];
        let read = stream
            .read(&mut piece)
            .await
            .ok()
            .filter(|read| *read > 0)?;
        bytes.extend_from_slice(&piece[..read]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))?;
        if body.len() >= length.parse().ok()? {
            return Some(text);
        }
    }
}

async fn post(client: &Client, address: SocketAddr) -> Result<Reply, Broken> {
    let call = Call {
        url: &format!("https://{address}/path"),
        soap_action: "urn:action",
        body: b"<body/>".to_vec(),
        began: Arc::default(),
    };
    client.post(call).await
}

fn broke(result: Result<Reply, Broken>) -> Broken {
    result.err().expect("the call broke")
}

#[tokio::test]
async fn a_call_goes_out_as_soap_1_1_and_its_answer_comes_back() {
    let parties = Parties::trusting();
    let answer = http(
        "503 Busy",
        "content-type: text/html\r\nretry-after: 7\r\n",
        "<html>",
    );
    let (address, mut received, _tasks) = serve(&parties, Plays::Answers(answer)).await;
    let reply = post(&parties.client(), address).await.ok().unwrap();
    assert_eq!(
        (reply.status, reply.body.as_slice()),
        (503, b"<html>".as_slice())
    );
    assert_eq!(reply.content_type.as_deref(), Some("text/html"));
    assert_eq!(reply.retry_after, Some(Duration::from_secs(7)));
    let request = received.recv().await.unwrap();
    assert!(request.starts_with("POST /path HTTP/1.1\r\n"), "{request}");
    let lines: Vec<String> = request.lines().map(str::to_lowercase).collect();
    for line in [
        "content-type: text/xml; charset=utf-8",
        "soapaction: \"urn:action\"",
        "content-length: 7",
        "<body/>",
    ] {
        assert!(
            lines.iter().any(|other| other == line),
            "{line} in {request}"
        );
    }
}

#[tokio::test]
async fn nothing_began_where_no_connection_was_made() {
    let parties = Parties::trusting();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let refused = broke(post(&parties.client(), nobody).await);
    assert_eq!(
        refused,
        Broken {
            cause: Cause::Connection,
            reached: false
        }
    );
}

#[tokio::test]
async fn nothing_began_where_the_handshake_hangs() {
    let parties = Parties::trusting();
    let (address, _received, _tasks) = serve(&parties, Plays::NeverShakesHands).await;
    let hung = broke(post(&parties.client(), address).await);
    assert_eq!(
        hung,
        Broken {
            cause: Cause::Timeout,
            reached: false
        }
    );
}

#[tokio::test]
async fn a_server_that_is_not_trusted_receives_nothing() {
    let (ca, stranger) = (authority("ca"), authority("stranger"));
    let parties = Parties::mint(&ca, &stranger, &ca, &ca);
    let (address, mut received, _tasks) = serve(&parties, Plays::Hangs).await;
    let refused = broke(post(&parties.client(), address).await);
    assert_eq!(
        refused,
        Broken {
            cause: Cause::PeerCertificate,
            reached: false
        }
    );
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn a_server_that_refuses_our_certificate_is_heard() {
    let (ca, stranger) = (authority("ca"), authority("stranger"));
    let parties = Parties::mint(&stranger, &ca, &ca, &ca);
    let (address, mut received, _tasks) = serve(&parties, Plays::Hangs).await;
    let refused = broke(post(&parties.client(), address).await);
    assert_eq!(
        refused,
        Broken {
            cause: Cause::OwnCertificate,
            reached: false
        }
    );
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn a_connection_that_dies_after_the_request_leaves_it_unknown() {
    let parties = Parties::trusting();
    let cut = http("200 OK", "", "0123456789");
    let cut = cut[..cut.len() - 5].to_vec();
    for plays in [
        Plays::Closes,
        Plays::Answers(cut),
        Plays::Answers(b"garbage\r\n\r\n".to_vec()),
    ] {
        let (address, mut received, _tasks) = serve(&parties, plays).await;
        let died = broke(post(&parties.client(), address).await);
        assert_eq!(
            died,
            Broken {
                cause: Cause::Connection,
                reached: true
            }
        );
        assert!(received.recv().await.is_some(), "the server had read it");
    }
}

#[tokio::test]
async fn an_answer_longer_than_any_is_cut_off() {
    let parties = Parties::trusting();
    let exact = http("200 OK", "", &"x".repeat(ANSWER_MAX));
    let (address, _received, _tasks) = serve(&parties, Plays::Answers(exact)).await;
    let reply = post(&parties.client(), address).await.ok().unwrap();
    assert_eq!(reply.body.len(), ANSWER_MAX);
    let longer = http("200 OK", "", &"x".repeat(ANSWER_MAX + 1));
    let (address, _received, _tasks) = serve(&parties, Plays::Answers(longer)).await;
    let cut = broke(post(&parties.client(), address).await);
    assert_eq!(
        cut,
        Broken {
            cause: Cause::TooLarge,
            reached: true
        }
    );
}

#[tokio::test]
async fn redirects_are_answers_and_plain_http_is_refused() {
    let parties = Parties::trusting();
    let away = http("302 Found", "location: https://127.0.0.1:1/\r\n", "");
    let (address, _received, _tasks) = serve(&parties, Plays::Answers(away)).await;
    assert_eq!(
        post(&parties.client(), address).await.ok().unwrap().status,
        302
    );
    let call = Call {
        url: &format!("http://{address}/"),
        soap_action: "",
        body: vec![b'x'],
        began: Arc::default(),
    };
    assert!(!broke(parties.client().post(call).await).reached);
}
