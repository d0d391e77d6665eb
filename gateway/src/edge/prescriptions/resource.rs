//! A prescription as its owner sees it.
//!
//! # Invariants
//!
//! 1. The NRE and the code of authentication leave the gateway only for an entry that the SAC has
//!    registered: before that the law lets nobody print or hand them out. Of a conflict that is one
//!    which is there although it was given up, and its prescriber needs the number to act on it.

use std::fmt;

use adapters::model::PaperNumber;
use adapters::sac::{Notice, Receipt};
use engine::entry::Entry;
use policies::delivery::Uncertain;
use policies::failure::{Code, Opaque};
use policies::family::awaits_acknowledgement;
use policies::state::State;
use serde::{Deserialize, Serialize};
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
    /// Where it stands. `accepted`, `sending`, `uncertain`, `verifying`: on disk, and not registered yet.
    /// `registered`; `rejected` by the SAC. `withdrawn`: not to be registered any more; `red-recipe`:
    /// written on a red form instead. `cancelling`, `cancelled`. `needs-authorization` waits for its
    /// prescriber to authenticate, `parked` for a person. `conflict`: what the SAC holds is not what
    /// was told here, and its prescriber must decide.
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
    /// Whether what is registered after it was given up is annulled without asking again.
    pub(crate) annul_consent: bool,
    /// A number of it that was given up is looked for at the SAC: it may still be registered.
    pub(crate) watched: bool,
    /// Whether its prescriber has taken note of how it ended, where that is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) acknowledged: Option<bool>,
    /// Until when the number of a red form is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime, max_length = 40, nullable = false)]
    pub(crate) paper_due: Option<String>,
    /// The number of the red form that was confirmed for it; of a conflict, the latest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 15, nullable = false)]
    pub(crate) paper_number: Option<String>,
    /// Its number, once registered. Of a conflict: the number that the SAC holds, to be acted on.
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
        let receipt = receipt(&entry);
        if entry.state == State::Registered && receipt.is_none() {
            return Err(Problem::from(&codes::UNREADABLE));
        }
        let mut body = PrescriptionBody::without_answer(&entry, warnings);
        if entry.state == State::Rejected {
            body.notices = refusals(entry.answer.as_ref());
        }
        body.paper_number = paper_number(&entry);
        if !shows_number(&entry) {
            return Ok(body);
        }
        let number = String::from_utf8(entry.number.0);
        body.nre = Some(number.map_err(|_| Problem::from(&codes::UNREADABLE))?);
        if let Some(receipt) = receipt {
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

    /// What is known of it whatever the SAC said.
    fn without_answer(entry: &Entry, warnings: Vec<FieldError>) -> PrescriptionBody {
        let awaits = awaits_acknowledgement(entry.state, entry.reason);
        PrescriptionBody {
            id: entry.id.to_string(),
            state: entry.state.as_str(),
            reason: entry.reason.map(Code::as_str),
            accepted_at: instant(entry.accepted_at),
            updated_at: instant(entry.updated_at),
            deadline: instant(entry.terms.deadline),
            fallback: entry.terms.fallback.as_str(),
            annul_consent: entry.terms.annul_consent,
            watched: entry.watched,
            acknowledged: awaits.then_some(entry.acknowledged),
            paper_due: entry.paper_due.map(instant),
            paper_number: None,
            nre: None,
            codice_autenticazione: None,
            registered_at: None,
            notices: Vec::new(),
            warnings,
        }
    }
}

/// Whether the SAC is known to have registered the present number of `entry`, whatever became of it
/// since.
pub(crate) fn shows_number(entry: &Entry) -> bool {
    match entry.state {
        State::Registered | State::Cancelled => true,
        State::Cancelling | State::Conflict => {
            // What is there was found under the entry's own number, unless that was replaced.
            let found = matches!(
                entry.reason,
                Some(Code::LateCommit | Code::Dispensed | Code::PaperIssued)
            );
            receipt(entry).is_some() || (found && entry.terms.uncertain == Uncertain::Verify)
        }
        _ => false,
    }
}

/// What the SAC said when it registered it. Of a refusal, something else is kept.
fn receipt(entry: &Entry) -> Option<Receipt> {
    let receipt: Receipt = serde_json::from_slice(&entry.answer.as_ref()?.0).ok()?;
    Some(receipt).filter(|receipt| !receipt.codice_autenticazione.is_empty())
}

/// What is kept of the red form.
#[derive(Serialize, Deserialize)]
pub(crate) struct Paper {
    /// Its number.
    pub(crate) paper_number: PaperNumber,
}

/// The number of the red form that `entry` was written on.
pub(crate) fn paper_number(entry: &Entry) -> Option<String> {
    let paper: Paper = serde_json::from_slice(&entry.paper.as_ref()?.0).ok()?;
    Some(paper.paper_number.into())
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
