//! The doubles of the morning: what a patient could have been served on twice.
//!
//! A visit is a double if the SAC has held two numbers for it, or one beside the red form that the
//! desk was told to write. Every double must have been annulled, or be a conflict of which the
//! practice has read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::upstreams::sac::book::{Book, Prescription};

use crate::inbox::{Event, Read};
use crate::log::Offered;
use crate::standing::Standings;

/// What became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Doubles {
    annulled: usize,
    in_conflict: usize,
    unraised: usize,
}

impl Doubles {
    /// Counts them.
    pub(crate) fn count(
        log: &[Offered],
        standings: &Standings,
        read: &Read,
        book: &Book,
    ) -> Doubles {
        let mut numbers: BTreeMap<&str, Vec<&Prescription>> = BTreeMap::new();
        for one in &book.prescriptions {
            numbers.entry(&one.words).or_default().push(one);
        }
        let conflicts = read.of(Event::is_conflict);
        let mut doubles = Doubles::default();
        for offered in log {
            let Some(held) = numbers.get(offered.words.as_str()) else {
                continue;
            };
            let form = usize::from(offered.told_red_form());
            let live = held.iter().filter(|one| one.is_live()).count();
            if held.len() + form < 2 {
                continue;
            }
            if live + form < 2 {
                doubles.annulled += 1;
            } else if is_raised(offered, standings, &conflicts) {
                doubles.in_conflict += 1;
            } else {
                doubles.unraised += 1;
            }
        }
        doubles
    }

    /// Those that nobody was told of.
    pub(crate) fn unraised(self) -> usize {
        self.unraised
    }

    /// As the summary shows them.
    pub(crate) fn as_json(self) -> Value {
        json!({
            "in_book": self.annulled + self.in_conflict + self.unraised,
            "annulled": self.annulled,
            "in_conflict": self.in_conflict,
            "unraised": self.unraised,
        })
    }
}

/// Whether it is a conflict, and its practice has read so.
fn is_raised(offered: &Offered, standings: &Standings, conflicts: &BTreeSet<&str>) -> bool {
    offered.id.as_ref().is_some_and(|id| {
        let standing = standings.get(id);
        standing.is_some_and(|one| one.state == "conflict") && conflicts.contains(id.as_str())
    })
}
