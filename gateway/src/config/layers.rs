//! Where each setting comes from: default, file or environment, the later over the earlier.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::files::read_table;
use crate::problem::{HIDDEN, Problem, without_userinfo};

/// The defaults, every key commented: also the list of keys that exist.
pub(super) const DEFAULTS: &str = include_str!("../../config.default.toml");

/// Environment variables that begin with this are settings; all others are none of our business.
const ENVIRONMENT_PREFIX: &str = "ARGINE__";
/// Set by systemd for a service with credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// Begins the name of one, where a path may stand.
pub(super) const CREDENTIAL: &str = "credential:";

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
    /// Where the service manager puts credentials, if it does.
    credentials: Option<PathBuf>,
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
            credentials: None,
        };
        let mut problems = Vec::new();
        if let Some(file) = file {
            match read_table(file, FILE_BYTES_MAX) {
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
        let mut variables: Vec<_> = environment.into_iter().collect();
        let mut named = variables.iter();
        let credentials = named.find(|(name, _)| name == CREDENTIALS_DIRECTORY);
        layers.credentials = credentials.map(|(_, directory)| PathBuf::from(directory));
        variables.retain(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX));
        variables.sort();
        for (name, text) in variables {
            let key = name[ENVIRONMENT_PREFIX.len()..]
                .to_ascii_lowercase()
                .replace("__", ".");
            problems.extend(layers.lay(&key, Value::String(text), Origin::Environment));
        }
        (layers, problems)
    }

    /// What an unknown key was meant for nobody knows: its value may be a secret.
    fn lay(&mut self, key: &str, value: Value, origin: Origin) -> Option<Problem> {
        match self.settings.get_mut(key) {
            Some(setting) => {
                *setting = (value, origin);
                None
            }
            None => Some(Problem {
                key: key.to_owned(),
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

    /// A path as [`Layers::resolve`] takes it, or `credential:NAME` for a credential of the service; the
    /// error is a rule.
    pub(super) fn resolve_secret(&self, text: &str) -> Result<PathBuf, String> {
        let Some(name) = text.strip_prefix(CREDENTIAL) else {
            return Ok(self.resolve(text));
        };
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err("must name a credential after credential:, without a path".to_owned());
        }
        match &self.credentials {
            Some(directory) => Ok(directory.join(name)),
            None => Err(format!(
                "names a credential, and {CREDENTIALS_DIRECTORY} is not set: start it as a service \
                 with LoadCredential="
            )),
        }
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

/// A leaf as it is written in a file, except what may be a password in an address.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{:?}", without_userinfo(text)),
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
