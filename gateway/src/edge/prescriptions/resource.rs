//! A prescription as its owner sees it.
//!
//! # Invariants
//!
//! 1. The NRE and the code of authentication leave the gateway only for an entry that the SAC has
//!    registered: before that the law lets nobody print or hand them out.

use std::fmt;

use adapters::sac::{Notice, Receipt};
use engine::entry::Entry;
use policies::failure::{Code, Opaque};
use policies::state::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::edge::codes;
use crate::edge::notation::instant;
use crate::edge::notice::NoticeBody;
use crate::edge::respond::{FieldError, Problem};

/// A prescription that is on disk.
#[derive(Serialize, ToSchema)]
#[schema(as = PrescriptionEntry)]
pub(crate) struct PrescriptionBody {
    /// The name of the entry: not a number of the SAC, and of no use outside this gateway.
    #[schema(format = "uuid", max_length = 36)]
    pub(crate) id: String,
    /// Where it stands.
    #[schema(value_type = String, max_length = 32, example = "registered")]
    pub(crate) state: &'static str,
    /// Why it stands there, where there is a reason to give.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 32, nullable = false)]
    pub(crate) reason: Option<&'static str>,
    /// When it was stored.
    #[schema(format = DateTime, max_length = 40)]
    pub(crate) accepted_at: String,
    /// When it last changed.
    #[schema(format = DateTime, max_length = 40)]
    pub(crate) updated_at: String,
    /// Past this instant it is not sent any more, and a person is told.
    #[schema(format = DateTime, max_length = 40)]
    pub(crate) deadline: String,
    /// What the desk does while it waits, as it was accepted.
    #[schema(value_type = String, max_length = 16, example = "hold")]
    pub(crate) fallback: &'static str,
    /// Its number, once registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 15, nullable = false)]
    pub(crate) nre: Option<String>,
    /// The SAC's code, once registered. Without it nothing may be printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64, nullable = false)]
    pub(crate) codice_autenticazione: Option<String>,
    /// When the SAC registered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, max_length = 40, nullable = false)]
    pub(crate) registered_at: Option<String>,
    /// What the SAC said to the prescriber.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(min_items = 0, max_items = 200)]
    pub(crate) notices: Vec<NoticeBody>,
    /// What our own checks would change, without refusing it. Only in the answer to the write.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(min_items = 0, max_items = 100)]
    pub(crate) warnings: Vec<FieldError>,
}

impl fmt::Debug for PrescriptionBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrescriptionBody")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("nre", &"…")
            .finish_non_exhaustive()
    }
}

impl PrescriptionBody {
    /// What the owner of `entry` may see of it now.
    pub(crate) fn of(entry: Entry, warnings: Vec<FieldError>) -> Result<PrescriptionBody, Problem> {
        let mut body = PrescriptionBody {
            id: entry.id.to_string(),
            state: entry.state.as_str(),
            reason: entry.reason.map(Code::as_str),
            accepted_at: instant(entry.accepted_at),
            updated_at: instant(entry.updated_at),
            deadline: instant(entry.terms.deadline),
            fallback: entry.terms.fallback.as_str(),
            nre: None,
            codice_autenticazione: None,
            registered_at: None,
            notices: Vec::new(),
            warnings,
        };
        if entry.state == State::Rejected {
            body.notices = refusals(entry.answer.as_ref());
        } else if is_registered(entry.state) {
            let unreadable = || Problem::from(&codes::UNREADABLE);
            let number = String::from_utf8(entry.number.0).map_err(|_| unreadable())?;
            let receipt = entry.answer.ok_or_else(unreadable)?;
            let receipt: Receipt = serde_json::from_slice(&receipt.0).map_err(|_| unreadable())?;
            body.nre = Some(number);
            body.codice_autenticazione = present(receipt.codice_autenticazione);
            body.registered_at = present(receipt.registered_at);
            let warnings = receipt.warnings.into_iter();
            let communications = receipt.communications.into_iter();
            body.notices = warnings
                .map(|notice| NoticeBody::of(notice, "warning"))
                .chain(communications.map(|notice| NoticeBody::of(notice, "communication")))
                .collect();
        }
        Ok(body)
    }
}

/// Whether the SAC has issued a code for it, whatever became of it since.
pub(crate) fn is_registered(state: State) -> bool {
    matches!(
        state,
        State::Registered | State::Cancelling | State::Cancelled
    )
}

/// Why the SAC said no, in its own words. A refusal without words is one all the same.
pub(crate) fn refusals(answer: Option<&Opaque>) -> Vec<NoticeBody> {
    answer
        .and_then(|answer| serde_json::from_slice::<Vec<Notice>>(&answer.0).ok())
        .unwrap_or_default()
        .into_iter()
        .map(|notice| NoticeBody::of(notice, "error"))
        .collect()
}

fn present(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
