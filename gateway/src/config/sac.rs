//! How the SAC is reached, and who we are to it.

use std::path::{Path, PathBuf};

use adapters::model::Relations;
use adapters::sac::Settings;
use policies::rules::SacRules;

use super::section::Section;
use crate::policy::authn_age_max;

/// Addresses and files of the SAC's adapter, which checks what is in them when it is opened.
#[derive(Debug, Clone)]
pub struct SacFiles {
    /// Where the prescription services answer.
    pub prescriptions_url: String,
    /// Where the lot service answers.
    pub lots_url: String,
    /// Where the registry of assisted persons answers; empty where the prescription services do.
    pub registry_url: String,
    /// Who may vouch for the SAC.
    pub trust_file: PathBuf,
    /// Our client certificate.
    pub certificate_file: PathBuf,
    /// Its key.
    pub key_file: PathBuf,
    /// The certificate that assertions are signed under.
    pub signing_certificate_file: PathBuf,
    /// Its key.
    pub signing_key_file: PathBuf,
    /// The certificate that codes are encrypted for.
    pub sanitel_certificate_file: PathBuf,
    /// The regional PIN code.
    pub pin_code_file: PathBuf,
    /// The region.
    pub region: String,
}

impl SacFiles {
    /// What the adapter is opened with: how large a lot to ask for and how old an authentication may
    /// be are matters of policy; `relations` come from the key of the store.
    pub fn settings(&self, rules: &SacRules, relations: Relations) -> Settings {
        Settings {
            prescriptions_url: self.prescriptions_url.clone(),
            lots_url: self.lots_url.clone(),
            registry_url: self.registry_url.clone(),
            trust_file: self.trust_file.clone(),
            certificate_file: self.certificate_file.clone(),
            key_file: self.key_file.clone(),
            signing_certificate_file: self.signing_certificate_file.clone(),
            signing_key_file: self.signing_key_file.clone(),
            sanitel_certificate_file: self.sanitel_certificate_file.clone(),
            pin_code_file: self.pin_code_file.clone(),
            region: self.region.clone(),
            lot_kind: rules.lots.kind,
            authn_age_max: authn_age_max(&rules.prescriptions, &rules.registry),
            relations,
        }
    }

    pub(super) fn read(section: &mut Section<'_>) -> Option<SacFiles> {
        let prescriptions_url = address(section, "prescriptions_url");
        let lots_url = address(section, "lots_url");
        let registry_url = optional_address(section, "registry_url");
        let mut file = |key| section.file(key, must_be_a_file);
        let trust_file = file("trust_file");
        let certificate_file = file("certificate_file");
        let key_file = file("key_file");
        let signing_certificate_file = file("signing_certificate_file");
        let signing_key_file = file("signing_key_file");
        let sanitel_certificate_file = file("sanitel_certificate_file");
        let pin_code_file = file("pin_code_file");
        let region = section.required("region");
        if let Some(region) = &region
            && (region.len() != 3 || !region.bytes().all(|b| b.is_ascii_digit()))
        {
            section.refuse("region", "must be three digits");
        }
        Some(SacFiles {
            prescriptions_url: prescriptions_url?,
            lots_url: lots_url?,
            registry_url: registry_url?,
            trust_file: trust_file?,
            certificate_file: certificate_file?,
            key_file: key_file?,
            signing_certificate_file: signing_certificate_file?,
            signing_key_file: signing_key_file?,
            sanitel_certificate_file: sanitel_certificate_file?,
            pin_code_file: pin_code_file?,
            region: region?,
        })
    }
}

fn address(section: &mut Section<'_>, key: &str) -> Option<String> {
    let text = section.required(key)?;
    if !text.starts_with("https://") {
        section.refuse(key, "must begin with https://");
        return None;
    }
    Some(text)
}

/// An address, or nothing.
pub(super) fn optional_address(section: &mut Section<'_>, key: &str) -> Option<String> {
    let text = section.text(key);
    if !text.is_empty() && !text.starts_with("https://") {
        section.refuse(key, "must be empty or begin with https://");
        return None;
    }
    Some(text)
}

fn must_be_a_file(path: &Path) -> Result<(), String> {
    if path.is_file() {
        Ok(())
    } else {
        Err("must name a file".to_owned())
    }
}
