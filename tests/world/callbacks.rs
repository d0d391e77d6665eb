//! Worlds in which events are pushed to callers.

use std::fs;
use std::path::PathBuf;

use reqwest::Method;
use serde_json::{Value, json};

use super::World;
use super::caller::{Caller, Reply, answer};
use super::wait::until;
use super::{READY_WITHIN, Setup};

impl World {
    /// Starts a world that pushes to these hosts of these organisations, in these networks.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn pushing(
        mut setup: Setup,
        networks: &[&str],
        hosts: impl FnOnce(&World) -> Vec<(&'static str, String)>,
    ) -> World {
        let quick = [
            ("callbacks.retry_after", json!(["100ms", "200ms"])),
            ("callbacks.request_within", json!("1s")),
        ];
        // Before those of the test, which hold.
        setup.policy.splice(0..0, quick);
        let mut world = World::prepare(setup);
        let callers = world.register_hosts(&hosts(&world));
        let file = |name: &str| json!(world.certs_dir().join(name));
        let keys = [
            ("callers.file", json!(callers)),
            ("callbacks.trust_file", file("sac-ca.pem")),
            ("callbacks.certificate_file", file("region.pem")),
            ("callbacks.key_file", file("region.key")),
            (
                "callbacks.signing_certificate_file",
                file("region-signing.pem"),
            ),
            ("callbacks.signing_key_file", file("region-signing.key")),
            ("callbacks.networks_allowed", json!(networks)),
        ];
        for (key, value) in keys {
            world.reconfigure(key, value);
        }
        let started = world.restart().await;
        started.unwrap_or_else(|ended| panic!("the gateway ended: {}", ended.output));
        until("the first lot has come", READY_WITHIN, async || {
            (!world.book().lots.is_empty()).then_some(())
        })
        .await;
        world
    }

    /// Writes a callers file of this world's own, in which these organisations have these hosts, and no
    /// other has any; where it stands.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn register_hosts(&self, hosts: &[(&str, String)]) -> PathBuf {
        let text = fs::read_to_string(self.certs_dir().join("callers.toml"));
        let text = text.expect("the callers were minted");
        let certs = self.certs_dir().display();
        let mut text = text.replace("\"callers/", &format!("\"{certs}/callers/"));
        for (organization, host) in hosts {
            let line = format!("organization = \"{organization}\"\n");
            text = text.replace(&line, &format!("{line}callbacks = [\"{host}\"]\n"));
        }
        let path = self.directory().join("callers.toml");
        fs::write(&path, text).expect("the callers can be written");
        path
    }
}

impl Caller {
    /// Sends a prescription whose events are to be pushed to `reply_to`.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn prescribe_followed(&self, key: &str, body: &Value, reply_to: &str) -> Reply {
        let write = (self.organization.clone(), key.to_owned());
        self.record.sent(&write);
        let request = self
            .request(Method::POST, "/v1/prescriptions")
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .header("X-ReplyTo", reply_to)
            .body(body.to_string());
        let reply = answer(request).await;
        self.record.heard(&write, super::caller::heard(&reply));
        reply.expect("the gateway answers a prescription")
    }
}
