//! A morning compressed into a minute: practices prescribe and look persons up, patients wait at the
//! desk, the SAC fails in three ways, the gateway is killed in the middle of it, and nothing is lost, or
//! done twice without a doctor knowing, or shown to whom it does not concern, or longer than it may be.
//!
//! Before it begins the demo lays down what yesterday's look-ups have left: 24,000 persons, known.
//!
//! `demo --duration 60s` ends by itself, with a summary in `target/demo/summary.json` and exit code
//! 1 if a promise was broken. Without it the gateway stays up after the morning, for a newcomer to
//! try.

#![expect(clippy::disallowed_methods, reason = "a demo has a clock on the wall")]

mod day;
mod doubles;
mod inbox;
mod invitation;
mod log;
mod lookups;
mod morning;
mod pharmacy;
mod planted;
mod policy;
mod standing;
mod story;
mod summary;
mod traffic;
mod visit;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tests::world::wait::until;
use tests::world::{Setup, World};
use tokio::signal::unix::{SignalKind, signal};

use lookups::people::People;
use lookups::source::Source;
use lookups::yesterday;
use morning::Morning;

/// The morning, where nobody says how long it should take.
const MORNING: Duration = Duration::from_secs(60);
/// The shortest that still shows something.
const MORNING_MIN: Duration = Duration::from_secs(20);
/// How long the first numbers may take to come.
const READY_WITHIN: Duration = Duration::from_secs(15);

#[tokio::main]
async fn main() -> ExitCode {
    let duration = match duration(std::env::args().skip(1)) {
        Ok(duration) => duration,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(64);
        }
    };
    let directory = directory();
    std::fs::create_dir_all(&directory).expect("target/demo can be made");
    let morning = Morning {
        whole: duration.unwrap_or(MORNING),
    };
    let people = Arc::new(People::of_the_region());
    println!("Starting a simulated SAC and the gateway; certificates are minted afresh.");
    let (mut world, yesterday) = open(&directory, morning, &people).await;
    invitation::print(&world, &directory);
    let newcomer = world.caller(invitation::PRACTICE);
    // Whoever ends first takes the world along: the gateway is a child of this process.
    tokio::select! {
        code = play(&mut world, &directory, (morning, people, yesterday), duration.is_none()) => code,
        () = invitation::keep_token_fresh(newcomer, &directory) => ExitCode::FAILURE,
        () = interrupted() => ExitCode::from(130),
    }
}

/// Starts the world over what yesterday's look-ups have left.
async fn open(directory: &Path, morning: Morning, people: &People) -> (World, Source) {
    let policies = policy::write(morning, directory).expect("target/demo can be written");
    let setup = Setup::default()
        .config("policies.directory", policies.display().to_string())
        .population(people.persons(), people.doctors());
    let mut world = World::prepare(setup);
    let source = yesterday::lay_down(&world, people, morning.oldest_lookup()).await;
    println!(
        "{} persons are known: what yesterday's look-ups have left was laid down on the gateway's shelf.",
        people.persons(),
    );
    day::restart(&mut world).await;
    until("the first lot has come", READY_WITHIN, async || {
        (!world.book().lots.is_empty()).then_some(())
    })
    .await;
    // So that the commands that a newcomer is shown work after a restart, too.
    world.reconfigure("listen.address", world.address().to_string());
    (world, source)
}

async fn play(
    world: &mut World,
    directory: &Path,
    (morning, people, yesterday): (Morning, Arc<People>, Source),
    stays_up: bool,
) -> ExitCode {
    let summary = day::go_through(world, morning, people, yesterday).await;
    let path = directory.join("summary.json");
    let text = serde_json::to_string_pretty(&summary).expect("a summary is JSON");
    std::fs::write(&path, format!("{text}\n")).expect("the summary can be written");
    println!("\n{text}\n\nwritten to {}", path.display());
    let broken = summary::broken_promises(&summary);
    broken
        .iter()
        .for_each(|promise| println!("BROKEN: {promise}"));
    if stays_up {
        println!("\nThe gateway stays up; the commands above work. Ctrl-C ends it.");
        std::future::pending::<()>().await;
    }
    if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Ctrl-C, or a polite request to end.
async fn interrupted() {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be heard");
    tokio::select! {
        ended = tokio::signal::ctrl_c() => drop(ended),
        _ = terminate.recv() => {}
    }
}

/// `--duration 60s`, or nothing.
fn duration(mut arguments: impl Iterator<Item = String>) -> Result<Option<Duration>, String> {
    let usage = format!(
        "usage: demo [--duration SECONDSs], at least {}s",
        MORNING_MIN.as_secs()
    );
    match (
        arguments.next().as_deref(),
        arguments.next(),
        arguments.next(),
    ) {
        (None, ..) => Ok(None),
        (Some("--duration"), Some(text), None) => policies::duration::parse(&text)
            .ok()
            .filter(|duration| *duration >= MORNING_MIN)
            .map(Some)
            .ok_or(usage),
        _ => Err(usage),
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .with_file_name("target")
        .join("demo")
}
