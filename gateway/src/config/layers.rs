//! Where each setting comes from: default, file or environment, the later over the earlier.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::Problem;

/// The defaults, every key commented: also the list of keys that exist.
pub(super) const DEFAULTS: &str = include_str!("../../config.default.toml");

/// Environment variables that begin with this are settings; all others are none of our business.
const ENVIRONMENT_PREFIX: &str = "ARGINE__";

/// Largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What set a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The compiled-in default.
    Default,
    /// The configuration file.
    File,
    /// The environment.
    Environment,
}

impl Origin {
    /// The word printed by `argine check`.
    pub fn as_str(self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::File => "file",
            Origin::Environment => "environment",
        }
    }
}

/// One setting in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The dotted key.
    pub key: String,
    /// Its value.
    pub value: Value,
    /// What set it.
    pub origin: Origin,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = shown(&self.value);
        write!(f, "{} = {value}  # {}", self.key, self.origin.as_str())
    }
}

/// All settings, each with what set it.
#[derive(Debug)]
pub(super) struct Layers {
    settings: BTreeMap<String, (Value, Origin)>,
    base: PathBuf,
}

impl Layers {
    /// Reads the three layers; keys that do not exist become problems.
    pub(super) fn gather(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> (Layers, Vec<Problem>) {
        let defaults: Table = DEFAULTS.parse().expect("the compiled-in defaults parse");
        let mut settings = BTreeMap::new();
        for (key, value) in flatten(&defaults) {
            settings.insert(key, (value, Origin::Default));
        }
        let mut layers = Layers {
            settings,
            base: base_directory(file),
        };
        let mut problems = Vec::new();
        if let Some(file) = file {
            match read_table(file) {
                Ok(table) => {
                    for (key, value) in flatten(&table) {
                        problems.extend(layers.lay(&key, value, Origin::File));
                    }
                }
                Err(rule) => problems.push(Problem {
                    key: "--config".to_owned(),
                    value: file.display().to_string(),
                    rule,
                }),
            }
        }
        let mut variables: Vec<_> = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX))
            .collect();
        variables.sort();
        for (name, text) in variables {
            let key = name[ENVIRONMENT_PREFIX.len()..]
                .to_ascii_lowercase()
                .replace("__", ".");
            problems.extend(layers.lay(&key, Value::String(text), Origin::Environment));
        }
        (layers, problems)
    }

    fn lay(&mut self, key: &str, value: Value, origin: Origin) -> Option<Problem> {
        match self.settings.get_mut(key) {
            Some(setting) => {
                *setting = (value, origin);
                None
            }
            None => Some(Problem {
                key: key.to_owned(),
                // What was meant for a setting that does not exist may be a secret.
                value: HIDDEN.to_owned(),
                rule: format!("no such setting (from the {})", origin.as_str()),
            }),
        }
    }

    /// The value of a key and what set it; panics for a key the default file does not have.
    pub(super) fn get(&self, key: &str) -> (&Value, Origin) {
        let (value, origin) = self
            .settings
            .get(key)
            .unwrap_or_else(|| panic!("{key} is read and stands not in config.default.toml"));
        (value, *origin)
    }

    /// An absolute path, or one relative to the directory of the configuration file.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    pub(super) fn effective(&self) -> Vec<Effective> {
        self.settings
            .iter()
            .map(|(key, (value, origin))| Effective {
                key: key.clone(),
                value: value.clone(),
                origin: *origin,
            })
            .collect()
    }
}

fn base_directory(file: Option<&Path>) -> PathBuf {
    match file.and_then(Path::parent) {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

fn read_table(file: &Path) -> Result<Table, String> {
    super::pem::read_bounded(file, FILE_BYTES_MAX).and_then(|bytes| {
        let text = String::from_utf8(bytes).map_err(|_| "must be UTF-8 text".to_owned())?;
        text.parse::<Table>().map_err(|error| {
            let line = error
                .span()
                .map(|span| text[..span.start].matches('\n').count() + 1);
            match line {
                Some(line) => format!("must be TOML: line {line}: {}", error.message()),
                None => format!("must be TOML: {}", error.message()),
            }
        })
    })
}

/// Stands for a value that is not shown.
const HIDDEN: &str = "…";
/// A text this long without a separator of paths or addresses is taken for a secret.
const SECRET_CHARS_MIN: usize = 24;

/// Whether a text may be a secret that was put where its path belongs, or an address with one.
fn may_be_secret(text: &str) -> bool {
    let is_one_word = !text.contains(['/', '.', ' ']);
    (text.len() >= SECRET_CHARS_MIN && is_one_word) || text.contains(['@', '\n'])
}

/// A leaf as it is written in a file.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if may_be_secret(text) => HIDDEN.to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(instant) => instant.to_string(),
        Value::Array(_) => "(a list)".to_owned(),
        Value::Table(_) => "(a table)".to_owned(),
    }
}

/// Leaves of a table under their dotted keys. An empty table has no leaf and no meaning.
fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut leaves = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                for (below, leaf) in flatten(inner) {
                    leaves.push((format!("{key}.{below}"), leaf));
                }
            }
            leaf => leaves.push((key.clone(), leaf.clone())),
        }
    }
    leaves
}
