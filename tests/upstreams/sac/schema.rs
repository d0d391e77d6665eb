//! Checks a request against the kit's schema, as the validating front end of the SAC does.
//!
//! Order, presence, length and pattern are those of the XSD *of that service*: the kit has several
//! type files under one namespace that disagree (sac.md §1.2), so each service has its own table.
//!
//! # Failure
//!
//! The first violation, in the `cvc-…` words of the front end. It names the offending value, as
//! the real one does: whoever logs such a fault logs personal data.

mod tables;

use std::collections::BTreeMap;

use roxmltree::Node;

use super::operation::Operation;

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// The content of a valid request: its fields, and its rows if it has any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    fields: Fields,
    rows: Vec<Fields>,
}

/// Named texts; what is absent reads as empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    /// The text of this field, empty when it is empty or absent.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether the element was there at all.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Names and texts, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, text)| (*name, text.as_str()))
    }
}

impl Message {
    /// The text of this field, empty when it is empty or absent.
    pub fn get(&self, name: &str) -> &str {
        self.fields.get(name)
    }

    /// The fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The rows in the order they were sent.
    pub fn rows(&self) -> &[Fields] {
        &self.rows
    }
}

/// What a simple value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Facet {
    Any,
    Length(usize, usize),
    Digits(usize),
}

impl Facet {
    fn holds(self, value: &str) -> bool {
        let length = value.chars().count();
        match self {
            Facet::Any => true,
            Facet::Length(least, most) => (least..=most).contains(&length),
            Facet::Digits(count) => {
                length == count && value.bytes().all(|byte| byte.is_ascii_digit())
            }
        }
    }
}

enum Kind {
    Simple(&'static str, Facet),
    Rows {
        row: &'static str,
        fields: &'static [Field],
    },
}

struct Field {
    name: &'static str,
    mandatory: bool,
    kind: Kind,
}

/// Reads the request of `operation`, whose root is the only child of the SOAP body.
///
/// # Errors
///
/// The `faultstring` of the violation.
pub fn validate(operation: Operation, root: Node<'_, '_>) -> Result<Message, String> {
    let namespace = operation.request_namespace();
    if !root.has_tag_name((namespace, operation.request_name())) {
        return Err(format!(
            "cvc-elt 1: element {} is not declared",
            expanded(root)
        ));
    }
    let mut message = Message::default();
    let scope = Scope {
        namespace,
        types: operation.types_namespace(),
    };
    scope.sequence(
        root,
        tables::of(operation),
        &mut message.fields,
        &mut message.rows,
    )?;
    Ok(message)
}

/// The names of the fields of an `invio`, in the order of its schema.
pub fn invio_fields() -> impl Iterator<Item = &'static str> {
    let simple = |field: &&Field| matches!(field.kind, Kind::Simple(..));
    tables::of(Operation::Invio)
        .iter()
        .filter(simple)
        .map(|field| field.name)
}

/// The names of the fields of a row, in the order of its schema.
pub fn row_fields() -> impl Iterator<Item = &'static str> {
    tables::of(Operation::Invio)
        .iter()
        .filter_map(|field| match field.kind {
            Kind::Rows { fields, .. } => Some(fields),
            Kind::Simple(..) => None,
        })
        .flatten()
        .map(|field| field.name)
}

struct Scope {
    namespace: &'static str,
    types: &'static str,
}

impl Scope {
    fn sequence(
        &self,
        parent: Node<'_, '_>,
        fields: &'static [Field],
        values: &mut Fields,
        rows: &mut Vec<Fields>,
    ) -> Result<(), String> {
        only_elements(parent)?;
        let mut children = parent.children().filter(Node::is_element).peekable();
        for field in fields {
            let Some(child) =
                children.next_if(|child| child.has_tag_name((self.namespace, field.name)))
            else {
                if field.mandatory {
                    return Err(self.missing(parent, children.peek().copied(), field.name));
                }
                continue;
            };
            match field.kind {
                Kind::Simple(type_name, facet) => {
                    values
                        .0
                        .insert(field.name, self.simple(child, type_name, facet)?);
                }
                Kind::Rows { row, fields } => self.rows(child, row, fields, rows)?,
            }
        }
        match children.next() {
            Some(extra) => Err(format!(
                "cvc-particle 2.1: in element {} with anonymous type, found {}, but should be \
                 at end",
                expanded(parent),
                found(extra)
            )),
            None => Ok(()),
        }
    }

    fn rows(
        &self,
        list: Node<'_, '_>,
        row: &'static str,
        fields: &'static [Field],
        rows: &mut Vec<Fields>,
    ) -> Result<(), String> {
        only_elements(list)?;
        // Rows and what they hold belong to the common types, not to the message.
        let inner = Scope {
            namespace: self.types,
            types: self.types,
        };
        for child in list.children().filter(Node::is_element) {
            if !child.has_tag_name((inner.namespace, row)) {
                return Err(inner.missing(list, Some(child), row));
            }
            let mut values = Fields::default();
            inner.sequence(child, fields, &mut values, &mut Vec::new())?;
            rows.push(values);
        }
        if rows.is_empty() {
            Err(inner.missing(list, None, row))
        } else {
            Ok(())
        }
    }

    fn simple(
        &self,
        element: Node<'_, '_>,
        type_name: &'static str,
        facet: Facet,
    ) -> Result<String, String> {
        no_attributes(element)?;
        if let Some(child) = element.children().find(Node::is_element) {
            return Err(format!(
                "cvc-type 3.1.2: element {} of simple type has child {}",
                expanded(element),
                expanded(child)
            ));
        }
        // Joined, since a comment may stand between two runs of text.
        let value: String = element.children().filter_map(|node| node.text()).collect();
        if facet.holds(&value) {
            return Ok(value);
        }
        Err(format!(
            "cvc-simple-type 1: element {} value '{value}' is not a valid instance of type \
             {{{}}}{type_name}",
            expanded(element),
            self.types
        ))
    }

    fn missing(&self, parent: Node<'_, '_>, next: Option<Node<'_, '_>>, name: &str) -> String {
        let found = next.map_or_else(|| "end of content".to_owned(), found);
        format!(
            "cvc-particle 3.1: in element {} with anonymous type, found {found}, but next item \
             should be {{{}}}{name}",
            expanded(parent),
            self.namespace
        )
    }
}

fn only_elements(parent: Node<'_, '_>) -> Result<(), String> {
    no_attributes(parent)?;
    let stray = parent
        .children()
        .filter(|node| node.is_text())
        .any(|node| node.text().is_some_and(|text| !text.trim().is_empty()));
    if stray {
        return Err(format!(
            "cvc-complex-type 2.3: element {} with element-only content has text content",
            expanded(parent)
        ));
    }
    Ok(())
}

fn no_attributes(element: Node<'_, '_>) -> Result<(), String> {
    match element
        .attributes()
        .find(|a| a.namespace() != Some(SCHEMA_INSTANCE))
    {
        Some(attribute) => Err(format!(
            "cvc-complex-type 3.2.2: element {} has undeclared attribute {}",
            expanded(element),
            attribute.name()
        )),
        None => Ok(()),
    }
}

fn expanded(node: Node<'_, '_>) -> String {
    let name = node.tag_name();
    name.namespace().map_or_else(
        || name.name().to_owned(),
        |uri| format!("{{{uri}}}{}", name.name()),
    )
}

fn found(node: Node<'_, '_>) -> String {
    let name = node.tag_name();
    let place = name.namespace().map_or_else(
        || "in no namespace".to_owned(),
        |uri| format!("in namespace {uri}"),
    );
    format!("<{}> ({place})", name.name())
}

#[cfg(test)]
mod tests;
