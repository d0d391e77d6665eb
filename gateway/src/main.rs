//! The command `argine`.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateway::told::{self, Told, chain};
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
    /// Check the configuration, and print every setting in force with where it comes from.
    Check {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Print the description of the API (OpenAPI 3.1).
    Openapi,
    /// Print the table of error codes (Markdown).
    Codes,
    /// Print the table of metrics (Markdown).
    Metrics,
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve { config } => with_settings(config, serve),
        Command::Check { config } => with_settings(config, check),
        Command::Openapi => print(&edge::openapi::text()),
        Command::Codes => print(&edge::codes::markdown()),
        Command::Metrics => print(&telemetry::metrics::markdown()),
    }
}

/// Goes on with settings and policies that keep every rule, or lists the rules they break.
fn with_settings(file: Option<PathBuf>, go_on: fn(Told) -> ExitCode) -> ExitCode {
    // Names and values that are not Unicode cannot be settings of ours.
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match told::gather(file.as_deref(), environment) {
        Ok(told) => go_on(told),
        Err(error) => {
            eprintln!("argine: {error}");
            for problem in &error.problems {
                eprintln!("  {problem}");
            }
            ExitCode::from(EXIT_CONFIGURATION)
        }
    }
}

fn check(told: Told) -> ExitCode {
    let lines: Vec<String> = told
        .settings
        .effective
        .iter()
        .map(ToString::to_string)
        .collect();
    print(&(lines.join("\n") + "\n"))
}

fn serve(told: Told) -> ExitCode {
    let config = told.settings.config;
    let served = telemetry::start(config.log, &config.signals)
        .map_err(Box::<dyn Error>::from)
        .and_then(|telemetry| {
            app::serve(config, told.rules, &telemetry.watcher()).map_err(Box::from)
        });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("argine: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// A reader that went away early is no failure of ours.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}
