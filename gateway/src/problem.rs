//! One broken rule of the settings, fit to be printed.
//!
//! # Invariants
//!
//! 1. A value that may be a secret, written where its path belongs, is not shown.

use std::fmt;

/// Stands where a value is not shown.
pub(crate) const HIDDEN: &str = "…";

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The dotted key, or the file in which it stands.
    pub key: String,
    /// The value as written, where it may be shown.
    pub value: String,
    /// The rule it breaks.
    pub rule: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.key, self.value, self.rule)
    }
}

/// A text without what may be a name and a password before its last `@`.
pub(crate) fn without_userinfo(text: &str) -> String {
    match text.rsplit_once('@') {
        None => text.to_owned(),
        Some((before, host)) => {
            let scheme = if before.starts_with("https://") {
                "https://"
            } else {
                ""
            };
            format!("{scheme}{HIDDEN}@{host}")
        }
    }
}

/// What a deserializer's `message` says is wrong, without the value it repeats.
pub(crate) fn without_value(message: &str) -> String {
    let repeats = ["invalid type: ", "invalid value: ", "unknown variant "];
    if !repeats.iter().any(|start| message.starts_with(start)) {
        return message.to_owned();
    }
    let expected = message.rsplit_once(", expected ").map(|(_, rest)| rest);
    format!("must be {}", expected.unwrap_or("of another type"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_hidden_whatever_is_in_it() {
        let cases = [
            ("https://sac.example:8443", "https://sac.example:8443"),
            ("https://me:pass@sac.example", "https://…@sac.example"),
            ("https://me:p@s/s@sac.example", "https://…@sac.example"),
            ("me:pass@sac.example", "…@sac.example"),
            ("me:pa://ss@sac.example", "…@sac.example"),
        ];
        for (text, shown) in cases {
            assert_eq!(without_userinfo(text), shown);
        }
    }

    #[test]
    fn a_message_keeps_its_rule_and_loses_its_value() {
        let cases = [
            ("invalid type: string \"1234\", expected u8", "must be u8"),
            (
                "invalid value: string \"a, expected b\", expected a sequence",
                "must be a sequence",
            ),
            ("missing field `kind`", "missing field `kind`"),
        ];
        for (message, rule) in cases {
            assert_eq!(without_value(message), rule);
        }
    }
}
