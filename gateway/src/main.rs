//! The command `argine`.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateway::check::{self, Other};
use gateway::told::{self, Told, ToldError, chain};
use gateway::{app, edge, telemetry};

/// The exit code of a configuration that breaks a rule (`EX_USAGE`).
const EXIT_CONFIGURATION: u8 = 64;

/// Regional gateway to the national health systems.
#[derive(Parser)]
#[command(name = "argine", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until told to stop.
    Serve {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Check the configuration, and print every setting and policy value in force with where it comes
    /// from; or, if other policies are named, what they would change.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// A directory of policy files to hold against those in force.
        #[arg(long, value_name = "DIRECTORY")]
        policies: Option<PathBuf>,
        /// A toggle to hold against what is in force. May be given more than once.
        #[arg(long, value_name = "TARGET=VALUE")]
        toggle: Vec<String>,
    },
    /// Print the description of the API (OpenAPI 3.1).
    Openapi,
    /// Print the table of error codes (Markdown).
    Codes,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve { config } => with_settings(config, serve),
        Command::Check {
            config,
            policies: directory,
            toggle: toggles,
        } => {
            let other = Other { directory, toggles };
            with_settings(config, |told| check(told, &other))
        }
        Command::Openapi => print(&edge::openapi::text()),
        Command::Codes => print(&edge::codes::markdown()),
    }
}

/// Goes on with settings and policies that keep every rule, or lists the rules they break.
fn with_settings(file: Option<PathBuf>, go_on: impl FnOnce(Told) -> ExitCode) -> ExitCode {
    // Names and values that are not Unicode cannot be settings of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match told::gather(file.as_deref(), environment) {
        Ok(told) => go_on(told),
        Err(error) => refused(&error),
    }
}

fn refused(error: &ToldError) -> ExitCode {
    eprintln!("argine: {error}");
    for problem in &error.problems {
        eprintln!("  {problem}");
    }
    ExitCode::from(EXIT_CONFIGURATION)
}

fn check(told: Told, other: &Other) -> ExitCode {
    let said = if other.directory.is_none() && other.toggles.is_empty() {
        check::everything(told)
    } else {
        check::difference(told, other)
    };
    match said {
        Ok(lines) => print(&lines),
        Err(error) => refused(&error),
    }
}

fn serve(told: Told) -> ExitCode {
    let served = telemetry::start(told.settings.config.log.level)
        .map_err(Box::<dyn Error>::from)
        .and_then(|()| app::serve(told).map_err(Box::from));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast::<app::ServeError>().map(|error| *error) {
            Ok(app::ServeError::Policies(error)) => refused(&error.into()),
            Ok(error) => failed(&error),
            Err(error) => failed(error.as_ref()),
        },
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("argine: {}", chain(error));
    ExitCode::FAILURE
}

/// A reader that went away early is no failure of ours.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}
