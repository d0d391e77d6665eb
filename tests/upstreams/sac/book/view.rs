//! What the book tells: plain data, for tests to read and for the control port to write as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::upstreams::sac::lots::Lot;
use crate::upstreams::sac::operation::Operation;

/// A prescription that the SAC has accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Prescription {
    /// Its number.
    pub nre: String,
    /// `cfMedico1`.
    pub doctor: String,
    /// `cfMedico2`, empty if the titular doctor prescribed.
    pub substitute: String,
    /// The patient's code in clear.
    pub patient: String,
    /// `F` or `P`.
    pub kind: String,
    /// statoProcesso.
    pub state: u8,
    /// The authentication code.
    pub codice_autenticazione: String,
    /// `dataInserimento`.
    pub inserted_at: String,
    /// `dataCompilazione`.
    pub compiled_at: String,
    /// A digest of what was prescribed for whom, the number left out.
    pub content: String,
    /// What the doctor wrote in words: the diagnosis, or else the note of the first row.
    pub words: String,
}

impl Prescription {
    /// Whether a patient could still be, or has been, served on it.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, 4 | 10)
    }

    /// Who prescribed it: the substitute if there is one.
    pub fn prescriber(&self) -> &str {
        if self.substitute.is_empty() {
            &self.doctor
        } else {
            &self.substitute
        }
    }
}

/// One `invio` that reached the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Received {
    /// The number it carried, or got.
    pub nre: String,
    /// `0000`, `0001`, `9999`, or `fault`.
    pub outcome: String,
    /// Whether the number had been used before.
    pub duplicate: bool,
    /// The digest of its content, as in [`Prescription::content`].
    pub content: String,
    /// When, as the SAC writes instants.
    pub at: String,
}

/// One call that was let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Asked {
    /// The operation called.
    pub operation: Operation,
    /// The number it was about; empty if it named none.
    pub nre: String,
}

/// Why a call was not let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// The operation called.
    pub operation: Operation,
    /// Why, in words that name no one.
    pub reason: String,
}

/// The counters of one operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// Whole requests that came in.
    pub received: u64,
    /// Answers handed over unharmed, refusals included.
    pub answered: u64,
    /// Requests that met a fault.
    pub faulted: u64,
    /// Requests turned away for want of capacity.
    pub over_capacity: u64,
}

/// Why a state did not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved {
    /// No prescription has this number.
    Unknown,
    /// The specification has no such transition.
    Refused {
        /// The present state.
        from: u8,
        /// The state asked for.
        to: u8,
    },
}

/// Everything the simulator knows, at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Book {
    /// Every prescription, by number.
    pub prescriptions: Vec<Prescription>,
    /// Every lot given, by prefix.
    pub lots: Vec<Lot>,
    /// Every `invio` that reached the rules, in order.
    pub received: Vec<Received>,
    /// Every call that was let in, in order.
    pub asked: Vec<Asked>,
    /// The latest refusals, oldest first.
    pub refusals: Vec<Refused>,
    /// The counters of each operation that was called.
    pub calls: BTreeMap<Operation, Calls>,
    /// The most calls begun in one second of the clock.
    pub peak_per_second: u32,
}

impl Book {
    /// The prescription with this number.
    pub fn prescription(&self, nre: &str) -> Option<&Prescription> {
        self.prescriptions
            .iter()
            .find(|prescription| prescription.nre == nre)
    }

    /// The counters of an operation, zero if it was never called.
    pub fn calls(&self, operation: Operation) -> Calls {
        self.calls.get(&operation).copied().unwrap_or_default()
    }

    /// Contents that more than one live prescription has: one request that took effect twice.
    pub fn doubles(&self) -> Vec<Vec<&Prescription>> {
        let mut by_content: BTreeMap<&str, Vec<&Prescription>> = BTreeMap::new();
        for prescription in self.prescriptions.iter().filter(|p| p.is_live()) {
            by_content
                .entry(&prescription.content)
                .or_default()
                .push(prescription);
        }
        by_content
            .into_values()
            .filter(|same| same.len() > 1)
            .collect()
    }

    /// Every `invio` that came for a number already used.
    pub fn duplicate_attempts(&self) -> impl Iterator<Item = &Received> {
        self.received.iter().filter(|received| received.duplicate)
    }
}
