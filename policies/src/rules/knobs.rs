//! What holds for every key of a policy, whatever it says: when a change of it takes effect, and how a
//! file shows that it is whole.
//!
//! # Invariants
//!
//! 1. Every key says `live` or `restart` beside its default in `rules/*.toml`, as [`RESTART`] has it.

/// The last line of every policy file. One that was cut short lacks it, whatever else it says.
pub const END_OF_POLICY: &str = "# end of policy";

/// The keys whose value stays as it was at start until the process ends: what is built from them is
/// built once. Every other key is live.
pub const RESTART: &[&str] = &[
    // Queues and tables are made once, of this size.
    "prescriptions.calls.queue_max",
    "registry.calls.queue_max",
    "registry.cache.memory_bytes_max",
    "registry.cache.negative_max",
    "registry.callers.callers_max",
    // The adapter is opened with it.
    "lots.kind",
];

/// Whether a change of `key` takes effect only with a restart.
pub fn needs_restart(key: &str) -> bool {
    RESTART.contains(&key)
}

/// Whether `text` is a policy file to its end: its last line is `end` ([`END_OF_POLICY`] in TOML), and
/// no other is, or it could be cut there unseen.
pub fn is_whole(text: &str, end: &str) -> bool {
    let mut lines = text.trim_end().lines().rev().map(str::trim);
    lines.next() == Some(end) && lines.all(|line| line != end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::SAC_DEFAULTS;
    use super::*;

    /// Each key of a commented file and the word beside its value.
    fn marks(text: &str) -> BTreeMap<String, String> {
        let mut table = "";
        let mut marks = BTreeMap::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[') {
                table = name.strip_suffix(']').expect("a header is on one line");
            } else if let Some((key, value)) = line.split_once(" = ")
                && !line.starts_with('#')
            {
                let mark = value.rsplit_once("  # ").map_or("", |(_, mark)| mark);
                marks.insert(format!("{table}.{key}"), mark.to_owned());
            }
        }
        marks
    }

    fn keys(table: &toml::Table, above: &str) -> Vec<String> {
        let below = table.iter().map(|(key, value)| match value {
            toml::Value::Table(inner) => keys(inner, &format!("{above}{key}.")),
            _ => vec![format!("{above}{key}")],
        });
        below.flatten().collect()
    }

    #[test]
    fn every_key_says_whether_it_is_live() {
        let marks = marks(SAC_DEFAULTS);
        let table: toml::Table = SAC_DEFAULTS.parse().expect("the defaults parse");
        let mut keys = keys(&table, "");
        keys.sort();
        assert_eq!(marks.keys().cloned().collect::<Vec<_>>(), keys);
        for (key, mark) in &marks {
            let expected = if needs_restart(key) {
                "restart"
            } else {
                "live"
            };
            assert_eq!(mark, expected, "{key}");
        }
        for key in RESTART {
            assert!(marks.contains_key(*key), "{key} is no key");
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_not_whole() {
        assert!(is_whole(SAC_DEFAULTS, END_OF_POLICY));
        assert!(
            is_whole(SAC_DEFAULTS.trim_end(), END_OF_POLICY),
            "only a newline is missing"
        );
        let end = SAC_DEFAULTS.trim_end().len();
        for length in (0..end).filter(|length| SAC_DEFAULTS.is_char_boundary(*length)) {
            assert!(
                !is_whole(&SAC_DEFAULTS[..length], END_OF_POLICY),
                "cut after {length}"
            );
        }
    }

    #[test]
    fn only_one_end_is_an_end() {
        for text in [
            "",
            "mode = \"auto\"\n",
            "# end of policy\nmode = \"auto\"\n# end of policy\n",
            "# end of policy\nmode = \"auto\"\n",
            "mode = \"auto\" # end of policy\n",
            "# end of policy\nmode = \"auto\" # end of policy\n",
        ] {
            assert!(!is_whole(text, END_OF_POLICY), "{text:?}");
        }
        assert!(is_whole("# end of policy", END_OF_POLICY));
    }
}
