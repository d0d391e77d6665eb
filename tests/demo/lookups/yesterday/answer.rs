//! A person of the simulator's registry as the adapter would have read them off its answer.

use adapters::model::{
    Assistance, Birth, CardNumber, Day, ExemptionCode, Exemptions, GrantedExemption, HealthCard,
    HealthUnit, ListedDoctor, Name, PatientCode, Period, Person, PlaceOfResidence, PrescriberCode,
    Province, Region, Sex,
};
use tests::upstreams::sac::registry::Assisted;

/// The region that every person lives in.
const REGION: &str = "130";

/// What the registry says of this person.
///
/// # Panics
///
/// When the simulator holds something that the model has no form for.
pub(super) fn person(assisted: &Assisted) -> Person {
    let unit = || made(HealthUnit::new(assisted.health_unit.clone()));
    let exemptions = assisted.exemptions.iter().map(|one| GrantedExemption {
        code: made(ExemptionCode::new(one.code.clone())),
        period: period(&one.from, &one.until),
    });
    let exemptions = Exemptions::new(exemptions.collect());
    Person {
        tax_code: made(PatientCode::new(assisted.tax_code.clone())),
        family_name: name(&assisted.family_name),
        given_name: name(&assisted.given_name),
        sex: match assisted.sex {
            'F' => Sex::Female,
            _ => Sex::Male,
        },
        birth: Birth {
            date: day(&assisted.born_on),
            municipality: name(&assisted.born_in.0),
            province: made(Province::new(assisted.born_in.1.clone())),
        },
        residence: Some(PlaceOfResidence {
            municipality: name(&assisted.lives_in),
            health_unit: unit(),
        }),
        assistance: Some(Assistance {
            region: made(Region::new(REGION)),
            health_unit: unit(),
        }),
        doctor: Some(ListedDoctor {
            tax_code: made(PrescriberCode::new(assisted.doctor.clone())),
            family_name: name("MEDICO"),
            given_name: name("GENERICO"),
            period: period(&assisted.since, ""),
        }),
        exemptions: exemptions.expect("nobody has so many exemptions"),
        health_card: Some(HealthCard {
            number: made(CardNumber::new(assisted.card.clone())),
            expires_on: day(&assisted.card_expires_on),
        }),
        is_assisted: assisted.died_on.is_empty(),
        died_on: None,
    }
}

fn made<T, E>(value: Result<T, E>) -> T {
    value.unwrap_or_else(|_| panic!("the simulator keeps the rules of the model"))
}

fn name(text: &str) -> Name {
    made(Name::new(text))
}

fn day(text: &str) -> Day {
    made(Day::new(text))
}

fn period(from: &str, to: &str) -> Period {
    let to = (!to.is_empty()).then(|| day(to));
    Period::new(day(from), to).expect("periods of the simulator run forwards")
}
