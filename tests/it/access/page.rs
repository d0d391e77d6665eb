//! The page that is tested against, read as a privacy officer reads it.

use std::collections::BTreeMap;

const PAGE: &str = include_str!("../../../docs/access.md");

/// The relations that allow something, by profile and action.
pub(super) struct Page(BTreeMap<(String, String), Vec<String>>);

impl Page {
    pub(super) fn read() -> Page {
        let mut cells = BTreeMap::new();
        let mut profiles: Vec<String> = Vec::new();
        for line in PAGE.lines().filter(|line| line.starts_with('|')) {
            let mut columns: Vec<String> =
                line.split('|').map(|cell| cell.trim().to_owned()).collect();
            columns.pop();
            columns.remove(0);
            let first = columns.remove(0);
            match first
                .strip_prefix('`')
                .and_then(|cell| cell.strip_suffix('`'))
            {
                None if first.is_empty() => profiles = columns,
                None => {}
                Some(action) => {
                    for (profile, cell) in profiles.iter().zip(columns) {
                        let words = cell.split(", ").filter(|word| *word != "–");
                        let words = words.map(str::to_owned).collect();
                        cells.insert((profile.clone(), action.to_owned()), words);
                    }
                }
            }
        }
        assert_eq!(cells.len(), 8 * 18, "eight profiles, eighteen actions");
        Page(cells)
    }

    pub(super) fn allows(&self, profile: &str, action: &str, relation: &str) -> bool {
        let cell = &self.0[&(profile.to_owned(), action.to_owned())];
        cell.iter().any(|word| word == relation)
    }

    pub(super) fn allows_some(&self, profile: &str, action: &str) -> bool {
        !self.0[&(profile.to_owned(), action.to_owned())].is_empty()
    }
}

pub(super) const PROFILES: [&str; 8] = [
    "practice",
    "substitute",
    "pharmacy",
    "booking",
    "portal",
    "call-centre",
    "operator",
    "viewer",
];
