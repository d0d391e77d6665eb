//! What became of a new entry, still sealed.

use engine::ports::{AppendError, Appended, EntryId, Request};
use policies::state::State;
use policies::time::Timestamp;

use crate::sealing::{Damaged, Sealer};
use crate::sqlite::row::{RawEntry, place, unseal};

/// What is sent for an entry that was appended leased and goes out with another's request.
pub(in crate::sqlite) struct SealedRequest {
    pub(super) id: EntryId,
    pub(super) payload: Vec<u8>,
    pub(super) number: Option<Vec<u8>>,
    pub(super) authority: Vec<u8>,
    pub(super) trace: Option<String>,
}

impl SealedRequest {
    fn open(self, sealer: &Sealer) -> Result<Request, Damaged> {
        let number = unseal(sealer, place(self.id, "number"), self.number.as_deref())?;
        Ok(Request {
            payload: sealer.unseal(place(self.id, "payload"), &self.payload)?,
            number: number.unwrap_or_default(),
            authority: sealer.unseal(place(self.id, "authority"), &self.authority)?,
            trace: self.trace,
        })
    }
}

/// What became of one new entry; a replayed one is still sealed.
pub(in crate::sqlite) enum Stored {
    Accepted {
        at: Timestamp,
        state: State,
        epoch: u64,
        request: Option<Box<SealedRequest>>,
    },
    Moot(State),
    NoParent,
    OtherIdentity,
    Replay(Box<RawEntry>),
    KeyReused,
    NumberOurs,
    NumberUsed,
}

impl Stored {
    /// Unseals what is to be shown.
    pub(in crate::sqlite) fn open(self, sealer: &Sealer) -> Result<Appended, AppendError> {
        Ok(match self {
            Stored::Accepted {
                at,
                state,
                epoch,
                request,
            } => Appended::Accepted {
                at,
                state,
                epoch,
                request: match request {
                    Some(sealed) => match sealed.open(sealer) {
                        Ok(request) => Some(Box::new(request)),
                        Err(Damaged) => return Err(AppendError::Unknown),
                    },
                    None => None,
                },
            },
            Stored::Moot(state) => Appended::Moot(state),
            Stored::NoParent => Appended::NoParent,
            Stored::OtherIdentity => Appended::OtherIdentity,
            Stored::Replay(raw) => {
                let entry = raw.open(sealer).map_err(|_| {
                    // It is on disk: whatever is answered, it is not that nothing was stored.
                    tracing::error!("an entry that was asked for again cannot be unsealed");
                    AppendError::Unknown
                })?;
                Appended::Replay(Box::new(entry))
            }
            Stored::KeyReused => Appended::KeyReused,
            Stored::NumberOurs => Appended::NumberOurs,
            Stored::NumberUsed => Appended::NumberUsed,
        })
    }
}
