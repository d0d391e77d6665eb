//! What operators do in a world: they change files, set toggles, and look.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::World;
use super::caller::{Caller, Reply, answer};
use super::prescription::key;
use super::wait::until;
use crate::certs::Token;

/// How long a changed file may take to be in force: it must settle first.
const SEEN_WITHIN: Duration = Duration::from_secs(5);

impl World {
    /// The directory of the gateway's policies.
    pub fn policies_dir(&self) -> PathBuf {
        self.directory().join("policies")
    }

    /// Sets a key of the policy and writes the file as a careful editor does: another in its place.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn repolicy(&mut self, key: &str, value: impl Into<Value>) {
        self.settings.policy(key, value.into());
        let text = self.settings.policy_text();
        self.write_policy(&text).expect("the policy can be written");
    }

    /// Puts a file with this text in the place of the SAC's policy.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_policy(&self, text: &str) -> io::Result<()> {
        let new = self.policies_dir().join(".sac.toml.new");
        fs::write(&new, text)?;
        fs::rename(new, self.policies_dir().join("sac.toml"))
    }

    /// The text of the SAC's policy file, whole.
    pub fn policy_text(&self) -> String {
        self.settings.policy_text()
    }

    /// Memory that the gateway's process holds at present, in KiB.
    ///
    /// # Panics
    ///
    /// When the system does not say.
    pub fn memory_kib(&self) -> u64 {
        let path = format!("/proc/{}/status", self.gateway_pid());
        let status = fs::read_to_string(path).expect("a running process has a status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        let kib = kib.and_then(|kib| kib.trim().parse().ok());
        kib.expect("the status says how much memory is held")
    }

    /// Writes the file by which an operator's command line finds this world's gateway.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn operator_file(&self) -> PathBuf {
        let file = |name: &str| json!(self.certs_dir().join(name));
        let keys = [
            ("url", json!(format!("https://{}", self.address()))),
            ("trust_file", file("gateway-ca.pem")),
            ("certificate_file", file("callers/operator-a.pem")),
            ("key_file", file("callers/operator-a.key")),
            ("signing_key_file", file("callers/operator-a-signing.key")),
            ("key_id", json!("operator-a-1")),
            ("organization", json!("operator-a")),
            ("audience", json!("https://argine.local/v1")),
        ];
        let lines = keys.map(|(key, value)| format!("{key} = {value}\n"));
        let path: &Path = &self.directory().join("operator.conf");
        fs::write(path, lines.concat()).expect("the operator's file can be written");
        path.to_owned()
    }
}

impl Caller {
    /// Asks with `token` instead of one of its own; a write has a fresh key.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn ask_with(
        &self,
        token: &Token,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> Reply {
        let method = method.parse().expect("a method is a word");
        let request = self.bare(method, path).bearer_auth(self.sign(token));
        let request = match body {
            None => request,
            Some(body) => request
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", key())
                .body(body.to_string()),
        };
        answer(request).await.expect("the gateway answers")
    }

    /// Posts JSON to an address of the gateway.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        let request = self
            .request(Method::POST, path)
            .header("Content-Type", "application/json")
            .body(body.to_string());
        answer(request).await.expect("the gateway answers a post")
    }

    /// Sets a toggle for a time.
    pub async fn toggle(&self, target: &str, value: &str, lasts: &str) -> Reply {
        let body = json!({
            "target": target, "value": value, "expires_in": lasts,
            "reason": "announced maintenance", "author": "shift leader",
        });
        self.post("/ops/v1/toggles", &body).await
    }

    /// Takes a toggle back.
    pub async fn withdraw_toggle(&self, target: &str) -> Reply {
        let body = json!({"target": target, "reason": "over", "author": "shift leader"});
        self.post("/ops/v1/toggles/withdraw", &body).await
    }

    /// A value of the policy in force, in TOML; empty if there is no such value.
    pub async fn policy_value(&self, key: &str) -> String {
        let values = self.get("/ops/v1/policies").await.expect(200).at("/values");
        let values = values.as_array().cloned().unwrap_or_default();
        let value = values.iter().find(|value| value["key"] == key);
        let value = value.and_then(|value| value["value"].as_str());
        value.unwrap_or_default().to_owned()
    }

    /// Waits until `holds` of the policy in force and its problems, and hands it over.
    ///
    /// # Panics
    ///
    /// When it does not after a bound.
    pub async fn until_policies(&self, what: &str, holds: impl Fn(&Reply) -> bool) -> Reply {
        until(what, SEEN_WITHIN, async || {
            let reply = self.try_get("/ops/v1/policies").await.ok()?;
            Some(reply.expect(200)).filter(&holds)
        })
        .await
    }

    /// Waits until a value of the policy is in force.
    ///
    /// # Panics
    ///
    /// When it is not after a bound.
    pub async fn until_policy(&self, key: &str, value: &str) {
        let is_in_force = |reply: &Reply| {
            let values = reply.at("/values");
            let mut values = values.as_array().into_iter().flatten();
            values.any(|found| found["key"] == key && found["value"] == value)
        };
        self.until_policies(&format!("{key} is {value}"), is_in_force)
            .await;
    }
}
