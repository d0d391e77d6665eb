//! What a lookup would cost without a gateway: an actix handler over a moka cache, and nothing else.
//!
//! It reads the same request, finds the same bytes and sends them, on one worker, in a process of its
//! own. Who asks, whether they may, how old the answer is and what is written down about it: it does
//! none of that.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use moka::sync::Cache;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cores::{Cores, Processes};
use crate::lookups::PATH;
use crate::server::{Server, free_address};
use crate::wire;

/// As long as the gateway keeps idle connections: the other side's turns take seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// What the peer is told, as a file.
#[derive(Serialize, Deserialize)]
struct Told {
    address: SocketAddr,
    /// Where the certificate and key of the gateway are; none: no TLS.
    certs: Option<std::path::PathBuf>,
    /// Tax codes, and what is known of them.
    known: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct Asked {
    tax_code: String,
}

/// The peer, running.
pub(crate) struct Bare {
    server: Server,
}

impl Bare {
    /// Starts it with these answers, over TLS with these certificates if there are any.
    pub(crate) async fn start(
        directory: &Path,
        known: &[(String, String)],
        certs: Option<&Path>,
        cores: Cores,
    ) -> io::Result<Bare> {
        let told = Told {
            address: free_address()?,
            certs: certs.map(Path::to_owned),
            known: known.to_owned(),
        };
        let scratch = tempfile::tempdir_in(directory)?.keep();
        let file = scratch.join("told.json");
        std::fs::write(&file, serde_json::to_vec(&told)?)?;
        let arguments = ["bare".to_owned(), file.display().to_string()];
        let program = std::env::current_exe()?;
        let log = scratch.join("bare.log");
        let command = (program.as_path(), arguments.as_slice());
        let server = Server::start(command, None, told.address, cores.server, &log).await?;
        Ok(Bare { server })
    }

    /// Its processes.
    pub(crate) fn processes(&self) -> Processes {
        Processes::One(self.server.pid())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Asks it to end.
    pub(crate) async fn stop(self) -> io::Result<()> {
        self.server.stop().await
    }
}

/// The other side of [`Bare::start`]: `bare FILE`. None if the command line is not for it.
pub(crate) fn run(arguments: &[String]) -> Option<io::Result<Value>> {
    let [word, file] = arguments else {
        return None;
    };
    (word == "bare").then(|| serve(Path::new(file)))
}

fn serve(file: &Path) -> io::Result<Value> {
    let told: Told = serde_json::from_slice(&std::fs::read(file)?)?;
    let cache: Cache<String, Bytes> = Cache::new(told.known.len() as u64 * 2);
    for (code, body) in told.known {
        cache.insert(code, Bytes::from(body));
    }
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(cache.clone()))
            .route(PATH, web::post().to(answer))
    })
    .workers(1)
    .keep_alive(KEEP_ALIVE);
    let server = match &told.certs {
        None => server.bind(told.address)?,
        Some(certs) => server.bind_rustls_0_23(told.address, tls(certs)?)?,
    };
    actix_web::rt::System::new().block_on(server.run())?;
    Ok(Value::Null)
}

async fn answer(cache: Data<Cache<String, Bytes>>, body: Bytes) -> HttpResponse {
    let Ok(asked) = serde_json::from_slice::<Asked>(&body) else {
        return HttpResponse::BadRequest().finish();
    };
    match cache.get(&asked.tax_code) {
        Some(known) => HttpResponse::Ok()
            .content_type("application/json")
            .body(known),
        None => HttpResponse::NotFound().finish(),
    }
}

fn tls(certs: &Path) -> io::Result<rustls::ServerConfig> {
    let chain = wire::certificates(&certs.join("gateway.pem"))?;
    let key = PrivateKeyDer::from_pem_file(certs.join("gateway.key")).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)
}
