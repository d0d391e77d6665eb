//! The steps of a watch.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn watching(annul_consent: bool) -> Case {
    Case {
        state: State::Verifying,
        terms: Terms {
            annul_consent,
            ..TERMS
        },
        ..sending(Role::Watch, 0)
    }
}

fn take(case: Case, event: Event<'_>) -> (Case, Command) {
    super::take(&ANNUL, case, event)
}

fn raised(reason: Code) -> Command {
    settle(State::Conflict, None, Some(reason))
}

/// Given up this long ago, and looked for now in vain.
fn after(given_up: Duration, recovered: Option<Duration>) -> Command {
    let case = Case {
        accepted_at: Timestamp(NOW.0 - millis(given_up)),
        recovered_at: recovered.map_or(Timestamp(0), |ago| Timestamp(NOW.0 - millis(ago))),
        ..watching(true)
    };
    take(case, Event::Absent).1
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap()
}

fn looks_in(seconds: u64) -> Command {
    settle(State::Uncertain, Some(seconds), None)
}

#[test]
fn it_looks_whatever_its_gate_says() {
    for probe in [false, true] {
        let leased = take(watching(true), Event::Leased { probe }).1;
        assert_eq!(leased, Command::Ask(READS[0]));
    }
}

#[test]
fn it_looks_by_the_schedule_until_the_horizon() {
    let minute = Duration::from_secs(60);
    assert_eq!(after(minute, None), looks_in(4 * 60));
    assert_eq!(after(5 * minute, None), looks_in(25 * 60));
    assert_eq!(after(30 * minute, None), looks_in(90 * 60));
    assert_eq!(after(2 * HOUR, None), looks_in(22 * 3600));
    assert_eq!(after(24 * HOUR, None), looks_in(24 * 3600));
    let silent = settle(State::Withdrawn, None, None);
    assert_eq!(after(48 * HOUR, None), silent);
    let early = 48 * HOUR - Duration::from_secs(1);
    assert_eq!(after(early, None), looks_in(1), "never before the horizon");
}

#[test]
fn a_recovery_brings_one_more_look_and_another_horizon() {
    assert_eq!(after(3 * HOUR, Some(Duration::ZERO)), looks_in(1800));
    assert_eq!(after(48 * HOUR, Some(HOUR)), looks_in(47 * 3600));
    let silent = settle(State::Withdrawn, None, None);
    assert_eq!(after(90 * HOUR, Some(48 * HOUR)), silent);
}

#[test]
fn it_annuls_what_it_finds_with_consent_and_raises_it_without() {
    let found = Event::Found(Standing::Live);
    let (case, command) = take(watching(true), found);
    assert_eq!(command, Command::Send);
    let done = take(case, Event::Done).1;
    assert_eq!(done, settle(State::Cancelled, None, None));
    assert_eq!(take(watching(false), found).1, raised(Code::LateCommit));
}

#[test]
fn what_is_closed_is_undone_and_what_is_taken_is_raised() {
    for consent in [false, true] {
        let closed = take(watching(consent), Event::Found(Standing::Closed)).1;
        assert_eq!(closed, settle(State::Cancelled, None, None));
        let taken = take(watching(consent), Event::Found(Standing::Taken)).1;
        assert_eq!(taken, raised(Code::Dispensed));
    }
}

#[test]
fn an_annul_that_is_refused_is_looked_into_once() {
    let (case, command) = take(watching(true), Event::SendFailed(&refused()));
    assert_eq!(command, Command::Ask(READS[0]));
    let live = take(case, Event::Found(Standing::Live)).1;
    assert_eq!(live, raised(Code::LateCommit), "not annulled for ever");
    let taken = take(case, Event::Found(Standing::Taken)).1;
    assert_eq!(taken, raised(Code::Dispensed));
    let closed = take(case, Event::Found(Standing::Closed)).1;
    assert_eq!(closed, settle(State::Cancelled, None, None));
}

#[test]
fn a_look_that_could_not_be_made_stays_due_past_the_horizon_too() {
    let down = failure(Outcome::NotDone, Code::UpstreamUnreachable);
    for ago in [Duration::ZERO, 90 * HOUR] {
        let case = Case {
            accepted_at: Timestamp(NOW.0 - millis(ago)),
            ..watching(true)
        };
        for event in [Event::AskFailed(&down), Event::SendFailed(&down)] {
            assert_eq!(take(case, event).1, looks_in(1));
        }
        let stopped = shutdown(Outcome::NotDone);
        assert_eq!(take(case, Event::AskFailed(&stopped)).1, looks_in(0));
    }
}

#[test]
fn what_cannot_be_looked_up_is_raised() {
    for failure in [authority_refused(), refused()] {
        let asked = take(watching(true), Event::AskFailed(&failure)).1;
        assert_eq!(asked, raised(Code::PossibleDouble));
    }
    let taken = failure(Outcome::Rejected, Code::NumberTaken);
    for (uncertain, reason) in [
        (Uncertain::Verify, Code::NumberTaken),
        (Uncertain::AnnulAndResend, Code::PossibleDouble),
    ] {
        let mut case = watching(true);
        case.terms.uncertain = uncertain;
        assert_eq!(take(case, Event::AskFailed(&taken)).1, raised(reason));
    }
    let unreadable = take(watching(true), Event::Unreadable).1;
    assert_eq!(unreadable, raised(Code::Unreadable));
    let blind = Operation {
        settle_by: &[],
        ..ANNUL
    };
    let leased = Event::Leased { probe: false };
    let (_, command) = super::take(&blind, watching(true), leased);
    assert_eq!(command, raised(Code::PossibleDouble));
}
