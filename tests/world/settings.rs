//! The files a world's gateway starts from: settings and policy, with durations divided so that a
//! test sees in a second what an operator sees in minutes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// Short, and in the relations that `policies::rules` demands.
const POLICY: &str = r#"
[prescriptions]
answer_within = "1s"
entry_deadline = "1h"
[prescriptions.calls]
write_within = "2s"
read_within = "1s"
[prescriptions.delivery]
rate_per_second = 500
lease_for = "6s"
resend_after = ["50ms", "100ms", "200ms"]
verify_after = ["50ms", "100ms", "200ms"]
[prescriptions.gate]
slow_after = "1500ms"
window = "2s"
open_for = "100ms"
open_for_max = "400ms"
[lots]
request_within = "2s"
retry_after = ["50ms", "200ms"]
"#;

/// The settings of one gateway, before they are written down.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    config: Table,
    policy: Table,
}

impl Settings {
    /// A gateway over the certificates in `certs`, its state in `store`, the SAC at these URLs.
    pub(super) fn new(certs: &Path, store: &Path, prescriptions: &str, lots: &str) -> Settings {
        let mut settings = Settings {
            config: Table::new(),
            policy: POLICY.parse().expect("the policy of the tests is TOML"),
        };
        let file = |name: &str| certs.join(name).display().to_string();
        let texts = [
            ("listen.address", "127.0.0.1:0".to_owned()),
            ("listen.certificate_file", file("gateway.pem")),
            ("listen.key_file", file("gateway.key")),
            ("listen.callers_ca_file", file("callers-ca.pem")),
            ("store.directory", store.display().to_string()),
            ("store.key_file", file("store.key")),
            ("callers.file", file("callers.toml")),
            ("sac.prescriptions_url", prescriptions.to_owned()),
            ("sac.lots_url", lots.to_owned()),
            ("sac.trust_file", file("sac-ca.pem")),
            ("sac.certificate_file", file("region.pem")),
            ("sac.key_file", file("region.key")),
            ("sac.signing_certificate_file", file("region-signing.pem")),
            ("sac.signing_key_file", file("region-signing.key")),
            ("sac.sanitel_certificate_file", file("sanitel.pem")),
            ("sac.pin_code_file", file("pin-code")),
            ("sac.region", "130".to_owned()),
            ("policies.file", "policy.toml".to_owned()),
        ];
        for (key, value) in texts {
            settings.config(key, value);
        }
        // The load of a test is one organisation's.
        settings.config("limits.requests_max", 1_000_000);
        settings
    }

    /// Sets a key of the configuration.
    pub(super) fn config(&mut self, key: &str, value: impl Into<Value>) {
        set(&mut self.config, key, value.into());
    }

    /// Sets a key of the policy.
    pub(super) fn policy(&mut self, key: &str, value: impl Into<Value>) {
        set(&mut self.policy, key, value.into());
    }

    /// Writes both files into `directory` and returns the path of the configuration.
    pub(super) fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        fs::write(directory.join("policy.toml"), self.policy.to_string())?;
        let config = directory.join("argine.toml");
        fs::write(&config, self.config.to_string())?;
        Ok(config)
    }
}

fn set(table: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table
                .entry(section)
                .or_insert_with(|| Value::Table(Table::new()));
            set(inner.as_table_mut().expect("a section is a table"), rest, value);
        }
    }
}
