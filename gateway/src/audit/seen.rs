//! A record read back.

use policies::time::Timestamp;
use serde::Serialize;

use super::Field;

/// One record, as whoever may read it is shown it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its place in the chain.
    pub sequence: u64,
    /// When it happened.
    pub at: String,
    /// Who did it: an organisation, or the gateway itself.
    pub organization: String,
    /// In which profile.
    pub profile: String,
    /// In whose name, where that is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// In the place of which doctor, where somebody stood in.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stands_in_for: String,
    /// What was done.
    pub action: String,
    /// What the caller was to the person.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub relation: String,
    /// Why, where a reason was asked for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What came of it.
    pub outcome: String,
    /// The code of the refusal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// What of the gateway it was about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// The trace it belongs to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
    /// The entries it names.
    #[serde(skip)]
    pub entries: Vec<[u8; 16]>,
}

impl Entry {
    /// The record at `sequence`, of `at`, that says `body`. What cannot be read of it is left out.
    pub fn read(sequence: u64, at: Timestamp, body: &[u8]) -> Entry {
        let millis = i64::try_from(at.0).unwrap_or(i64::MAX);
        let at = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        let mut entry = Entry {
            sequence,
            at: at.to_string(),
            ..Entry::default()
        };
        let mut rest = body;
        while let Some((tag, bytes, after)) = field(rest) {
            entry.take(tag, bytes);
            rest = after;
        }
        entry
    }

    fn take(&mut self, tag: u8, bytes: &[u8]) {
        let text = || String::from_utf8_lossy(bytes).into_owned();
        let is = |field: Field| tag == field as u8;
        let known = [
            (Field::Action, &mut self.action),
            (Field::Outcome, &mut self.outcome),
            (Field::Organization, &mut self.organization),
            (Field::Profile, &mut self.profile),
            (Field::User, &mut self.user),
            (Field::StandsInFor, &mut self.stands_in_for),
            (Field::Relation, &mut self.relation),
            (Field::Reason, &mut self.reason),
            (Field::Target, &mut self.target),
            (Field::Code, &mut self.code),
        ];
        if is(Field::Trace) {
            self.trace_id = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        } else if is(Field::Entries) {
            self.entries = bytes.as_chunks().0.to_vec();
        } else if let Some((_, place)) = known.into_iter().find(|(field, _)| is(*field)) {
            // What is said last holds: a search that turns out to break the glass.
            *place = text();
        }
    }
}

/// The first field of `bytes`, and what comes after it.
fn field(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let (value, after) = rest.split_at_checked(length)?;
    Some((*tag, value, after))
}
