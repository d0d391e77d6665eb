//! What one policy would change of another, key by key.

use std::collections::BTreeMap;
use std::fmt;

use super::layers::{Layers, full, shown, takes_effect};

/// One value that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The dotted key, without its upstream.
    pub key: String,
    /// Its value before, as it is written in a file; `None` if there was none.
    pub before: Option<String>,
    /// Its value after.
    pub after: Option<String>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_none = |value: &Option<String>| value.clone().unwrap_or("(none)".to_owned());
        let (before, after) = (or_none(&self.before), or_none(&self.after));
        let effect = takes_effect(&self.key);
        write!(f, "{}: {before} → {after}  ({effect})", full(&self.key))
    }
}

/// The values that `after` has and `before` has not, in the order of their keys.
pub fn changes(before: &Layers, after: &Layers) -> Vec<Change> {
    let values = |layers: &Layers| {
        let values = layers.effective().into_iter();
        values
            .map(|set| (set.key, shown(&set.value)))
            .collect::<BTreeMap<_, _>>()
    };
    let (before, after) = (values(before), values(after));
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    let mut keys: Vec<_> = after.keys().chain(gone).collect();
    keys.sort();
    let differing = keys
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key));
    differing
        .map(|key| Change {
            key: key.clone(),
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Composer, Files};
    use super::*;

    #[test]
    fn only_what_differs_is_named_with_when_it_takes_effect() {
        let of = |text: &str| {
            let composed = Composer::new(None).compose(&Files::whole(text), &[]);
            composed.unwrap().layers
        };
        let before = of("[prescriptions]\nanswer_within = \"7s\"\n[lots]\nblock = 1000\n");
        let law = "{ act = \"DL\", article = \"1\", valid_until = \"2999-12-31\" }";
        let after = of(&format!(
            "[lots]\nkind = 4\n[prescriptions.fallback]\nlegal_basis = {law}\n"
        ));
        let lines: Vec<_> = changes(&before, &after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            lines,
            [
                "sac.lots.kind: 3 → 4  (restart)",
                "sac.prescriptions.answer_within: \"7s\" → \"8s\"  (live)",
                "sac.prescriptions.fallback.legal_basis.act: (none) → \"DL\"  (live)",
                "sac.prescriptions.fallback.legal_basis.article: (none) → \"1\"  (live)",
                "sac.prescriptions.fallback.legal_basis.valid_until: (none) → \"2999-12-31\"  (live)",
            ]
        );
        assert_eq!(changes(&after, &after), []);
        assert!(
            changes(&after, &before)[2]
                .to_string()
                .ends_with("→ (none)  (live)")
        );
    }
}
