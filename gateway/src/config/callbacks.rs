//! How events are pushed to callers, and who we are to them.

use std::path::Path;

use adapters::callbacks::{Network, Networks, Settings};

use super::pem;
use super::section::Section;

/// What says who we are to those we push to.
const OURS: [&str; 4] = [
    "certificate_file",
    "key_file",
    "signing_certificate_file",
    "signing_key_file",
];
/// Networks that an operator may name.
const NETWORKS_MAX: usize = 64;

/// Reads the section; `Some(None)` where nothing is pushed, `None` where a rule is broken. `issuer` is who
/// we say we are.
pub(super) fn read(section: &mut Section<'_>, issuer: Option<&str>) -> Option<Option<Settings>> {
    let networks_allowed = networks(section);
    if section.text("trust_file").is_empty() {
        for key in OURS {
            if !section.text(key).is_empty() {
                section.refuse(key, "needs callbacks.trust_file, which is not set");
            }
        }
        return (!section.has_problems()).then_some(None);
    }
    let trust_file = section.file("trust_file", holds_certificates);
    let certificate_file = section.file("certificate_file", holds_certificates);
    let key_file = section.file("key_file", holds_a_key);
    let signing_certificate_file = section.file("signing_certificate_file", holds_certificates);
    let signing_key_file = section.file("signing_key_file", holds_a_key);
    Some(Some(Settings {
        trust_file: trust_file?,
        certificate_file: certificate_file?,
        key_file: key_file?,
        signing_certificate_file: signing_certificate_file?,
        signing_key_file: signing_key_file?,
        issuer: issuer?.to_owned(),
        networks_allowed,
    }))
}

fn networks(section: &mut Section<'_>) -> Networks {
    let texts = section.texts("networks_allowed");
    if texts.len() > NETWORKS_MAX {
        section.refuse("networks_allowed", "must name at most 64 networks");
    }
    let networks: Option<Vec<_>> = texts.iter().map(|text| Network::parse(text)).collect();
    if networks.is_none() {
        section.refuse(
            "networks_allowed",
            "must be networks, as \"10.0.0.0/8\", with no bits set after their length",
        );
    }
    Networks::new(networks.unwrap_or_default())
}

fn holds_certificates(path: &Path) -> Result<(), String> {
    pem::certificates(path).map(drop)
}

fn holds_a_key(path: &Path) -> Result<(), String> {
    pem::private_key(path).map(drop)
}
