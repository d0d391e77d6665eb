//! Everything that a gateway leaves behind, wherever: files, output, spans, metrics, what the system shows of
//! its processes, and what it asked others for.
//!
//! Each kind of artefact has a word that is known to stand in it: where that is not found, nothing was
//! searched.

use std::collections::HashSet;
use std::fs;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};

use super::words::{PATTERN_MAX, Search};

/// What databases write at a time.
const PAGE: usize = 4096;

/// Something that was searched, or will be.
#[derive(Debug)]
pub(super) struct Artefact {
    name: String,
    bytes: Vec<u8>,
}

/// All that was kept to be searched.
#[derive(Debug, Default)]
pub(super) struct Artefacts(Vec<Artefact>);

impl Artefacts {
    pub(super) fn keep(&mut self, name: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push(Artefact {
            name: name.into(),
            bytes: bytes.into(),
        });
    }

    /// Every file below a directory; its name counts as much as what is in it.
    pub(super) fn keep_files(&mut self, directory: &Path) {
        for file in files(directory) {
            // One that is gone meanwhile was searched, or never will be.
            if let Ok(bytes) = fs::read(&file) {
                self.keep(file.display().to_string(), bytes);
            }
        }
    }

    /// What the system shows of a process to whoever asks, and the files it holds open elsewhere than in these
    /// directories: what has no name any more, too.
    pub(super) fn keep_process(&mut self, what: &str, pid: u32, searched: &[&Path]) {
        let process = PathBuf::from(format!("/proc/{pid}"));
        for name in ["cmdline", "environ", "comm"] {
            let bytes = fs::read(process.join(name)).unwrap_or_default();
            self.keep(format!("{what} {name}"), bytes);
        }
        for task in fs::read_dir(process.join("task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = fs::read(task.path().join("comm")).unwrap_or_default();
            self.keep(format!("{what} thread"), name);
        }
        for open in fs::read_dir(process.join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let is_file = fs::metadata(open.path()).is_ok_and(|file| file.is_file());
            let Ok(target) = fs::read_link(open.path()) else {
                continue;
            };
            if is_file
                && !searched
                    .iter()
                    .any(|directory| target.starts_with(directory))
            {
                let bytes = fs::read(open.path()).unwrap_or_default();
                self.keep(format!("{what} open {}", target.display()), bytes);
            }
        }
    }

    /// Every word that one of them holds, and where. A page that was searched already, as most of a file are
    /// that was kept twice, is not searched again.
    pub(super) fn leaks(&self, search: &Search) -> Vec<String> {
        let mut leaks = Vec::new();
        let mut searched = HashSet::new();
        for artefact in &self.0 {
            let mut search_part = |part: &[u8]| {
                if searched.insert(hash(part)) {
                    let found = search.leaks(part).into_iter();
                    leaks.extend(found.map(|leak| format!("{}: {leak}", artefact.name)));
                }
            };
            search_part(artefact.name.as_bytes());
            for from in (0..artefact.bytes.len()).step_by(PAGE) {
                let until = (from + PAGE + PATTERN_MAX).min(artefact.bytes.len());
                search_part(&artefact.bytes[from..until]);
            }
        }
        leaks
    }

    /// Asserts that none of them holds any word.
    pub(super) fn are_clean(&self, search: &Search) {
        let leaks = self.leaks(search);
        assert!(
            leaks.is_empty(),
            "{} leaks:\n{}",
            leaks.len(),
            leaks.join("\n")
        );
    }

    /// Asserts that something of each name was kept, with its word in it.
    pub(super) fn hold(&self, controls: &[(&str, &str)]) {
        let is_missing = |(name, word): &&(&str, &str)| {
            let named = |artefact: &&Artefact| artefact.name.contains(name);
            let mut named = self.0.iter().filter(named);
            !named.any(|artefact| String::from_utf8_lossy(&artefact.bytes).contains(word))
        };
        let missing: Vec<_> = controls.iter().filter(is_missing).collect();
        assert!(
            missing.is_empty(),
            "not found, so nothing was searched: {missing:?}"
        );
    }

    pub(super) fn size(&self) -> usize {
        self.0.iter().map(|artefact| artefact.bytes.len()).sum()
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory).into_iter().flatten().flatten();
    listed
        .map(|entry| entry.path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}
