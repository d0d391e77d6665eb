//! From what a stranger sent to a prescription that cannot be wrong, noting every broken rule.
//!
//! A value that breaks its rule is noted and replaced by a stand-in that keeps it, so that the rules
//! which join several fields can be tried all the same and the caller hears everything at once. A
//! stand-in breaks none of those by itself.
//!
//! # Invariants
//!
//! 1. A prescription with a stand-in has an error noted, and goes nowhere.

mod fields;

use std::fmt;

use adapters::model::{Invalid, Prescription};
use adapters::sac::checks::{self, Finding, Severity};
use policies::time::Timestamp;

use super::request::NewPrescription;
use crate::edge::respond::FieldError;

/// The rules that a body was found to break.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Those that block.
    pub(crate) errors: Vec<FieldError>,
    /// Those that only warn.
    pub(crate) warnings: Vec<FieldError>,
}

impl Reading {
    /// Reads the prescription of `new`, which is to be used only if no error was noted.
    pub(crate) fn of(
        new: NewPrescription,
        now: Timestamp,
        checks_off: &[&str],
    ) -> (Prescription, Reading) {
        let mut reading = Reading::default();
        let prescription = reading.prescription(Place::Root, new);
        // Most rules follow from what these two say, so that no stand-in of theirs is innocent.
        if reading.is_noted("/kind") || reading.is_noted("/recipient") {
            return (prescription, reading);
        }
        for finding in checks::check(&prescription, now, checks_off) {
            reading.add(finding);
        }
        (prescription, reading)
    }

    /// Whether an error points exactly there.
    pub(super) fn is_noted(&self, pointer: &str) -> bool {
        let mut pointers = self.errors.iter().map(|error| error.pointer.as_deref());
        pointers.any(|noted| noted == Some(pointer))
    }

    fn add(&mut self, finding: Finding) {
        let error = FieldError::at(finding.pointer, finding.rule.id, finding.detail);
        match finding.rule.severity {
            Severity::Blocks => self.errors.push(error),
            Severity::Warns => self.warnings.push(error),
        }
    }

    fn refuse(&mut self, place: Place<'_>, invalid: Invalid) {
        let error = FieldError::at(place.to_string(), invalid.rule(), invalid.sentence());
        self.errors.push(error);
    }

    /// `raw` as its type, or a stand-in and a note.
    pub(super) fn value<T, R>(&mut self, place: Place<'_>, raw: R, stand_in: impl Into<R>) -> T
    where
        T: TryFrom<R, Error = Invalid>,
    {
        T::try_from(raw).unwrap_or_else(|invalid| {
            self.refuse(place, invalid);
            T::try_from(stand_in.into()).expect("a stand-in keeps the rule of its type")
        })
    }

    fn maybe<T, R>(&mut self, place: Place<'_>, raw: Option<R>, stand_in: impl Into<R>) -> Option<T>
    where
        T: TryFrom<R, Error = Invalid>,
    {
        raw.map(|raw| self.value(place, raw, stand_in))
    }
}

/// Where a value stands in the body; a JSON pointer when it is printed, and free until then.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// The body.
    Root,
    /// A field of an object.
    Field(&'a Place<'a>, &'static str),
    /// An item of a list.
    Item(&'a Place<'a>, usize),
}

impl Place<'_> {
    pub(super) fn field(&self, name: &'static str) -> Place<'_> {
        Place::Field(self, name)
    }

    fn item(&self, index: usize) -> Place<'_> {
        Place::Item(self, index)
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Root => Ok(()),
            Place::Field(parent, name) => write!(f, "{parent}/{name}"),
            Place::Item(parent, index) => write!(f, "{parent}/{index}"),
        }
    }
}

#[cfg(test)]
mod tests;
