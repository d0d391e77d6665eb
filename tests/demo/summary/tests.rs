//! The account of a morning sees every broken promise, and no other.

use std::time::Duration;

use ::tests::upstreams::sac::book::Prescription;

use super::*;
use crate::lookups::people::People;
use crate::lookups::source::Source;
use crate::morning::Freshness;
use crate::standing::Standing;

/// A morning of which all is known; its look-ups went as promised.
#[derive(Default)]
struct Kept {
    log: Vec<Offered>,
    standings: Standings,
    events: Vec<(&'static str, &'static str, &'static str)>,
    book: Book,
}

impl Kept {
    /// A morning with a double that was annulled and one that is a conflict.
    fn good() -> Kept {
        let mut kept = Kept::default();
        kept.red_form("annulled", "red-recipe", 4);
        kept.red_form("dispensed", "conflict", 8);
        kept.events.push(("dispensed", "conflict", "dispensed"));
        kept.held("registered", 3);
        kept.offered("registered", "registered");
        kept
    }

    fn red_form(&mut self, name: &str, state: &str, held_in: u8) {
        self.held(name, held_in);
        self.offered(name, state);
        let offered = self.log.last_mut().unwrap();
        offered.waiting = true;
        offered.accepted = false;
        offered.accepted_in_spell = false;
        offered.red_form = RedForm::Confirmed;
    }

    fn held(&mut self, name: &str, state: u8) {
        self.book.prescriptions.push(Prescription {
            nre: format!("{name}-{}", self.book.prescriptions.len()),
            words: name.to_owned(),
            state,
            ..Prescription::default()
        });
    }

    fn offered(&mut self, name: &str, state: &str) {
        self.log.push(Offered {
            practice: 0,
            spell: Spell::Outage,
            words: name.to_owned(),
            waiting: false,
            consent: true,
            status: 200,
            id: Some(name.to_owned()),
            accepted: true,
            accepted_in_spell: true,
            red_form: RedForm::None,
            cancel: Cancel::None,
        });
        let mut held = self.book.prescriptions.iter();
        let held = held.find(|one| one.words == name);
        let standing = Standing {
            state: state.to_owned(),
            nre: held.map(|one| one.nre.clone()),
            ..Standing::default()
        };
        self.standings.insert(name.to_owned(), standing);
    }

    fn draw(&self) -> Value {
        let read = Read::with(&self.events);
        let mut summary = draw(&self.log, &self.standings, &read, &self.book);
        let look_ups = look_ups();
        for part in ["lookups", "strangers", "sweep"] {
            summary[part] = look_ups[part].clone();
        }
        for (key, value) in look_ups["outage"].as_object().unwrap() {
            summary["outage"][key] = value.clone();
        }
        with_store(summary, Some(0))
    }
}

/// Look-ups that went as promised.
fn look_ups() -> Value {
    json!({
        "lookups": {
            "offered": 100, "fresh": 50, "stale": 40, "absent": 1, "refused": 2, "refused_known": 7,
            "limited": 0, "persons_known": 20_000,
            "past_bound": 0, "mislabelled": 0, "without_relation": 0,
        },
        "strangers": { "offered": 3, "shown": 0, "refused": 3 },
        "sweep": { "asked": 200, "limited": 100, "shown": 0 },
        "outage": { "lookups_known": 1_000, "lookups_known_served_pct": 99.9 },
    })
}

#[track_caller]
fn assert_whole(kept: &Kept) {
    assert_eq!(broken_promises(&kept.draw()), Vec::<String>::new());
}

#[track_caller]
fn assert_broken(kept: &Kept, pointers: &[&str]) {
    let broken = broken_promises(&kept.draw());
    let named = |promise: &String| promise.split(' ').next().map(str::to_owned);
    let named: Vec<String> = broken.iter().filter_map(named).collect();
    assert_eq!(named, pointers);
}

#[test]
fn a_good_morning_breaks_no_promise() {
    let kept = Kept::good();
    assert_whole(&kept);
    let doubles = json!({ "in_book": 2, "annulled": 1, "in_conflict": 1, "unraised": 0 });
    assert_eq!(kept.draw()["doubles"], doubles);
    assert_eq!(kept.draw()["prescriptions"]["accepted"], 1);
}

const UNRAISED: [&str; 2] = ["/prescriptions/duplicated", "/doubles/unraised"];

#[test]
fn a_live_or_taken_number_beside_a_red_form_is_unraised() {
    for state in [3, 5, 8] {
        let mut kept = Kept::good();
        kept.red_form("late", "red-recipe", state);
        assert_broken(&kept, &UNRAISED);
    }
}

#[test]
fn two_live_numbers_of_one_visit_are_unraised() {
    let mut kept = Kept::good();
    kept.held("registered", 3);
    assert_broken(&kept, &UNRAISED);
}

#[test]
fn a_conflict_that_no_practice_read_of_is_unraised() {
    let mut kept = Kept::good();
    kept.red_form("untold", "conflict", 3);
    let [duplicated, unraised] = UNRAISED;
    assert_broken(&kept, &[duplicated, unraised, "/doctors/conflicts_untold"]);
}

#[test]
fn a_morning_without_doubles_proves_nothing() {
    assert_broken(
        &Kept::default(),
        &["/doubles/annulled", "/doubles/in_conflict"],
    );
}

#[test]
fn a_red_form_nobody_hears_of_again_is_broken() {
    let mut kept = Kept::good();
    kept.log[0].red_form = RedForm::Told;
    assert_broken(&kept, &["/desk/red_forms_told"]);
    kept.events.push(("annulled", "withdrawn", "paper-missing"));
    assert_eq!(kept.draw()["desk"]["paper_missing"], 1);
    assert_whole(&kept);
}

#[test]
fn a_cancel_without_an_end_is_broken() {
    let mut kept = Kept::good();
    kept.log[2].cancel = Cancel::Asked;
    assert_broken(&kept, &["/cancels/asked"]);
    let standing = kept.standings.get_mut("registered").unwrap();
    standing.reason = "cancel-refused".to_owned();
    assert_eq!(kept.draw()["cancels"]["refused"], 1);
    assert_whole(&kept);
}

#[test]
fn the_outage_is_counted_over_patients_who_do_not_wait() {
    let mut kept = Kept::good();
    assert_eq!(kept.draw()["outage"]["prescriptions_accepted_pct"], 100.0);
    kept.log[2].accepted_in_spell = false;
    assert_broken(&kept, &["/outage/prescriptions_accepted_pct"]);
}

#[test]
fn somebody_in_clear_in_the_store_is_broken_and_so_is_a_store_that_was_not_searched() {
    for in_clear in [Some(1), None] {
        let summary = with_store(Kept::good().draw(), in_clear);
        let broken = broken_promises(&summary);
        assert_eq!(broken, ["/store/planted_in_clear should be 0"]);
    }
}

#[test]
fn a_registered_one_that_the_sac_does_not_hold_is_lost() {
    let mut kept = Kept::good();
    kept.offered("nowhere", "registered");
    assert_broken(&kept, &["/prescriptions/lost"]);
}

#[test]
fn every_promise_about_look_ups_can_be_broken() {
    let broken_by = [
        ("/lookups/past_bound", json!(1)),
        ("/lookups/mislabelled", json!(1)),
        ("/lookups/without_relation", json!(1)),
        ("/lookups/limited", json!(1)),
        ("/lookups/offered", json!(101)),
        ("/lookups/persons_known", json!(19_999)),
        ("/strangers/refused", json!(0)),
        ("/sweep/limited", json!(0)),
        ("/sweep/shown", json!(1)),
        ("/outage/lookups_known", json!(0)),
        ("/outage/lookups_known_served_pct", json!(99.89)),
    ];
    for (pointer, value) in broken_by {
        let mut summary = Kept::good().draw();
        *summary.pointer_mut(pointer).unwrap() = value;
        let broken = broken_promises(&summary);
        assert_eq!(broken.len(), 1, "{pointer}: {broken:?}");
        assert!(broken[0].starts_with(pointer), "{broken:?}");
    }
}

#[test]
fn what_is_drawn_up_of_look_ups_has_all_that_is_promised() {
    let (people, source) = (People::of_the_region(), Source::default());
    let account = Account {
        asked: &[],
        people: &people,
        source: &source,
        freshness: Freshness {
            fresh_for: Duration::from_secs(4),
            stale_for: Duration::from_secs(40),
        },
    };
    let drawn = with_lookups(Kept::good().draw(), &account, &Sweep::default());
    let promised = look_ups();
    for (part, fields) in promised.as_object().unwrap() {
        for field in fields.as_object().unwrap().keys() {
            assert!(drawn[part][field].is_number(), "{part} {field}");
        }
    }
    assert_eq!(drawn["lookups"]["offered"], 0);
}
