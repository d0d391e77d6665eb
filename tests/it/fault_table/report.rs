//! The table as it came out: one row a cell, in `target/fault-table.json`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::cells::Cell;
use super::expected::expected;
use super::oracle;
use super::run::{Heard, Seen};

/// A cell and what came of it.
pub(super) struct Row {
    cell: Cell,
    /// Empty if it holds.
    pub(super) broken: Vec<String>,
    seen: Option<Seen>,
}

impl Row {
    /// Judges what was seen of `cell`.
    pub(super) fn of(cell: Cell, seen: Seen) -> Row {
        let mut broken = oracle::broken(&seen);
        let (outcome, expected) = (oracle::outcome(&seen), expected(&cell));
        if !expected.contains(&outcome.as_str()) {
            broken.push(format!(
                "ended as {outcome}, not as {}",
                expected.join(" or ")
            ));
        }
        Row {
            cell,
            broken,
            seen: Some(seen),
        }
    }

    /// Of a cell that did not come to its end.
    pub(super) fn unfinished(cell: Cell, why: String) -> Row {
        Row {
            cell,
            broken: vec![why],
            seen: None,
        }
    }

    /// One line for people.
    pub(super) fn line(&self) -> String {
        let told = self.seen.as_ref().map(|seen| told(&seen.told).join("; "));
        let broken = self.broken.join("; ");
        format!(
            "{} | told {} | {broken}",
            self.cell,
            told.unwrap_or_default()
        )
    }

    fn json(&self) -> Value {
        let cell = &self.cell;
        let mut row = json!({
            "operation": cell.verb.as_str(),
            "standing": cell.standing.as_str(),
            "moment": cell.strike.moment.as_str(),
            "fault": cell.strike.name(),
            "fallback": cell.fallback.as_str(),
            "uncertain": cell.uncertain.as_str(),
            "consent": cell.consent,
            "holds": self.broken.is_empty(),
            "broken": self.broken,
        });
        if let Some(seen) = &self.seen {
            let effects = oracle::effects(seen);
            row["told"] = json!(told(&seen.told));
            row["told_finally"] = json!(told(&seen.finally));
            row["final"] = json!(oracle::place(seen));
            row["effects"] = json!({
                "numbers": effects.numbers,
                "live": effects.live,
                "cancelled": effects.closed,
                "received": effects.received,
            });
            row["raised"] = json!(oracle::raised(seen));
        }
        row
    }
}

fn told(heard: &[Heard]) -> Vec<String> {
    let line = |heard: &Heard| {
        let verb = heard.verb.as_str();
        match heard.status {
            None => format!("{verb}: no answer"),
            Some(status) if heard.outcome.is_empty() => format!("{verb}: {status} {}", heard.word),
            Some(status) => format!("{verb}: {status} {}, {}", heard.word, heard.outcome),
        }
    };
    heard.iter().map(line).collect()
}

/// Writes the table and returns its closing line.
pub(super) fn write(rows: &[Row]) -> String {
    let broken = rows.iter().filter(|row| !row.broken.is_empty()).count();
    let holds = rows.len() - broken;
    let table = json!({
        "holds": holds,
        "broken": broken,
        "rows": rows.iter().map(Row::json).collect::<Vec<_>>(),
    });
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/fault-table.json");
    let text = serde_json::to_string_pretty(&table).expect("a table is JSON");
    fs::write(file, text).expect("the build directory can be written to");
    format!("{holds} cells hold, {broken} broken")
}
