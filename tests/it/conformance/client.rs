//! A raw client of the SAC: TLS, HTTP and XML written out, one connection a call.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::DecodeRsaPublicKey;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tests::certs;
use tests::upstreams::sac::Simulator;
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::settings::Settings;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::assertion::{Assertion, security};
use super::messages::Body;

/// The test environment's doctor.
pub(super) const DOCTOR: &str = "PROVAX00X00X000Y";
/// Its substitute.
pub(super) const SUBSTITUTE: &str = "PROVAX00X00X000Z";
/// Another doctor of the same health unit.
pub(super) const OTHER_DOCTOR: &str = "RSSMRA80A01H501U";
/// A doctor whose check letter is wrong.
pub(super) const ODD_DOCTOR: &str = "RSSMRA80A01H501A";
/// Its patient.
pub(super) const PATIENT: &str = "PNIMRA70A01H501P";

const REGION_STEM: &str = "conformance-";

/// The directory of certificates that all these tests share.
pub(super) fn region() -> &'static Path {
    static REGION: OnceLock<PathBuf> = OnceLock::new();
    REGION.get_or_init(|| {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
        sweep(directory);
        let directory = directory.join(format!("{REGION_STEM}{}", std::process::id()));
        certs::mint(&directory, &[]).unwrap();
        directory
    })
}

/// Removes what runs that have ended left: a static is never dropped.
fn sweep(directory: &Path) {
    let processes = Path::new("/proc");
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let owner = name.strip_prefix(REGION_STEM);
        let over = |owner: &str| processes.join("self").exists() && !processes.join(owner).exists();
        if owner.is_some_and(over) {
            // Another run may be sweeping, too.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

/// The DER in a PEM file.
pub(super) fn pem(path: &Path) -> Vec<u8> {
    let text = fs::read_to_string(path).unwrap();
    let body: String = text
        .lines()
        .filter(|line| !line.starts_with("-----"))
        .collect();
    STANDARD.decode(body).unwrap()
}

/// What SanitelCF alone can read.
pub(super) fn encrypted(plain: &str) -> String {
    let der = pem(&region().join("sanitel.pem"));
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).unwrap();
    let key = &certificate.public_key().subject_public_key.data;
    let key = rsa::RsaPublicKey::from_pkcs1_der(key).unwrap();
    let sealed = key.encrypt(
        &mut rand_core::OsRng,
        rsa::Pkcs1v15Encrypt,
        plain.as_bytes(),
    );
    STANDARD.encode(sealed.unwrap())
}

/// A simulator and what it takes to call it.
pub(super) struct Sac {
    pub(super) simulator: Simulator,
    lot: String,
    used: std::cell::Cell<u32>,
}

impl Sac {
    /// A fresh one, with one lot for the region.
    pub(super) fn start() -> Sac {
        Sac::with(|_| {})
    }

    /// A fresh one with other settings.
    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Sac {
        let mut settings = Settings::new(region());
        change(&mut settings);
        let simulator = Simulator::start(settings).unwrap();
        let lot = simulator.give_lot(3, None).unwrap().prefix;
        Sac {
            simulator,
            lot,
            used: std::cell::Cell::new(0),
        }
    }

    /// A number of the region's lot that no one has used.
    pub(super) fn number(&self) -> String {
        self.used.set(self.used.get() + 1);
        format!("{}{:05}", self.lot, self.used.get())
    }

    /// Calls as the test doctor.
    pub(super) async fn call(&self, body: &Body) -> Reply {
        self.call_as(DOCTOR, body).await
    }

    /// Calls as this doctor.
    pub(super) async fn call_as(&self, doctor: &str, body: &Body) -> Reply {
        Call::new(body, &Assertion::of(doctor, region()).signed())
            .send(self)
            .await
            .unwrap()
    }
}

/// One call, every part of which can be wrong.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) operation: Operation,
    pub(super) header: String,
    pub(super) body: String,
    pub(super) media_type: String,
    pub(super) action: Option<String>,
    pub(super) envelope: String,
    /// `<stem>.pem` and `<stem>.key`; none shows no certificate.
    pub(super) identity: Option<PathBuf>,
}

impl Call {
    /// A good call with this body and assertion.
    pub(super) fn new(body: &Body, assertion: &str) -> Call {
        Call {
            operation: body.operation,
            header: security(assertion),
            body: body.xml(),
            media_type: "text/xml; charset=utf-8".to_owned(),
            action: Some(format!("\"{}\"", body.operation.action())),
            envelope: "http://schemas.xmlsoap.org/soap/envelope/".to_owned(),
            identity: Some(region().join("region")),
        }
    }

    /// The bytes of the request.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let envelope = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope xmlns:s=\"{}\"><s:Header>{}\
             </s:Header><s:Body>{}</s:Body></s:Envelope>",
            self.envelope, self.header, self.body
        );
        let action = self
            .action
            .as_ref()
            .map(|a| format!("SOAPAction: {a}\r\n"))
            .unwrap_or_default();
        format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\n{action}Content-Length: \
             {}\r\n\r\n{envelope}",
            self.operation.path(),
            self.media_type,
            envelope.len()
        )
        .into_bytes()
    }

    /// Sends it on a connection of its own.
    pub(super) async fn send(&self, sac: &Sac) -> io::Result<Reply> {
        let mut stream = connect(sac.simulator.address(), self.identity.as_deref()).await?;
        stream.write_all(&self.bytes()).await?;
        Reply::read(&mut stream).await
    }
}

/// A connection with this client certificate.
pub(super) async fn connect(
    address: SocketAddr,
    identity: Option<&Path>,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from(pem(&region().join("sac-ca.pem"))))
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(stem) => {
            let certificate = CertificateDer::from(pem(&stem.with_extension("pem")));
            let key = PrivatePkcs8KeyDer::from(pem(&stem.with_extension("key")));
            config
                .with_client_auth_cert(vec![certificate], PrivateKeyDer::Pkcs8(key))
                .unwrap()
        }
    };
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Reply {
    /// Reads one answer; an error if the connection ends before it does.
    pub(super) async fn read(stream: &mut TlsStream<TcpStream>) -> io::Result<Reply> {
        let mut bytes = Vec::new();
        loop {
            let mut fields = [httparse::EMPTY_HEADER; 16];
            let mut head = httparse::Response::new(&mut fields);
            if let httparse::Status::Complete(at) = head.parse(&bytes).map_err(io::Error::other)? {
                let length = head
                    .headers
                    .iter()
                    .find(|field| field.name.eq_ignore_ascii_case("content-length"))
                    .and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok())
                    .unwrap_or(0);
                if let Some(body) = bytes.get(at..at + length) {
                    let body = String::from_utf8_lossy(body).into_owned();
                    return Ok(Reply {
                        status: head.code.unwrap(),
                        body,
                    });
                }
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The texts of every element with this local name.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let document = roxmltree::Document::parse(&self.body).unwrap();
        document
            .descendants()
            .filter(|node| node.is_element() && node.tag_name().name() == name)
            .map(|node| node.text().unwrap_or_default().to_owned())
            .collect()
    }

    /// The text of the first element with this local name, empty if there is none.
    pub(super) fn text(&self, name: &str) -> String {
        self.texts(name).into_iter().next().unwrap_or_default()
    }

    /// The outcome code of the whole answer.
    pub(super) fn outcome(&self) -> String {
        let names = [
            "codEsitoInserimento",
            "codEsitoVisualizzazione",
            "codEsitoAnnullamento",
            "codEsitoInterrogaNreUtilizzati",
            "CodEsito",
            "codEsitoRichiesta",
        ];
        names
            .iter()
            .map(|name| self.text(name))
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }

    /// Asserts that nothing was done, for these reasons and no other.
    pub(super) fn assert_refused(&self, codes: &[&str]) {
        assert_eq!(
            (self.status, self.outcome().as_str()),
            (200, "9999"),
            "{}",
            self.body
        );
        assert_eq!(self.texts("codEsito"), codes, "{}", self.body);
        assert!(
            self.texts("tipoErrore")
                .iter()
                .all(|kind| kind == "Bloccante"),
            "{}",
            self.body
        );
    }

    /// Asserts that it was done without a word.
    pub(super) fn assert_done(&self) {
        assert_eq!(
            (self.status, self.outcome().as_str()),
            (200, "0000"),
            "{}",
            self.body
        );
    }

    /// Asserts a SOAP fault whose text begins so.
    pub(super) fn assert_fault(&self, status: u16, text: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.text("faultstring").starts_with(text), "{}", self.body);
    }
}
