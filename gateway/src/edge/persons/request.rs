//! What is asked of the registry, as callers write it.

use adapters::model::{CardNumber, Invalid, PatientCode};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::edge::codes;
use crate::edge::respond::{FieldError, Problem};

/// A well-formed code, to go on checking with; it goes nowhere.
const CODE_STAND_IN: &str = "STP0000000000000";

/// Whom to look up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonSearch {
    /// The person: tax code, temporary code, STP or ENI code.
    #[schema(max_length = 16, example = "PNIMRA70A01H501P")]
    tax_code: String,
    /// Shows a doctor what is known to others while the SAC does not answer. Its use is written down.
    break_glass: Option<BreakGlass>,
}

/// Why the glass is broken.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BreakGlass {
    /// `emergency`, `substitution` (of the listed doctor) or `continuity-of-care` (guardia medica).
    #[schema(max_length = 32)]
    reason: String,
}

/// The card to verify, and whose it is said to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CardToVerify {
    /// The person: tax code, temporary code, STP or ENI code.
    #[schema(max_length = 16, example = "PNIMRA70A01H501P")]
    tax_code: String,
    /// The number of the card, twenty digits.
    #[schema(max_length = 20, example = "80380000000000000001")]
    card_number: String,
}

/// A reason that is good enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A person is in danger.
    Emergency,
    /// The listed doctor is replaced.
    Substitution,
    /// The out-of-hours service (guardia medica).
    ContinuityOfCare,
}

impl Reason {
    /// Every reason.
    pub(crate) const ALL: [Reason; 3] = [
        Reason::Emergency,
        Reason::Substitution,
        Reason::ContinuityOfCare,
    ];

    /// The word on the wire and in the log.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Reason::Emergency => "emergency",
            Reason::Substitution => "substitution",
            Reason::ContinuityOfCare => "continuity-of-care",
        }
    }

    fn parse(word: &str) -> Option<Reason> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == word)
    }
}

impl PersonSearch {
    /// Whom it names, and why the glass is broken, if it is.
    pub(super) fn check(self) -> Result<(PatientCode, Option<Reason>), Problem> {
        let mut errors = Vec::new();
        let tax_code = person(&mut errors, self.tax_code);
        let reason = self.break_glass.and_then(|glass| {
            let reason = Reason::parse(&glass.reason);
            if reason.is_none() {
                errors.push(broken("/break_glass/reason", Invalid::UnknownValue));
            }
            reason
        });
        all_hold(errors)?;
        Ok((tax_code, reason))
    }
}

impl CardToVerify {
    /// Whose it is said to be, and its number.
    pub(super) fn check(self) -> Result<(PatientCode, CardNumber), Problem> {
        let mut errors = Vec::new();
        let tax_code = person(&mut errors, self.tax_code);
        let card_number = CardNumber::new(self.card_number).unwrap_or_else(|invalid| {
            errors.push(broken("/card_number", invalid));
            CardNumber::new("0".repeat(20)).expect("twenty digits are a number")
        });
        all_hold(errors)?;
        Ok((tax_code, card_number))
    }
}

/// The person of `text`, or a stand-in and a note.
pub(in crate::edge) fn person(errors: &mut Vec<FieldError>, text: String) -> PatientCode {
    PatientCode::new(text).unwrap_or_else(|invalid| {
        errors.push(broken("/tax_code", invalid));
        PatientCode::new(CODE_STAND_IN).expect("a stand-in keeps the rule of its type")
    })
}

/// Nothing, unless a rule is broken.
pub(in crate::edge) fn all_hold(errors: Vec<FieldError>) -> Result<(), Problem> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Problem::with_errors(&codes::CONTENT_REFUSED, errors))
    }
}

fn broken(pointer: &'static str, invalid: Invalid) -> FieldError {
    FieldError::at(pointer, invalid.rule(), invalid.sentence())
}
