//! What no text of access rules may change: the bounds within which a region makes its own.
//!
//! # Invariants
//!
//! 1. An operator and a viewer never get anything clinical, and a citizen nobody but themselves.
//! 2. Nobody is shown what is known without a relation.

use super::{Action, Profile, Relation};

/// What an action is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// A person, or a card of theirs.
    Person,
    /// A prescription.
    Prescription,
    /// The gateway itself.
    Gateway,
}

impl Resource {
    /// Every resource.
    pub const ALL: [Resource; 3] = [Resource::Person, Resource::Prescription, Resource::Gateway];

    /// Its word in the schema.
    pub fn as_str(self) -> &'static str {
        match self {
            Resource::Person => "Person",
            Resource::Prescription => "Prescription",
            Resource::Gateway => "Gateway",
        }
    }

    /// The file of the rules about it.
    pub fn file(self) -> &'static str {
        match self {
            Resource::Person => "persons.cedar",
            Resource::Prescription => "prescriptions.cedar",
            Resource::Gateway => "operations.cedar",
        }
    }
}

impl Action {
    /// What it is done to. To forget a person is to run the gateway: it shows nothing of them.
    pub fn resource(self) -> Resource {
        match self {
            Action::SearchPerson | Action::VerifyCard | Action::ShowKnown | Action::BreakGlass => {
                Resource::Person
            }
            Action::WritePrescription
            | Action::ReadPrescription
            | Action::ReadEvents
            | Action::ReadReminder
            | Action::CancelPrescription
            | Action::ConfirmPaper
            | Action::AcknowledgePrescription => Resource::Prescription,
            Action::ReadStatus
            | Action::ReadPolicies
            | Action::ReadToggles
            | Action::ChangeToggles
            | Action::PurgePerson
            | Action::ReadKeys
            | Action::RotateKeys => Resource::Gateway,
        }
    }

    /// The relations in which it can be allowed. In any other the engine, the store or the SAC would
    /// refuse it, whatever a rule said: what a relation with a person is, is known only once the SAC
    /// has answered; a prescription is its organisation's; and only its prescriber cancels it.
    pub fn relations(self) -> &'static [Relation] {
        match self {
            Action::SearchPerson | Action::VerifyCard => &[Relation::None, Relation::Oneself],
            Action::ShowKnown => &[
                Relation::ListedDoctor,
                Relation::Answered,
                Relation::BrokenGlass,
                Relation::Oneself,
            ],
            Action::WritePrescription | Action::CancelPrescription => &[Relation::Prescriber],
            Action::ReadPrescription
            | Action::ReadEvents
            | Action::ReadReminder
            | Action::ConfirmPaper
            | Action::AcknowledgePrescription => &[Relation::SameOrganization],
            Action::BreakGlass
            | Action::ReadStatus
            | Action::ReadPolicies
            | Action::ReadToggles
            | Action::ChangeToggles
            | Action::PurgePerson
            | Action::ReadKeys
            | Action::RotateKeys => &[Relation::None],
        }
    }

    fn only_reads(self) -> bool {
        matches!(
            self,
            Action::ReadStatus | Action::ReadPolicies | Action::ReadToggles | Action::ReadKeys
        )
    }
}

/// The rule that a text would break by allowing this; `None` if a region may allow it.
pub fn out_of_bounds(profile: Profile, action: Action, relation: Relation) -> Option<&'static str> {
    let runs_it = matches!(profile, Profile::Operator | Profile::Viewer);
    let resource = action.resource();
    if runs_it && resource != Resource::Gateway {
        return Some("must allow an operator and a viewer nothing clinical");
    }
    if !runs_it && resource == Resource::Gateway && action != Action::ReadStatus {
        return Some("must allow what runs the gateway to operators and viewers alone");
    }
    if profile == Profile::Viewer && !action.only_reads() {
        return Some("must let a viewer change nothing");
    }
    let informs = matches!(profile, Profile::Portal | Profile::CallCentre);
    if informs && resource == Resource::Prescription {
        return Some("must allow a portal and a call centre no prescription");
    }
    if action == Action::ShowKnown && relation == Relation::None {
        return Some("must show nobody what is known without a relation");
    }
    if !action.relations().contains(&relation) {
        return Some("must allow it only in a relation in which it can be done");
    }
    let is_citizen = profile == Profile::Portal;
    if resource == Resource::Person && is_citizen != (relation == Relation::Oneself) {
        return Some(
            "must let a citizen look up themselves alone, and nobody else in that relation",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_runs_the_gateway_gets_nothing_clinical() {
        for profile in [Profile::Operator, Profile::Viewer] {
            for action in Action::ALL {
                for relation in Relation::ALL {
                    let may = out_of_bounds(profile, action, relation).is_none();
                    assert!(!may || action.resource() == Resource::Gateway);
                }
            }
        }
    }

    #[test]
    fn nobody_is_shown_what_is_known_without_a_relation() {
        for profile in Profile::ALL {
            assert!(out_of_bounds(profile, Action::ShowKnown, Relation::None).is_some());
        }
    }

    #[test]
    fn a_citizen_is_themselves_and_nobody_else_is() {
        for profile in Profile::ALL {
            let oneself = out_of_bounds(profile, Action::SearchPerson, Relation::Oneself);
            assert_eq!(oneself.is_none(), profile == Profile::Portal);
        }
        assert!(out_of_bounds(Profile::Portal, Action::SearchPerson, Relation::None).is_some());
    }

    #[test]
    fn a_viewer_changes_nothing() {
        for action in Action::ALL {
            let may = out_of_bounds(Profile::Viewer, action, Relation::None).is_none();
            assert_eq!(may, action.only_reads(), "{action:?}");
        }
    }

    #[test]
    fn every_action_can_be_allowed_to_somebody() {
        for action in Action::ALL {
            let may = Profile::ALL.into_iter().any(|profile| {
                let mut relations = action.relations().iter();
                relations.any(|relation| out_of_bounds(profile, action, *relation).is_none())
            });
            assert!(may, "{action:?}");
        }
    }
}
