//! The steps of a cancel.

use super::*;

fn sending() -> Case {
    super::sending(Role::Cancel, 1)
}

fn verifying(reason: Code) -> Case {
    super::verifying(Role::Cancel, reason)
}

fn take(case: Case, event: Event<'_>) -> (Case, Command) {
    super::take(&ANNUL, case, event)
}

/// Sent, and refused: what it looks for next tells why.
fn refused_case() -> Case {
    let (case, command) = take(sending(), Event::SendFailed(&refused()));
    assert_eq!(command, Command::Ask(READS[0]));
    case
}

#[test]
fn it_is_sent_and_done() {
    let (case, command) = take(sending(), Event::Leased { probe: false });
    assert_eq!(command, Command::Send);
    assert_eq!(
        take(case, Event::Done).1,
        settle(State::Registered, None, None)
    );
}

#[test]
fn a_probe_looks_before_it_annuls() {
    let (case, command) = take(sending(), Event::Leased { probe: true });
    assert_eq!(command, Command::Ask(READS[0]));
    assert_eq!(take(case, Event::Found(Standing::Live)).1, Command::Send);
    let answered = take(case, Event::AskFailed(&refused())).1;
    assert_eq!(answered, Command::Send, "the upstream is up");
    let down = failure(Outcome::Unknown, Code::UpstreamTimeout);
    let (case, command) = take(case, Event::AskFailed(&down));
    let waits = settle(State::Accepted, Some(2), Some(Code::UpstreamTimeout));
    assert_eq!((case.sends, command), (0, waits));
}

#[test]
fn what_someone_else_cancelled_is_cancelled() {
    for case in [sending(), verifying(Code::UpstreamTimeout), refused_case()] {
        let found = take(case, Event::Found(Standing::Closed)).1;
        assert_eq!(found, settle(State::Registered, None, None));
    }
}

#[test]
fn a_refusal_is_believed_of_a_number_that_is_still_there() {
    for standing in [Standing::Live, Standing::Taken] {
        let found = take(refused_case(), Event::Found(standing)).1;
        let rejected = settle(State::Rejected, None, Some(Code::UpstreamRejected));
        assert_eq!(found, rejected);
    }
}

#[test]
fn a_refusal_that_could_not_be_looked_into_is_remembered() {
    let down = failure(Outcome::NotDone, Code::UpstreamUnreachable);
    let (_, command) = take(refused_case(), Event::AskFailed(&down));
    let reason = Some(Code::UpstreamRejected);
    assert_eq!(command, settle(State::Uncertain, Some(1), reason));
    let looked = take(
        verifying(Code::UpstreamRejected),
        Event::Found(Standing::Live),
    );
    assert_eq!(looked.1, settle(State::Rejected, None, reason));
}

/// Refused after an earlier annul was lost, and looked at this often since.
fn in_doubt(looks: u32) -> Case {
    Case {
        sends: 2,
        failures: looks,
        ..verifying(Code::UpstreamRejected)
    }
}

#[test]
fn a_refusal_after_a_lost_annul_is_believed_a_horizon_later() {
    let reason = Some(Code::UpstreamRejected);
    let again = Case {
        sends: 2,
        failures: 7,
        ..sending()
    };
    let (mut case, command) = take(again, Event::SendFailed(&refused()));
    assert_eq!(command, Command::Ask(READS[0]));
    let mut waited = 0;
    for wait in [60, 4 * 60, 25 * 60, 90 * 60, 22 * 3600, 24 * 3600] {
        let (next, command) = take(case, Event::Found(Standing::Live));
        assert_eq!(command, settle(State::Uncertain, Some(wait), reason));
        case = in_doubt(next.failures);
        waited += wait;
    }
    assert_eq!(waited, RULES.watch.horizon.as_secs());
    let (_, command) = take(case, Event::Found(Standing::Live));
    assert_eq!(command, settle(State::Rejected, None, reason));
}

#[test]
fn a_cancel_in_doubt_ends_with_what_a_look_shows() {
    let found = |standing| take(in_doubt(2), Event::Found(standing)).1;
    let done = settle(State::Registered, None, None);
    assert_eq!(found(Standing::Closed), done, "the lost annul came late");
    let refused = settle(State::Rejected, None, Some(Code::UpstreamRejected));
    assert_eq!(found(Standing::Taken), refused, "no annul is applied now");
    let parked = settle(State::Parked, None, Some(Code::DeadlinePassed));
    let late = take(overdue(in_doubt(2)), Event::Found(Standing::Live)).1;
    assert_eq!(late, parked, "the doubt goes on, and a person knows");
}

#[test]
fn a_look_of_one_in_doubt_that_fails_is_not_counted() {
    let down = failure(Outcome::NotDone, Code::UpstreamUnreachable);
    let (case, command) = take(in_doubt(2), Event::AskFailed(&down));
    let reason = Some(Code::UpstreamRejected);
    assert_eq!(
        (case.failures, command),
        (2, settle(State::Uncertain, Some(5), reason))
    );
}

#[test]
fn a_refusal_of_an_earlier_send_does_not_count_for_this_one() {
    let before = Case {
        reason: Some(Code::UpstreamRejected),
        ..sending()
    };
    let (case, _) = take(before, Event::Leased { probe: true });
    assert_eq!(take(case, Event::Found(Standing::Live)).1, Command::Send);
}

#[test]
fn what_was_dispensed_is_not_cancelled() {
    for case in [sending(), verifying(Code::UpstreamTimeout)] {
        let found = take(case, Event::Found(Standing::Taken)).1;
        let rejected = settle(State::Rejected, None, Some(Code::Dispensed));
        assert_eq!(found, rejected);
    }
}

#[test]
fn an_unknown_outcome_is_looked_into_and_a_live_number_annulled_again() {
    let lost = failure(Outcome::Unknown, Code::UpstreamReset);
    let (_, command) = take(sending(), Event::SendFailed(&lost));
    let uncertain = settle(State::Uncertain, Some(1), Some(Code::UpstreamReset));
    assert_eq!(command, uncertain);
    let case = verifying(Code::UpstreamReset);
    let (case, command) = take(case, Event::Leased { probe: false });
    assert_eq!(command, Command::Ask(READS[0]));
    let (_, command) = take(case, Event::Found(Standing::Live));
    assert_eq!(command, settle(State::Accepted, Some(2), None));
}

#[test]
fn a_send_without_effect_is_tried_again() {
    let down = failure(Outcome::NotDone, Code::UpstreamUnreachable);
    let (case, command) = take(sending(), Event::SendFailed(&down));
    let waits = settle(State::Accepted, Some(2), Some(Code::UpstreamUnreachable));
    assert_eq!((case.sends, command), (0, waits));
    let (_, command) = take(sending(), Event::SendFailed(&shutdown(Outcome::NotDone)));
    assert_eq!(command, settle(State::Accepted, Some(0), None));
    let (_, command) = take(sending(), Event::SendFailed(&shutdown(Outcome::Unknown)));
    let reason = Some(Code::ShuttingDown);
    assert_eq!(command, settle(State::Uncertain, Some(0), reason));
}

#[test]
fn refused_authority_waits_for_the_prescriber() {
    let reason = Some(Code::AuthorityRefused);
    let waits = settle(State::NeedsAuthorization, None, reason);
    let refused = authority_refused();
    let sent = take(sending(), Event::SendFailed(&refused)).1;
    let looked = take(verifying(Code::UpstreamReset), Event::AskFailed(&refused)).1;
    assert_eq!((sent, looked), (waits, waits));
}

#[test]
fn what_it_cannot_explain_or_finish_waits_for_a_person() {
    let parked = |reason| settle(State::Parked, None, Some(reason));
    let case = verifying(Code::UpstreamReset);
    assert_eq!(take(case, Event::Absent).1, parked(Code::UpstreamMismatch));
    let taken = failure(Outcome::Rejected, Code::NumberTaken);
    assert_eq!(
        take(case, Event::AskFailed(&taken)).1,
        parked(Code::UpstreamMismatch),
        "it was registered: never to be let go of as if it had not been"
    );
    assert_eq!(take(case, Event::Unreadable).1, parked(Code::Unreadable));
    let late = overdue(case);
    let down = failure(Outcome::NotDone, Code::UpstreamUnreachable);
    for event in [Event::Found(Standing::Live), Event::AskFailed(&down)] {
        assert_eq!(take(late, event).1, parked(Code::DeadlinePassed));
    }
    let (case, command) = take(overdue(sending()), Event::Leased { probe: false });
    assert_eq!((case.sends, command), (0, parked(Code::DeadlinePassed)));
}
