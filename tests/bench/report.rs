//! What a run is reported as: rows for programs, a table for people, and which gates were missed.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Value, json};

use crate::phase::Sample;
use crate::statistics::{self, Spread};

/// One comparison before it is drawn up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    /// What is measured.
    pub(crate) name: &'static str,
    /// In what.
    pub(crate) unit: Unit,
    /// Who is measured beside us.
    pub(crate) peer: &'static str,
    /// The ratio that is not a defect: at least this of what should be much, at most this of cost.
    pub(crate) gate: Option<f64>,
    /// The ratio that is worked for.
    pub(crate) goal: Option<f64>,
}

/// What the numbers of a row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// More is better.
    #[serde(rename = "operations/s")]
    PerSecond,
    /// Processor time; less is better.
    #[serde(rename = "µs of CPU/operation")]
    Cpu,
}

/// One row of the report. A row that was skipped or is void decides nothing.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    case: &'static str,
    unit: Unit,
    ours: Option<Spread>,
    peer: Option<Spread>,
    peer_name: &'static str,
    ratio: Option<f64>,
    gate: Option<f64>,
    goal: Option<f64>,
    gate_met: Option<bool>,
    goal_met: Option<bool>,
    /// The median share of a core that each server used: near 1 it is the processor that limits it.
    ours_busy: Option<f64>,
    peer_busy: Option<f64>,
    generator_idle_min: Option<f64>,
    void: Option<String>,
    skipped: Option<String>,
}

impl Case {
    /// The row of what was measured in pairs.
    pub(crate) fn row(self, ours: &[Sample], peer: &[Sample]) -> Row {
        let spread = |samples: &[Sample]| {
            let values: Vec<f64> = samples.iter().map(|sample| self.unit.of(sample)).collect();
            Spread::of(&values)
        };
        let (ours_spread, peer_spread) = (spread(ours), spread(peer));
        let ratio = ours_spread
            .zip(peer_spread)
            .and_then(|(ours, peer)| statistics::ratio(&ours, &peer));
        let idle = ours
            .iter()
            .chain(peer)
            .filter_map(|sample| sample.generator_idle);
        let idle = idle.min_by(f64::total_cmp);
        let void = statistics::void(idle);
        let met = |bound: Option<f64>| {
            let decides = void.is_none();
            ratio
                .zip(bound)
                .filter(|_| decides)
                .map(|(ratio, bound)| self.unit.is_met(ratio, bound))
        };
        Row {
            ours: ours_spread,
            peer: peer_spread,
            ratio,
            gate_met: met(self.gate),
            goal_met: met(self.goal),
            ours_busy: busy(ours),
            peer_busy: busy(peer),
            generator_idle_min: idle,
            void,
            ..self.skipped_row(None)
        }
    }

    /// The row of a comparison that could not be made, and why.
    pub(crate) fn skipped(self, reason: &str) -> Row {
        self.skipped_row(Some(reason.to_owned()))
    }

    fn skipped_row(self, skipped: Option<String>) -> Row {
        Row {
            case: self.name,
            unit: self.unit,
            ours: None,
            peer: None,
            peer_name: self.peer,
            ratio: None,
            gate: self.gate,
            goal: self.goal,
            gate_met: None,
            goal_met: None,
            ours_busy: None,
            peer_busy: None,
            generator_idle_min: None,
            void: None,
            skipped,
        }
    }
}

fn busy(samples: &[Sample]) -> Option<f64> {
    let shares: Vec<f64> = samples.iter().map(Sample::busy).collect();
    Spread::of(&shares).map(|spread| spread.median)
}

impl Unit {
    fn of(self, sample: &Sample) -> f64 {
        match self {
            Unit::PerSecond => sample.per_second(),
            Unit::Cpu => sample.cpu_us(),
        }
    }

    fn is_met(self, ratio: f64, bound: f64) -> bool {
        match self {
            Unit::PerSecond => ratio >= bound,
            Unit::Cpu => ratio <= bound,
        }
    }
}

/// The rows and what they were measured on, as it is written down.
pub(crate) fn whole(machine: &Value, run: &Value, rows: &[Row]) -> Value {
    json!({ "machine": machine, "run": run, "rows": rows })
}

/// The names of the gates that were measured and missed.
pub(crate) fn missed(rows: &[Row]) -> Vec<String> {
    let missed = rows.iter().filter(|row| row.gate_met == Some(false));
    missed
        .map(|row| format!("{} / {}", row.case, row.peer_name))
        .collect()
}

/// The rows for a person.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut table = format!(
        "{:<32} {:<30} {:>18} {:>18} {:>6} {:>5} {:>5}  {}\n",
        "case", "peer", "ours (q1–q3)", "peer (q1–q3)", "ratio", "gate", "goal", ""
    );
    for row in rows {
        let verdict = row.verdict();
        writeln!(
            table,
            "{:<32} {:<30} {:>18} {:>18} {:>6} {:>5} {:>5}  {verdict}",
            row.case,
            row.peer_name,
            spread(row.ours),
            spread(row.peer),
            number(row.ratio),
            number(row.gate),
            number(row.goal),
        )
        .expect("a text takes what is written to it");
    }
    table
}

impl Row {
    fn verdict(&self) -> String {
        match (&self.skipped, &self.void, self.gate_met, self.goal_met) {
            (Some(reason), ..) => format!("skipped: {reason}"),
            (_, Some(reason), ..) => format!("VOID: {reason}"),
            (_, _, Some(false), _) => "GATE MISSED".to_owned(),
            (_, _, _, Some(true)) => "goal met".to_owned(),
            (_, _, Some(true), _) => "gate met".to_owned(),
            (_, _, _, Some(false)) => "goal missed".to_owned(),
            _ => String::new(),
        }
    }
}

fn spread(spread: Option<Spread>) -> String {
    spread.map_or("–".to_owned(), |spread| {
        format!("{:.0} ({:.0}–{:.0})", spread.median, spread.q1, spread.q3)
    })
}

fn number(number: Option<f64>) -> String {
    number.map_or("–".to_owned(), |number| format!("{number:.2}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const CASE: Case = Case {
        name: "case",
        unit: Unit::PerSecond,
        peer: "peer",
        gate: Some(1.2),
        goal: Some(2.0),
    };

    fn sample(per_second: u64, generator_idle: f64) -> Sample {
        Sample {
            operations: per_second,
            elapsed: Duration::from_secs(1),
            cpu: Duration::from_millis(500),
            generator_idle: Some(generator_idle),
        }
    }

    #[test]
    fn a_gate_is_met_at_its_number_and_missed_below() {
        let met = CASE.row(&[sample(120, 0.5)], &[sample(100, 0.5)]);
        assert_eq!((met.gate_met, met.goal_met), (Some(true), Some(false)));
        let missed_row = CASE.row(&[sample(119, 0.5)], &[sample(100, 0.5)]);
        assert_eq!(missed_row.gate_met, Some(false));
        assert_eq!(missed(&[met, missed_row]).len(), 1);
    }

    #[test]
    fn one_busy_round_of_either_side_voids_the_row() {
        let rounds = [sample(100, 0.5), sample(100, 0.05)];
        for (ours, peer) in [(&rounds[..], &rounds[..1]), (&rounds[..1], &rounds[..])] {
            let row = CASE.row(ours, peer);
            assert!(row.void.is_some());
            assert_eq!((row.gate_met, row.goal_met), (None, None));
            assert!(missed(&[row]).is_empty());
        }
    }

    #[test]
    fn a_skipped_row_has_every_key_and_no_number() {
        let row = serde_json::to_value(CASE.skipped("no server")).expect("a row is JSON");
        for key in ["case", "ours", "peer", "peer_name", "ratio", "gate", "goal"] {
            assert!(row.get(key).is_some(), "{key}");
        }
        assert_eq!(row["ratio"], Value::Null);
        assert_eq!(row["skipped"], "no server");
    }

    #[test]
    fn cpu_is_per_operation_and_its_gate_an_upper_one() {
        let cpu = Case {
            unit: Unit::Cpu,
            goal: Some(1.0),
            ..CASE
        };
        let row = cpu.row(&[sample(1_000, 0.5)], &[sample(500, 0.5)]);
        assert_eq!(row.ours.map(|ours| ours.median), Some(500.0));
        assert_eq!(row.ratio, Some(0.5));
        assert_eq!((row.gate_met, row.goal_met), (Some(true), Some(true)));
        let row = cpu.row(&[sample(100, 0.5)], &[sample(119, 0.5)]);
        assert_eq!((row.gate_met, row.goal_met), (Some(true), Some(false)));
        let row = cpu.row(&[sample(100, 0.5)], &[sample(121, 0.5)]);
        assert_eq!(row.gate_met, Some(false));
    }
}
