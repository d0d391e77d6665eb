//! What the practices know of their prescriptions.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::morning::Spell;

/// What a practice knows of one prescription.
#[derive(Debug, Clone)]
pub(crate) struct Offered {
    /// Who prescribed it.
    pub(crate) practice: usize,
    /// What the SAC did when it was first sent.
    pub(crate) spell: Spell,
    /// What the doctor wrote in words; no other prescription has the same.
    pub(crate) words: String,
    /// Whether the patient waits at the desk.
    pub(crate) waiting: bool,
    /// Whether the doctor agreed to an automatic annul.
    pub(crate) consent: bool,
    /// The status of the last answer; 0 if there was none.
    pub(crate) status: u16,
    /// Its name, once it is on disk.
    pub(crate) id: Option<String>,
    /// Whether it was accepted: never so where the desk was told to write a red form.
    pub(crate) accepted: bool,
    /// Whether it was accepted without waiting for the end of the spell it was first sent in.
    pub(crate) accepted_in_spell: bool,
    /// The red form that was written instead.
    pub(crate) red_form: RedForm,
    /// Whether it was taken back.
    pub(crate) cancel: Cancel,
}

/// A red form, as its desk knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RedForm {
    /// Nobody asked for one.
    None,
    /// The desk was told to write one.
    Told,
    /// Its number was confirmed.
    Confirmed,
}

/// A cancel, as the practice knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancel {
    /// Not asked for.
    None,
    /// Asked for, and taken.
    Asked,
    /// Asked for, and refused at once.
    Refused,
}

/// Everything the practices have sent, and the prescriptions that patients took to a pharmacy.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Written>>);

#[derive(Debug, Default)]
struct Written {
    offered: Vec<Offered>,
    taken: Vec<String>,
}

impl Log {
    /// A copy, as it stands.
    pub(crate) fn all(&self) -> Vec<Offered> {
        self.lock().offered.clone()
    }

    /// Notes a new prescription, and where it is noted.
    pub(crate) fn open(&self, offered: Offered) -> usize {
        let mut log = self.lock();
        log.offered.push(offered);
        log.offered.len() - 1
    }

    /// Notes what became of it.
    pub(crate) fn amend(&self, place: usize, change: impl FnOnce(&mut Offered)) {
        change(&mut self.lock().offered[place]);
    }

    /// A patient takes a registered prescription to a pharmacy.
    pub(crate) fn take_to_pharmacy(&self, number: String) {
        self.lock().taken.push(number);
    }

    /// The numbers that patients brought since the last time.
    pub(crate) fn at_the_pharmacy(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().taken)
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offered {
    /// Whether the desk was told to write a red form.
    pub(crate) fn told_red_form(&self) -> bool {
        self.red_form != RedForm::None
    }
}
