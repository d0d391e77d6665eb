//! What sets one world apart from another.

use std::path::{Path, PathBuf};

use crate::upstreams::sac::registry::population::Population;
use crate::upstreams::sac::settings::Live;

/// What is special about a world.
#[derive(Debug, Default)]
pub struct Setup {
    pub(super) config: Vec<(&'static str, serde_json::Value)>,
    pub(super) policy: Vec<(&'static str, serde_json::Value)>,
    pub(super) live: Option<Live>,
    pub(super) population: Option<Population>,
    pub(super) store: Option<PathBuf>,
    pub(super) environment: Vec<(&'static str, &'static str)>,
}

impl Setup {
    /// Sets a key of the gateway's configuration.
    #[must_use]
    pub fn config(mut self, key: &'static str, value: impl Into<serde_json::Value>) -> Setup {
        self.config.push((key, value.into()));
        self
    }

    /// Sets a key of the gateway's policy.
    #[must_use]
    pub fn policy(mut self, key: &'static str, value: impl Into<serde_json::Value>) -> Setup {
        self.policy.push((key, value.into()));
        self
    }

    /// Looks for a number that was given up within a second instead of minutes, and lets go of it after
    /// two instead of days.
    #[must_use]
    pub fn watching(self) -> Setup {
        self.policy(
            "prescriptions.watch.look_after",
            serde_json::json!(["200ms", "400ms", "800ms"]),
        )
        .policy("prescriptions.watch.look_after_recovery", "300ms")
        .policy("prescriptions.watch.horizon", "2s")
    }

    /// Lets what is known of a person be fresh for a tenth of a second instead of minutes.
    #[must_use]
    pub fn soon_stale(self) -> Setup {
        self.policy("registry.freshness.fresh_for", "100ms")
            .policy("registry.freshness.negative_for", "100ms")
    }

    /// Starts the simulator with these manners.
    #[must_use]
    pub fn sac(mut self, live: Live) -> Setup {
        self.live = Some(live);
        self
    }

    /// Lets these organisations ask the registry in their own name, besides those that may anyway.
    #[must_use]
    pub fn accredited(mut self, organizations: &[&str]) -> Setup {
        let mut live = self.live.take().unwrap_or_default();
        let organizations = organizations.iter().map(|name| (*name).to_owned());
        live.accredited.extend(organizations);
        self.live = Some(live);
        self
    }

    /// Lets the registry know so many persons, on the lists of so many doctors.
    #[must_use]
    pub fn population(mut self, persons: usize, doctors: usize) -> Setup {
        self.population = Some(Population { persons, doctors });
        self
    }

    /// Sets a variable of the gateway's environment, which is empty otherwise.
    #[must_use]
    pub fn environment(mut self, name: &'static str, value: &'static str) -> Setup {
        self.environment.push((name, value));
        self
    }

    /// Keeps the gateway's state here.
    #[must_use]
    pub fn store(mut self, directory: &Path) -> Setup {
        self.store = Some(directory.to_owned());
        self
    }
}
