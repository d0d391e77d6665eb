//! The command `argine`.

use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateway::audit::{self, ExportRequest, Format, Language, ReportError};
use gateway::check::{self, Other};
use gateway::operator::{self, AskError, Request};
use gateway::told::{self, Told, ToldError, chain};
use gateway::{app, edge, telemetry};

/// The exit code of a configuration that breaks a rule (`EX_USAGE`).
const EXIT_CONFIGURATION: u8 = 64;

/// More than the longest code of a person, and a line ending.
const LINE_BYTES_MAX: u64 = 64;

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
    /// See, set and withdraw toggles of a running gateway.
    Toggle {
        /// The operator's file: which gateway, and who asks.
        #[arg(long, global = true, value_name = "FILE")]
        operator: Option<PathBuf>,
        #[command(subcommand)]
        request: Toggle,
    },
    /// Ask the audit: whether it is whole, and who looked at a person.
    Audit {
        #[command(subcommand)]
        request: AuditRequest,
    },
    /// Print the description of the API (OpenAPI 3.1).
    Openapi,
    /// Print the table of error codes (Markdown).
    Codes,
    /// Print the table of metrics (Markdown).
    Metrics,
}

#[derive(Subcommand)]
enum AuditRequest {
    /// Follow the whole chain, also beside a running gateway. Ends with 1, and names the first bad record, if
    /// there is one.
    Verify {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
    },
    /// Print who looked at a person, whose code is read from standard input: it belongs in no list of
    /// processes and in no shell's history. That it was asked for is recorded.
    Export {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Why. Recorded.
        #[arg(long)]
        reason: String,
        /// Who asks. The user of this system, if it is left out. Recorded.
        #[arg(long)]
        author: Option<String>,
        /// The first day, as 2026-09-21, or an instant.
        #[arg(long)]
        from: Option<String>,
        /// The last day, or the instant before which the list ends.
        #[arg(long)]
        to: Option<String>,
        /// The language of the list: it or en.
        #[arg(long, default_value = "it")]
        language: String,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum Toggle {
    /// The toggles in force.
    List,
    /// Put a value in force for a while.
    Set {
        /// The value of the policy, as sac.prescriptions.mode.
        target: String,
        /// What it is to be, as forced-open, 2s or 50.
        value: String,
        /// Why. Read by whoever has the next shift.
        #[arg(long)]
        reason: String,
        /// For how long, as 2h.
        #[arg(long = "for", value_name = "TIME")]
        lasts: String,
        /// Who. The user of this system, if it is left out.
        #[arg(long)]
        author: Option<String>,
        /// Change nothing, and say what would.
        #[arg(long)]
        dry_run: bool,
    },
    /// Take a toggle back.
    Withdraw {
        /// The value of the policy.
        target: String,
        /// Why.
        #[arg(long)]
        reason: String,
        /// Who. The user of this system, if it is left out.
        #[arg(long)]
        author: Option<String>,
        /// Only say what it would change.
        #[arg(long)]
        dry_run: bool,
    },
}

impl From<Toggle> for Request {
    fn from(toggle: Toggle) -> Request {
        let author = |named: Option<String>| {
            let named = named.or_else(|| std::env::var("USER").ok());
            named.unwrap_or_default()
        };
        match toggle {
            Toggle::List => Request::List,
            Toggle::Set {
                target,
                value,
                reason,
                lasts,
                author: named,
                dry_run,
            } => Request::Set {
                target,
                value,
                reason,
                author: author(named),
                lasts,
                dry_run,
            },
            Toggle::Withdraw {
                target,
                reason,
                author: named,
                dry_run,
            } => Request::Withdraw {
                target,
                reason,
                author: author(named),
                dry_run,
            },
        }
    }
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => {
            // There is nobody left to tell that it cannot be printed.
            drop(usage.print());
            let is_wrong = usage.use_stderr();
            return ExitCode::from(if is_wrong { EXIT_CONFIGURATION } else { 0 });
        }
    };
    match arguments.command {
        Command::Serve { config } => with_settings(config, serve),
        Command::Check {
            config,
            policies: directory,
            toggle: toggles,
        } => {
            let other = Other { directory, toggles };
            with_settings(config, |told| check(told, &other))
        }
        Command::Toggle {
            operator: Some(operator),
            request,
        } => toggle(&operator, request.into()),
        Command::Toggle { operator: None, .. } => {
            eprintln!("argine: --operator: must name the operator's file");
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Command::Audit { request } => audit(request),
        Command::Openapi => print(&edge::openapi::text()),
        Command::Codes => print(&edge::codes::markdown()),
        Command::Metrics => print(&telemetry::metrics::markdown()),
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
    let config = &told.settings.config;
    let served = telemetry::start(config.log, &config.signals)
        .map_err(Box::<dyn Error>::from)
        .and_then(|telemetry| app::serve(told, &telemetry.watcher()).map_err(Box::from));
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

fn audit(request: AuditRequest) -> ExitCode {
    match request {
        AuditRequest::Verify { config } => with_settings(config, |told| {
            match audit::verify(&told.settings.config.store) {
                Ok(account) if account.is_good => print(&account.text),
                Ok(account) => {
                    print(&account.text);
                    ExitCode::FAILURE
                }
                Err(error) => failed(&error),
            }
        }),
        AuditRequest::Export {
            config,
            reason,
            author,
            from,
            to,
            language,
            json,
        } => {
            let Some(language) = Language::parse(&language) else {
                eprintln!("argine: --language: must be it or en");
                return ExitCode::from(EXIT_CONFIGURATION);
            };
            let request = ExportRequest {
                reason,
                author: author
                    .or_else(|| std::env::var("USER").ok())
                    .unwrap_or_default(),
                from,
                to,
                format: if json {
                    Format::Json
                } else {
                    Format::Text(language)
                },
            };
            with_settings(config, |told| export(&told, &request))
        }
    }
}

/// A line of standard input, and whoever it names.
fn export(told: &Told, request: &ExportRequest) -> ExitCode {
    let mut code = zeroize::Zeroizing::new(String::new());
    let read = io::stdin().lock().take(LINE_BYTES_MAX).read_line(&mut code);
    if let Err(error) = read {
        return failed(&error);
    }
    match audit::export(&told.settings.config.store, request, &code) {
        Ok(list) => print(&list),
        Err(error @ ReportError::Usage(_)) => {
            eprintln!("argine: {error}");
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(error) => failed(&error),
    }
}

fn toggle(file: &Path, request: Request) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let asked = match runtime {
        Ok(runtime) => runtime.block_on(operator::ask(file, request)),
        Err(error) => return failed(&error),
    };
    match asked {
        Ok(said) => print(&said),
        Err(AskError::File(problems)) => {
            eprintln!("argine: {}", file.display());
            for problem in problems {
                eprintln!("  {problem}");
            }
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(error) => failed(&error),
    }
}

/// A reader that went away early is no failure of ours.
fn print(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        _ => ExitCode::SUCCESS,
    }
}
