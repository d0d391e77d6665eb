//! Everything a process is told, checked before anything is opened.
//!
//! # Invariants
//!
//! 1. What is refused is refused once, with all problems of settings, policies and the adapter's
//!    files. Of a section with a problem, only what its settings name is not looked into.
//! 2. A policy that breaks a rule, and nothing else, is told apart: a gateway that remembers a good
//!    one serves with that.

use std::error::Error;
use std::path::Path;

use adapters::model::Relations;
use adapters::sac::Sac;
use policies::rules::SacRules;

use crate::config::{self, Loaded, SacFiles, Sound};
use crate::rules::{self, Composed, Files, RulesError};

/// What the process was told, every rule of it checked.
#[derive(Debug)]
pub struct Told {
    /// The settings, and where each came from.
    pub settings: Loaded,
    /// The policies, or every rule that they break.
    pub policies: Result<(Files, Composed), RulesError>,
}

impl Told {
    /// What the process was told, where nothing of it breaks a rule.
    ///
    /// # Errors
    ///
    /// Lists the rules that the policies break.
    pub fn sound(self) -> Result<(Loaded, Composed), ToldError> {
        match self.policies {
            Ok((_, composed)) => Ok((self.settings, composed)),
            Err(error) => Err(error.into()),
        }
    }
}

/// The process was told something that breaks a rule.
#[derive(Debug, thiserror::Error)]
#[error("settings and policies break {} rule(s)", problems.len())]
pub struct ToldError {
    /// All of them, fit to be printed.
    pub problems: Vec<String>,
}

impl From<RulesError> for ToldError {
    fn from(error: RulesError) -> ToldError {
        ToldError {
            problems: error.problems,
        }
    }
}

/// Reads settings and policies, and opens the adapter's files to check them.
///
/// # Errors
///
/// Lists every broken rule.
pub fn gather(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Told, ToldError> {
    let mut problems = Vec::new();
    let (settings, sound) = match config::load(file, environment) {
        Ok(settings) => {
            let sound = Sound::of(&settings.config);
            (Some(settings), sound)
        }
        Err(error) => {
            problems.extend(error.problems.iter().map(ToString::to_string));
            (None, *error.sound)
        }
    };
    let policies = rules::load(sound.policies_directory.as_deref(), sound.answer_within);
    if let Some(sac) = &sound.sac {
        // The files are checked whatever the policy says: the compiled-in one will do for that.
        problems.extend(match &policies {
            Ok((_, composed)) => adapter_problems(sac, &composed.rules),
            Err(_) => adapter_problems(sac, &rules::compiled_in()),
        });
    }
    match settings {
        Some(settings) if problems.is_empty() => Ok(Told { settings, policies }),
        _ => {
            if let Err(error) = policies {
                problems.extend(error.problems);
            }
            Err(ToldError { problems })
        }
    }
}

/// What is wrong with the adapter's files must be known before a port is bound.
fn adapter_problems(sac: &SacFiles, rules: &SacRules) -> Vec<String> {
    // Nothing is called, so that no tag is made under this key.
    let relations = Relations::new(&[0; 32]);
    match Sac::open(&sac.settings(rules, relations)) {
        Ok(_) => Vec::new(),
        Err(error) => error
            .0
            .iter()
            .map(|problem| format!("sac: {}", chain(problem)))
            .collect(),
    }
}

/// An error and all its causes.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_settings_policies_and_files_are_listed_together() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        write("no.pem", "AbCdEf0123456789");
        write("sac.toml", "[lots]\nkind = 0\n# end of policy\n");
        let files = [
            "trust_file",
            "certificate_file",
            "key_file",
            "signing_certificate_file",
            "signing_key_file",
            "sanitel_certificate_file",
            "pin_code_file",
        ];
        let files: String = files.map(|key| format!("{key} = \"no.pem\"\n")).concat();
        let settings = format!(
            "[log]\nlevel = \"loud\"\n[policies]\ndirectory = \".\"\n[sac]\nregion = \"130\"\n\
             prescriptions_url = \"https://a:AbCdEf0123456789@b\"\nlots_url = \"https://b\"\n{files}"
        );
        write("argine.conf", &settings);
        let file = directory.path().join("argine.conf");
        let problems = gather(Some(&file), Vec::new()).unwrap_err().problems;
        let text = problems.join("\n");
        for part in [
            "log.level = \"loud\"",
            "store.directory",
            "lots.kind = 0",
            "sac: prescriptions_url",
            "sac: signing_certificate_file",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(!text.contains("AbCdEf"), "{text}");
    }
}
