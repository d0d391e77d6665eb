//! JSON of strangers: read once for its form, then for its fields.
//!
//! # Invariants
//!
//! 1. A key that stands twice in one object is refused: two readers may choose differently.
//! 2. No error repeats a value of the body. A key is repeated only if it could be one of ours; an
//!    error about any other points at the object it stands in.
//!
//! # Limits
//!
//! [`DEPTH_MAX`] levels; the size is the reader's of the body.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::{self, Write};

use adapters::model::Invalid;
use serde::de::{self, DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::Segment;

use super::codes;
use super::respond::{FieldError, Problem};

/// Deepest nesting of a body. Ours has four levels.
pub(crate) const DEPTH_MAX: usize = 16;
/// Longest key that an error repeats.
const KEY_CHARS_MAX: usize = 40;
/// Letters and digits of a tax code.
const TAX_CODE_CHARS: usize = 16;

/// Decodes a body whose form is that of `T`, an object.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    inspect(bytes)?;
    // A list of the fields in their order would do for serde.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        let error = FieldError::at(String::new(), "type", "must be an object");
        return Err(Problem::with_errors(&codes::JSON_STRUCTURE, vec![error]));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let steps = error.path().iter().filter_map(|segment| match segment {
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        });
        let mut place = Place::of(&steps.collect::<Vec<_>>());
        let (rule, detail) = explain(error.inner(), &mut place);
        let pointer = place.pointer;
        Problem::with_errors(
            &codes::JSON_STRUCTURE,
            vec![FieldError::at(pointer, rule, detail)],
        )
    })
}

/// Names the rule without the value that broke it, which serde's message repeats.
fn explain(error: &serde_json::Error, place: &mut Place) -> (&'static str, Cow<'static, str>) {
    let message = error.to_string();
    if let Some(invalid) = Invalid::in_message(&message) {
        return (invalid.rule(), Cow::Borrowed(invalid.sentence()));
    }
    if let Some(rest) = message.strip_prefix("missing field `") {
        if let Some((field, _)) = rest.split_once('`') {
            place.pointer.push('/');
            place.pointer.push_str(field);
        }
        return ("required", Cow::Borrowed("must be present"));
    }
    if message.starts_with("unknown field `") {
        let detail = if place.is_cut {
            "has a field that is not one of this request"
        } else {
            "is not a field of this request"
        };
        return ("unknown-field", Cow::Borrowed(detail));
    }
    let expected = message
        .rsplit_once(", expected ")
        .map(|(_, rest)| rest.split(" at line ").next().unwrap_or(rest))
        .filter(|rest| rest.len() <= 64 && !rest.contains('"'));
    match expected {
        Some(expected) => ("type", Cow::Owned(format!("must be {expected}"))),
        None => ("type", Cow::Borrowed("is of another type")),
    }
}

/// One step from a value of the body to one inside it.
#[derive(Debug)]
enum Step {
    Key(String),
    Index(usize),
}

/// Where in the body an error stands, as far as it may be said.
struct Place {
    pointer: String,
    /// A key on the way there cannot be repeated: the pointer ends above it.
    is_cut: bool,
}

impl Place {
    fn of(steps: &[Step]) -> Place {
        let mut pointer = String::new();
        for step in steps {
            match step {
                Step::Key(key) if may_be_ours(key) => write!(pointer, "/{key}"),
                Step::Index(index) => write!(pointer, "/{index}"),
                Step::Key(_) => {
                    return Place {
                        pointer,
                        is_cut: true,
                    };
                }
            }
            .expect("writing to a String cannot fail");
        }
        Place {
            pointer,
            is_cut: false,
        }
    }
}

/// Whether `key` could be one of ours: any other may be anything, a tax code or an NRE included.
///
/// All digits of a tax code may have become letters where two people would share one.
fn may_be_ours(key: &str) -> bool {
    key.len() <= KEY_CHARS_MAX
        && key.starts_with(|first: char| first.is_ascii_lowercase())
        && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
        && (key.len() != TAX_CODE_CHARS || key.contains('_'))
}

/// Refuses what is not one JSON value, is nested too deep, or has a key twice.
pub(crate) fn inspect(bytes: &[u8]) -> Result<(), Problem> {
    let found = RefCell::new(None);
    let path = RefCell::new(Vec::new());
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Inspect {
        depth: 0,
        path: &path,
        found: &found,
    };
    let result = value.deserialize(&mut reader).and_then(|()| reader.end());
    let Err(error) = result else {
        return Ok(());
    };
    let broken = match found.into_inner() {
        Some(broken) => broken,
        None => {
            let at = format!("line {}, column {}", error.line(), error.column());
            let detail = format!("is not JSON at {at}");
            let error = FieldError::at("", "json", detail);
            return Err(Problem::with_errors(&codes::JSON_MALFORMED, vec![error]));
        }
    };
    Err(Problem::with_errors(&codes::JSON_STRUCTURE, vec![broken]))
}

/// One value of the body, and where it stands.
#[derive(Clone, Copy)]
struct Inspect<'a> {
    depth: usize,
    path: &'a RefCell<Vec<Step>>,
    found: &'a RefCell<Option<FieldError>>,
}

impl Inspect<'_> {
    fn refuse<E: de::Error>(self, rule: &'static str, detail: impl Into<Cow<'static, str>>) -> E {
        let Place { pointer, .. } = Place::of(&self.path.borrow());
        *self.found.borrow_mut() = Some(FieldError::at(pointer, rule, detail));
        E::custom(rule)
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        if depth > DEPTH_MAX {
            let detail = format!("is nested deeper than {DEPTH_MAX} levels");
            return Err(self.refuse("too-deep", detail));
        }
        Ok(Inspect { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Inspect<'_> {
    type Value = ();
    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Inspect<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let below = self.deeper()?;
        let mut index = 0_usize;
        loop {
            self.path.borrow_mut().push(Step::Index(index));
            if items.next_element_seed(below)?.is_none() {
                break;
            }
            self.path.borrow_mut().pop();
            index += 1;
        }
        self.path.borrow_mut().pop();
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let below = self.deeper()?;
        let mut seen = BTreeSet::new();
        while let Some(key) = fields.next_key::<String>()? {
            self.path.borrow_mut().push(Step::Key(key.clone()));
            if !seen.insert(key) {
                let detail = "stands twice in its object, or has a key that does";
                return Err(self.refuse("duplicate-key", detail));
            }
            fields.next_value_seed(below)?;
            self.path.borrow_mut().pop();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its form is looked at")]
    struct Outer {
        number: u8,
        inner: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its form is looked at")]
    struct Inner {
        text: String,
    }

    fn refusal(body: &str) -> (&'static str, String, &'static str) {
        let problem = decode::<Outer>(body.as_bytes()).unwrap_err();
        let error = problem.errors.into_iter().next().unwrap();
        assert!(!error.detail.contains("RSSMRA"), "{}", error.detail);
        (problem.code.code, error.pointer.unwrap(), error.rule)
    }

    #[test]
    fn a_body_of_the_right_form_is_read() {
        assert!(decode::<Outer>(br#"{"number":1,"inner":[{"text":"a"}]}"#).is_ok());
        assert!(decode::<Outer>(br#" {"number":1} "#).is_ok());
    }

    #[test]
    fn what_is_not_one_json_value_is_malformed() {
        let cases = [
            r#"{"number":1"#,
            "",
            "\u{feff}{}",
            r#"{"number":1}{"number":1}"#,
            r#"{"number":NaN}"#,
            r#"{'number':1}"#,
        ];
        for body in cases {
            let expected = ("json-malformed", String::new(), "json");
            assert_eq!(refusal(body), expected, "{body}");
        }
    }

    #[test]
    fn every_wrong_form_names_its_field_and_its_rule_and_no_value() {
        let cases = [
            (r#"{}"#, "/number", "required"),
            (r#"[]"#, "", "type"),
            (r#"{"number":"RSSMRA80A01H501U"}"#, "/number", "type"),
            (
                r#"{"number":"RSSMRA, expected RSSMRA at line "}"#,
                "/number",
                "type",
            ),
            (r#"[1,[]]"#, "", "type"),
            (r#"{"number":256}"#, "/number", "type"),
            (r#"{"number":1.5}"#, "/number", "type"),
            (r#"{"number":null}"#, "/number", "type"),
            (r#"{"number":1,"numbr":1}"#, "/numbr", "unknown-field"),
            (r#"{"number":1,"RSSMRA80A01H501U":1}"#, "", "unknown-field"),
            (r#"{"number":1,"rssmrauolamhrlmu":1}"#, "", "unknown-field"),
            (r#"{"number":1,"1300a4000000017":1}"#, "", "unknown-field"),
            (
                r#"{"number":1,"inner":[{"text":"a","RSSMRA80A01H501U":{"a":1,"a":2}}]}"#,
                "/inner/0",
                "duplicate-key",
            ),
            (r#"{"number":1,"number":1}"#, "/number", "duplicate-key"),
            (
                r#"{"number":1,"numb\u0065r":1}"#,
                "/number",
                "duplicate-key",
            ),
            (
                r#"{"number":1,"inner":[{"text":"a","text":"b"}]}"#,
                "/inner/0/text",
                "duplicate-key",
            ),
            (
                r#"{"number":1,"inner":[{"text":"a"},{}]}"#,
                "/inner/1/text",
                "required",
            ),
            (
                r#"{"number":1,"inner":[{"text":7}]}"#,
                "/inner/0/text",
                "type",
            ),
        ];
        for (body, pointer, rule) in cases {
            let expected = ("json-structure", pointer.to_owned(), rule);
            assert_eq!(refusal(body), expected, "{body}");
        }
    }

    #[test]
    fn nesting_is_bounded_before_anything_is_built() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(inspect(nested(DEPTH_MAX).as_bytes()).is_ok());
        let problem = inspect(nested(DEPTH_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(problem.errors[0].rule, "too-deep");
        let problem = inspect("[".repeat(200_000).as_bytes()).unwrap_err();
        assert_eq!(problem.errors[0].rule, "too-deep");
    }

    #[test]
    fn text_that_is_not_utf8_is_refused() {
        assert!(inspect(b"{\"number\":\"\xff\"}").is_err());
        assert!(inspect(br#"{"number":"\ud800"}"#).is_err());
    }
}
