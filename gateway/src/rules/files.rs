//! The policy files of a directory: one an upstream, named after it, and in the directory
//! [`ACCESS_DIRECTORY`] below it one a concern of access rules.
//!
//! # Limits
//!
//! [`FILE_BYTES_MAX`] a file and all of them together, [`NAMES_MAX`] names in a directory.
//!
//! # Failure
//!
//! A file that no upstream and no concern is named after is a misspelt one, and is refused; what an
//! editor leaves behind, and whatever is neither TOML nor Cedar, is none of ours. A file that is gone takes nothing out of force: a
//! lost mount looks the same.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use policies::access::{END_OF_TEXT, TEXTS};
use policies::rules::knobs::{END_OF_POLICY, is_whole};
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::files::{parse_table, read_bounded};

/// The file of the SAC.
pub(crate) const SAC_FILE: &str = "sac.toml";
/// The directory of the access rules, below that of the policies.
pub(crate) const ACCESS_DIRECTORY: &str = "access";
/// Most bytes of all policy files together. Each byte may take two where the last good files are kept,
/// and all of them must fit into one state there (64 KiB).
pub(crate) const FILE_BYTES_MAX: u64 = 32_000;
/// A directory with more names than this is not one of policies.
const NAMES_MAX: usize = 1_000;

/// The texts of policy files, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Files(BTreeMap<String, String>);

/// Tells files apart by what is in them.
pub(crate) type Fingerprint = [u8; SHA256_OUTPUT_LEN];

impl Files {
    /// Reads every policy file of `directory`. An upstream without one has the compiled-in rules.
    ///
    /// # Errors
    ///
    /// What is wrong with the directory, or with a file before it is parsed.
    pub fn read(directory: &Path) -> Result<Files, Vec<String>> {
        let mut reading = Reading::default();
        reading.directory(directory, "", &[SAC_FILE])?;
        let below = directory.join(ACCESS_DIRECTORY);
        if below.is_dir() {
            let prefix = format!("{ACCESS_DIRECTORY}/");
            reading.directory(&below, &prefix, &TEXTS.map(|(name, _)| name))?;
        }
        let bytes: usize = reading.files.values().map(String::len).sum();
        if u64::try_from(bytes).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
            reading.problems.push(format!(
                "{}: must hold {FILE_BYTES_MAX} bytes of policy at most",
                directory.display()
            ));
        }
        if reading.problems.is_empty() {
            Ok(Files(reading.files))
        } else {
            Err(reading.problems)
        }
    }

    /// The texts of the access rules, by the names that the compiled-in ones have.
    pub(crate) fn access(&self) -> BTreeMap<&str, &str> {
        let files = self.0.iter().filter_map(|(name, text)| {
            let name = name.strip_prefix(ACCESS_DIRECTORY)?.strip_prefix('/')?;
            Some((name, text.as_str()))
        });
        files.collect()
    }

    /// The rules of the SAC's file; `None` if there is no such file.
    ///
    /// # Errors
    ///
    /// The rule that the text breaks.
    pub(super) fn sac(&self) -> Result<Option<Table>, String> {
        let Some(text) = self.0.get(SAC_FILE) else {
            return Ok(None);
        };
        if !is_whole(text, END_OF_POLICY) {
            return Err(format!(
                "must end with the line \"{END_OF_POLICY}\", once: it may have been cut short"
            ));
        }
        parse_table(text).map(Some)
    }

    /// Whether none of these files is gone from `found`.
    ///
    /// # Errors
    ///
    /// Each that is, with what to do instead.
    pub(crate) fn are_all_in(&self, found: &Files) -> Result<(), Vec<String>> {
        let gone = self.0.keys().filter(|name| !found.0.contains_key(*name));
        let problems: Vec<_> = gone
            .map(|name| {
                format!(
                    "{name}: must not go away: write a file with only the line \"{}\" to go back to \
                     the compiled-in values",
                    end_of(name)
                )
            })
            .collect();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems)
        }
    }

    /// The same for the same texts.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let texts = self.0.iter().flat_map(|(name, text)| [name, text]);
        fingerprint(texts.map(String::as_str))
    }
}

/// Tells sequences of texts apart.
pub(crate) fn fingerprint<'a>(texts: impl Iterator<Item = &'a str>) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    for text in texts {
        context.update(&(text.len() as u64).to_be_bytes());
        context.update(text.as_bytes());
    }
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(context.finish().as_ref());
    fingerprint
}

/// The line that ends the file of this name.
fn end_of(name: &str) -> &'static str {
    if name == SAC_FILE {
        END_OF_POLICY
    } else {
        END_OF_TEXT
    }
}

/// The files read so far, and what was wrong.
#[derive(Default)]
struct Reading {
    files: BTreeMap<String, String>,
    problems: Vec<String>,
}

impl Reading {
    /// Reads the policy files of `directory`, which may have these names, and notes each with `prefix`.
    fn directory(
        &mut self,
        directory: &Path,
        prefix: &str,
        known: &[&str],
    ) -> Result<(), Vec<String>> {
        let shown = directory.display();
        let unreadable = |error| vec![format!("{shown}: must be a readable directory: {error}")];
        let mut names = Vec::new();
        for entry in std::fs::read_dir(directory).map_err(unreadable)? {
            if names.len() == NAMES_MAX {
                return Err(vec![format!(
                    "{shown}: must hold {NAMES_MAX} files at most"
                )]);
            }
            names.push(entry.map_err(unreadable)?.file_name());
        }
        for name in names {
            let name = name.to_string_lossy().into_owned();
            if !is_policy(&name, known) {
                continue;
            }
            if !known.contains(&name.as_str()) {
                let known = known.join(", ");
                self.problems
                    .push(format!("{shown}/{name}: must be named {known}"));
                continue;
            }
            match text(&directory.join(&name)) {
                Ok(text) => _ = self.files.insert(format!("{prefix}{name}"), text),
                Err(rule) => self.problems.push(format!("{shown}/{name}: {rule}")),
            }
        }
        Ok(())
    }
}

/// Whether a name ends as those that are `known`. Editors begin the names of their own files with a dot,
/// or end them with something else.
fn is_policy(name: &str, known: &[&str]) -> bool {
    let ending = |name: &str| {
        name.rsplit_once('.')
            .map(|(_, end)| end.to_ascii_lowercase())
    };
    let known = known.iter().filter_map(|known| ending(known));
    !name.starts_with('.') && known.into_iter().any(|known| ending(name) == Some(known))
}

fn text(path: &Path) -> Result<String, String> {
    // Opening a pipe would wait for whoever writes into it.
    let is_file = std::fs::metadata(path).map(|about| about.is_file());
    if !is_file.map_err(|error| format!("must be readable: {error}"))? {
        return Err("must be a regular file".to_owned());
    }
    String::from_utf8(read_bounded(path, FILE_BYTES_MAX)?)
        .map_err(|_| "must be UTF-8 text".to_owned())
}

#[cfg(test)]
impl Files {
    /// A file of the SAC with this text.
    pub(crate) fn of(text: &str) -> Files {
        Files([(SAC_FILE.to_owned(), text.to_owned())].into())
    }

    /// As [`Files::of`], whole.
    pub(crate) fn whole(text: &str) -> Files {
        Files::of(&format!("{text}\n{END_OF_POLICY}\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory(names: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in names {
            std::fs::write(directory.path().join(name), text).unwrap();
        }
        directory
    }

    #[test]
    fn what_editors_leave_behind_is_no_policy() {
        let directory = directory(&[
            ("sac.toml", "one"),
            ("sac.toml~", "two"),
            (".sac.toml.swp", "three"),
            (".#sac.toml", "four"),
            ("#sac.toml#", "five"),
            ("sac.toml.bak", "six"),
            (".hidden.toml", "seven"),
            ("README", "eight"),
        ]);
        assert_eq!(Files::read(directory.path()), Ok(Files::of("one")));
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(Files::read(empty.path()), Ok(Files::default()));
    }

    #[test]
    fn a_file_of_no_upstream_is_refused_by_name() {
        let directory = directory(&[("scc.toml", "secret"), ("SAC.TOML", ""), ("sac.toml", "")]);
        let problems = Files::read(directory.path()).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(
            problems
                .iter()
                .any(|problem| problem.contains("scc.toml: must be named sac.toml"))
        );
        assert!(!problems.concat().contains("secret"), "{problems:?}");
    }

    #[test]
    fn a_directory_that_is_none_and_a_file_that_is_none_are_refused() {
        let directory = directory(&[("file", "")]);
        for path in ["file", "absent"] {
            let problems = Files::read(&directory.path().join(path)).unwrap_err();
            assert!(problems[0].contains("readable directory"), "{problems:?}");
        }
        std::fs::create_dir(directory.path().join(SAC_FILE)).unwrap();
        let problems = Files::read(directory.path()).unwrap_err();
        assert!(
            problems[0].contains("sac.toml: must be a regular file"),
            "{problems:?}"
        );
        std::fs::remove_dir(directory.path().join(SAC_FILE)).unwrap();
        let large = "#".repeat(usize::try_from(FILE_BYTES_MAX).unwrap() + 1);
        std::fs::write(directory.path().join(SAC_FILE), large).unwrap();
        let problems = Files::read(directory.path()).unwrap_err();
        assert!(problems[0].contains("bytes long"), "{problems:?}");
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(SAC_FILE);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.is_ok_and(|status| status.success()));
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        std::thread::spawn(move || sender.send(Files::read(directory.path())));
        let read = receiver.recv_timeout(std::time::Duration::from_secs(10));
        let problems = read.expect("it is not waited for").unwrap_err();
        assert!(problems[0].contains("regular file"), "{problems:?}");
    }

    #[test]
    fn a_file_that_is_gone_is_named_with_what_to_do() {
        let (none, some) = (Files::default(), Files::whole(""));
        assert_eq!(none.are_all_in(&some), Ok(()));
        assert_eq!(some.are_all_in(&Files::of("other")), Ok(()));
        let problems = some.are_all_in(&none).unwrap_err();
        assert!(problems[0].contains("# end of policy"), "{problems:?}");
    }

    #[test]
    fn texts_that_run_into_each_other_differ() {
        let of = |texts: &[&str]| fingerprint(texts.iter().copied());
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }
}
