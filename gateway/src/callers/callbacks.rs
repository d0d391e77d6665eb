//! The hosts that each organisation may have its events pushed to.

use std::collections::{BTreeSet, HashMap};

use adapters::callbacks::origin;
use engine::entry::Organization;

/// Hosts of one caller: a practice has one, a vendor of many practices a few.
const HOSTS_MAX: usize = 16;

/// Every registered host, by its organisation.
#[derive(Default)]
pub(super) struct Registered(HashMap<Organization, BTreeSet<String>>);

impl Registered {
    /// Registers `https://host[:port]` for `organization`; the rules that are broken.
    pub(super) fn add(&mut self, organization: &Organization, texts: &[String]) -> Vec<String> {
        let mut broken = Vec::new();
        if texts.len() > HOSTS_MAX {
            broken.push(format!("must name at most {HOSTS_MAX} hosts"));
        }
        for (index, text) in texts.iter().enumerate() {
            match origin(text) {
                Ok(host) => {
                    let hosts = self.0.entry(organization.clone()).or_default();
                    hosts.insert(host);
                }
                Err(rule) => broken.push(format!("number {}: {rule}", index + 1)),
            }
        }
        broken
    }

    /// Whether `host` (with its port) is one of `organization`'s.
    pub(super) fn has(&self, organization: &Organization, host: &str) -> bool {
        let hosts = self.0.get(organization);
        hosts.is_some_and(|hosts| hosts.contains(host))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_its_organisations_alone() {
        let [a, b] = ["a", "b"].map(|name| Organization(name.to_owned()));
        let mut registered = Registered::default();
        let hosts = ["https://software.example", "https://10.0.0.8:8443"].map(str::to_owned);
        assert_eq!(registered.add(&a, &hosts), [""; 0]);
        for (organization, host, has) in [
            (&a, "software.example:443", true),
            (&a, "10.0.0.8:8443", true),
            (&a, "software.example:8443", false),
            (&a, "other.example:443", false),
            (&b, "software.example:443", false),
        ] {
            assert_eq!(registered.has(organization, host), has, "{host}");
        }
    }

    #[test]
    fn every_broken_rule_is_listed() {
        let organization = Organization("a".to_owned());
        let mut texts = vec!["https://software.example".to_owned(); HOSTS_MAX + 1];
        texts[3] = "http://software.example".to_owned();
        texts[5] = "https://software.example/path".to_owned();
        let broken = Registered::default().add(&organization, &texts);
        assert_eq!(
            broken,
            [
                "must name at most 16 hosts",
                "number 4: must begin with https://",
                "number 6: must end after host and port",
            ]
        );
    }
}
