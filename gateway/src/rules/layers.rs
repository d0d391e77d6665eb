//! Policies laid over one another, each value with what set it: compiled-in < file < toggle.
//!
//! # Invariants
//!
//! 1. Every value has exactly one origin: the last layer that names its key.

use std::collections::BTreeMap;
use std::fmt;

use policies::rules::SAC_DEFAULTS;
use policies::rules::knobs::needs_restart;
use toml::{Table, Value};

/// Levels of tables a policy file may have.
const DEPTH_MAX: usize = 8;
/// What the keys of the SAC begin with, wherever there may be others.
const SAC: &str = "sac.";

/// What set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The rules that are compiled in.
    CompiledIn,
    /// A file of the directory.
    File,
    /// An operator, until the toggle ends.
    Toggle,
}

impl Origin {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Origin::CompiledIn => "compiled-in",
            Origin::File => super::files::SAC_FILE,
            Origin::Toggle => "toggle",
        }
    }
}

/// The key as operators write it, from one of the SAC's rules.
pub(crate) fn full(key: &str) -> String {
    format!("{SAC}{key}")
}

/// The key among the SAC's rules; `None` if it is not one of theirs.
pub(crate) fn of_sac(key: &str) -> Option<&str> {
    key.strip_prefix(SAC)
}

/// One value in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The dotted key, without its upstream.
    pub key: String,
    /// The value.
    pub value: Value,
    /// What set it.
    pub origin: Origin,
}

impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, value, origin) = (full(&self.key), shown(&self.value), self.origin.as_str());
        write!(
            f,
            "{key} = {value}  # {origin}, {}",
            takes_effect(&self.key)
        )
    }
}

/// When a change of `key` takes effect, in a word.
pub(crate) fn takes_effect(key: &str) -> &'static str {
    if needs_restart(key) {
        "restart"
    } else {
        "live"
    }
}

/// The values of one candidate, each with what set it.
#[derive(Debug, Clone, PartialEq)]
pub struct Layers {
    table: Table,
    /// Of those that are not compiled in.
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    /// The lowest layer.
    pub(super) fn compiled_in() -> Layers {
        Layers {
            table: SAC_DEFAULTS.parse().expect("the compiled-in rules parse"),
            origins: BTreeMap::new(),
        }
    }

    /// Lays a table over what is there.
    pub(super) fn lay(&mut self, over: Table, origin: &Origin) {
        for (key, _) in flatten(&over) {
            self.origins.insert(key, origin.clone());
        }
        lay_over(&mut self.table, over, DEPTH_MAX);
    }

    /// Lays one value over what is there.
    pub(super) fn set(&mut self, key: &str, value: Value, origin: &Origin) {
        let mut over = value;
        for step in key.rsplit('.') {
            over = Value::Table([(step.to_owned(), over)].into_iter().collect());
        }
        if let Value::Table(over) = over {
            self.lay(over, origin);
        }
    }

    /// All values, as one table.
    pub(super) fn table(&self) -> Table {
        self.table.clone()
    }

    /// Every value and what set it, in the order of the keys.
    pub fn effective(&self) -> Vec<Effective> {
        let mut values = flatten(&self.table);
        values.sort_by(|(a, _), (b, _)| a.cmp(b));
        let values = values.into_iter().map(|(key, value)| Effective {
            origin: self
                .origins
                .get(&key)
                .cloned()
                .unwrap_or(Origin::CompiledIn),
            key,
            value,
        });
        values.collect()
    }

    /// The value of one key, and what set it.
    pub(crate) fn get(&self, key: &str) -> Option<Effective> {
        let mut steps = key.split('.');
        let mut value = self.table.get(steps.next()?)?;
        for step in steps {
            value = value.as_table()?.get(step)?;
        }
        (!value.is_table()).then(|| Effective {
            key: key.to_owned(),
            value: value.clone(),
            origin: self.origins.get(key).cloned().unwrap_or(Origin::CompiledIn),
        })
    }
}

/// What keeps a toggle of `target` from being laid over `layers`, by its fields.
pub(crate) fn of_toggle(
    target: &str,
    value: &Value,
    layers: &Layers,
) -> Vec<(&'static str, &'static str)> {
    let mut misuse = Vec::new();
    match of_sac(target).filter(|key| layers.get(key).is_some()) {
        None => misuse.push(("target", "is not a value of the policy")),
        Some(key) if needs_restart(key) => misuse.push((
            "target",
            "takes effect with a restart alone: write it into the file",
        )),
        Some(_) => {}
    }
    if value.is_table() {
        misuse.push(("value", "must be one value, not a table"));
    }
    misuse
}

/// A table is laid over key by key; anything else replaces what was there.
fn lay_over(under: &mut Table, over: Table, depth: usize) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(over)) if depth > 0 => {
                lay_over(under, over, depth - 1);
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// Leaves of a table under their dotted keys.
fn flatten(table: &Table) -> Vec<(String, Value)> {
    let mut leaves = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) => {
                let below = flatten(inner).into_iter();
                leaves.extend(below.map(|(below, leaf)| (format!("{key}.{below}"), leaf)));
            }
            leaf => leaves.push((key.clone(), leaf.clone())),
        }
    }
    leaves
}

/// A value as it is written in a file.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(instant) => instant.to_string(),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shown).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(_) => "(a table)".to_owned(),
    }
}

/// A value as an operator types it: TOML, or a word or a duration without its quotes.
pub(crate) fn typed(text: &str) -> Value {
    let read = format!("value = {text}").parse::<Table>().ok();
    let read = read.filter(|table| table.len() == 1);
    read.and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_of_the_last_layer_that_names_it() {
        let mut layers = Layers::compiled_in();
        let file = "[prescriptions]\nanswer_within = \"2s\"\n[lots]\nblock = 7\n";
        layers.lay(file.parse().unwrap(), &Origin::File);
        layers.set("lots.block", Value::Integer(8), &Origin::Toggle);
        let get = |key: &str| layers.get(key).unwrap();
        assert_eq!(get("prescriptions.answer_within").origin, Origin::File);
        assert_eq!(get("prescriptions.mode").origin, Origin::CompiledIn);
        let block = get("lots.block");
        assert_eq!(
            (block.value, block.origin),
            (Value::Integer(8), Origin::Toggle)
        );
        assert_eq!(layers.get("lots"), None);
        assert_eq!(layers.get("lots.block.x"), None);
        assert_eq!(layers.get("no"), None);
    }

    #[test]
    fn a_line_says_value_origin_and_when_it_changes() {
        let mut layers = Layers::compiled_in();
        let waits = typed("[\"1s\", \"2s\"]");
        layers.set("lots.retry_after", waits, &Origin::File);
        let lines: Vec<_> = layers.effective().iter().map(ToString::to_string).collect();
        for line in [
            "sac.lots.retry_after = [\"1s\", \"2s\"]  # sac.toml, live",
            "sac.lots.kind = 3  # compiled-in, restart",
            "sac.prescriptions.mode = \"auto\"  # compiled-in, live",
            "sac.prescriptions.delivery.jitter_share = 0.2  # compiled-in, live",
        ] {
            assert!(lines.iter().any(|found| found == line), "{line}");
        }
    }

    #[test]
    fn what_is_no_toml_is_a_word() {
        let text = |text: &str| Value::String(text.to_owned());
        for (typed_in, value) in [
            ("forced-open", text("forced-open")),
            ("8s", text("8s")),
            ("\"8s\"", text("8s")),
            ("64", Value::Integer(64)),
            ("0.5", Value::Float(0.5)),
            ("true", Value::Boolean(true)),
            ("1\nmode = 2", text("1\nmode = 2")),
            ("", text("")),
        ] {
            assert_eq!(typed(typed_in), value, "{typed_in:?}");
        }
        assert_eq!(shown(&typed("[\"1s\",\"2s\"]")), "[\"1s\", \"2s\"]");
        assert_eq!(shown(&typed("0.2")), "0.2");
    }
}
