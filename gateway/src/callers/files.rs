//! The files that say who may call: read together, and told apart from what they held before.
//!
//! # Limits
//!
//! [`CALLERS_BYTES_MAX`] of the callers file, [`KEY_BYTES_MAX`] of a key; those of [`crate::config::pem`] for
//! authorities and lists.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::{Callers, TokenRules};
use crate::config::pem;
use crate::files::read_bounded;
use crate::problem::Problem;
use crate::tokens::keys::Authorities;

/// Largest callers file that is read: about 20,000 organisations.
const CALLERS_BYTES_MAX: u64 = 8 << 20;
/// Largest key file that is read.
pub(super) const KEY_BYTES_MAX: u64 = 64 << 10;

/// By what two readings are told apart.
pub(crate) type Mark = [u8; SHA256_OUTPUT_LEN];

/// Where it stands who may call. The keys that the list names are read with it.
#[derive(Debug, Clone)]
pub struct CallersFiles {
    /// The list.
    pub(crate) list: PathBuf,
    /// Who may vouch for signing certificates.
    pub(crate) authorities: Option<PathBuf>,
    /// What these have revoked.
    pub(crate) revoked: Option<PathBuf>,
    /// What a token must look like, whoever is on the list.
    pub(crate) rules: TokenRules,
}

/// What was wrong with the files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mistakes {
    /// A key of `[callers]`, and the rule that its file breaks.
    pub(crate) files: Vec<(&'static str, String)>,
    /// What stands in the list.
    pub(crate) entries: Vec<Problem>,
}

impl Mistakes {
    fn of_file(key: &'static str, rule: String) -> Mistakes {
        Mistakes {
            files: vec![(key, rule)],
            entries: Vec::new(),
        }
    }
}

/// As the operator reads it: a line each.
impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (key, rule) in &self.files {
            writeln!(f, "callers.{key}: {rule}")?;
        }
        for problem in &self.entries {
            writeln!(f, "{problem}")?;
        }
        Ok(())
    }
}

/// One reading.
pub(crate) struct Found {
    pub(crate) mark: Mark,
    pub(crate) callers: Result<Callers, Mistakes>,
}

impl Found {
    /// What stands for files that cannot be read.
    pub(crate) fn unreadable(rule: String) -> Found {
        let mut marking = Marking::default();
        marking.note(&Err(rule.clone()));
        Found {
            mark: marking.mark(),
            callers: Err(Mistakes::of_file("file", rule)),
        }
    }
}

impl CallersFiles {
    /// Reads all of them, and lists everything that is wrong.
    pub(crate) fn read(&self) -> Found {
        let mut marking = Marking::default();
        let mut mistakes = Mistakes::default();
        let authorities = self.authorities(&mut marking, &mut mistakes);
        let text = marking.read(&self.list, CALLERS_BYTES_MAX);
        let text = text.and_then(|bytes| {
            String::from_utf8(bytes).map_err(|_| "must be UTF-8 text".to_owned())
        });
        let parsed = match text {
            Ok(text) => {
                let rules = self.rules.clone();
                Callers::parse(&self.list, &text, rules, authorities, &mut marking)
                    .map_err(|problems| mistakes.entries = problems)
            }
            Err(rule) => {
                mistakes.files.push(("file", rule));
                Err(())
            }
        };
        let mark = marking.mark();
        let callers = match parsed {
            Ok(callers) if mistakes.files.is_empty() => Ok(Callers { mark, ..callers }),
            _ => Err(mistakes),
        };
        Found { mark, callers }
    }

    /// Who may vouch for the certificates that tokens bring along, if they may bring any.
    fn authorities(&self, marking: &mut Marking, mistakes: &mut Mistakes) -> Option<Authorities> {
        let path = self.authorities.as_ref()?;
        let read = marking.read(path, pem::PEM_BYTES_MAX);
        let authorities = read.and_then(|text| {
            let certificates = pem::certificates_in(&text)?;
            Ok(Authorities::of(&certificates)?)
        });
        let lists = self.revoked.as_ref().map(|path| {
            let text = marking.read(path, pem::LISTS_BYTES_MAX)?;
            pem::revocation_lists_in(&text)
        });
        let authorities = authorities
            .map_err(|rule| mistakes.files.push(("signing_ca_file", rule)))
            .ok()?;
        let revoking = match lists {
            None => return Some(authorities),
            Some(lists) => lists.and_then(|lists| Ok(authorities.revoking(&lists)?)),
        };
        revoking
            .map_err(|rule| mistakes.files.push(("signing_crl_file", rule)))
            .ok()
    }
}

/// Reads files, and remembers of all of them whether they hold what they did.
pub(crate) struct Marking(Context);

impl Default for Marking {
    fn default() -> Marking {
        Marking(Context::new(&SHA256))
    }
}

impl Marking {
    /// [`read_bounded`].
    pub(super) fn read(&mut self, path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
        let text = read_bounded(path, bytes_max);
        self.note(&text);
        text
    }

    fn note(&mut self, text: &Result<Vec<u8>, String>) {
        let (word, bytes) = match text {
            Ok(bytes) => (1, bytes.as_slice()),
            Err(rule) => (0, rule.as_bytes()),
        };
        self.0.update(&[word]);
        self.0.update(&bytes.len().to_be_bytes());
        self.0.update(bytes);
    }

    fn mark(self) -> Mark {
        let mut mark = Mark::default();
        mark.copy_from_slice(self.0.finish().as_ref());
        mark
    }
}
