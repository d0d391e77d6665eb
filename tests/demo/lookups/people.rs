//! Whom the desks look up: the persons on their doctors' lists, a pharmacy its patients, and now and
//! then somebody whom nobody has ever seen, or whom another doctor has on the list.

use ::tests::upstreams::sac::registry::population::{self, Population};
use adapters::model::View;
use rand::RngExt;
use rand::rngs::StdRng;

use super::notes::{DeskAt, PersonAt, Whom};
use super::zipf::Zipf;

/// Assisted persons, all of them known since yesterday.
const PERSONS: usize = 24_000;
/// Doctors, each with a list and a desk.
const DOCTORS: usize = 4;
/// The practices that they work in.
const PRACTICES: [&str; 2] = ["practice-a", "practice-b"];
/// The pharmacy, which has no list: it may see again whom it has seen.
pub(crate) const PHARMACY: &str = "pharmacy-a";
/// Of so many persons, one was at the pharmacy yesterday.
const PATIENT_EVERY: usize = 10;
/// Share of the look-ups that ask for somebody who has never been here.
const NEVER_SEEN_SHARE: f64 = 0.02;
/// Share that asks for a person of another doctor.
const STRANGER_SHARE: f64 = 0.03;
/// Where the numbers of persons begin whom the registry does not hold: far above those whom it does.
const NEVER_SEEN_FROM: usize = 100_000;

/// A desk, and the doctor who has logged in at it, if it is a practice's.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    /// The organisation.
    pub(crate) organization: &'static str,
    /// The doctor.
    pub(crate) doctor: Option<String>,
}

/// Everybody, and who has to do with whom.
#[derive(Debug, Clone)]
pub(crate) struct People {
    /// The desks; the last one is the pharmacy's.
    pub(crate) desks: Vec<Desk>,
    population: Population,
    /// By desk: whom it looks up, the most frequent first.
    theirs: Vec<Theirs>,
}

#[derive(Debug, Clone)]
struct Theirs {
    persons: Vec<PersonAt>,
    zipf: Zipf,
}

impl Desk {
    /// What it is shown of a person.
    pub(crate) fn view(&self) -> View {
        match self.doctor {
            Some(_) => View::Practice,
            None => View::Pharmacy,
        }
    }
}

impl People {
    /// The region's.
    pub(crate) fn of_the_region() -> People {
        People::new(Population {
            persons: PERSONS,
            doctors: DOCTORS,
        })
    }

    fn new(population: Population) -> People {
        let doctors = (0..population.doctors).map(|number| Desk {
            organization: PRACTICES[number % PRACTICES.len()],
            doctor: Some(population::doctor(number)),
        });
        let pharmacy = Desk {
            organization: PHARMACY,
            doctor: None,
        };
        let desks: Vec<Desk> = doctors.chain([pharmacy]).collect();
        let mut theirs = vec![Vec::new(); desks.len()];
        for person in 0..population.persons {
            let doctor = Some(population.doctor_of(person));
            let listed = desks.iter().position(|desk| desk.doctor == doctor);
            theirs[listed.expect("every doctor has a desk")].push(person);
            if person.is_multiple_of(PATIENT_EVERY) {
                theirs[desks.len() - 1].push(person);
            }
        }
        People {
            theirs: theirs.into_iter().map(Theirs::of).collect(),
            desks,
            population,
        }
    }

    /// How many doctors have a list.
    pub(crate) fn doctors(&self) -> usize {
        self.population.doctors
    }

    /// Everybody whom `desk` has looked up yesterday.
    pub(crate) fn known_at(&self, desk: DeskAt) -> &[PersonAt] {
        &self.theirs[desk].persons
    }

    /// Whether a person is on the list of the doctor at this desk.
    pub(crate) fn is_listed(&self, person: PersonAt, desk: DeskAt) -> bool {
        self.desks[desk].doctor == Some(self.population.doctor_of(person))
    }

    /// How many persons there are, each on the list of a doctor.
    pub(crate) fn persons(&self) -> usize {
        self.population.persons
    }

    /// Who asks next, and for whom.
    pub(crate) fn draw(&self, rng: &mut StdRng) -> (DeskAt, Whom) {
        let desk = rng.random_range(0..self.desks.len());
        let kind: f64 = rng.random();
        let doctors = self.population.doctors;
        let whom = if kind < NEVER_SEEN_SHARE {
            Whom::NeverSeen
        } else if kind < NEVER_SEEN_SHARE + STRANGER_SHARE && desk < doctors {
            let other = (desk + rng.random_range(1..doctors)) % doctors;
            Whom::Stranger(self.theirs[other].draw(rng))
        } else {
            Whom::Known(self.theirs[desk].draw(rng))
        };
        (desk, whom)
    }
}

impl Theirs {
    fn of(persons: Vec<PersonAt>) -> Theirs {
        let zipf = Zipf::over(persons.len());
        Theirs { persons, zipf }
    }

    fn draw(&self, rng: &mut StdRng) -> PersonAt {
        self.persons[self.zipf.rank(rng.random())]
    }
}

/// A code that is right in every letter and that the registry does not hold.
pub(crate) fn never_seen(number: usize) -> String {
    population::person(NEVER_SEEN_FROM + number)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_desk_draws_its_own_strangers_and_nobody_in_their_shares() {
        let people = People::of_the_region();
        let mut rng = StdRng::seed_from_u64(7);
        let (mut nobody, mut strangers) = (0, 0);
        for _ in 0..10_000 {
            let (desk, whom) = people.draw(&mut rng);
            match whom {
                Whom::NeverSeen => nobody += 1,
                Whom::Known(person) => assert!(people.known_at(desk).contains(&person)),
                Whom::Stranger(person) => {
                    strangers += 1;
                    assert!(!people.is_listed(person, desk));
                    assert!(people.desks[desk].doctor.is_some());
                }
            }
        }
        assert!((150..250).contains(&nobody), "{nobody}");
        assert!((150..300).contains(&strangers), "{strangers}");
    }

    #[test]
    fn everybody_is_on_one_list_and_some_were_at_the_pharmacy() {
        let people = People::of_the_region();
        let lists: usize = (0..DOCTORS).map(|desk| people.known_at(desk).len()).sum();
        assert_eq!(lists, PERSONS);
        assert!(
            people
                .known_at(0)
                .iter()
                .all(|person| people.is_listed(*person, 0))
        );
        assert_eq!(people.known_at(DOCTORS).len(), PERSONS / PATIENT_EVERY);
        assert!(!people.is_listed(people.known_at(DOCTORS)[0], DOCTORS));
    }
}
