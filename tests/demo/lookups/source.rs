//! What the SAC itself has told of persons, to whom and when: what every answer is held against.

use std::collections::{BTreeMap, HashMap};

use ::tests::upstreams::sac::registry::LookUp;
use ::tests::upstreams::sac::registry::population;
use adapters::model::View;

use super::notes::{DeskAt, Millis, PersonAt};
use super::people::People;

/// How the simulator's book says that a person was found.
const FOUND: &str = "found";

/// Every answer of the SAC about a person, yesterday's included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source(BTreeMap<(PersonAt, View), Vec<Answer>>);

#[derive(Debug, Clone, Copy)]
struct Answer {
    at: Millis,
    to: DeskAt,
}

impl Source {
    /// Notes that it answered `desk`, in its view, about `person` at `at`.
    pub(crate) fn answered(&mut self, person: PersonAt, view: View, to: DeskAt, at: Millis) {
        let answers = self.0.entry((person, view)).or_default();
        answers.push(Answer { at, to });
    }

    /// Adds what the simulator's book says: whatever reached whoever asked.
    pub(crate) fn add_book(&mut self, book: &[LookUp], people: &People) {
        let codes = (0..people.persons()).map(|person| (population::person(person), person));
        let codes: HashMap<String, PersonAt> = codes.collect();
        let told = |one: &&LookUp| one.answered == FOUND && !one.is_harmed;
        for look_up in book.iter().filter(told) {
            let desk = people.desks.iter().position(|desk| match &desk.doctor {
                Some(doctor) => *doctor == look_up.doctor,
                None => look_up.doctor.is_empty() && desk.organization == look_up.organization,
            });
            if let (Some(desk), Some(person)) = (desk, codes.get(&look_up.tax_code)) {
                self.answered(*person, people.desks[desk].view(), desk, look_up.at_ms);
            }
        }
    }

    /// When it last answered about `person` in this view, to anybody, up to `by`.
    pub(crate) fn last(&self, person: PersonAt, view: View, by: Millis) -> Option<Millis> {
        let answers = self.about(person, view).iter().map(|answer| answer.at);
        answers.filter(|at| *at <= by).max()
    }

    /// Whether it has answered `desk` about `person` by then.
    pub(crate) fn has_answered(
        &self,
        person: PersonAt,
        view: View,
        desk: DeskAt,
        by: Millis,
    ) -> bool {
        let mut answers = self.about(person, view).iter();
        answers.any(|answer| answer.to == desk && answer.at <= by)
    }

    fn about(&self, person: PersonAt, view: View) -> &[Answer] {
        self.0.get(&(person, view)).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use ::tests::upstreams::sac::operation::Operation;

    use super::*;

    #[test]
    fn an_answer_counts_from_its_own_moment_and_in_its_own_view() {
        let mut source = Source::default();
        source.answered(7, View::Practice, 1, 100);
        source.answered(7, View::Practice, 3, 200);
        let last = |by| source.last(7, View::Practice, by);
        assert_eq!(
            [last(99), last(199), last(300)],
            [None, Some(100), Some(200)]
        );
        assert_eq!(source.last(7, View::Pharmacy, 300), None);
        let told = |desk, by| source.has_answered(7, View::Practice, desk, by);
        assert!(told(1, 100) && !told(1, 99) && !told(2, 300));
    }

    #[test]
    fn of_the_book_only_what_was_found_and_reached_its_caller_counts() {
        let people = People::of_the_region();
        let one = LookUp {
            operation: Operation::Ricerca,
            doctor: population::doctor(0),
            organization: String::new(),
            tax_code: population::person(0),
            at_ms: 100,
            answered: FOUND.to_owned(),
            is_harmed: false,
        };
        let lost = LookUp {
            tax_code: population::person(1),
            is_harmed: true,
            ..one.clone()
        };
        let refused = LookUp {
            tax_code: population::person(2),
            answered: "6002".to_owned(),
            ..one.clone()
        };
        let mut source = Source::default();
        source.add_book(&[one, lost, refused], &people);
        let last = |person| source.last(person, View::Practice, 100);
        assert_eq!([last(0), last(1), last(2)], [Some(100), None, None]);
        assert!(source.has_answered(0, View::Practice, 0, 100));
    }
}
