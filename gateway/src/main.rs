//! The command `argine`.

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateway::access::{self, Question};
use gateway::backup::CommandError;
use gateway::check::{self, Other};
use gateway::operator::{self, AskError, Request};
use gateway::told::{self, Told, ToldError, chain};
use gateway::{app, backup, edge, keys, telemetry};

/// The exit code of a configuration that breaks a rule, or of a command that was given something it
/// cannot use (`EX_USAGE`).
const EXIT_CONFIGURATION: u8 = 64;
/// The exit code of a backup or a restore that failed on what is on disk (`EX_IOERR`).
const EXIT_FILES: u8 = 74;

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
    #[command(args_conflicts_with_subcommands = true)]
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
        #[command(subcommand)]
        of: Option<CheckOf>,
    },
    /// See, set and withdraw toggles of a running gateway.
    Toggle {
        /// The operator's file: which gateway, and who asks.
        #[arg(long, global = true, value_name = "FILE")]
        operator: Option<PathBuf>,
        #[command(subcommand)]
        request: Toggle,
    },
    /// Copy the store, while the gateway runs or while it does not: everything that is owed to anybody,
    /// sealed as it is. The key is not in it.
    Backup {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// A directory that is empty or not there yet, on another disk than the store.
        #[arg(long, value_name = "DIRECTORY")]
        to: PathBuf,
    },
    /// Put a backup in the place of a store that is gone. Writes over nothing; says what the next start
    /// will make of it.
    Restore {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The directory of the backup.
        #[arg(long, value_name = "DIRECTORY")]
        from: PathBuf,
    },
    /// See and rotate the keys under which a gateway stores, or change its master key.
    Keys {
        /// The operator's file: which gateway, and who asks.
        #[arg(long, global = true, value_name = "FILE")]
        operator: Option<PathBuf>,
        #[command(subcommand)]
        request: Keys,
    },
    /// Print the description of the API (OpenAPI 3.1).
    Openapi,
    /// Print the table of error codes (Markdown).
    Codes,
    /// Print the table of metrics (Markdown).
    Metrics,
}

#[derive(Subcommand)]
enum Keys {
    /// The keys of a running gateway, and how far a rotation has come.
    Show,
    /// Seal what is new under a new key, everything else again, and destroy the key before.
    Rotate,
    /// Accept another master key for the store of a gateway that does not run, beside the one in force,
    /// until a gateway is started with it.
    Rewrap {
        /// The configuration file.
        #[arg(long)]
        config: Option<PathBuf>,
        /// The file of the new master key.
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
    },
}

#[derive(Subcommand)]
enum CheckOf {
    /// Say whether the access rules allow something, and which of them decides.
    Access {
        /// The configuration file, whose policies are asked; without it the compiled-in rules are.
        #[arg(long)]
        config: Option<PathBuf>,
        /// Print all that they allow (Markdown).
        #[arg(long, conflicts_with_all = ["profile", "action", "relation"])]
        table: bool,
        /// Who: practice, pharmacy and so on.
        #[arg(long, required_unless_present = "table")]
        profile: Option<String>,
        /// What for: search-person, read-prescription and so on.
        #[arg(long, required_unless_present = "table")]
        action: Option<String>,
        /// What they are to it. Every relation, if it is left out.
        #[arg(long)]
        relation: Option<String>,
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
            of: None,
        } => {
            let other = Other { directory, toggles };
            with_settings(config, |told| check(told, &other))
        }
        Command::Check {
            of:
                Some(CheckOf::Access {
                    config,
                    profile,
                    action,
                    relation,
                    ..
                }),
            ..
        } => {
            let question = profile.zip(action).map(|(profile, action)| Question {
                profile,
                action,
                relation,
            });
            check_access(config, question.as_ref())
        }
        Command::Backup { config, to } => with_settings(config, |told| {
            copied(backup::make(&told.settings.config.store, &to))
        }),
        Command::Restore { config, from } => with_settings(config, |told| {
            copied(backup::restore(&told.settings.config.store, &from))
        }),
        Command::Toggle { operator, request } => ask(operator.as_deref(), request.into()),
        Command::Keys { operator, request } => match request {
            Keys::Show => ask(operator.as_deref(), Request::Keys),
            Keys::Rotate => ask(operator.as_deref(), Request::RotateKeys),
            Keys::Rewrap {
                config,
                new_key_file,
            } => with_settings(config, |told| rewrap(&told, &new_key_file)),
        },
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

/// Lists what is wrong with the arguments of `command`.
fn misused(command: &str, problems: &[String]) -> ExitCode {
    eprintln!("argine: {command}");
    for problem in problems {
        eprintln!("  {problem}");
    }
    ExitCode::from(EXIT_CONFIGURATION)
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

/// Answers `question`, or prints the whole table.
fn check_access(config: Option<PathBuf>, question: Option<&Question>) -> ExitCode {
    let answer = |told: Option<Told>| {
        let access = match check::access(told) {
            Ok(access) => access,
            Err(error) => return refused(&error),
        };
        let Some(question) = question else {
            return print(&access::page(&access));
        };
        match access::explain(&access, question) {
            Ok(said) => print(&said),
            Err(problems) => misused("check access", &problems),
        }
    };
    match config {
        Some(config) => with_settings(Some(config), |told| answer(Some(told))),
        None => answer(None),
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

fn copied(ended: Result<String, CommandError>) -> ExitCode {
    match ended {
        Ok(said) => print(&said),
        Err(error) => {
            eprintln!("argine: {}", chain(&error));
            ExitCode::from(if error.is_misuse() {
                EXIT_CONFIGURATION
            } else {
                EXIT_FILES
            })
        }
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    eprintln!("argine: {}", chain(error));
    ExitCode::FAILURE
}

fn rewrap(told: &Told, new: &Path) -> ExitCode {
    match keys::rewrap(&told.settings.config.store, new) {
        Ok(()) => print(
            "the new master key opens the store, and so does the one before until a gateway is \
             started with the new one\n",
        ),
        Err(error) => failed(&error),
    }
}

/// Asks a running gateway.
fn ask(file: Option<&Path>, request: Request) -> ExitCode {
    let Some(file) = file else {
        eprintln!("argine: --operator: must name the operator's file");
        return ExitCode::from(EXIT_CONFIGURATION);
    };
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
