//! The table keeps its own rules, and is the one that is documented.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_code_is_unique_and_in_the_table() {
    let codes: BTreeSet<_> = all().map(|row| row.code).collect();
    assert_eq!(codes.len(), all().count());
    let table = markdown();
    for code in codes {
        assert!(table.contains(&format!("| `{code}` |")), "{code}");
    }
}

#[test]
fn status_fault_and_repetition_agree() {
    for row in all() {
        assert!((400..=599).contains(&row.status), "{}", row.code);
        if matches!(row.status, 429 | 503) {
            assert!(
                row.repeat.after().is_some(),
                "{} needs Retry-After",
                row.code
            );
        }
        if matches!(row.status, 401 | 403) {
            assert_eq!(row.outcome, Outcome::NotDone, "{}", row.code);
        }
    }
}

#[test]
fn architecture_documents_every_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md");
    let text = std::fs::read_to_string(path).unwrap();
    for row in markdown().lines() {
        assert!(
            text.contains(row),
            "ARCHITECTURE.md lacks this row: paste the output of `argine codes`\n{row}"
        );
    }
}

/// Who reads "registrata" thinks of the SAC: what Argine does with a request has another word.
#[test]
fn only_the_sac_registers() {
    for row in all().filter(|row| !row.code.starts_with("token")) {
        for text in [row.title.it, row.detail.it] {
            let of_the_sac = [
                "reminder-not-available",
                "not-registered",
                "issue-red-recipe",
            ];
            let registers = text.contains("registra");
            assert!(
                !registers || of_the_sac.contains(&row.code),
                "{}: {text}",
                row.code
            );
        }
    }
}
