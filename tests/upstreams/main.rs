//! The simulator by hand.
//!
//! ```text
//! sac-simulator mint DIR [ORGANISATION…]
//! sac-simulator --certs DIR [--listen ADDRESS] [--lots-listen ADDRESS]
//!               [--registry-listen ADDRESS] [--control ADDRESS]
//! ```
//!
//! The second form prints its addresses as one line of JSON and runs until it is interrupted.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use tests::certs::{self, Caller};
use tests::upstreams::sac::Simulator;
use tests::upstreams::sac::settings::Settings;

/// What a wrong command line ends with (`EX_USAGE`).
const USAGE_CODE: u8 = 64;
const USAGE: &str = "usage: sac-simulator mint DIR [ORGANISATION…]\n       sac-simulator --certs \
DIR [--listen ADDRESS] [--lots-listen ADDRESS] [--registry-listen ADDRESS] [--control ADDRESS]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.split_first() {
        Some((first, rest)) if first == "mint" => mint(rest),
        _ => settings(&arguments).and_then(|settings| run(settings).map_err(Wrong::Failed)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Wrong::Usage) => {
            eprintln!("{USAGE}");
            ExitCode::from(USAGE_CODE)
        }
        Err(Wrong::Failed(error)) => {
            eprintln!("sac-simulator: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Wrong {
    Usage,
    Failed(std::io::Error),
}

fn mint(arguments: &[String]) -> Result<(), Wrong> {
    let (directory, organisations) = arguments.split_first().ok_or(Wrong::Usage)?;
    let callers: Vec<Caller<'_>> = organisations.iter().map(|o| Caller::practice(o)).collect();
    certs::mint(Path::new(directory), &callers).map_err(Wrong::Failed)
}

fn settings(arguments: &[String]) -> Result<Settings, Wrong> {
    let (mut certs, mut listen, mut control) = (None, None, None);
    let (mut lots, mut registry) = (None, None);
    for pair in arguments.chunks(2) {
        let [option, value] = pair else {
            return Err(Wrong::Usage);
        };
        let address = || {
            value
                .parse::<SocketAddr>()
                .map(Some)
                .map_err(|_| Wrong::Usage)
        };
        match option.as_str() {
            "--certs" => certs = Some(PathBuf::from(value)),
            "--listen" => listen = address()?,
            "--lots-listen" => lots = address()?,
            "--registry-listen" => registry = address()?,
            "--control" => control = address()?,
            _ => return Err(Wrong::Usage),
        }
    }
    let mut settings = Settings::new(certs.ok_or(Wrong::Usage)?);
    settings.listen = listen.unwrap_or(settings.listen);
    settings.control = control.unwrap_or(settings.control);
    settings.lots_listen = lots;
    settings.registry_listen = registry;
    Ok(settings)
}

fn run(settings: Settings) -> std::io::Result<()> {
    let simulator = Simulator::start(settings)?;
    let addresses = json!({
        "address": simulator.address(),
        "lots_address": simulator.lots_address(),
        "registry_address": simulator.registry_address(),
        "control_address": simulator.control_address(),
    });
    println!("{addresses}");
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(tokio::signal::ctrl_c())?;
    simulator.stop();
    Ok(())
}
