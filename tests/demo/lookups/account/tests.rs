//! The account of look-ups sees every broken promise, and no other.

use super::*;
use crate::lookups::notes::DeskAt;

const NOW: Millis = 1_000_000_000;
const FRESHNESS: Freshness = Freshness {
    fresh_for: Duration::from_secs(4),
    stale_for: Duration::from_secs(40),
};

/// What was asked, and what the SAC had told before.
struct Morning {
    asked: Vec<Asked>,
    people: People,
    source: Source,
}

impl Morning {
    /// The first doctor is shown a person of the list, of whom the SAC told ten seconds ago.
    fn good() -> Morning {
        let mut morning = Morning {
            asked: Vec::new(),
            source: Source::default(),
            people: People::of_the_region(),
        };
        morning.tell(0, 10);
        morning.ask(0, Whom::Known(0), shown(10, true));
        morning
    }

    /// The SAC told the first doctor of a person so many seconds ago.
    fn tell(&mut self, person: PersonAt, seconds: i64) {
        let view = self.people.desks[0].view();
        self.source.answered(person, view, 0, NOW - seconds * 1_000);
    }

    fn ask(&mut self, desk: DeskAt, whom: Whom, told: Told) {
        self.asked.push(Asked {
            desk,
            whom,
            spell: Spell::Outage,
            sent: NOW,
            ended: NOW + 5,
            limited: false,
            told,
        });
    }

    fn account(&self) -> Account<'_> {
        Account {
            asked: &self.asked,
            people: &self.people,
            source: &self.source,
            freshness: FRESHNESS,
        }
    }

    fn outage(&self) -> (usize, usize) {
        let account = self.account();
        (account.outage_known(), account.outage_served())
    }

    #[track_caller]
    fn assert_counts(&self, counts: &[(&str, usize)]) {
        let drawn = self.account().lookups();
        for (name, count) in counts {
            assert_eq!(drawn[*name], *count, "{name} of {drawn}");
        }
    }
}

fn shown(seconds: u64, stale: bool) -> Told {
    Told::Shown(Shown {
        as_of: NOW - millis(Duration::from_secs(seconds)),
        age: Duration::from_secs(seconds),
        stale,
        loaded: false,
        hit_in: None,
    })
}

const NONE_BROKEN: [(&str, usize); 3] = [
    ("past_bound", 0),
    ("mislabelled", 0),
    ("without_relation", 0),
];

#[test]
fn good_answers_break_no_promise() {
    let mut morning = Morning::good();
    morning.tell(5, 1);
    morning.ask(0, Whom::Known(5), shown(1, false));
    morning.ask(0, Whom::NeverSeen, Told::Absent);
    morning.assert_counts(&NONE_BROKEN);
    morning.assert_counts(&[("offered", 3), ("fresh", 1), ("stale", 1), ("absent", 1)]);
    assert_eq!(morning.outage(), (2, 2));
}

#[test]
fn an_answer_past_the_bound_is_seen_by_its_own_age_and_by_the_book() {
    let mut morning = Morning::good();
    morning.ask(0, Whom::Known(0), shown(40, true));
    morning.assert_counts(&[("past_bound", 1)]);
    let mut morning = Morning::good();
    morning.tell(5, 41);
    morning.ask(0, Whom::Known(5), shown(39, true));
    morning.assert_counts(&[("past_bound", 1)]);
    let mut morning = Morning::good();
    morning.ask(0, Whom::Known(5), shown(10, true));
    morning.assert_counts(&[("past_bound", 1)]);
}

#[test]
fn an_answer_that_seems_younger_or_fresher_than_it_is_is_mislabelled() {
    for (seconds, stale) in [(10, false), (2, true), (3, false)] {
        let mut morning = Morning::good();
        morning.ask(0, Whom::Known(0), shown(seconds, stale));
        morning.assert_counts(&[("mislabelled", 1), ("past_bound", 0)]);
    }
}

#[test]
fn what_was_long_in_coming_from_the_sac_is_old_and_not_stale() {
    let mut morning = Morning::good();
    let Told::Shown(slow) = shown(10, false) else {
        unreachable!("it is shown")
    };
    let slow = Shown {
        loaded: true,
        ..slow
    };
    morning.ask(0, Whom::Known(0), Told::Shown(slow));
    morning.assert_counts(&[("mislabelled", 0), ("past_bound", 0)]);
}

#[test]
fn a_desk_is_related_by_its_list_or_because_the_sac_has_answered_it() {
    let mut morning = Morning::good();
    morning.ask(1, Whom::Stranger(0), shown(10, true));
    morning.assert_counts(&[("without_relation", 1), ("offered", 1)]);
    assert_eq!(morning.account().strangers()["shown"], 1);
    let view = morning.people.desks[1].view();
    morning.source.answered(0, view, 1, NOW - 10_000);
    morning.assert_counts(&NONE_BROKEN);
    // A pharmacy has no list, and what doctors were told is not what it may be shown.
    let pharmacy = morning.people.desks.len() - 1;
    morning.ask(pharmacy, Whom::Known(0), shown(10, true));
    morning.assert_counts(&[("without_relation", 1), ("past_bound", 1)]);
}

#[test]
fn whom_nobody_has_seen_can_be_shown_to_nobody() {
    let mut morning = Morning::good();
    morning.ask(0, Whom::NeverSeen, shown(10, true));
    morning.assert_counts(&[("past_bound", 1), ("without_relation", 1)]);
}

#[test]
fn a_refused_person_counts_unless_they_were_past_the_bound() {
    let mut morning = Morning::good();
    morning.tell(5, 40);
    morning.ask(0, Whom::Known(5), Told::Refused);
    morning.assert_counts(&[("refused", 0), ("refused_known", 1)]);
    assert_eq!(morning.outage(), (1, 1));
    morning.tell(5, 20);
    morning.ask(0, Whom::NeverSeen, Told::Refused);
    morning.assert_counts(&[("refused", 2), ("refused_known", 0)]);
    assert_eq!(morning.outage(), (2, 1));
}
