//! What the gateway prints.

use std::time::Duration;

use super::wait::until;
use super::{World, gateway};

/// How long a line may be on its way to the output.
const LOGGED_WITHIN: Duration = Duration::from_secs(5);

impl World {
    /// Everything the gateway has printed so far.
    pub fn output(&self) -> String {
        gateway::printed(&self.output_file())
    }

    /// The last line printed in which all these words stand; waits for it, because the gateway
    /// gathers its lines for a moment before it prints them.
    ///
    /// # Panics
    ///
    /// When there is none after a bound.
    pub async fn logged(&self, words: &[&str]) -> String {
        until(&format!("logged: {words:?}"), LOGGED_WITHIN, async || {
            let output = self.output();
            let mut lines = output.lines().rev();
            let line = lines.find(|line| words.iter().all(|word| line.contains(word)));
            line.map(str::to_owned)
        })
        .await
    }
}
