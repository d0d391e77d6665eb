//! What the gateway prints.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::wait::until;
use super::{World, gateway};

/// How long a line may be on its way to the output.
const LOGGED_WITHIN: Duration = Duration::from_secs(5);

/// As many characters of a token as nothing else has by chance.
const PART: usize = 20;

impl World {
    /// Asserts that no part of any of `tokens` is in what the gateway printed or put on disk.
    ///
    /// # Panics
    ///
    /// When one is, or there are none.
    pub fn holds_nowhere(&self, tokens: &[String]) {
        let parts: HashSet<&[u8]> = tokens
            .iter()
            .flat_map(|token| token.as_bytes().windows(PART))
            .collect();
        assert!(!parts.is_empty(), "nothing was presented");
        let mut written = vec![(PathBuf::from("output"), self.output().into_bytes())];
        for directory in [self.directory(), self.store_dir()] {
            written.extend(files(directory));
        }
        assert!(written[0].1.len() > PART, "the gateway has said something");
        for (path, bytes) in &written {
            let found = bytes.windows(PART).any(|part| parts.contains(part));
            assert!(!found, "a part of a token is in {}", path.display());
        }
    }

    /// Everything the gateway has printed so far.
    pub fn output(&self) -> String {
        gateway::printed(&self.output_file())
    }

    /// The last line printed in which all these words stand; waits for it, because the gateway
    /// gathers its lines for a moment before it prints them.
    ///
    /// # Panics
    ///
    /// When there is none after a bound.
    pub async fn logged(&self, words: &[&str]) -> String {
        until(&format!("logged: {words:?}"), LOGGED_WITHIN, async || {
            let output = self.output();
            let mut lines = output.lines().rev();
            let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned)
        })
        .await
    }
}

fn files(directory: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            found.push((path, bytes));
        }
    }
    found
}
