//! Exclusive XML canonicalisation (<https://www.w3.org/TR/xml-exc-c14n/>), without comments.
//!
//! Only what a signed assertion needs: a subtree, at most one descendant left out of it (the
//! signature itself), and a list of prefixes treated inclusively.
//!
//! # Limits
//!
//! Elements nested deeper than [`DEPTH_MAX`] are refused.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::{Attribute, Node, NodeId};

/// How deep elements may nest.
pub const DEPTH_MAX: usize = 32;

/// What may be left out and what must be kept.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The subtree that the enveloped-signature transform removes.
    pub omit: Option<NodeId>,
    /// `PrefixList` of `InclusiveNamespaces`, `#default` for no prefix.
    pub inclusive: &'a [&'a str],
}

/// The canonical form of `node` and what is under it; none when it nests too deep.
pub fn canonical(node: Node<'_, '_>, options: Options<'_>) -> Option<String> {
    let mut writer = Writer {
        options,
        out: String::new(),
    };
    writer.node(node, &BTreeMap::new(), 0)?;
    Some(writer.out)
}

/// Prefixes already declared in the output, with their namespaces.
type Rendered<'a> = BTreeMap<&'a str, &'a str>;

struct Writer<'o> {
    options: Options<'o>,
    out: String,
}

impl Writer<'_> {
    fn node<'a>(
        &mut self,
        node: Node<'a, '_>,
        rendered: &Rendered<'a>,
        depth: usize,
    ) -> Option<()> {
        if self.options.omit == Some(node.id()) {
            return Some(());
        }
        if let Some(instruction) = node.pi() {
            let value = instruction
                .value
                .map(|value| format!(" {value}"))
                .unwrap_or_default();
            self.out
                .push_str(&format!("<?{}{value}?>", instruction.target));
        } else if node.is_element() {
            return self.element(node, rendered, depth);
        } else if node.is_text() {
            escape_text(node.text().unwrap_or_default(), &mut self.out);
        }
        Some(())
    }

    fn element<'a>(
        &mut self,
        element: Node<'a, '_>,
        rendered: &Rendered<'a>,
        depth: usize,
    ) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        let name = qualified_name(element);
        self.out.push('<');
        self.out.push_str(name);
        let mut rendered = rendered.clone();
        for prefix in self.prefixes(element) {
            let uri = uri_of(element, prefix);
            // Before anything is declared, no prefix means no namespace.
            let known = rendered
                .get(prefix)
                .copied()
                .or(prefix.is_empty().then_some(""));
            if known != Some(uri) {
                let colon = if prefix.is_empty() { "" } else { ":" };
                self.out.push_str(&format!(" xmlns{colon}{prefix}=\""));
                escape_attribute(uri, &mut self.out);
                self.out.push('"');
                rendered.insert(prefix, uri);
            }
        }
        let mut attributes: Vec<_> = element.attributes().collect();
        attributes.sort_by_key(|a| (a.namespace().unwrap_or(""), a.name()));
        for attribute in attributes {
            self.out
                .push_str(&format!(" {}=\"", attribute_name(element, attribute)));
            escape_attribute(attribute.value(), &mut self.out);
            self.out.push('"');
        }
        self.out.push('>');
        for child in element.children() {
            self.node(child, &rendered, depth + 1)?;
        }
        self.out.push_str(&format!("</{name}>"));
        Some(())
    }

    /// The prefixes to declare on this element, in the order they are written.
    fn prefixes<'a>(&self, element: Node<'a, '_>) -> BTreeSet<&'a str> {
        let mut prefixes = BTreeSet::from([prefix(qualified_name(element))]);
        for attribute in element.attributes() {
            let prefix = prefix(attribute_name(element, attribute));
            if !prefix.is_empty() {
                prefixes.insert(prefix);
            }
        }
        for namespace in element.namespaces() {
            let listed = namespace.name().unwrap_or("#default");
            if self.options.inclusive.contains(&listed) {
                prefixes.insert(namespace.name().unwrap_or(""));
            }
        }
        prefixes.remove("xml");
        prefixes
    }
}

fn uri_of<'a>(element: Node<'a, '_>, prefix: &str) -> &'a str {
    let prefix = (!prefix.is_empty()).then_some(prefix);
    element.lookup_namespace_uri(prefix).unwrap_or("")
}

/// The name as written: the tree keeps namespaces, and signatures are over prefixes.
fn qualified_name<'a>(element: Node<'a, '_>) -> &'a str {
    let written = &element.document().input_text()[element.range()][1..];
    let end = written
        .find(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '>'))
        .unwrap_or(written.len());
    &written[..end]
}

fn attribute_name<'a>(element: Node<'a, '_>, attribute: Attribute<'_, '_>) -> &'a str {
    &element.document().input_text()[attribute.range_qname()]
}

fn prefix(qualified: &str) -> &str {
    qualified.split_once(':').map_or("", |(prefix, _)| prefix)
}

fn escape_text(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
}

fn escape_attribute(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#x9;"),
            '\n' => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;

    fn at<'a>(document: &'a Document<'_>, name: &str) -> Node<'a, 'a> {
        document
            .descendants()
            .find(|n| n.tag_name().name() == name)
            .unwrap()
    }

    fn of(text: &str, name: &str, inclusive: &[&str]) -> String {
        let document = Document::parse(text).unwrap();
        let options = Options {
            omit: None,
            inclusive,
        };
        canonical(at(&document, name), options).unwrap()
    }

    /// The example of the recommendation, §2.2: the same subtree in two contexts.
    #[test]
    fn the_context_of_a_subtree_does_not_show() {
        let canonical = r#"<n1:elem2 xmlns:n1="http://example.net" xml:lang="en"><n3:stuff xmlns:n3="ftp://example.org"></n3:stuff></n1:elem2>"#;
        let contexts = [
            r#"<n0:local xmlns:n0="foo:bar" xmlns:n3="ftp://example.org"><n1:elem2 xmlns:n1="http://example.net" xml:lang="en"><n3:stuff xmlns:n3="ftp://example.org"/></n1:elem2></n0:local>"#,
            r#"<n2:pdu xmlns:n1="http://example.com" xmlns:n2="http://foo.example" xml:lang="fr" xml:space="retain"><n1:elem2 xmlns:n1="http://example.net" xml:lang="en"><n3:stuff xmlns:n3="ftp://example.org"/></n1:elem2></n2:pdu>"#,
        ];
        for context in contexts {
            assert_eq!(of(context, "elem2", &[]), canonical);
        }
    }

    #[test]
    fn listed_prefixes_are_kept_where_they_are_in_scope() {
        let text = r#"<a xmlns:xsd="u:x" xmlns:other="u:o"><b><c/></b></a>"#;
        assert_eq!(of(text, "b", &["xsd"]), r#"<b xmlns:xsd="u:x"><c></c></b>"#);
        assert_eq!(of(text, "b", &["absent"]), "<b><c></c></b>");
    }

    #[test]
    fn default_namespaces_come_and_go() {
        let text = r#"<a xmlns="u:a"><b xmlns=""><c xmlns="u:a"/></b></a>"#;
        assert_eq!(
            of(text, "a", &[]),
            r#"<a xmlns="u:a"><b xmlns=""><c xmlns="u:a"></c></b></a>"#
        );
        assert_eq!(of(text, "b", &[]), r#"<b><c xmlns="u:a"></c></b>"#);
    }

    #[test]
    fn attributes_are_sorted_and_text_is_escaped() {
        let text = "<a z='1' xmlns:q='u:q' q:b='<>&quot;&#10;' a=\"'\">&lt;x&gt;&amp;<![CDATA[<]]>&#13;<!-- gone --></a>";
        let text = text.replace("'<>", "'&lt;>");
        assert_eq!(
            of(&text, "a", &[]),
            "<a xmlns:q=\"u:q\" a=\"'\" z=\"1\" q:b=\"&lt;>&quot;&#xA;\">&lt;x&gt;&amp;&lt;&#xD;</a>"
        );
    }

    #[test]
    fn one_subtree_is_left_out_and_depth_is_bounded() {
        let text = "<a><b>1</b><c>2</c></a>";
        let document = Document::parse(text).unwrap();
        let options = Options {
            omit: Some(at(&document, "b").id()),
            inclusive: &[],
        };
        let root = document.root_element();
        assert_eq!(canonical(root, options).unwrap(), "<a><c>2</c></a>");

        let deep = format!("{}{}", "<a>".repeat(40), "</a>".repeat(40));
        let deep = Document::parse(&deep).unwrap();
        assert_eq!(canonical(deep.root_element(), Options::default()), None);
    }
}
