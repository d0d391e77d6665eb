//! Every fault × create, cancel and paper × every moment × every policy: where the prescription ends,
//! what the SAC holds, what the caller was told.
//!
//! The short form runs a spread of cells that leaves out no fault, no moment of any operation and no
//! policy; `make fault-table` (`ARGINE_FAULT_TABLE=full`) runs every cell. Each has a gateway and a
//! simulator of its own.

mod cells;
mod expected;
mod moments;
mod oracle;
mod report;
mod run;

use std::any::Any;
use std::collections::BTreeSet;
use std::env;
use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, StreamExt, stream};
use tests::upstreams::sac::faults::Fault;

use cells::{Cell, Verb};
use moments::{Moment, strikes};
use report::Row;

/// Which form is run: `full`, or the short one.
const FORM: &str = "ARGINE_FAULT_TABLE";
/// Part of a cell's name: only the cells that have it are run, for whoever looks into one.
const ONLY: &str = "ARGINE_FAULT_TABLE_ONLY";
/// Cells at a time. They wait for most of their time; more of them, and two cores are late for the
/// deadlines that a cell sets.
const CELLS_AT_ONCE: usize = 24;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fault_table_holds() {
    let mut cells = cells::all();
    if let Ok(only) = env::var(ONLY) {
        cells.retain(|cell| cell.to_string().contains(&only));
    } else if env::var(FORM).as_deref() != Ok("full") {
        cells = cells::spread(&cells);
    }
    let rows = stream::iter(cells).map(row).buffer_unordered(CELLS_AT_ONCE);
    let rows: Vec<Row> = rows.inspect(print).collect().await;
    let closing = report::write(&rows);
    println!("{closing}");
    let is_sound = rows.iter().all(|row| row.broken.is_empty());
    assert!(is_sound && !rows.is_empty(), "{closing}");
}

async fn row(cell: Cell) -> Row {
    match AssertUnwindSafe(run::run(&cell)).catch_unwind().await {
        Ok(seen) => Row::of(cell, seen),
        Err(panic) => Row::unfinished(cell, words(panic.as_ref())),
    }
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_default()
}

fn print(row: &Row) {
    if !row.broken.is_empty() {
        println!("BROKEN {}", row.line());
    }
}

/// A fault that the simulator learns fails here until it has its row.
#[test]
fn every_fault_has_its_row() {
    let unknown = serde_json::from_str::<Fault>(r#"{ "kind": "no-such-fault" }"#);
    let said = unknown.expect_err("there is no such fault").to_string();
    // "unknown variant `no-such-fault`, expected one of `refuse`, …"
    let known: BTreeSet<&str> = said.split('`').skip(3).step_by(2).collect();
    assert!(known.len() > 20, "the kinds cannot be read from: {said}");
    let kinds: Vec<String> = strikes().iter().map(moments::Strike::kind).collect();
    let rows: BTreeSet<&str> = kinds.iter().map(String::as_str).collect();
    assert_eq!(rows, known);
}

/// The short form leaves out nothing that it must not.
#[test]
fn the_spread_covers_every_fault_moment_and_policy() {
    let spread = cells::spread(&cells::all());
    for strike in strikes() {
        let name = strike.name();
        assert!(
            spread.iter().any(|cell| cell.strike.name() == name),
            "{name}"
        );
    }
    for cell in cells::all() {
        let is_like = |other: &&Cell| {
            other.verb == cell.verb
                && (other.fallback, other.uncertain, other.consent)
                    == (cell.fallback, cell.uncertain, cell.consent)
        };
        assert!(spread.iter().any(|other| is_like(&other)), "{cell}");
    }
    for (verb, moment) in Verb::ALL
        .into_iter()
        .flat_map(|verb| Moment::ALL.map(|at| (verb, at)))
    {
        let is_like = |cell: &&Cell| (cell.verb, cell.strike.moment) == (verb, moment);
        assert!(spread.iter().find(is_like).is_some(), "{verb:?} {moment:?}");
    }
    println!("{} of {} cells", spread.len(), cells::all().len());
}
