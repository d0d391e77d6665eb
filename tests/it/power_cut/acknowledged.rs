//! What a process acknowledged before its power was cut, one line each on its standard output.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// Every line begins with it; the test harness may print before it.
const WORD: &str = "acknowledged ";

/// One acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// The store took an entry, under this number.
    Accepted(Uuid, String),
    /// The store took down that an entry is registered.
    Registered(Uuid),
    /// The control committed this row.
    Row(i64),
}

impl Line {
    /// Says so.
    pub(super) fn say(&self) {
        match self {
            Line::Accepted(id, number) => println!("{WORD}accepted {id} {number}"),
            Line::Registered(id) => println!("{WORD}registered {id}"),
            Line::Row(row) => println!("{WORD}row {row}"),
        }
    }

    /// Hears it, in a line of output.
    pub(super) fn hear(line: &str) -> Option<Line> {
        let (_, said) = line.split_once(WORD)?;
        let words: Vec<&str> = said.split(' ').collect();
        match words.as_slice() {
            ["accepted", id, number] => Some(Line::Accepted(id.parse().ok()?, (*number).into())),
            ["registered", id] => Some(Line::Registered(id.parse().ok()?)),
            ["row", row] => Some(Line::Row(row.parse().ok()?)),
            _ => None,
        }
    }
}

/// Everything acknowledged on one disk.
#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    /// The number of every entry taken.
    pub(super) accepted: BTreeMap<Uuid, String>,
    pub(super) registered: BTreeSet<Uuid>,
    pub(super) rows: BTreeSet<i64>,
}

impl Acknowledged {
    /// Adds what one process acknowledged.
    pub(super) fn add(&mut self, lines: Vec<Line>) {
        for line in lines {
            let news = match line {
                Line::Accepted(id, number) => self.accepted.insert(id, number).is_none(),
                Line::Registered(id) => self.registered.insert(id),
                Line::Row(row) => self.rows.insert(row),
            };
            assert!(news, "a write is acknowledged once");
        }
    }

    /// How many acknowledgements.
    pub(super) fn len(&self) -> usize {
        self.accepted.len() + self.registered.len() + self.rows.len()
    }
}
