//! The command `argine`.

mod arguments;

use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use arguments::{Arguments, AuditRequest, CheckOf, Command, Keys};
use clap::Parser;
use gateway::access::{self, Question};
use gateway::audit::{self, ExportRequest, Format, Language, ReportError};
use gateway::backup::CommandError;
use gateway::check::{self, Other};
use gateway::operator::{self, AskError, Request};
use gateway::told::{self, Told, ToldError, chain};
use gateway::{app, backup, edge, keys, telemetry};
use rustix::process::{Resource, Rlimit, setrlimit};

/// The exit code of a configuration that breaks a rule, or of a command that was given something it
/// cannot use (`EX_USAGE`).
const EXIT_CONFIGURATION: u8 = 64;
/// The exit code of a backup or a restore that failed on what is on disk (`EX_IOERR`).
const EXIT_FILES: u8 = 74;
/// More than the longest code of a person, and a line ending.
const LINE_BYTES_MAX: u64 = 64;

fn main() -> ExitCode {
    no_core_dump();
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
            Keys::Show { count } => ask(operator.as_deref(), Request::Keys { count }),
            Keys::Rotate => ask(operator.as_deref(), Request::RotateKeys),
            Keys::Rewrap {
                config,
                new_key_file,
            } => with_settings(config, |told| rewrap(&told, &new_key_file)),
        },
        Command::Audit { request } => audit(request),
        Command::Openapi => print(&edge::openapi::text()),
        Command::Codes => print(&edge::codes::markdown()),
        Command::Metrics => print(&telemetry::metrics::markdown()),
    }
}

/// What a process leaves when it dies holds its keys and the persons it was asked about.
fn no_core_dump() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        eprintln!("argine: the size of a core dump cannot be limited: {error}");
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
    let key_file = &told.settings.config.store.key_file;
    if keys::is_exposed(key_file) {
        eprintln!("argine: {}: {}", key_file.display(), keys::EXPOSED);
    }
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

fn audit(request: AuditRequest) -> ExitCode {
    match request {
        AuditRequest::Verify { config, anchor } => {
            with_settings(config, |told| {
                match audit::verify(&told.settings.config.store, anchor.as_ref()) {
                    Ok(account) if account.is_good => print(&account.text),
                    Ok(account) => {
                        print(&account.text);
                        ExitCode::FAILURE
                    }
                    Err(error) => failed(&error),
                }
            })
        }
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
