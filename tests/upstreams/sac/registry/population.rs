//! Invented persons and doctors, the same in every run: a number names one for ever.
//!
//! # Invariants
//!
//! 1. Tax codes are right in every way, agree with the names and the births, and differ among the
//!    first [`PERSONS_MAX`] persons and all doctors.
//! 2. The first persons are those of the test environment, and so is the first doctor.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::book::{Assisted, Exemption};
use crate::upstreams::sac::tax_code::check_letter;

/// Most persons that can be told apart.
pub const PERSONS_MAX: usize = CONSONANTS.len().pow(3) * YEARS;

const CONSONANTS: &[u8; 14] = b"BCDFGLMNPRSTVZ";
const YEARS: usize = 80;
const FIRST_YEAR: usize = 1930;
const MONTHS: &[u8; 12] = b"ABCDEHLMPRST";
/// Added to the day of birth in a woman's code.
const WOMAN: usize = 40;
/// Given names, their part of a code, and their sex.
const GIVEN: [(&str, &str, char); 8] = [
    ("MARIO", "MRA", 'M'),
    ("SARA", "SRA", 'F'),
    ("LUCA", "LCU", 'M'),
    ("ELENA", "LNE", 'F'),
    ("PIETRO", "PTR", 'M'),
    ("ANNA", "NNA", 'F'),
    ("PAOLO", "PLA", 'M'),
    ("IRENE", "RNI", 'F'),
];
/// Where persons are born: code, municipality, province.
const PLACES: [(&str, &str, &str); 4] = [
    ("H501", "ROMA", "RM"),
    ("A345", "L'AQUILA", "AQ"),
    ("G482", "PESCARA", "PE"),
    ("F205", "MILANO", "MI"),
];
/// Where doctors are born, and nobody else.
const DOCTORS_PLACE: (&str, &str, &str) = ("L219", "TORINO", "TO");
/// The doctors of the test environment whose codes are right.
const TEST_DOCTORS: [(&str, &str, &str); 2] = [
    ("PROVAX00X00X000Y", "PRO", "VA"),
    ("RSSMRA80A01H501U", "ROSSI", "MARIO"),
];
/// The test environment's patient, and one more who is known from elsewhere.
const TEST_PERSONS: [(&str, &str, &str, &str); 2] = [
    ("PNIMRA70A01H501P", "PINI", "MARIO", "1970-01-01"),
    ("RSSMRA80A01H501U", "ROSSI", "MARIO", "1980-01-01"),
];

/// How many there are of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Population {
    /// Assisted persons, at most [`PERSONS_MAX`].
    pub persons: usize,
    /// Doctors, among whom they are dealt out in turn.
    pub doctors: usize,
}

impl Default for Population {
    fn default() -> Population {
        Population {
            persons: 1_000,
            doctors: 2,
        }
    }
}

impl Population {
    /// Every person, by code.
    ///
    /// # Panics
    ///
    /// When there are too many, or no doctor.
    pub fn book(self) -> HashMap<String, Assisted> {
        assert!(self.persons <= PERSONS_MAX && self.doctors > 0);
        let persons = (0..self.persons).map(|number| self.assisted(number));
        persons
            .map(|person| (person.tax_code.clone(), person))
            .collect()
    }

    /// The doctor on whose list a person is at first.
    pub fn doctor_of(self, person: usize) -> String {
        // Those of the test environment are all on one list.
        let number = person.saturating_sub(TEST_PERSONS.len() - 1);
        doctor(number % self.doctors)
    }

    fn assisted(self, number: usize) -> Assisted {
        let (tax_code, family_name, given_name, sex, born_on, place) = identity(number);
        // A third of them have one exemption or two.
        let codes = ["E01", "048", "C01"];
        let exemptions = (number.is_multiple_of(3)).then(|| Exemption {
            code: codes[number % codes.len()].to_owned(),
            from: "2020-01-01".to_owned(),
            until: String::new(),
        });
        let second = number.is_multiple_of(6).then(|| Exemption {
            code: "E02".to_owned(),
            from: "2024-04-01".to_owned(),
            until: "2035-03-31".to_owned(),
        });
        Assisted {
            tax_code,
            family_name,
            given_name,
            sex,
            born_on,
            born_in: (place.1.to_owned(), place.2.to_owned()),
            lives_in: "L'AQUILA".to_owned(),
            health_unit: "201".to_owned(),
            doctor: self.doctor_of(number),
            since: "2020-01-01".to_owned(),
            exemptions: exemptions.into_iter().chain(second).collect(),
            card: super::book::card_number(number as u64),
            card_expires_on: format!("{}-{:02}-28", 2032 + number % 4, 1 + number % 12),
            former_cards: Vec::new(),
            died_on: String::new(),
        }
    }
}

/// The tax code of the person of this number.
pub fn person(number: usize) -> String {
    identity(number).0
}

/// The tax code of the doctor of this number; the first is the test environment's.
pub fn doctor(number: usize) -> String {
    match TEST_DOCTORS.get(number) {
        Some((code, ..)) => (*code).to_owned(),
        None => invented(number, DOCTORS_PLACE).0,
    }
}

/// Family name and given name of the doctor with this code; what it says of itself, if it is an
/// invented one.
pub(super) fn doctors_name(tax_code: &str) -> (String, String) {
    let known = TEST_DOCTORS.iter().find(|(code, ..)| *code == tax_code);
    let (family, given) =
        known.map_or(("MEDICO", "GENERICO"), |(_, family, given)| (family, given));
    (family.to_owned(), given.to_owned())
}

type Place = (&'static str, &'static str, &'static str);
type Identity = (String, String, String, char, String, Place);

fn identity(number: usize) -> Identity {
    match TEST_PERSONS.get(number) {
        Some((code, family, given, born_on)) => (
            (*code).to_owned(),
            (*family).to_owned(),
            (*given).to_owned(),
            'M',
            (*born_on).to_owned(),
            PLACES[0],
        ),
        None => invented(number, PLACES[number % PLACES.len()]),
    }
}

/// Three consonants make the family name, what is left of the number the year of birth.
fn invented(number: usize, place: Place) -> Identity {
    let letter = |at: u32| char::from(CONSONANTS[number / 14usize.pow(at) % 14]);
    let (a, b, c) = (letter(0), letter(1), letter(2));
    let (given, given_code, sex) = GIVEN[number % GIVEN.len()];
    let year = FIRST_YEAR + number / 14usize.pow(3) % YEARS;
    let (month, day) = (number % 12, 1 + number % 28);
    let coded_day = if sex == 'F' { day + WOMAN } else { day };
    let code = format!(
        "{a}{b}{c}{given_code}{:02}{}{coded_day:02}{}",
        year % 100,
        char::from(MONTHS[month]),
        place.0
    );
    let check = check_letter(&code).expect("it has fifteen letters and digits");
    (
        format!("{code}{check}"),
        format!("{a}A{b}O{c}I"),
        given.to_owned(),
        sex,
        format!("{year}-{:02}-{day:02}", month + 1),
        place,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::upstreams::sac::tax_code::is_tax_code;

    #[test]
    fn codes_are_right_and_differ() {
        let persons: BTreeSet<String> = (0..30_000).map(person).collect();
        assert_eq!(persons.len(), 30_000);
        assert!(persons.iter().all(|code| is_tax_code(code)));
        let doctors: BTreeSet<String> = (0..1_000).map(doctor).collect();
        assert_eq!(doctors.len(), 1_000);
        assert!(
            doctors
                .iter()
                .skip_while(|code| *code == "PROVAX00X00X000Y")
                .count()
                >= 999
        );
        let both = doctors.intersection(&persons);
        assert_eq!(both.collect::<Vec<_>>(), ["RSSMRA80A01H501U"]);
    }

    #[test]
    fn everybody_is_on_the_list_of_a_doctor() {
        let population = Population {
            persons: 20_000,
            doctors: 40,
        };
        let book = population.book();
        assert_eq!(book.len(), 20_000);
        let doctors: BTreeSet<&str> = book.values().map(|p| p.doctor.as_str()).collect();
        assert_eq!(doctors.len(), 40);
        let cards: BTreeSet<&str> = book.values().map(|p| p.card.as_str()).collect();
        assert_eq!(cards.len(), 20_000);
        assert_eq!(book["PNIMRA70A01H501P"].doctor, "PROVAX00X00X000Y");
    }
}
