//! The rules of the house, as a test: it names the file and the remedy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Lines a source file may have.
const FILE_LINES_MAX: usize = 400;
/// Lines a function may have, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Bytes a committed file may have.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Which crate of ours may depend on which.
const ARROWS: &[(&str, &[&str])] = &[
    ("policies", &[]),
    ("engine", &["policies"]),
    ("store", &["engine", "policies"]),
    ("adapters", &["engine", "policies"]),
    ("gateway", &["adapters", "engine", "policies", "store"]),
    (
        "tests",
        &["adapters", "engine", "gateway", "policies", "store"],
    ),
];

/// Libraries that one crate alone may use in what ships.
const OWNERS: &[(&str, &str)] = &[
    ("actix-web", "gateway"),
    ("failsafe", "policies"),
    ("moka", "engine"),
    ("opentelemetry", "gateway"),
    ("opentelemetry-http", "gateway"),
    ("opentelemetry-otlp", "gateway"),
    ("opentelemetry_sdk", "gateway"),
    ("prometheus", "gateway"),
    ("reqwest", "adapters"),
    ("rusqlite", "store"),
    ("tracing-opentelemetry", "gateway"),
];

/// Crates that must not be in the tree at all, and why.
const BANNED_CRATES: &[(&str, &str)] = &[
    ("ring", "one crypto provider: aws-lc-rs"),
    ("openssl-sys", "one TLS stack: rustls"),
    ("native-tls", "one TLS stack: rustls"),
    ("sqlx", "it links a second sqlite3"),
    (
        "h2",
        "actix's h2 0.3 has no fix for RUSTSEC-2026-0258, and HTTP/1.1 keeps TLS alerts readable",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the root")
        .to_owned()
}

/// Every file git tracks or would track, as a path from the root.
fn files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files of a checkout");
    assert!(output.status.success(), "git ls-files failed");
    let listing = String::from_utf8(output.stdout).expect("paths are UTF-8");
    let listed: BTreeSet<String> = listing.lines().map(str::to_owned).collect();
    listed
        .into_iter()
        .filter(|path| root().join(path).is_file())
        .collect()
}

fn sources() -> Vec<(String, String)> {
    files()
        .into_iter()
        .filter(|path| path.ends_with(".rs"))
        .map(|path| {
            let text = std::fs::read_to_string(root().join(&path)).expect("a listed source reads");
            (path, text)
        })
        .collect()
}

fn fail_with(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

fn metadata() -> serde_json::Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo metadata runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata speaks JSON")
}

#[test]
fn crates_depend_along_the_arrows() {
    let metadata = metadata();
    let ours: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut problems = Vec::new();
    for package in metadata["packages"].as_array().expect("packages") {
        let name = package["name"].as_str().expect("a name");
        let Some(allowed) = ours.get(name).filter(|_| package["source"].is_null()) else {
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("a name");
            if ours.contains_key(to) && !allowed.contains(&to) {
                problems.push(format!(
                    "{name} → {to}: not an arrow of the design; move the vocabulary down"
                ));
            }
            let ships = dependency["kind"].is_null() && name != "tests";
            for (library, owner) in OWNERS {
                if ships && to == *library && name != *owner {
                    problems.push(format!("{name} uses {library}: only {owner} may"));
                }
            }
        }
    }
    fail_with(&problems);
}

#[test]
fn the_tree_for_linux_has_one_tls_stack() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--locked",
            "--offline",
            "--prefix",
            "none",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}"])
        .current_dir(root())
        .output()
        .expect("cargo tree runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).expect("names of crates are UTF-8");
    let names: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(
        names.contains("aws-lc-rs"),
        "the tree does not even name its crypto provider"
    );
    let problems: Vec<String> = BANNED_CRATES
        .iter()
        .filter(|(banned, _)| names.contains(banned))
        .map(|(banned, reason)| {
            format!("{banned} is in the tree: {reason}; see `cargo tree -i {banned}`")
        })
        .collect();
    fail_with(&problems);
}

#[test]
fn every_module_says_what_it_promises() {
    let problems: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| {
            format!("{path}: begin with `//!` and one sentence that says what it promises")
        })
        .collect();
    fail_with(&problems);
}

#[test]
fn files_and_functions_stay_small() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_LINES_MAX {
            problems.push(format!(
                "{path}: {} lines, at most {FILE_LINES_MAX}; split it by nouns",
                lines.len()
            ));
        }
        for (line, name, length) in functions(&lines) {
            if length > FUNCTION_LINES_MAX {
                problems.push(format!(
                    "{path}:{line}: fn {name} has {length} lines, at most {FUNCTION_LINES_MAX}"
                ));
            }
        }
    }
    fail_with(&problems);
}

/// Functions of rustfmt-formatted text: line, name, length.
fn functions(lines: &[&str]) -> Vec<(usize, String, usize)> {
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let Some(name) = line
            .trim_start()
            .split("fn ")
            .nth(1)
            .filter(|_| is_signature(line))
        else {
            continue;
        };
        let name = name.split(['(', '<']).next().unwrap_or_default().to_owned();
        let closing = format!("{}}}", " ".repeat(indent));
        let body = &lines[at..];
        if let Some(length) = body.iter().position(|line| **line == closing) {
            found.push((at + 1, name, length + 1));
        }
    }
    found
}

fn is_signature(line: &str) -> bool {
    let head = line.trim_start().split("fn ").next().unwrap_or_default();
    let words = head.split_whitespace();
    !line.trim_end().ends_with(';')
        && !line.trim_end().ends_with('}')
        && words.into_iter().all(|word| {
            word.starts_with("pub") || ["async", "const", "extern", "\"C\""].contains(&word)
        })
}

#[test]
fn banned_words_have_a_replacement() {
    // Written in two halves, so that this file does not find itself.
    let everywhere = [
        (concat!("FIX", "ME"), "do it, or open an issue"),
        (concat!("TO", "DO"), "do it, or open an issue"),
        (concat!("dbg", "!("), "use tracing"),
        (
            concat!("#[all", "ow("),
            "use #[expect(lint, reason = \"…\")]",
        ),
    ];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        if path.ends_with("/mod.rs") {
            problems.push(format!("{path}: use foo.rs beside foo/"));
        }
        for (word, remedy) in everywhere {
            for (line, _) in text
                .lines()
                .enumerate()
                .filter(|(_, line)| line.contains(word))
            {
                problems.push(format!("{path}:{}: {word} is banned, {remedy}", line + 1));
            }
        }
        let sleep = concat!("sle", "ep(");
        if path.starts_with("tests/it/") && text.contains(sleep) {
            problems.push(format!(
                "{path}: {sleep}…) is banned in tests, wait on a predicate with a bound"
            ));
        }
    }
    fail_with(&problems);
}

#[test]
fn a_library_is_named_in_its_one_module() {
    let places: &[(&str, &[&str])] = &[
        ("failsafe::", &["policies/src/gate"]),
        ("reqwest::", &["adapters/src/client", "tests/"]),
        ("rusqlite::", &["gateway/store/", "tests/"]),
        ("opentelemetry", &["gateway/src/telemetry/", "tests/"]),
        ("prometheus::", &["gateway/src/telemetry/"]),
        (
            "actix_web::",
            &[
                "gateway/src/edge",
                "gateway/src/app.rs",
                "gateway/src/telemetry/page.rs",
                "tests/bench/bare.rs",
            ],
        ),
    ];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        for (library, allowed) in places {
            let named = text
                .lines()
                .any(|line| !line.trim_start().starts_with("//") && line.contains(library));
            if named
                && path != "tests/it/tidy.rs"
                && !allowed.iter().any(|place| path.starts_with(place))
            {
                problems.push(format!("{path}: names {library} outside {allowed:?}"));
            }
        }
    }
    fail_with(&problems);
}

#[test]
fn every_setting_says_what_it_trades() {
    let mut problems = Vec::new();
    for path in ["gateway/config.default.toml", "policies/rules/sac.toml"] {
        let text = std::fs::read_to_string(root().join(path)).expect("the defaults read");
        let mut commented = false;
        for (line, content) in text.lines().enumerate() {
            match content.trim() {
                "" => commented = false,
                content if content.starts_with('#') => commented = true,
                content if content.starts_with('[') => {}
                content if content.contains('=') && !commented => {
                    problems.push(format!("{path}:{}: `{content}` needs a comment", line + 1));
                }
                // One comment may speak for the keys right below it.
                _ => {}
            }
        }
    }
    fail_with(&problems);
}

#[test]
fn no_secret_and_no_blob_is_committed() {
    let mut problems = Vec::new();
    for path in files() {
        let full = root().join(&path);
        let bytes = std::fs::read(&full).expect("a listed file reads");
        if bytes.len() as u64 > FILE_BYTES_MAX {
            problems.push(format!(
                "{path}: {} bytes, at most {FILE_BYTES_MAX}",
                bytes.len()
            ));
        }
        let text = String::from_utf8_lossy(&bytes);
        let marker = concat!("PRIVATE", " KEY-----\n");
        if text.contains(marker) {
            problems.push(format!(
                "{path}: holds a private key; mint it, never commit it"
            ));
        }
    }
    fail_with(&problems);
}

#[test]
fn every_crate_inherits_lints_and_version() {
    let mut problems = Vec::new();
    for path in files()
        .into_iter()
        .filter(|path| path.ends_with("/Cargo.toml"))
    {
        let text = std::fs::read_to_string(root().join(&path)).expect("a manifest reads");
        for line in [
            "version.workspace = true",
            "license.workspace = true",
            "[lints]\nworkspace = true",
        ] {
            if !text.contains(line) {
                problems.push(format!("{path}: needs `{}`", line.replace('\n', " ")));
            }
        }
        for line in text.lines().filter(|line| line.contains("version = \"")) {
            problems.push(format!(
                "{path}: `{line}`: versions live in the root Cargo.toml"
            ));
        }
    }
    fail_with(&problems);
}
