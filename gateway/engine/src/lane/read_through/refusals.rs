//! Authorities that the source has refused: repeated refusals may revoke the prescriber's user
//! (sac.md §1.8), and a source that refuses everybody is out of order.
//!
//! # Limits
//!
//! [`REFUSED_MAX`] refusals; the oldest is forgotten first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policies::failure::{Code, Failure, Fault, Opaque, Outcome, Retry, Stops};
use policies::time::Timestamp;

use crate::entry::Organization;

/// An authority that was refused is presented again after this long: the refusal may have been a
/// passing defect, and a doctor stays logged in for hours.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// Organisations whose authorities are refused one after the other, with none accepted between: from the
/// last of them on it is the source that fails, and what is known is shown. Not callers: one
/// organisation claims as many of those as it likes.
const ORGANIZATIONS_IN_ROW: usize = 5;
/// Refusals remembered at most.
const REFUSED_MAX: usize = 10_000;

/// What was refused of late.
#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    refused: BTreeMap<Opaque, Timestamp>,
    in_order: VecDeque<(Opaque, Timestamp)>,
    in_row: BTreeSet<Organization>,
}

/// Whose doing a refusal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// This authority is not accepted.
    Authority,
    /// No authority is.
    Source,
}

impl Refusals {
    /// Whether this very authority was refused a moment ago. A new authentication is another one.
    pub(super) fn of(&self, authority: &Opaque, now: Timestamp) -> Option<Refusal> {
        let book = self.lock();
        let at = book.refused.get(authority)?;
        (now.since(*at) < ASKED_AGAIN_AFTER).then(|| book.refusal())
    }

    /// The source has refused the `authority` of somebody of `organization`.
    pub(super) fn note(
        &self,
        authority: &Opaque,
        organization: &Organization,
        now: Timestamp,
    ) -> Refusal {
        let mut book = self.lock();
        if book.in_row.len() < ORGANIZATIONS_IN_ROW {
            book.in_row.insert(organization.clone());
        }
        book.refused.insert(authority.clone(), now);
        book.in_order.push_back((authority.clone(), now));
        if book.in_order.len() > REFUSED_MAX
            && let Some((oldest, at)) = book.in_order.pop_front()
            && book.refused.get(&oldest) == Some(&at)
        {
            book.refused.remove(&oldest);
        }
        book.refusal()
    }

    /// The source has let an authority in.
    pub(super) fn accepted(&self) {
        self.lock().in_row.clear();
    }

    /// A panic under this lock leaves plain values: they are used on.
    fn lock(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn refusal(&self) -> Refusal {
        if self.in_row.len() < ORGANIZATIONS_IN_ROW {
            Refusal::Authority
        } else {
            Refusal::Source
        }
    }
}

impl Refusal {
    /// The same, as a failure of the load.
    pub(super) fn failure(self) -> Failure {
        match self {
            Refusal::Authority => Failure {
                fault: Fault::Caller,
                stops: Stops::Identity,
                retry: Retry::No,
                ..Failure::upstream(Code::AuthorityRefused, Outcome::NotDone)
            },
            Refusal::Source => Failure::upstream(Code::UpstreamUnavailable, Outcome::NotDone),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(n: usize) -> Opaque {
        Opaque(n.to_string().into_bytes())
    }

    fn organization() -> Organization {
        Organization("practice".to_owned())
    }

    #[test]
    fn the_oldest_is_forgotten_first_and_one_that_was_refused_again_is_young() {
        let (refusals, now) = (Refusals::default(), Timestamp(1));
        let caller = &organization();
        for n in 0..REFUSED_MAX {
            refusals.note(&authority(n), caller, now);
        }
        let later = now + Duration::from_secs(1);
        refusals.note(&authority(0), caller, later);
        assert!(refusals.of(&authority(0), later).is_some());
        assert!(refusals.of(&authority(1), later).is_some());
        refusals.note(&authority(REFUSED_MAX), caller, later);
        assert!(refusals.of(&authority(1), later).is_none());
        assert!(refusals.of(&authority(0), later).is_some());
    }

    #[test]
    fn who_is_of_one_organisation_is_one_in_the_row() {
        let (refusals, now) = (Refusals::default(), Timestamp(1));
        for n in 0..100 {
            let refusal = refusals.note(&authority(n), &organization(), now);
            assert_eq!(refusal, Refusal::Authority);
        }
    }
}
