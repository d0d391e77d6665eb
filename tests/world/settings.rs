//! The files a world's gateway starts from: settings and policy, with durations divided so that a
//! test sees in a second what an operator sees in minutes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use policies::rules::knobs::END_OF_POLICY;
use serde_json::{Value, json};

/// Dotted keys and their values. A JSON scalar, or a list of them, is TOML as it stands.
type Keys = BTreeMap<String, Value>;

/// The settings of one gateway, before they are written down.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    config: Keys,
    policy: Keys,
}

impl Settings {
    /// A gateway over the certificates in `certs`, its state in `store`, the SAC's services at these
    /// addresses: prescriptions, lots, registry.
    pub(super) fn new(certs: &Path, store: &Path, sac: [SocketAddr; 3]) -> Settings {
        let file = |name: &str| json!(certs.join(name));
        let config = [
            ("listen.address", json!("127.0.0.1:0")),
            ("listen.certificate_file", file("gateway.pem")),
            ("listen.key_file", file("gateway.key")),
            ("listen.callers_ca_file", file("callers-ca.pem")),
            // The load of a test is one organisation's.
            ("limits.requests_burst", json!(100_000_000)),
            ("limits.requests_per_second", json!(100)),
            ("store.directory", json!(store)),
            ("store.key_file", file("store.key")),
            ("callers.file", file("callers.toml")),
            ("callers.signing_ca_file", file("signing-ca.pem")),
            ("callers.signing_crl_file", file("signing-crl.pem")),
            (
                "sac.prescriptions_url",
                json!(format!("https://{}", sac[0])),
            ),
            ("sac.lots_url", json!(format!("https://{}", sac[1]))),
            ("sac.registry_url", json!(format!("https://{}", sac[2]))),
            ("sac.trust_file", file("sac-ca.pem")),
            ("sac.certificate_file", file("region.pem")),
            ("sac.key_file", file("region.key")),
            ("sac.signing_certificate_file", file("region-signing.pem")),
            ("sac.signing_key_file", file("region-signing.key")),
            ("sac.sanitel_certificate_file", file("sanitel.pem")),
            ("sac.pin_code_file", file("pin-code")),
            ("sac.region", json!("130")),
            ("policies.directory", json!("policies")),
            ("audit.reserve_bytes", json!(1 << 20)),
        ];
        Settings {
            config: keys(config),
            policy: policy(),
        }
    }

    /// Sets a key of the configuration.
    pub(super) fn config(&mut self, key: &str, value: Value) {
        self.config.insert(key.to_owned(), value);
    }

    /// The path that a key of the configuration names.
    pub(super) fn path(&self, key: &str) -> PathBuf {
        let value = self.config.get(key).and_then(Value::as_str);
        PathBuf::from(value.unwrap_or_default())
    }

    /// Sets a key of the policy.
    pub(super) fn policy(&mut self, key: &str, value: Value) {
        self.policy.insert(key.to_owned(), value);
    }

    /// The SAC's policy file, whole.
    pub(super) fn policy_text(&self) -> String {
        render(&self.policy) + END_OF_POLICY + "\n"
    }

    /// Writes both files into `directory` and returns the path of the configuration.
    pub(super) fn write(&self, directory: &Path) -> io::Result<PathBuf> {
        let policies = directory.join("policies");
        fs::create_dir_all(&policies)?;
        fs::write(policies.join("sac.toml"), self.policy_text())?;
        let config = directory.join("argine.toml");
        fs::write(&config, render(&self.config))?;
        Ok(config)
    }
}

/// Short, and in the relations that `policies::rules` demands.
fn policy() -> Keys {
    keys([
        ("prescriptions.answer_within", json!("1s")),
        ("prescriptions.entry_deadline", json!("1h")),
        ("prescriptions.calls.write_within", json!("2s")),
        ("prescriptions.calls.read_within", json!("1s")),
        ("prescriptions.delivery.rate_per_second", json!(500)),
        ("prescriptions.delivery.lease_for", json!("8s")),
        (
            "prescriptions.delivery.resend_after",
            json!(["50ms", "100ms", "200ms"]),
        ),
        (
            "prescriptions.delivery.verify_after",
            json!(["50ms", "100ms", "200ms"]),
        ),
        ("prescriptions.gate.slow_after", json!("1500ms")),
        ("prescriptions.gate.window", json!("2s")),
        ("prescriptions.gate.open_for", json!("100ms")),
        ("prescriptions.gate.open_for_max", json!("400ms")),
        ("prescriptions.gate.ramp", json!("300ms")),
        ("prescriptions.delivery.retry_floor_per_second", json!(200)),
        ("registry.answer_within", json!("1s")),
        ("registry.calls.read_within", json!("2s")),
        ("registry.gate.slow_after", json!("1500ms")),
        ("registry.gate.window", json!("2s")),
        ("registry.gate.open_for", json!("100ms")),
        ("registry.gate.open_for_max", json!("400ms")),
        ("registry.gate.ramp", json!("300ms")),
        ("lots.request_within", json!("2s")),
        ("lots.retry_after", json!(["50ms", "200ms"])),
    ])
}

fn keys<const COUNT: usize>(keys: [(&str, Value); COUNT]) -> Keys {
    keys.map(|(key, value)| (key.to_owned(), value)).into()
}

fn render(keys: &Keys) -> String {
    keys.iter()
        .map(|(key, value)| format!("{key} = {value}\n"))
        .collect()
}
