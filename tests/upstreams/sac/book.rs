//! The simulator's memory: every prescription it holds, every call it saw.
//!
//! # Invariants
//!
//! 1. A number, once applied, is used for ever: cancelled, expired or dispensed changes nothing.
//! 2. A refused `invio` uses no number.
//! 3. statoProcesso moves only along the transitions of specification §7.
//! 4. Every `invio` that was looked at is in the log, with the number it carried and its outcome.
//! 5. Every call that was let in is in the log, in order, with the number it was about.
//!
//! # Limits
//!
//! The log is kept whole, for an oracle to read; refusals only up to [`REFUSALS_MAX`].

mod view;

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::{Timestamp, Zoned};

pub use view::{Asked, Book, Calls, Moved, Prescription, Received, Refused};

use super::lots::Lots;
use super::operation::Operation;
use super::schema::Message;

/// How many refusals are kept.
pub const REFUSALS_MAX: usize = 1_000;

/// Fields that say nothing about what was prescribed, or say it under a random cipher.
const NOT_CONTENT: [&str; 3] = ["pinCode", "nre", "codiceAss"];

/// A prescription as the SAC stores it.
#[derive(Debug, Clone)]
pub struct Stored {
    /// What anyone may read.
    pub public: Prescription,
    /// The request it came with.
    pub message: Message,
}

/// What the running simulator writes.
#[derive(Debug, Default)]
pub struct Ledger {
    prescriptions: BTreeMap<String, Stored>,
    /// Lots given.
    pub lots: Lots,
    received: Vec<Received>,
    asked: Vec<Asked>,
    refusals: Vec<Refused>,
    calls: BTreeMap<Operation, Calls>,
    serial: u64,
    second: (i64, u32),
    peak_per_second: u32,
}

impl Ledger {
    /// The prescription that holds this number.
    pub fn find(&self, number: &str) -> Option<&Stored> {
        self.prescriptions.get(number)
    }

    /// Every prescription, by number.
    pub fn prescriptions(&self) -> impl Iterator<Item = &Stored> {
        self.prescriptions.values()
    }

    /// Stores a new prescription in state 3 and issues its authentication code.
    ///
    /// # Panics
    ///
    /// When the number has been used: the rules must have looked.
    pub fn insert(
        &mut self,
        number: &str,
        patient: &str,
        message: Message,
        now: &Zoned,
    ) -> &Stored {
        self.serial += 1;
        let public = Prescription {
            nre: number.to_owned(),
            doctor: message.get("cfMedico1").to_owned(),
            substitute: message.get("cfMedico2").to_owned(),
            patient: patient.to_owned(),
            kind: message.get("tipoPrescrizione").to_owned(),
            state: 3,
            codice_autenticazione: authentication_code(self.serial, now),
            inserted_at: now.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            compiled_at: message.get("dataCompilazione").to_owned(),
            content: content_digest(&message, patient),
            words: words(&message),
        };
        let stored = Stored { public, message };
        assert!(
            self.prescriptions
                .insert(number.to_owned(), stored)
                .is_none(),
            "a number is applied once"
        );
        &self.prescriptions[number]
    }

    /// Moves a prescription to another state.
    ///
    /// # Errors
    ///
    /// When no prescription has this number, or the transition is not one of §7.
    pub fn move_to(&mut self, number: &str, state: u8) -> Result<(), Moved> {
        let stored = self.prescriptions.get_mut(number).ok_or(Moved::Unknown)?;
        let from = stored.public.state;
        if !is_transition(from, state, &stored.public.kind) {
            return Err(Moved::Refused { from, to: state });
        }
        stored.public.state = state;
        Ok(())
    }

    /// Has it dispensed by someone else, if it can be.
    pub fn dispense(&mut self, number: &str) {
        if self.move_to(number, 5).is_ok() {
            self.move_to(number, 8)
                .expect("what is taken in charge can be dispensed");
        }
    }

    /// Notes an `invio` and what came of it.
    pub fn note_received(&mut self, received: Received) {
        self.received.push(received);
    }

    /// Notes a call that was let in, and the number it is about.
    pub fn note_asked(&mut self, operation: Operation, number: &str) {
        self.asked.push(Asked {
            operation,
            nre: number.to_owned(),
        });
    }

    /// Notes why a call was not let in.
    pub fn note_refusal(&mut self, operation: Operation, reason: impl Into<String>) {
        if self.refusals.len() == REFUSALS_MAX {
            self.refusals.remove(0);
        }
        self.refusals.push(Refused {
            operation,
            reason: reason.into(),
        });
    }

    /// The counters of an operation.
    pub fn calls(&mut self, operation: Operation) -> &mut Calls {
        self.calls.entry(operation).or_default()
    }

    /// Counts one more call in the present second; how many there were in it.
    pub fn count_in_second(&mut self, now: Timestamp) -> u32 {
        let second = now.as_second();
        if self.second.0 != second {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        self.peak_per_second = self.peak_per_second.max(self.second.1);
        self.second.1
    }

    /// A copy for whoever asks.
    pub fn view(&self) -> Book {
        Book {
            prescriptions: self
                .prescriptions()
                .map(|stored| stored.public.clone())
                .collect(),
            lots: self.lots.all().cloned().collect(),
            received: self.received.clone(),
            asked: self.asked.clone(),
            refusals: self.refusals.clone(),
            calls: self.calls.clone(),
            peak_per_second: self.peak_per_second,
        }
    }
}

/// Thirty digits: ddMMyyyyHHmmssSSS and a progressive of thirteen (sac.md §2.2).
fn authentication_code(serial: u64, now: &Zoned) -> String {
    format!("{}{serial:013}", now.strftime("%d%m%Y%H%M%S%3f"))
}

/// The transitions of §7, which single out drugs for 6 and 7. What a dispenser cancels (9) goes
/// back to being dispensed (8) or to anyone (3).
fn is_transition(from: u8, to: u8, kind: &str) -> bool {
    let drugs_only = matches!(to, 6 | 7);
    let listed = match from {
        3 => matches!(to, 4 | 5 | 10),
        5 => matches!(to, 3 | 6 | 7 | 8),
        6 => matches!(to, 3 | 7 | 8),
        7 => to == 8,
        8 => to == 9,
        9 => matches!(to, 3 | 8),
        _ => false,
    };
    listed && (!drugs_only || kind == "F")
}

fn words(message: &Message) -> String {
    let first = message.rows().first();
    let note = first.map_or("", |row| row.get("motivazNote"));
    match message.get("descrizioneDiagnosi") {
        "" => note.to_owned(),
        diagnosis => diagnosis.to_owned(),
    }
}

/// What was prescribed for whom, without number, cipher and PIN: two with the same digest are one
/// request applied twice.
pub fn content_digest(message: &Message, patient: &str) -> String {
    let mut content = format!("patient={patient}\n");
    let fields = message
        .fields()
        .iter()
        .filter(|(name, _)| !NOT_CONTENT.contains(name));
    for (name, text) in fields {
        content.push_str(&format!("{name}={text:?}\n"));
    }
    for row in message.rows() {
        content.push_str("row\n");
        for (name, text) in row.iter().filter(|(_, text)| !text.is_empty()) {
            content.push_str(&format!("{name}={text:?}\n"));
        }
    }
    digest(&SHA256, content.as_bytes())
        .as_ref()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_move_only_as_the_specification_says() {
        let allowed = [
            (3, 4),
            (3, 5),
            (3, 10),
            (5, 3),
            (5, 6),
            (5, 7),
            (5, 8),
            (6, 3),
            (6, 7),
            (6, 8),
            (7, 8),
            (8, 9),
            (9, 3),
            (9, 8),
        ];
        for from in 0..=11 {
            for to in 0..=11 {
                let listed = allowed.contains(&(from, to));
                assert_eq!(is_transition(from, to, "F"), listed, "{from} to {to}");
                let for_services = listed && !matches!(to, 6 | 7);
                assert_eq!(is_transition(from, to, "P"), for_services, "{from} to {to}");
            }
        }
    }

    #[test]
    fn an_authentication_code_has_thirty_digits() {
        let now: Zoned = "2026-09-30T16:44:16.870+02:00[Europe/Rome]"
            .parse()
            .unwrap();
        assert_eq!(
            authentication_code(50_622_782, &now),
            "300920261644168700000050622782"
        );
    }
}
