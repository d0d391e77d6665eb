//! The gateway without TLS, in a process of its own, to see what the rest of it costs.
//!
//! It starts from the same configuration and the same store; everybody is taken for the one practice
//! whose token they bring.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use gateway::config::Transport;
use gateway::tls::CertificateDigest;
use gateway::{app, telemetry, told};
use serde_json::Value;

use crate::cores::Cores;
use crate::server::{Server, free_address};
use crate::wire;

/// Starts it over `config`; everybody is taken for the holder of `certificate`.
pub(crate) async fn start(
    config: &Path,
    certificate: &Path,
    log: &Path,
    cores: Cores,
) -> io::Result<Server> {
    let address = free_address()?;
    let arguments = [
        "plain".to_owned(),
        config.display().to_string(),
        certificate.display().to_string(),
        address.to_string(),
    ];
    let program = std::env::current_exe()?;
    let command = (program.as_path(), arguments.as_slice());
    Server::start(command, None, address, cores.server, log).await
}

/// The other side of [`start`]: `plain CONFIG CERTIFICATE ADDRESS`. None if the command line is not for
/// it.
pub(crate) fn run(arguments: &[String]) -> Option<io::Result<Value>> {
    let [word, config, certificate, address] = arguments else {
        return None;
    };
    let address = address.parse().ok()?;
    (word == "plain").then(|| serve(&PathBuf::from(config), Path::new(certificate), address))
}

fn serve(config: &Path, certificate: &Path, address: SocketAddr) -> io::Result<Value> {
    let chain = wire::certificates(certificate)?;
    let leaf = chain.first().ok_or(io::ErrorKind::InvalidData)?;
    let nothing: [(String, String); 0] = [];
    let mut told = told::gather(Some(config), nothing).map_err(io::Error::other)?;
    let config = &mut told.settings.config;
    config.listen.address = address;
    config.listen.transport = Transport::Plain(CertificateDigest::of(leaf));
    let telemetry = telemetry::start(config.log, &config.signals).map_err(io::Error::other)?;
    app::serve(told, &telemetry.watcher()).map_err(io::Error::other)?;
    Ok(Value::Null)
}
