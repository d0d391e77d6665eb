//! The composition root: builds each part once, and owns the order of start and stop.

use crate::config::Config;

/// Serves until told to stop.
///
/// # Errors
///
/// Fails if a part cannot be opened.
pub fn serve(config: Config) -> Result<(), ServeError> {
    drop(config);
    Err(ServeError::NoParts)
}

/// The gateway could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The parts are not joined yet.
    #[error("the parts of the gateway are not joined yet")]
    NoParts,
}
