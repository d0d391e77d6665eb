//! What a record of the audit says: who did or saw what, of whom, why, and what came of it.
//!
//! A record is a list of fields, each `tag (1) ‖ length (2) ‖ bytes`; one of a later release is passed over.
//! The person is not among them: `store::audit` keeps a keyed digest in its place.
//!
//! # Invariants
//!
//! 1. A record is one allocation, made where the caller is known, and no lock is held while it is.
//! 2. What a caller chose is cut to `TEXT_BYTES_MAX`; no text makes a record one that is refused.

mod left;
mod report;
mod seen;

use engine::entry::EntryId;
use policies::access::{Action, Profile, Relation};
use store::audit::Record;
use uuid::Uuid;

pub(crate) use left::{deed, leave};
pub use report::{Account, ExportRequest, Format, Language, ReportError, export, verify};
pub use seen::Entry;

/// Longest text of a caller in a record: a reason, a target.
const TEXT_BYTES_MAX: usize = 1_024;
/// Entries that one record names: more than a page of either list has.
const ENTRIES_MAX: usize = 1_000;
/// What most records take.
const RECORD_BYTES: usize = 224;
/// Longest code of a person.
const PERSON_BYTES_MAX: usize = 32;

/// A field of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Field {
    Action = 1,
    Outcome = 2,
    Organization = 3,
    Profile = 4,
    User = 5,
    Relation = 6,
    Reason = 7,
    Trace = 8,
    Entries = 9,
    Target = 10,
    Code = 11,
    StandsInFor = 12,
    Value = 13,
    Author = 14,
    Lasts = 15,
    SystemUser = 16,
    Left = 17,
}

/// What is done that is no action of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deed {
    /// What a caller asks for.
    Of(Action),
    /// Another policy was put in force.
    Policy,
    /// The list of who looked at a person was made.
    Export,
    /// The chain was followed, to see whether it is whole.
    Verify,
    /// The store was copied.
    Backup,
    /// A copy was put in the place of the store.
    Restore,
    /// Another master key was accepted.
    Rewrap,
    /// The gateway began to serve.
    Start,
    /// The gateway ended.
    Stop,
    /// Half a record was cut away, as a crash leaves it.
    Cut,
    /// The chain was found damaged.
    Damage,
}

impl Deed {
    fn as_str(self) -> &'static str {
        match self {
            Deed::Of(action) => action.as_str(),
            Deed::Policy => "put-policy-in-force",
            Deed::Export => "export-audit",
            Deed::Verify => "verify-audit",
            Deed::Backup => "back-up-store",
            Deed::Restore => "restore-store",
            Deed::Rewrap => "rewrap-keys",
            Deed::Start => "start-gateway",
            Deed::Stop => "stop-gateway",
            Deed::Cut => "cut-audit",
            Deed::Damage => "find-audit-damaged",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A change is asked for, and not done yet.
    Asked,
    /// It was done, or is on disk to be done.
    Done,
    /// It was shown.
    Shown,
    /// It was shown, and not older than it may be.
    ShownFresh,
    /// It was shown as it was known, older than it should be.
    ShownStale,
    /// There was nothing to show.
    Absent,
    /// It was refused.
    Refused,
    /// It was only said what it would change.
    DryRun,
    /// Nobody knows whether it was done.
    Unknown,
}

impl Outcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Outcome::Asked => "asked",
            Outcome::Done => "done",
            Outcome::Shown => "shown",
            Outcome::ShownFresh => "shown-fresh",
            Outcome::ShownStale => "shown-stale",
            Outcome::Absent => "absent",
            Outcome::Refused => "refused",
            Outcome::DryRun => "dry-run",
            Outcome::Unknown => "unknown",
        }
    }
}

/// A record that is being made.
#[derive(Clone)]
pub(crate) struct Draft {
    fields: Vec<u8>,
    person: [u8; PERSON_BYTES_MAX],
    person_length: usize,
}

impl Draft {
    /// Done in the place of this doctor, by one of whom that is registered.
    pub(crate) fn stands_in_for(&mut self, doctor: Option<&str>) -> &mut Draft {
        match doctor {
            Some(doctor) => self.text(Field::StandsInFor, doctor),
            None => self,
        }
    }

    /// Of what nobody in particular does.
    pub(crate) fn new() -> Draft {
        Draft {
            fields: Vec::with_capacity(RECORD_BYTES),
            person: [0; PERSON_BYTES_MAX],
            person_length: 0,
        }
    }

    /// Of what this caller does, in the name of `user` where that is known.
    pub(crate) fn of(organization: &str, profile: Profile, user: Option<&str>) -> Draft {
        let mut draft = Draft::new();
        draft.text(Field::Organization, organization);
        draft.text(Field::Profile, profile.as_str());
        if let Some(user) = user {
            draft.text(Field::User, user);
        }
        draft
    }

    /// What is done.
    pub(crate) fn deed(&mut self, deed: Deed) -> &mut Draft {
        self.text(Field::Action, deed.as_str())
    }

    /// What came of it.
    pub(crate) fn outcome(&mut self, outcome: Outcome) -> &mut Draft {
        self.text(Field::Outcome, outcome.as_str())
    }

    /// The code of the refusal.
    pub(crate) fn code(&mut self, code: &'static str) -> &mut Draft {
        self.text(Field::Code, code)
    }

    /// Of whom it is.
    pub(crate) fn person(&mut self, code: &str) -> &mut Draft {
        let length = code.len().min(PERSON_BYTES_MAX);
        self.person[..length].copy_from_slice(&code.as_bytes()[..length]);
        self.person_length = length;
        self
    }

    /// What the caller is to them.
    pub(crate) fn relation(&mut self, relation: Relation) -> &mut Draft {
        self.text(Field::Relation, relation.as_str())
    }

    /// Why.
    pub(crate) fn reason(&mut self, reason: &str) -> &mut Draft {
        self.text(Field::Reason, reason)
    }

    /// What of the gateway it is about.
    pub(crate) fn target(&mut self, target: &str) -> &mut Draft {
        self.text(Field::Target, target)
    }

    /// What that was to be changed to.
    pub(crate) fn value(&mut self, value: &str) -> &mut Draft {
        self.text(Field::Value, value)
    }

    /// Who says to have asked for it, where that is not who has authenticated.
    pub(crate) fn author(&mut self, author: &str) -> &mut Draft {
        self.text(Field::Author, author)
    }

    /// For how long it was to be so.
    pub(crate) fn lasts(&mut self, time: &str) -> &mut Draft {
        self.text(Field::Lasts, time)
    }

    /// Which user of the system ran the command.
    pub(crate) fn system_user(&mut self, id: u32) -> &mut Draft {
        self.field(Field::SystemUser, &id.to_be_bytes())
    }

    /// Under which name a command left it: who reads the same twice counts it once.
    pub(crate) fn left(&mut self, name: Uuid) -> &mut Draft {
        self.field(Field::Left, name.as_bytes())
    }

    /// Which entries it is about.
    pub(crate) fn entries(&mut self, entries: impl IntoIterator<Item = EntryId>) -> &mut Draft {
        let mut names = Vec::new();
        for entry in entries.into_iter().take(ENTRIES_MAX) {
            names.extend_from_slice(entry.0.as_bytes());
        }
        self.field(Field::Entries, &names)
    }

    /// The trace it belongs to, by its id of 32 hexadecimal characters.
    pub(crate) fn trace(&mut self, id: &str) -> &mut Draft {
        if let Ok(id) = u128::from_str_radix(id, 16) {
            self.field(Field::Trace, &id.to_be_bytes());
        }
        self
    }

    /// The record.
    pub(crate) fn into_record(self) -> Record {
        Record::new(self.fields, &self.person[..self.person_length])
    }

    fn text(&mut self, field: Field, text: &str) -> &mut Draft {
        self.field(
            field,
            &text.as_bytes()[..text.floor_char_boundary(TEXT_BYTES_MAX)],
        )
    }

    fn field(&mut self, field: Field, bytes: &[u8]) -> &mut Draft {
        let length = u16::try_from(bytes.len()).expect("a field is cut before");
        self.fields.push(field as u8);
        self.fields.extend_from_slice(&length.to_be_bytes());
        self.fields.extend_from_slice(bytes);
        self
    }
}

#[cfg(test)]
mod tests;
