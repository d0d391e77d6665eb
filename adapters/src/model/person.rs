//! What the registry of assisted persons says: a person, and a health card.
//!
//! # Invariants
//!
//! 1. The JSON of a person holds what its view may see and nothing else; it is what callers are sent.
//!
//! # Limits
//!
//! [`EXEMPTIONS_MAX`] exemptions a person; names and places of 100 characters.

use std::fmt;

use serde::Serialize;

use super::{
    CardNumber, Day, ExemptionCode, HealthUnit, Name, PatientCode, PrescriberCode, Province,
    Region, View,
};

/// Most exemptions of one person.
pub const EXEMPTIONS_MAX: usize = 200;

words! {
    /// A person's sex, as the registry writes it.
    Sex {
        /// Female.
        Female = "F" / "F",
        /// Male.
        Male = "M" / "M",
    }
}

/// A person as the registry knows them.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// Under which code.
    pub tax_code: PatientCode,
    /// Family name.
    pub family_name: Name,
    /// Given name.
    pub given_name: Name,
    /// Sex.
    pub sex: Sex,
    /// When and where they were born.
    pub birth: Birth,
    /// Where they live; the registry tells doctors alone.
    pub residence: Option<PlaceOfResidence>,
    /// Who assists them; nobody, where they are not assisted.
    pub assistance: Option<Assistance>,
    /// Whose list they are on; the registry tells doctors alone.
    pub doctor: Option<ListedDoctor>,
    /// What they need not pay for.
    pub exemptions: Exemptions,
    /// The card they hold.
    pub health_card: Option<HealthCard>,
    /// Whether the health service assists them at present.
    pub is_assisted: bool,
    /// The day they died.
    pub died_on: Option<Day>,
}

/// When and where a person was born.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Birth {
    /// The day.
    pub date: Day,
    /// The municipality; abroad, the state.
    pub municipality: Name,
    /// The province; `EE` abroad.
    pub province: Province,
}

/// Where a person lives.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct PlaceOfResidence {
    /// The municipality.
    pub municipality: Name,
    /// The health unit it belongs to.
    pub health_unit: HealthUnit,
}

/// Who assists a person.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Assistance {
    /// The region.
    pub region: Region,
    /// The health unit.
    pub health_unit: HealthUnit,
}

/// The doctor whose list a person is on.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct ListedDoctor {
    /// Who.
    pub tax_code: PrescriberCode,
    /// Family name.
    pub family_name: Name,
    /// Given name.
    pub given_name: Name,
    /// Since when, and until when.
    #[serde(flatten)]
    pub period: Period,
}

/// An exemption that a person has.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct GrantedExemption {
    /// Which.
    pub code: ExemptionCode,
    /// Since when, and until when.
    #[serde(flatten)]
    pub period: Period,
}

/// The card a person holds.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct HealthCard {
    /// Its number.
    pub number: CardNumber,
    /// The last day it is valid.
    pub expires_on: Day,
}

/// Days from the first to the last; without a last one, for as long as can be told.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Period {
    from: Day,
    to: Option<Day>,
}

impl Period {
    /// A period, unless it ends before it begins.
    pub fn new(from: Day, to: Option<Day>) -> Option<Period> {
        to.is_none_or(|to| from <= to)
            .then_some(Period { from, to })
    }

    /// Whether `day` is one of them.
    pub fn holds_on(self, day: Day) -> bool {
        self.from <= day && self.to.is_none_or(|to| day <= to)
    }
}

/// At most [`EXEMPTIONS_MAX`] of them.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exemptions(Vec<GrantedExemption>);

impl Exemptions {
    /// These, unless they are too many.
    pub fn new(exemptions: Vec<GrantedExemption>) -> Option<Exemptions> {
        (exemptions.len() <= EXEMPTIONS_MAX).then_some(Exemptions(exemptions))
    }
}

impl Person {
    /// The JSON that `view` may see: doctors all of it; the others neither where the person lives nor
    /// whose list they are on. The SAC tells that to doctors alone: a citizen who asked here would be
    /// told that there is none.
    pub fn to_json(&self, view: View) -> Vec<u8> {
        let whole = view == View::Practice;
        let seen = Seen {
            tax_code: &self.tax_code,
            family_name: &self.family_name,
            given_name: &self.given_name,
            sex: self.sex,
            birth: &self.birth,
            residence: whole.then_some(self.residence.as_ref()),
            assistance: self.assistance.as_ref(),
            doctor: whole.then_some(self.doctor.as_ref()),
            exemptions: &self.exemptions,
            health_card: self.health_card.as_ref(),
            is_assisted: self.is_assisted,
            died_on: self.died_on,
        };
        serde_json::to_vec(&seen).expect("a person is plain data")
    }
}

/// A person as a view sees them. What it may not see is missing; what there is not, is null.
#[derive(Serialize)]
struct Seen<'a> {
    tax_code: &'a PatientCode,
    family_name: &'a Name,
    given_name: &'a Name,
    sex: Sex,
    birth: &'a Birth,
    #[serde(skip_serializing_if = "Option::is_none")]
    residence: Option<Option<&'a PlaceOfResidence>>,
    assistance: Option<&'a Assistance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doctor: Option<Option<&'a ListedDoctor>>,
    exemptions: &'a Exemptions,
    health_card: Option<&'a HealthCard>,
    is_assisted: bool,
    died_on: Option<Day>,
}

words! {
    /// What kind of card it is.
    CardKind {
        /// The health card (tessera sanitaria).
        HealthCard = "TS" / "TS",
        /// The same with a chip that proves who holds it (TS-CNS).
        WithChip = "TS-CNS" / "TS-CNS",
    }
}

words! {
    /// Why a card does not hold.
    CardFault {
        /// Its last day has passed.
        Expired = "expired" / "S",
        /// The person has a newer one.
        Replaced = "replaced" / "D",
        /// It is not a card of that person.
        NotThisPerson = "not-this-person" / "A",
    }
}

/// What the registry says of a card.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// It is the person's, and holds.
    Valid {
        /// What kind it is.
        kind: CardKind,
        /// The last day it is valid.
        expires_on: Day,
    },
    /// It does not hold.
    Invalid(CardFault),
}

impl Card {
    /// The JSON that callers are sent, the same for every view.
    pub fn to_json(self) -> Vec<u8> {
        let said = match self {
            Card::Valid { kind, expires_on } => Said {
                is_valid: true,
                kind: Some(kind),
                expires_on: Some(expires_on),
                reason: None,
            },
            Card::Invalid(reason) => Said {
                is_valid: false,
                kind: None,
                expires_on: None,
                reason: Some(reason),
            },
        };
        serde_json::to_vec(&said).expect("a card is plain data")
    }
}

#[derive(Serialize)]
struct Said {
    is_valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<CardKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_on: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<CardFault>,
}

/// `Debug` that names nobody.
macro_rules! unnamed {
    ($($name:ident),+ $(,)?) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}

unnamed! {
    Person, Birth, PlaceOfResidence, Assistance, ListedDoctor, GrantedExemption, HealthCard, Period,
    Exemptions, Card,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::new(text).unwrap()
    }

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    /// A person of whom everything is known.
    pub(crate) fn person() -> Person {
        Person {
            tax_code: PatientCode::new("PNIMRA70A01H501P").unwrap(),
            family_name: name("PINI"),
            given_name: name("MARIO"),
            sex: Sex::Male,
            birth: Birth {
                date: day("1970-01-01"),
                municipality: name("ROMA"),
                province: Province::new("RM").unwrap(),
            },
            residence: Some(PlaceOfResidence {
                municipality: name("L'AQUILA"),
                health_unit: HealthUnit::new("201").unwrap(),
            }),
            assistance: Some(Assistance {
                region: Region::new("130").unwrap(),
                health_unit: HealthUnit::new("201").unwrap(),
            }),
            doctor: Some(ListedDoctor {
                tax_code: PrescriberCode::new("PROVAX00X00X000Y").unwrap(),
                family_name: name("PROVA"),
                given_name: name("MEDICO"),
                period: Period::new(day("2020-01-01"), None).unwrap(),
            }),
            exemptions: Exemptions::new(vec![GrantedExemption {
                code: ExemptionCode::new("E01").unwrap(),
                period: Period::new(day("2020-01-01"), Some(day("2027-03-31"))).unwrap(),
            }])
            .unwrap(),
            health_card: Some(HealthCard {
                number: CardNumber::new("80380001300000000001").unwrap(),
                expires_on: day("2030-01-01"),
            }),
            is_assisted: true,
            died_on: None,
        }
    }

    const DOCTORS: &str = r#"{"tax_code":"PNIMRA70A01H501P","family_name":"PINI","given_name":"MARIO","sex":"M","birth":{"date":"1970-01-01","municipality":"ROMA","province":"RM"},"residence":{"municipality":"L'AQUILA","health_unit":"201"},"assistance":{"region":"130","health_unit":"201"},"doctor":{"tax_code":"PROVAX00X00X000Y","family_name":"PROVA","given_name":"MEDICO","from":"2020-01-01","to":null},"exemptions":[{"code":"E01","from":"2020-01-01","to":"2027-03-31"}],"health_card":{"number":"80380001300000000001","expires_on":"2030-01-01"},"is_assisted":true,"died_on":null}"#;
    const REDUCED: &str = r#"{"tax_code":"PNIMRA70A01H501P","family_name":"PINI","given_name":"MARIO","sex":"M","birth":{"date":"1970-01-01","municipality":"ROMA","province":"RM"},"assistance":{"region":"130","health_unit":"201"},"exemptions":[{"code":"E01","from":"2020-01-01","to":"2027-03-31"}],"health_card":{"number":"80380001300000000001","expires_on":"2030-01-01"},"is_assisted":true,"died_on":null}"#;

    fn text(json: Vec<u8>) -> String {
        String::from_utf8(json).unwrap()
    }

    #[test]
    fn a_view_sees_what_it_may_and_nothing_else() {
        assert_eq!(text(person().to_json(View::Practice)), DOCTORS);
        for view in [View::Pharmacy, View::Booking, View::Portal] {
            assert_eq!(text(person().to_json(view)), REDUCED);
        }
    }

    #[test]
    fn what_there_is_not_is_null_to_who_may_see_it() {
        let alone = Person {
            doctor: None,
            residence: None,
            health_card: None,
            ..person()
        };
        let json = text(alone.to_json(View::Practice));
        for part in [
            r#""doctor":null"#,
            r#""residence":null"#,
            r#""health_card":null"#,
        ] {
            assert!(json.contains(part), "{json}");
        }
    }

    #[test]
    fn a_card_holds_or_says_why_not() {
        let valid = Card::Valid {
            kind: CardKind::HealthCard,
            expires_on: day("2030-01-01"),
        };
        assert_eq!(
            text(valid.to_json()),
            r#"{"is_valid":true,"kind":"TS","expires_on":"2030-01-01"}"#
        );
        let invalid = Card::Invalid(CardFault::NotThisPerson);
        assert_eq!(
            text(invalid.to_json()),
            r#"{"is_valid":false,"reason":"not-this-person"}"#
        );
    }

    #[test]
    fn periods_run_forwards_and_exemptions_are_counted() {
        assert!(Period::new(day("2020-01-02"), Some(day("2020-01-01"))).is_none());
        let one_day = Period::new(day("2020-01-01"), Some(day("2020-01-01"))).unwrap();
        let held = ["2019-12-31", "2020-01-01", "2020-01-02"].map(|on| one_day.holds_on(day(on)));
        assert_eq!(held, [false, true, false]);
        let one = person().exemptions.0.remove(0);
        assert!(Exemptions::new(vec![one.clone(); EXEMPTIONS_MAX]).is_some());
        assert!(Exemptions::new(vec![one; EXEMPTIONS_MAX + 1]).is_none());
    }

    #[test]
    fn nobody_is_named_in_debug_output() {
        assert_eq!(format!("{:?}", person()), "Person(…)");
        assert_eq!(format!("{:?}", person().doctor), "Some(ListedDoctor(…))");
    }
}
