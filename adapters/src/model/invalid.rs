//! Why a value was refused: the name of the rule, never the value.

/// The rule that a value breaks.
///
/// Its `Display` begins with [`Invalid::rule`] and a colon, so that the rule can also be found in
/// an error that a deserializer made of it: see [`Invalid::in_message`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", self.rule(), self.sentence())]
pub enum Invalid {
    /// Nothing but white space.
    Blank,
    /// Longer than its limit.
    TooLong,
    /// A control character, or one that XML 1.0 has no place for.
    Character,
    /// Not the digits, letters or number of them that this code consists of.
    CodeShape,
    /// Not one of the values that exist.
    UnknownValue,
    /// Not the form of a tax code.
    TaxCodeShape,
    /// No such day in the month that a tax code names.
    TaxCodeDay,
    /// Not the check letter that the other fifteen characters give.
    TaxCodeCheckLetter,
    /// Not the check digit that the other ten digits of a temporary code give.
    TemporaryCodeCheckDigit,
    /// Neither a tax code, nor a temporary one, nor an STP or ENI code.
    PatientCodeShape,
    /// Not sixteen capital letters and digits.
    PrescriberCodeShape,
    /// Not the form of an NRE.
    NreShape,
    /// Not the form of the number of a paper form.
    PaperNumberShape,
    /// Not an instant of RFC 3339.
    MomentShape,
    /// Not a date `yyyy-mm-dd`.
    DayShape,
    /// Not a number from one to nine: the SAC has one digit for it.
    OneToNine,
    /// No row, or more rows than any recipe has.
    RowCount,
    /// An exemption code where there is none, or none where there must be.
    ExemptionCode,
    /// An authentication class that the SAC does not accept.
    AuthenticationClass,
    /// Not the six digits of region and health unit.
    LocalityShape,
}

impl Invalid {
    /// Every rule, for tables and documentation.
    pub const ALL: [Invalid; 20] = [
        Invalid::Blank,
        Invalid::TooLong,
        Invalid::Character,
        Invalid::CodeShape,
        Invalid::UnknownValue,
        Invalid::TaxCodeShape,
        Invalid::TaxCodeDay,
        Invalid::TaxCodeCheckLetter,
        Invalid::TemporaryCodeCheckDigit,
        Invalid::PatientCodeShape,
        Invalid::PrescriberCodeShape,
        Invalid::NreShape,
        Invalid::PaperNumberShape,
        Invalid::MomentShape,
        Invalid::DayShape,
        Invalid::OneToNine,
        Invalid::RowCount,
        Invalid::ExemptionCode,
        Invalid::AuthenticationClass,
        Invalid::LocalityShape,
    ];

    /// The stable name of the rule.
    pub fn rule(self) -> &'static str {
        match self {
            Invalid::Blank => "blank",
            Invalid::TooLong => "too-long",
            Invalid::Character => "character",
            Invalid::CodeShape => "code-shape",
            Invalid::UnknownValue => "unknown-value",
            Invalid::TaxCodeShape => "tax-code-shape",
            Invalid::TaxCodeDay => "tax-code-day",
            Invalid::TaxCodeCheckLetter => "tax-code-check-letter",
            Invalid::TemporaryCodeCheckDigit => "temporary-code-check-digit",
            Invalid::PatientCodeShape => "patient-code-shape",
            Invalid::PrescriberCodeShape => "prescriber-code-shape",
            Invalid::NreShape => "nre-shape",
            Invalid::PaperNumberShape => "paper-number-shape",
            Invalid::MomentShape => "moment-shape",
            Invalid::DayShape => "day-shape",
            Invalid::OneToNine => "one-to-nine",
            Invalid::RowCount => "row-count",
            Invalid::ExemptionCode => "exemption-code",
            Invalid::AuthenticationClass => "authentication-class",
            Invalid::LocalityShape => "locality-shape",
        }
    }

    /// The rule as a sentence for the caller.
    pub fn sentence(self) -> &'static str {
        match self {
            Invalid::Blank => "must not be blank",
            Invalid::TooLong => "is longer than this field may be",
            Invalid::Character => "contains a control character",
            Invalid::CodeShape => "is not in the form of this code",
            Invalid::UnknownValue => "is not one of the values of this field",
            Invalid::TaxCodeShape => "is not in the form of a tax code",
            Invalid::TaxCodeDay => "names a day that its month does not have",
            Invalid::TaxCodeCheckLetter => {
                "does not end in the check letter of its other fifteen characters"
            }
            Invalid::TemporaryCodeCheckDigit => {
                "does not end in the check digit of its other ten digits"
            }
            Invalid::PatientCodeShape => {
                "is neither a tax code, nor a temporary code of 11 digits, nor an STP or ENI code"
            }
            Invalid::PrescriberCodeShape => "is not sixteen capital letters and digits",
            Invalid::NreShape => "is not in the form of an NRE",
            Invalid::PaperNumberShape => {
                "is not the fifteen characters of the number of a paper form"
            }
            Invalid::MomentShape => "is not an instant in the form of RFC 3339",
            Invalid::DayShape => "is not a date in the form yyyy-mm-dd",
            Invalid::OneToNine => "is not a whole number from 1 to 9",
            Invalid::RowCount => "must have at least one row, and not more than a recipe can hold",
            Invalid::ExemptionCode => {
                "must have a code with the status \"code\", and none with \"not-exempt\""
            }
            Invalid::AuthenticationClass => "is not an authentication class that the SAC accepts",
            Invalid::LocalityShape => "is not the six digits of region and health unit",
        }
    }

    /// The rule that a deserializer's error message begins with, if it is one of ours.
    ///
    /// Any other message may repeat the value it refuses, and must not leave the gateway.
    pub fn in_message(message: &str) -> Option<Invalid> {
        let (rule, _) = message.split_once(": ")?;
        Invalid::ALL.into_iter().find(|known| known.rule() == rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::TaxCode;

    #[test]
    fn a_rule_is_found_again_in_the_message_of_a_deserializer() {
        for rule in Invalid::ALL {
            assert_eq!(Invalid::in_message(&rule.to_string()), Some(rule));
        }
        let error = serde_json::from_str::<TaxCode>("\"RSSMRA80A01H501X\"").unwrap_err();
        assert_eq!(
            Invalid::in_message(&error.to_string()),
            Some(Invalid::TaxCodeCheckLetter)
        );
        assert_eq!(
            Invalid::in_message("invalid type: string, expected u8"),
            None
        );
    }
}
