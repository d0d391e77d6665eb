//! Who asks: what their profile may see, and which relations they have proved.

use std::fmt;

use actix_web::HttpRequest;
use adapters::model::{Authority, Relations, View};
use engine::entry::Organization;
use engine::lookup::Asker;
use policies::rules::RegistryRules;

use super::request::Reason;
use crate::edge::Edge;
use crate::edge::caller::Caller;
use crate::edge::codes::{self, Text};
use crate::edge::noted;
use crate::edge::prescriptions::too_old;
use crate::edge::respond::Problem;
use crate::edge::trace::Trace;
use crate::telemetry::BREAK_GLASS;
use policies::access::Profile;

const WHO_LOOKS_UP: Text = Text {
    en: "Persons and cards are looked up with the profiles practice, pharmacy and booking.",
    it: "Persone e tessere si cercano con i profili practice, pharmacy e booking.",
};

/// The desk that asks.
pub(super) struct Desk {
    pub(super) organization: Organization,
    pub(super) view: View,
    /// Of the doctor who has authenticated; a practice has one, and nobody else needs one.
    pub(super) authority: Option<Authority>,
}

impl Desk {
    /// Who makes `request`, if they may look persons up, and for a practice in whose name.
    pub(super) fn of(
        edge: &Edge,
        request: &HttpRequest,
        rules: &RegistryRules,
    ) -> Result<Desk, Problem> {
        let caller = edge.caller(request)?;
        let view = match caller.profile {
            Profile::Practice => View::Practice,
            Profile::Pharmacy => View::Pharmacy,
            Profile::Booking => View::Booking,
            Profile::Substitute
            | Profile::Portal
            | Profile::CallCentre
            | Profile::Operator
            | Profile::Viewer => {
                return Err(Problem {
                    detail: Some(&WHO_LOOKS_UP),
                    ..Problem::from(&codes::PROFILE_NOT_ALLOWED)
                });
            }
        };
        let authority = match view {
            View::Practice => Some(recent_authority(&caller, rules)?),
            View::Pharmacy | View::Booking => None,
        };
        Ok(Desk {
            organization: caller.organization,
            view,
            authority,
        })
    }

    /// The same as the engine knows it.
    pub(super) fn asker(&self, relations: &Relations, breaks_glass: bool) -> Asker {
        let subject = self.authority.as_ref().map(|authority| &authority.subject);
        Asker {
            caller: relations.caller(&self.organization.0, subject),
            tags: subject
                .map(|doctor| relations.doctor(doctor))
                .into_iter()
                .collect(),
            breaks_glass,
        }
    }

    /// Writes down that the glass is broken: by whom and why, never for whom.
    pub(super) fn note_break_glass(&self, reason: Reason, request: &HttpRequest) {
        noted::breaks_glass(request, reason);
        let extensions = actix_web::HttpMessage::extensions(request);
        tracing::warn!(
            target: BREAK_GLASS,
            organization = self.organization.0,
            profile = self.view.as_str(),
            reason = reason.as_str(),
            trace_id = extensions.get::<Trace>().map(Trace::id),
            "a person is looked up without a relation"
        );
    }
}

/// The doctor's authentication, if it is not older than the policy allows.
fn recent_authority(caller: &Caller, rules: &RegistryRules) -> Result<Authority, Problem> {
    let authority = caller.authority()?;
    if caller.authn_age(&authority) > rules.authn_age_max {
        return Err(too_old());
    }
    Ok(authority)
}

/// Which doctor is at the desk is nobody's business but the SAC's.
impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk")
            .field("organization", &self.organization)
            .field("view", &self.view)
            .finish_non_exhaustive()
    }
}
