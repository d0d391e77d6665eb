//! Side-by-side benchmarks: the gateway and its peers on one core in turn, the load on another.
//!
//! `bench [--quick] [--lookups] [--report FILE]` writes the report (`target/bench/report.json`), prints
//! its rows and ends with 0, with 1 if a gate was measured and missed, with 2 if it could not measure.
//! `--lookups` measures look-ups alone. `--quick` only shows that everything can be measured: its rounds
//! are too few and too short to judge by, so that it ends with 0 whatever they say.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

mod alone;
mod answer;
mod bare;
mod cases;
mod cores;
mod lookups;
mod machine;
mod ours;
mod phase;
mod plain;
mod postgres;
mod redis;
mod report;
mod server;
mod statistics;
mod wire;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rand::Rng;
use serde_json::json;

use cases::{Plan, Run};
use cores::Cores;

const USAGE: &str = "usage: bench [--quick] [--lookups] [--report FILE]";
/// What a wrong command line ends with (`EX_USAGE`).
const USAGE_CODE: u8 = 64;
const MEASURED_NOTHING: u8 = 2;

/// As long as a busy machine needs to show what it can sustain.
const FULL: Plan = Plan {
    rounds: 5,
    phase: Duration::from_secs(3),
    warm_up: Duration::from_secs(2),
    clients: 64,
    persons: 1_000,
    lookups_only: false,
};
const QUICK: Plan = Plan {
    rounds: 1,
    phase: Duration::from_millis(200),
    warm_up: Duration::from_millis(100),
    clients: 8,
    persons: 50,
    lookups_only: false,
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // Servers of this program, which bring runtimes of their own.
    if let Some(served) = bare::run(&arguments).or_else(|| plain::run(&arguments)) {
        return served.map_or_else(|error| failed(&error), |_| ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(command(arguments)),
        Err(error) => failed(&error),
    }
}

async fn command(arguments: Vec<String>) -> ExitCode {
    match alone::run(&arguments).await {
        None => {}
        Some(Ok(measured)) => {
            println!("{measured}");
            return ExitCode::SUCCESS;
        }
        Some(Err(error)) => return failed(&error),
    }
    let Some((plan, report)) = parse(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(USAGE_CODE);
    };
    match measure(plan, &report).await {
        Ok(missed) if missed.is_empty() || plan.rounds == QUICK.rounds => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

fn failed(error: &io::Error) -> ExitCode {
    eprintln!("bench: {error}");
    ExitCode::from(MEASURED_NOTHING)
}

fn parse(arguments: &[String]) -> Option<(Plan, PathBuf)> {
    let (mut plan, mut report) = (FULL, directory().join("report.json"));
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--quick" => {
                plan = Plan {
                    lookups_only: plan.lookups_only,
                    ..QUICK
                }
            }
            "--lookups" => plan.lookups_only = true,
            "--report" => report = rest.next()?.into(),
            _ => return None,
        }
    }
    Some((plan, report))
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("target")
        .join("bench")
}

/// Measures and reports; which gates were missed.
async fn measure(plan: Plan, report: &Path) -> io::Result<Vec<String>> {
    let began = Instant::now();
    std::fs::create_dir_all(directory())?;
    // Readable by whoever PostgreSQL runs as, and gone with the run.
    let scratch = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(directory())?;
    open_to_all(scratch.path())?;
    let cores = Cores::of_this_machine()?;
    // Before this process is pinned, and sees one core.
    let machine = machine::facts(scratch.path())?;
    cores::pin(std::process::id(), cores.generator)?;
    let run = Run {
        plan,
        cores,
        directory: scratch.path(),
    };
    let (rows, row_bytes) = if plan.lookups_only {
        (run.lookups().await?.into(), None)
    } else {
        run.rows().await?
    };
    let about = json!({
        "rounds": plan.rounds,
        "phase_ms": plan.phase.as_millis() as u64,
        "warm_up_ms": plan.warm_up.as_millis() as u64,
        "connections": plan.clients,
        "row_bytes": row_bytes,
        "server_core": cores.server,
        "generator_core": cores.generator,
        "took_s": began.elapsed().as_secs(),
    });
    let text = serde_json::to_string_pretty(&report::whole(&machine, &about, &rows))?;
    std::fs::write(report, format!("{text}\n"))?;
    let missed = report::missed(&rows);
    println!(
        "\n{}\nwritten to {}",
        report::table(&rows),
        report.display()
    );
    missed
        .iter()
        .for_each(|gate| println!("GATE MISSED: {gate}"));
    Ok(missed)
}

fn open_to_all(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))
}

/// Bytes that no server can compress.
fn payload(bytes: usize) -> Vec<u8> {
    let mut payload = vec![0; bytes];
    rand::rng().fill_bytes(&mut payload);
    payload
}

/// A key that nobody has used, as long as a digest.
fn fresh_key() -> [u8; 32] {
    let mut key = [0; 32];
    rand::rng().fill_bytes(&mut key);
    key
}
