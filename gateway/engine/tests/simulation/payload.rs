//! What a simulated prescription says: whose it is, and which request brought it.

use policies::failure::Opaque;

/// The content of one write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Payload {
    pub(crate) organization: u64,
    /// Which prescription its caller means: the `Idempotency-Key`.
    pub(crate) key: u64,
    /// Which body: a caller may err and send another under the same key.
    pub(crate) body: u64,
    /// Which of all requests.
    pub(crate) request: u64,
    /// Whether the upstream refuses it for its content.
    pub(crate) refusable: bool,
}

impl Payload {
    pub(crate) fn bytes(&self) -> Opaque {
        let refusable = u64::from(self.refusable);
        let fields = [
            self.organization,
            self.key,
            self.body,
            self.request,
            refusable,
        ];
        Opaque(fields.into_iter().flat_map(u64::to_be_bytes).collect())
    }

    pub(crate) fn read(bytes: &Opaque) -> Payload {
        let field = |place: usize| {
            let eight = bytes.0[place * 8..place * 8 + 8].try_into();
            u64::from_be_bytes(eight.expect("eight bytes are eight bytes"))
        };
        Payload {
            organization: field(0),
            key: field(1),
            body: field(2),
            request: field(3),
            refusable: field(4) == 1,
        }
    }
}
