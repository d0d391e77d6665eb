//! The composition root: builds each part once, and owns the order of start and stop.

use policies::rules::SacRules;

use crate::config::Config;

/// Serves until told to stop.
///
/// # Errors
///
/// Fails if a part cannot be opened.
pub fn serve(config: Config, rules: SacRules) -> Result<(), ServeError> {
    drop((config, rules));
    Err(ServeError::NoParts)
}

/// The gateway could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The parts are not joined yet.
    #[error("the parts of the gateway are not joined yet")]
    NoParts,
}
