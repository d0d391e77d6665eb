//! The benchmarks still run: every comparison is in the report, measured or with a reason.

use std::process::Command;

use serde_json::Value;

/// Case and peer of every row.
const ROWS: [(&str, &str); 9] = [
    ("durable accept over HTTP", "PostgreSQL single-row commits"),
    ("durable accept over HTTP", "Redis XADD, appendfsync always"),
    ("store alone", "raw SQLite group commit"),
    ("CPU per durable accept", "PostgreSQL single-row commits"),
    ("CPU per durable accept", "raw SQLite group commit"),
    ("CPU per append of the store", "raw SQLite group commit"),
    ("accept and settle, sustained", "durable accept over HTTP"),
    ("cached lookup, plain", "bare actix + moka handler"),
    ("cached lookup, TLS keep-alive", "the bare handler over TLS"),
];

#[test]
fn the_quick_form_reports_every_row() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let report = directory.path().join("report.json");
    let ran = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["--quick", "--report"])
        .arg(&report)
        .output()
        .expect("the benchmarks can be run");
    let said = String::from_utf8_lossy(&ran.stderr);
    if said.contains("two cores are needed") {
        println!("skipped: {said}");
        return;
    }
    assert!(ran.status.success(), "{said}");
    let text = std::fs::read(&report).expect("a report is written");
    let report: Value = serde_json::from_slice(&text).expect("it is JSON");
    let rows = report["rows"].as_array().expect("it has rows");
    let named = |row: &Value| (row["case"].clone(), row["peer_name"].clone());
    let found: Vec<_> = rows.iter().map(named).collect();
    let wanted = ROWS.map(|(case, peer)| (Value::from(case), Value::from(peer)));
    assert_eq!(found, wanted);
    for row in rows {
        is_whole(row);
    }
    let cores = report["machine"]["cores"].as_u64();
    assert!(cores.is_some_and(|cores| cores >= 2), "{report:#}");
    let fsync = report["machine"]["fsync_us"]["median"].as_f64();
    assert!(fsync.is_some_and(|median| median > 0.0), "{report:#}");
}

/// Every key is there, and numbers in all of them unless the row says why not.
fn is_whole(row: &Value) {
    for key in ["ours", "peer", "ratio", "gate", "goal", "void", "skipped"] {
        assert!(row.get(key).is_some(), "{key} in {row:#}");
    }
    if row["skipped"].is_string() {
        assert!(
            row["ratio"].is_null(),
            "a skipped row has no number: {row:#}"
        );
        return;
    }
    for side in ["ours", "peer"] {
        for statistic in ["median", "min", "q1", "q3", "max"] {
            let value = row[side][statistic].as_f64();
            assert!(
                value.is_some_and(|value| value >= 0.0),
                "{side} {statistic} in {row:#}"
            );
        }
    }
}
