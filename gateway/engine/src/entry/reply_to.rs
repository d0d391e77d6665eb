//! Where events are pushed to.

use policies::failure::Opaque;

/// Where the events of a prescription are pushed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyTo {
    /// Host and port, as registered: the queue that it waits in.
    pub host: String,
    /// The whole address. Stored sealed: its path may be anything that a caller chose.
    pub url: Opaque,
}
