//! What a run was measured on.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::statistics::Spread;

const SYNCS: usize = 200;
const PAGE: [u8; 4096] = [0x5a; 4096];

/// Cores, kernel, commit, and how long this disk takes to make a page durable.
pub(crate) fn facts(directory: &Path) -> io::Result<Value> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let commit = said("git", &["rev-parse", "HEAD"]);
    let is_changed = !said("git", &["status", "--porcelain"])
        .unwrap_or_default()
        .is_empty();
    Ok(json!({
        "cores": std::thread::available_parallelism()?.get(),
        "processor": processor()?,
        "kernel": kernel.trim(),
        "commit": commit,
        "uncommitted_changes": is_changed,
        "build": if cfg!(debug_assertions) { "debug" } else { "release" },
        "fsync_us": sync_latency(directory)?,
    }))
}

fn processor() -> io::Result<Option<String>> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    Ok(line.map(|line| line.trim_start_matches([' ', '\t', ':']).to_owned()))
}

/// The spread of appending a page and syncing it, in microseconds.
fn sync_latency(directory: &Path) -> io::Result<Option<Spread>> {
    let mut file = tempfile::tempfile_in(directory)?;
    let mut latencies = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&PAGE)?;
        file.sync_data()?;
        latencies.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(Spread::of(&latencies))
}

fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}
