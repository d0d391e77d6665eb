//! Who asks: what their profile may see, and which relations they have proved.
//!
//! # Invariants
//!
//! 1. A relation that the access rules do not let this profile use is not told to the lane: it counts as
//!    if it were not there.

use std::fmt;

use actix_web::HttpRequest;
use adapters::model::{Authority, PatientCode, PrescriberCode, Relations, TaxCode, View};
use engine::entry::Organization;
use engine::lookup::Asker;
use policies::access::{Action, Profile, Relation, Table};
use policies::rules::RegistryRules;

use super::request::Reason;
use crate::edge::Edge;
use crate::edge::caller::{Caller, allowed, not_allowed};
use crate::edge::noted;
use crate::edge::prescriptions::too_old;
use crate::edge::respond::Problem;
use crate::edge::trace::Trace;
use crate::policy::Policy;
use crate::telemetry::BREAK_GLASS;

/// The desk that asks.
pub(super) struct Desk {
    pub(super) organization: Organization,
    pub(super) view: View,
    /// Of the doctor who has authenticated; a doctor's desk has one, and nobody else needs one.
    pub(super) authority: Option<Authority>,
    /// For whom the doctor stands in.
    substitutes_for: Option<PrescriberCode>,
    /// Who has authenticated at the portal.
    citizen: Option<TaxCode>,
    profile: Profile,
    action: Action,
    access: Table,
}

impl Desk {
    /// Who makes `request`, if they may do `action`, and for a doctor in whose name.
    pub(super) fn of(
        edge: &Edge,
        request: &HttpRequest,
        policy: &Policy,
        action: Action,
    ) -> Result<Desk, Problem> {
        let access = policy.access;
        let caller = edge.caller_for(request, &access, action)?;
        let view = view(caller.profile).ok_or_else(|| not_allowed(&access, action))?;
        let authority = match view {
            View::Practice => Some(recent_authority(&caller, &policy.registry)?),
            View::Pharmacy | View::Booking | View::Portal => None,
        };
        let citizen = match view {
            View::Portal => Some(caller.citizen()?.clone()),
            View::Practice | View::Pharmacy | View::Booking => None,
        };
        Ok(Desk {
            substitutes_for: match caller.profile {
                Profile::Substitute => caller.substitutes_for().cloned(),
                _ => None,
            },
            organization: caller.organization,
            profile: caller.profile,
            view,
            authority,
            citizen,
            action,
            access,
        })
    }

    /// Nothing, if this person is one whom the desk may ask about.
    pub(super) fn may_ask_about(&self, person: &PatientCode) -> Result<(), Problem> {
        let relation = match &self.citizen {
            Some(citizen) if citizen.as_str() == person.as_str() => Relation::Oneself,
            _ => Relation::None,
        };
        allowed(&self.access, self.profile, self.action, relation)
    }

    /// Whether it may see what is known without a relation.
    pub(super) fn may_break_glass(&self) -> bool {
        let glass = self
            .access
            .allows(self.profile, Action::BreakGlass, Relation::None);
        glass && self.is_shown(Relation::BrokenGlass)
    }

    fn is_shown(&self, relation: Relation) -> bool {
        self.access
            .allows(self.profile, Action::ShowKnown, relation)
    }

    /// The same as the engine knows it.
    pub(super) fn asker(&self, relations: &Relations, breaks_glass: bool) -> Asker {
        let doctor = self.authority.as_ref().map(|authority| &authority.subject);
        let (mut tags, mut lent) = (Vec::new(), Vec::new());
        if self.is_shown(Relation::ListedDoctor) {
            let tag = |doctor| relations.doctor(doctor);
            tags.extend(doctor.map(tag));
            lent.extend(self.substitutes_for.as_ref().map(tag));
        }
        if self.is_shown(Relation::Oneself) {
            tags.extend(
                self.citizen
                    .iter()
                    .map(|citizen| relations.oneself(citizen.as_str())),
            );
        }
        let doctor = doctor.map(PrescriberCode::as_str);
        let subject = doctor.or(self.citizen.as_ref().map(TaxCode::as_str));
        // Where nobody has authenticated, desks of different kinds are told apart.
        let who = subject.unwrap_or(self.profile.as_str());
        Asker {
            caller: relations.caller(&self.organization.0, who),
            organization: self.organization.clone(),
            tags,
            lent,
            is_remembered: self.is_shown(Relation::Answered),
            breaks_glass: breaks_glass && self.is_shown(Relation::BrokenGlass),
        }
    }

    /// Breaks the glass, if this desk may, and writes it down: by whom and why, never for whom.
    pub(super) fn break_glass(&self, reason: Reason, request: &HttpRequest) -> Result<(), Problem> {
        allowed(
            &self.access,
            self.profile,
            Action::BreakGlass,
            Relation::None,
        )?;
        noted::breaks_glass(request, reason);
        let extensions = actix_web::HttpMessage::extensions(request);
        tracing::warn!(
            target: BREAK_GLASS,
            organization = self.organization.0,
            profile = self.profile.as_str(),
            reason = reason.as_str(),
            trace_id = extensions.get::<Trace>().map(Trace::id),
            "a person is looked up without a relation"
        );
        Ok(())
    }
}

/// Which of a person's data a profile is shown; `None` for whoever is shown nobody's.
fn view(profile: Profile) -> Option<View> {
    match profile {
        Profile::Practice | Profile::Substitute => Some(View::Practice),
        Profile::Pharmacy => Some(View::Pharmacy),
        Profile::Booking | Profile::CallCentre => Some(View::Booking),
        Profile::Portal => Some(View::Portal),
        Profile::Operator | Profile::Viewer => None,
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
