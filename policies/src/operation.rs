//! What an adapter declares about each operation of its upstream.
//!
//! Delivery reads these rows and nothing else: it knows no upstream by name.

/// The name of an operation, unique within its lane (`invio`, `visualizza`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpName(pub &'static str);

/// The name of a lane (`sac.prescriptions`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneName(pub &'static str);

/// How calls of an operation are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// From the cache, then the upstream; stale if the upstream fails.
    ReadThrough,
    /// Stored first, delivered now or later.
    WriteBehind,
    /// The upstream's answer or an honest refusal.
    PassThrough,
}

/// Under which number a write whose outcome is unknown may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resend {
    /// The same one, once reading has shown it absent.
    Same,
    /// Never again.
    Never,
}

/// Whether a write we gave up on may still be applied, and is looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It is looked up again until the horizon.
    Watch,
    /// It leaves nothing behind.
    None,
}

/// One operation of one upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Its name.
    pub op: OpName,
    /// The lane it belongs to.
    pub lane: LaneName,
    /// How its calls are served.
    pub strategy: Strategy,
    /// The reads that settle an unknown outcome, in the order they are asked. All of them must
    /// say *absent* before a write counts as not applied.
    pub settle_by: &'static [OpName],
    /// The operation that undoes it.
    pub undo_by: Option<OpName>,
    /// Under which number it may be sent again.
    pub resend: Resend,
    /// Whether it may be applied late.
    pub late: Late,
}
