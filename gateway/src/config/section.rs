//! Typed reading of one section, which goes on after a bad value so that all of them are listed.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use policies::duration;
use toml::Value;

use super::layers::{Layers, Origin, shown};
use crate::problem::{HIDDEN, Problem};

/// One section of the settings and what is wrong in it.
///
/// Readers return a stand-in for a bad value: where a problem was noted no `Config` is made.
pub(super) struct Section<'a> {
    layers: &'a Layers,
    name: &'static str,
    problems: Vec<Problem>,
}

impl<'a> Section<'a> {
    pub(super) fn new(layers: &'a Layers, name: &'static str) -> Section<'a> {
        Section {
            layers,
            name,
            problems: Vec::new(),
        }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    pub(super) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    /// Notes that the value of `key` breaks `rule`.
    pub(super) fn refuse(&mut self, key: &str, rule: impl Into<String>) {
        let key = self.dotted(key);
        let (value, _) = self.layers.get(&key);
        let value = if may_be_secret(&key, value) {
            HIDDEN.to_owned()
        } else {
            shown(value)
        };
        self.problems.push(Problem {
            value,
            key,
            rule: rule.into(),
        });
    }

    /// Adds problems found in a file that a setting names.
    pub(super) fn add_problems(&mut self, problems: Vec<Problem>) {
        self.problems.extend(problems);
    }

    fn dotted(&self, key: &str) -> String {
        format!("{}.{key}", self.name)
    }

    fn value(&self, key: &str) -> (&'a Value, Origin) {
        self.layers.get(&self.dotted(key))
    }

    /// A text, which may be empty.
    pub(super) fn text(&mut self, key: &str) -> String {
        if let (Value::String(text), _) = self.value(key) {
            return text.clone();
        }
        self.refuse(key, "must be a text in quotes");
        String::new()
    }

    /// A text that is not empty.
    pub(super) fn required(&mut self, key: &str) -> Option<String> {
        let known = self.problems.len();
        let text = self.text(key);
        if self.problems.len() > known {
            return None;
        }
        if text.is_empty() {
            self.refuse(key, "must be set");
            return None;
        }
        Some(text)
    }

    /// A whole number within `range`.
    pub(super) fn integer(&mut self, key: &str, range: RangeInclusive<u64>) -> u64 {
        let number = match self.value(key) {
            (Value::Integer(number), _) => u64::try_from(*number).ok(),
            (Value::String(text), Origin::Environment) => text.parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if range.contains(&number) => number,
            _ => {
                let rule = format!(
                    "must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                );
                self.refuse(key, rule);
                *range.start()
            }
        }
    }

    /// [`Section::integer`] for a count of things in memory.
    pub(super) fn count(&mut self, key: &str, range: RangeInclusive<usize>) -> usize {
        let wide = |n: usize| u64::try_from(n).expect("usize fits in 64 bits");
        let number = self.integer(key, wide(*range.start())..=wide(*range.end()));
        usize::try_from(number).expect("lies in a range of usize")
    }

    /// A duration from one millisecond to `longest`.
    pub(super) fn duration(&mut self, key: &str, longest: Duration) -> Duration {
        let parsed = match self.value(key) {
            (Value::String(text), _) => duration::parse(text).ok(),
            _ => None,
        };
        match parsed {
            None => {
                self.refuse(key, duration::DurationError.to_string());
                longest
            }
            Some(span) if span.is_zero() || span > longest => {
                let rule = format!("must be longer than zero and at most {longest:?}");
                self.refuse(key, rule);
                longest
            }
            Some(span) => span,
        }
    }

    /// A share, from 0 to 1.
    pub(super) fn share(&mut self, key: &str) -> f64 {
        let share = match self.value(key) {
            (Value::Float(share), _) => Some(*share),
            (Value::Integer(0), _) => Some(0.0),
            (Value::Integer(1), _) => Some(1.0),
            (Value::String(text), Origin::Environment) => text.parse().ok(),
            _ => None,
        };
        match share {
            Some(share) if (0.0..=1.0).contains(&share) => share,
            _ => {
                self.refuse(key, "must be a share from 0 to 1, as 0.1");
                0.0
            }
        }
    }

    /// A list of texts, which may be empty; in the environment with commas between them.
    pub(super) fn texts(&mut self, key: &str) -> Vec<String> {
        let texts = match self.value(key) {
            (Value::Array(items), _) => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                texts.collect()
            }
            (Value::String(text), Origin::Environment) => {
                let texts = text.split(',').map(|text| text.trim().to_owned());
                Some(texts.filter(|text| !text.is_empty()).collect())
            }
            _ => None,
        };
        texts.unwrap_or_else(|| {
            self.refuse(key, "must be a list of texts in quotes");
            Vec::new()
        })
    }

    /// A path that must be set; whether something is there is not looked at.
    pub(super) fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.required(key).map(|text| self.layers.resolve(&text))
    }

    /// A path that must be set, and name a file that passes `check`.
    pub(super) fn file(
        &mut self,
        key: &str,
        check: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Option<PathBuf> {
        let path = self.path(key)?;
        match check(&path) {
            Ok(()) => Some(path),
            Err(rule) => {
                self.refuse(key, rule);
                None
            }
        }
    }

    /// A path that need not be set; whether something is there is not looked at.
    pub(super) fn path_if_set(&mut self, key: &str) -> Option<PathBuf> {
        let text = self.text(key);
        (!text.is_empty()).then(|| self.layers.resolve(&text))
    }

    /// A path that need not be set, and names a file that passes `check` where it is.
    pub(super) fn checked_if_set(
        &mut self,
        key: &str,
        check: impl FnOnce(&Path) -> Result<(), String>,
    ) -> Option<PathBuf> {
        if self.text(key).is_empty() {
            return None;
        }
        self.file(key, check)
    }
}

/// Endings by which a path is told from what belongs into its file: no key, PIN or PEM has them.
const PATH_ENDINGS: [&str; 6] = [".pem", ".key", ".crt", ".cer", ".toml", ".txt"];

/// Whether what stands under `key` may be a key or a certificate itself, where its path belongs.
fn may_be_secret(key: &str, value: &Value) -> bool {
    let is_path = |text: &str| {
        text.is_empty()
            || !text.contains(char::is_whitespace)
                && PATH_ENDINGS.iter().any(|ending| text.ends_with(ending))
    };
    key.ends_with("file") && !value.as_str().is_some_and(is_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_path_is_shown_and_a_secret_in_its_place_is_not() {
        let hides = |text: &str| may_be_secret("store.key_file", &Value::String(text.to_owned()));
        for path in [
            "",
            "certs/gatway.pem",
            "/etc/argine/store.key",
            "policy.toml",
        ] {
            assert!(!hides(path), "{path}");
        }
        for secret in [
            "1234567890",
            "0f1e2d3c",
            "hunter2",
            "a b.key",
            "-----BEGIN\n.pem",
        ] {
            assert!(hides(secret), "{secret}");
        }
        assert!(!may_be_secret(
            "listen.address",
            &Value::String("here".to_owned())
        ));
    }
}
