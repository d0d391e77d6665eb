//! Rules about rows: where each one is broken, as JSON pointers.

use super::{PACKS_PER_ROW, SERVICES_MAX, Subject};
use crate::model::{Kind, Row};

/// `/rows/{index}/{field}` of every row that `breaks`.
fn rows(subject: &Subject<'_>, field: &str, breaks: impl Fn(&Row) -> bool) -> Vec<String> {
    let rows = subject.prescription.rows.as_slice().iter().enumerate();
    rows.filter(|(_, row)| breaks(row))
        .map(|(index, _)| format!("/rows/{index}/{field}"))
        .collect()
}

fn is_drug(subject: &Subject<'_>) -> bool {
    subject.prescription.kind == Kind::Drug
}

pub(super) fn too_many_services(subject: &Subject<'_>) -> Vec<String> {
    let rows = subject.prescription.rows.as_slice();
    let services: u32 = rows.iter().map(|row| u32::from(row.quantity.get())).sum();
    if is_drug(subject) || services <= SERVICES_MAX {
        return Vec::new();
    }
    vec!["/rows".to_owned()]
}

pub(super) fn service_code_missing(subject: &Subject<'_>) -> Vec<String> {
    rows(subject, "code", |row| {
        !is_drug(subject) && row.code.is_none()
    })
}

pub(super) fn description_missing(subject: &Subject<'_>) -> Vec<String> {
    rows(subject, "description", |row| row.description.is_none())
}

pub(super) fn not_substitutable_without_code(subject: &Subject<'_>) -> Vec<String> {
    rows(subject, "not_substitutable", |row| {
        row.not_substitutable && row.code.is_none()
    })
}

pub(super) fn reason_missing(subject: &Subject<'_>) -> Vec<String> {
    rows(subject, "not_substitutable_reason", |row| {
        row.not_substitutable && row.not_substitutable_reason.is_none()
    })
}

pub(super) fn sessions_repeated(subject: &Subject<'_>) -> Vec<String> {
    rows(subject, "quantity", |row| {
        row.sessions.is_some() && row.quantity.get() != 1
    })
}

pub(super) fn many_packs(subject: &Subject<'_>) -> Vec<String> {
    rows(subject, "quantity", |row| {
        is_drug(subject) && row.quantity.get() > PACKS_PER_ROW
    })
}

pub(super) fn drug_fields_on_services(subject: &Subject<'_>) -> Vec<String> {
    if is_drug(subject) {
        return Vec::new();
    }
    let mut found = fields(
        subject,
        &[
            ("equivalence_group", |row| row.equivalence_group.is_some()),
            ("not_substitutable", |row| row.not_substitutable),
            ("not_substitutable_reason", |row| {
                row.not_substitutable_reason.is_some()
            }),
            ("drug_note", |row| row.drug_note.is_some()),
            ("aifa_note", |row| row.aifa_note.is_some()),
        ],
    );
    if subject.prescription.therapeutic_plan.is_some() {
        found.push("/therapeutic_plan".to_owned());
    }
    found
}

pub(super) fn service_fields_on_drugs(subject: &Subject<'_>) -> Vec<String> {
    if !is_drug(subject) {
        return Vec::new();
    }
    let mut found = fields(
        subject,
        &[
            ("service_note", |row| row.service_note.is_some()),
            ("televisit", |row| row.televisit),
            ("catalogue_code", |row| row.catalogue_code.is_some()),
            ("access", |row| row.access.is_some()),
            ("sessions", |row| row.sessions.is_some()),
        ],
    );
    if subject.prescription.internal {
        found.push("/internal".to_owned());
    }
    found
}

/// A field of a row, and whether a row has it set.
type Field = (&'static str, fn(&Row) -> bool);

/// The pointers of those `fields` that a row has set.
fn fields(subject: &Subject<'_>, fields: &[Field]) -> Vec<String> {
    fields
        .iter()
        .flat_map(|(field, is_set)| rows(subject, field, is_set))
        .collect()
}
