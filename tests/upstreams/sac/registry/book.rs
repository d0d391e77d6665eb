//! Whom the registry knows, and everybody who looked them up.
//!
//! # Limits
//!
//! The log of look-ups is kept whole, for an oracle to read.

use std::collections::HashMap;

use serde::Serialize;

use super::population::Population;
use crate::upstreams::sac::operation::Operation;

/// Who issues cards here: the national part and the region's.
const ISSUER: &str = "8038000130";
/// The first serial of the cards that replace others.
const REPLACEMENTS_FROM: u64 = 5_000_000_000;

/// An assisted person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assisted {
    /// The code.
    pub tax_code: String,
    /// Family name.
    pub family_name: String,
    /// Given name.
    pub given_name: String,
    /// `F` or `M`.
    pub sex: char,
    /// `yyyy-mm-dd`.
    pub born_on: String,
    /// Municipality and province.
    pub born_in: (String, String),
    /// The municipality they live in.
    pub lives_in: String,
    /// The health unit of that place, which assists them.
    pub health_unit: String,
    /// The doctor whose list they are on; empty if on none.
    pub doctor: String,
    /// Since when, `yyyy-mm-dd`.
    pub since: String,
    /// What they need not pay for.
    pub exemptions: Vec<Exemption>,
    /// The number of the card they hold.
    pub card: String,
    /// Its last day, `yyyy-mm-dd`.
    pub card_expires_on: String,
    /// Numbers of cards they held before.
    pub former_cards: Vec<String>,
    /// The day they died, empty while they live.
    pub died_on: String,
}

/// An exemption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exemption {
    /// Its code.
    pub code: String,
    /// From this day.
    pub from: String,
    /// Until this day, empty if it has no end.
    pub until: String,
}

/// One look-up that reached the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookUp {
    /// Which.
    pub operation: Operation,
    /// The doctor who asked; empty where an organisation did in its own name.
    pub doctor: String,
    /// The organisation that asked.
    pub organization: String,
    /// For whom; empty where it could not be deciphered.
    pub tax_code: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// How it was answered: `found`, or the code of the refusal.
    pub answered: String,
    /// Whether a fault kept the answer from its caller, or spoilt it.
    pub is_harmed: bool,
}

/// Number and letters of a card.
pub(super) fn card_number(serial: u64) -> String {
    format!("{ISSUER}{serial:010}")
}

/// The registry's memory.
#[derive(Debug)]
pub struct Registry {
    persons: HashMap<String, Assisted>,
    look_ups: Vec<LookUp>,
    replacements: u64,
}

impl Registry {
    /// One that knows this population.
    pub(in crate::upstreams::sac) fn of(population: Population) -> Registry {
        Registry {
            persons: population.book(),
            look_ups: Vec::new(),
            replacements: 0,
        }
    }

    /// The person under this code.
    pub fn find(&self, tax_code: &str) -> Option<&Assisted> {
        self.persons.get(tax_code)
    }

    /// The person under this code, to be changed in any way.
    pub fn find_mut(&mut self, tax_code: &str) -> Option<&mut Assisted> {
        self.persons.get_mut(tax_code)
    }

    /// Whether anybody is on the list of this doctor.
    pub fn has_list(&self, doctor: &str) -> bool {
        self.persons.values().any(|person| person.doctor == doctor)
    }

    /// How many there are.
    pub fn persons(&self) -> usize {
        self.persons.len()
    }

    /// Puts a person on the list of another doctor. Whether there is such a person.
    pub fn move_to_doctor(&mut self, tax_code: &str, doctor: &str) -> bool {
        let person = self.persons.get_mut(tax_code);
        person
            .map(|person| doctor.clone_into(&mut person.doctor))
            .is_some()
    }

    /// Gives a person a new card in place of theirs, and tells its number.
    pub fn replace_card(&mut self, tax_code: &str) -> Option<String> {
        let person = self.persons.get_mut(tax_code)?;
        let number = card_number(REPLACEMENTS_FROM + self.replacements);
        self.replacements += 1;
        let former = std::mem::replace(&mut person.card, number.clone());
        person.former_cards.push(former);
        Some(number)
    }

    /// Takes a person out. Whether there was one.
    pub fn remove(&mut self, tax_code: &str) -> bool {
        self.persons.remove(tax_code).is_some()
    }

    /// Every look-up that reached the rules, in order.
    pub fn look_ups(&self) -> &[LookUp] {
        &self.look_ups
    }

    pub(super) fn note(&mut self, look_up: LookUp) {
        self.look_ups.push(look_up);
    }
}
