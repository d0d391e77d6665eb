//! Who may do what: the words of the access rules, and the table that they become.
//!
//! The rules themselves are Cedar texts (`policies/access/`). They are evaluated once, when a
//! generation is made, for every profile, action and relation; a request looks the verdict up.
//!
//! # Invariants
//!
//! 1. What no rule allows is denied: a table begins empty.
//! 2. Every word here is the entity or action of that name in the schema, and the schema has no other
//!    (a test compares them).
//! 3. No text allows what [`out_of_bounds`] names.

mod bounds;

use std::fmt;

pub use bounds::{Resource, out_of_bounds};

/// The schema of the texts, which no region replaces.
pub const SCHEMA: &str = include_str!("../access/access.cedarschema");

/// The texts that are compiled in, by the names of their files.
pub const TEXTS: [(&str, &str); 3] = [
    ("persons.cedar", include_str!("../access/persons.cedar")),
    (
        "prescriptions.cedar",
        include_str!("../access/prescriptions.cedar"),
    ),
    (
        "operations.cedar",
        include_str!("../access/operations.cedar"),
    ),
];

/// The line that ends a text: one without it has been cut short.
pub const END_OF_TEXT: &str = "// end of policy";

/// What a caller does in health care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Profile {
    /// A general practice or a prescribing structure.
    Practice,
    /// A doctor who stands in for another one.
    Substitute,
    /// A pharmacy or another dispenser.
    Pharmacy,
    /// A booking centre.
    Booking,
    /// The citizens' portal, for a citizen who has authenticated there.
    Portal,
    /// The telephone desk of a region: it books and informs.
    CallCentre,
    /// Whoever runs the gateway: policies, toggles, purges, keys; never what is in a prescription.
    Operator,
    /// Whoever watches it run, and changes nothing.
    Viewer,
}

/// What can be asked of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Have the source asked about a person.
    SearchPerson,
    /// Have the source asked about a health card.
    VerifyCard,
    /// Be shown what is known here of a person or a card, when the source was not asked or failed.
    ShowKnown,
    /// Look a person up for a stated reason, without a relation.
    BreakGlass,
    /// Write a prescription.
    WritePrescription,
    /// See a prescription and where it stands, alone, in a list or in a search.
    ReadPrescription,
    /// See the events of prescriptions.
    ReadEvents,
    /// Have the SAC's reminder (promemoria).
    ReadReminder,
    /// Cancel a prescription.
    CancelPrescription,
    /// Confirm the paper form of a prescription.
    ConfirmPaper,
    /// Take note of how a prescription ended.
    AcknowledgePrescription,
    /// See how the gateway stands.
    ReadStatus,
    /// See the policy in force.
    ReadPolicies,
    /// See the toggles.
    ReadToggles,
    /// Set and withdraw toggles.
    ChangeToggles,
    /// Have a person forgotten.
    PurgePerson,
    /// See the keys of the store and how far a rotation is.
    ReadKeys,
    /// Begin a rotation of the keys.
    RotateKeys,
}

/// What the caller is to what it asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// Nothing, or nothing that is known.
    None,
    /// The doctor on whose list the person is, or who stands in for that one.
    ListedDoctor,
    /// Someone whom the source has answered about this person not long ago.
    Answered,
    /// Someone without a relation, who has given a reason that is written down.
    BrokenGlass,
    /// The person themselves.
    Oneself,
    /// Of the organisation that wrote the prescription.
    SameOrganization,
    /// The prescriber who wrote the prescription.
    Prescriber,
}

/// Implements a closed set of words: all of them, each one's word, and the one of a word.
macro_rules! words {
    ($kind:ident, $count:literal, $what:literal: $($variant:ident = $word:literal),+ $(,)?) => {
        impl $kind {
            #[doc = concat!("Every ", $what, ", in the order of this list.")]
            pub const ALL: [$kind; $count] = [$($kind::$variant),+];

            /// Its word, in rules, files, tokens and logs.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($kind::$variant => $word),+
                }
            }

            #[doc = concat!("The ", $what, " of this word.")]
            pub fn parse(word: &str) -> Option<$kind> {
                $kind::ALL.into_iter().find(|known| known.as_str() == word)
            }
        }
    };
}

words!(Profile, 8, "profile":
    Practice = "practice",
    Substitute = "substitute",
    Pharmacy = "pharmacy",
    Booking = "booking",
    Portal = "portal",
    CallCentre = "call-centre",
    Operator = "operator",
    Viewer = "viewer",
);
words!(Action, 18, "action":
    SearchPerson = "search-person",
    VerifyCard = "verify-card",
    ShowKnown = "show-known",
    BreakGlass = "break-glass",
    WritePrescription = "write-prescription",
    ReadPrescription = "read-prescription",
    ReadEvents = "read-events",
    ReadReminder = "read-reminder",
    CancelPrescription = "cancel-prescription",
    ConfirmPaper = "confirm-paper",
    AcknowledgePrescription = "acknowledge-prescription",
    ReadStatus = "read-status",
    ReadPolicies = "read-policies",
    ReadToggles = "read-toggles",
    ChangeToggles = "change-toggles",
    PurgePerson = "purge-person",
    ReadKeys = "read-keys",
    RotateKeys = "rotate-keys",
);
words!(Relation, 7, "relation":
    None = "none",
    ListedDoctor = "listed-doctor",
    Answered = "answered",
    BrokenGlass = "broken-glass",
    Oneself = "oneself",
    SameOrganization = "same-organization",
    Prescriber = "prescriber",
);

/// A verdict for every profile, action and relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Table([[u8; Action::ALL.len()]; Profile::ALL.len()]);

// One bit a relation.
const _: () = assert!(Relation::ALL.len() <= 8);

impl Table {
    /// Nobody may do anything.
    pub const fn denied() -> Table {
        Table([[0; Action::ALL.len()]; Profile::ALL.len()])
    }

    /// The table of what `is_allowed` says.
    pub fn of(is_allowed: impl Fn(Profile, Action, Relation) -> bool) -> Table {
        let mut table = Table::denied();
        for profile in Profile::ALL {
            for action in Action::ALL {
                for relation in Relation::ALL {
                    if is_allowed(profile, action, relation) {
                        table.0[profile as usize][action as usize] |= 1 << relation as u8;
                    }
                }
            }
        }
        table
    }

    /// Whether who acts as `profile` may do this, being that to what it is done to.
    pub fn allows(&self, profile: Profile, action: Action, relation: Relation) -> bool {
        self.0[profile as usize][action as usize] & (1 << relation as u8) != 0
    }

    /// The relations that let `profile` do this, in the order of their list.
    pub fn relations(
        &self,
        profile: Profile,
        action: Action,
    ) -> impl Iterator<Item = Relation> + use<'_> {
        let mut relations = Relation::ALL.into_iter();
        std::iter::from_fn(move || {
            relations.find(|relation| self.allows(profile, action, *relation))
        })
    }

    /// The verdicts that are others in `after`, in the order of the words.
    pub fn changes(&self, after: &Table) -> Vec<Turned> {
        let mut turned = Vec::new();
        for profile in Profile::ALL {
            for action in Action::ALL {
                for relation in Relation::ALL {
                    let is_allowed = after.allows(profile, action, relation);
                    if is_allowed != self.allows(profile, action, relation) {
                        turned.push(Turned {
                            profile,
                            action,
                            relation,
                            is_allowed,
                        });
                    }
                }
            }
        }
        turned
    }

    /// Whether some relation lets `profile` do this.
    pub fn allows_some(&self, profile: Profile, action: Action) -> bool {
        self.0[profile as usize][action as usize] != 0
    }
}

/// A verdict that is the other one by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
    profile: Profile,
    action: Action,
    relation: Relation,
    is_allowed: bool,
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.is_allowed {
            true => "denied → allowed",
            false => "allowed → denied",
        };
        let (profile, action) = (self.profile.as_str(), self.action.as_str());
        let relation = self.relation.as_str();
        write!(f, "access {profile} {action} {relation}: {how}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_verdict_is_told_and_no_other() {
        let chosen = (Profile::Portal, Action::SearchPerson, Relation::Oneself);
        let table = Table::of(|profile, action, relation| (profile, action, relation) == chosen);
        let lines = |before: &Table, after: &Table| -> Vec<String> {
            let turned = before.changes(after);
            turned.iter().map(ToString::to_string).collect()
        };
        let denied = Table::denied();
        let line = "access portal search-person oneself: denied → allowed";
        assert_eq!(lines(&denied, &table), [line]);
        let line = "access portal search-person oneself: allowed → denied";
        assert_eq!(lines(&table, &denied), [line]);
        assert_eq!(lines(&table, &table), [""; 0]);
    }

    #[test]
    fn a_verdict_is_read_back_where_it_was_written() {
        let chosen = (Profile::Portal, Action::SearchPerson, Relation::Oneself);
        let table = Table::of(|profile, action, relation| (profile, action, relation) == chosen);
        let mut allowed = Vec::new();
        for profile in Profile::ALL {
            for action in Action::ALL {
                for relation in Relation::ALL {
                    if table.allows(profile, action, relation) {
                        allowed.push((profile, action, relation));
                    }
                }
            }
        }
        assert_eq!(allowed, [chosen]);
        assert!(table.allows_some(chosen.0, chosen.1));
        assert!(!Table::denied().allows_some(chosen.0, chosen.1));
    }

    #[test]
    fn every_word_reads_back() {
        for (position, profile) in Profile::ALL.into_iter().enumerate() {
            assert_eq!(profile as usize, position);
            assert_eq!(Profile::parse(profile.as_str()), Some(profile));
        }
        for (position, action) in Action::ALL.into_iter().enumerate() {
            assert_eq!(action as usize, position);
            assert_eq!(Action::parse(action.as_str()), Some(action));
        }
        for (position, relation) in Relation::ALL.into_iter().enumerate() {
            assert_eq!(relation as usize, position);
            assert_eq!(Relation::parse(relation.as_str()), Some(relation));
        }
    }
}
