//! The steps of a prescription.

use super::*;

fn sending(sends: u32) -> Case {
    super::sending(Role::Create, sends)
}

fn verifying(reason: Code) -> Case {
    super::verifying(Role::Create, reason)
}

fn take(case: Case, event: Event<'_>) -> (Case, Command) {
    super::take(&SEND, case, event)
}

fn parked_and_watched(reason: Code) -> Command {
    settle_number(State::Parked, None, Some(reason), NumberFate::Watched)
}

#[test]
fn a_first_send_goes_out_and_registers() {
    assert_eq!(
        take(sending(1), Event::Leased { probe: false }).1,
        Command::Send
    );
    assert_eq!(
        take(sending(1), Event::Done).1,
        settle(State::Registered, None, None)
    );
}

#[test]
fn a_probe_asks_before_it_sends() {
    let (case, command) = take(sending(1), Event::Leased { probe: true });
    assert_eq!(command, Command::Ask(READS[0]));
    assert_eq!(take(case, Event::Absent).1, Command::Send);
    let found = take(case, Event::Found(Standing::Live)).1;
    assert_eq!(
        found,
        settle(State::Registered, None, None),
        "it was there all along"
    );
}

#[test]
fn a_probe_whose_read_fails_has_sent_nothing() {
    let lost = failure(Outcome::Unknown, Code::UpstreamTimeout);
    let (case, command) = take(sending(1), Event::AskFailed(&lost));
    assert_eq!(case.sends, 0);
    assert_eq!(
        command,
        settle(State::Accepted, Some(2), Some(Code::UpstreamTimeout))
    );
}

#[test]
fn a_send_without_effect_is_not_counted_and_waits_by_the_schedule() {
    let down = failure(Outcome::NotDone, Code::UpstreamUnreachable);
    let (case, command) = take(sending(1), Event::SendFailed(&down));
    assert_eq!((case.sends, case.failures), (0, 1));
    assert_eq!(
        command,
        settle(State::Accepted, Some(2), Some(Code::UpstreamUnreachable))
    );
    let again = Case {
        sends: 1,
        failures: 1,
        ..sending(1)
    };
    let (_, command) = take(again, Event::SendFailed(&down));
    assert_eq!(
        command,
        settle(State::Accepted, Some(60), Some(Code::UpstreamUnreachable))
    );
}

#[test]
fn an_upstream_that_says_when_is_not_asked_before() {
    let mut busy = failure(Outcome::NotDone, Code::UpstreamUnavailable);
    busy.retry = Retry::After(Duration::from_secs(30));
    let (_, command) = take(sending(1), Event::SendFailed(&busy));
    assert_eq!(
        command,
        settle(State::Accepted, Some(30), Some(Code::UpstreamUnavailable))
    );
}

#[test]
fn an_unknown_outcome_is_uncertain_never_due() {
    let lost = failure(Outcome::Unknown, Code::UpstreamTimeout);
    let (case, command) = take(sending(1), Event::SendFailed(&lost));
    assert_eq!(case.sends, 1);
    assert_eq!(
        command,
        settle(State::Uncertain, Some(1), Some(Code::UpstreamTimeout))
    );
}

#[test]
fn a_rejection_is_final_only_on_the_first_send() {
    let refused = refused();
    let (_, first) = take(sending(1), Event::SendFailed(&refused));
    assert_eq!(
        first,
        settle(State::Rejected, None, Some(Code::UpstreamRejected))
    );
    let (_, later) = take(sending(2), Event::SendFailed(&refused));
    assert_eq!(
        later,
        settle(State::Uncertain, Some(1), Some(Code::UpstreamRejected))
    );
}

#[test]
fn a_later_rejection_is_believed_once_the_number_is_shown_absent() {
    let (case, command) = take(
        verifying(Code::UpstreamRejected),
        Event::Leased { probe: false },
    );
    assert_eq!(command, Command::Ask(READS[0]));
    let (case, command) = take(case, Event::Absent);
    assert_eq!(command, Command::Ask(READS[1]));
    let (_, command) = take(case, Event::Absent);
    let reason = Some(Code::UpstreamRejected);
    assert_eq!(
        command,
        settle_number(State::Rejected, None, reason, NumberFate::Watched),
        "the send before the one that was refused may yet be applied"
    );
    let found = take(
        verifying(Code::UpstreamRejected),
        Event::Found(Standing::Live),
    )
    .1;
    assert_eq!(
        found,
        settle(State::Registered, None, None),
        "the refusal was of the duplicate"
    );
}

#[test]
fn absent_in_every_read_sends_the_same_number_again() {
    let (case, _) = take(verifying(Code::UpstreamTimeout), Event::Absent);
    let (case, command) = take(case, Event::Absent);
    assert_eq!(command, settle(State::Accepted, Some(2), None));
    assert_eq!(
        case.sends, 1,
        "the first send still counts: it may yet be applied"
    );
}

#[test]
fn the_more_often_it_was_sent_in_vain_the_longer_it_waits() {
    let often = Case {
        sends: 2,
        absences: 1,
        ..verifying(Code::UpstreamTimeout)
    };
    let (_, command) = take(often, Event::Absent);
    assert_eq!(command, settle(State::Accepted, Some(60), None));
}

#[test]
fn a_probe_whose_read_was_answered_and_refused_sends_all_the_same() {
    let (case, command) = take(sending(1), Event::AskFailed(&refused()));
    assert_eq!((case.sends, command), (1, Command::Send));
}

#[test]
fn what_may_not_be_resent_waits_for_a_person() {
    let never = Operation {
        resend: Resend::Never,
        settle_by: &READS[..1],
        ..SEND
    };
    let case = verifying(Code::UpstreamReset);
    let (_, command) = super::take(&never, case, Event::Absent);
    assert_eq!(command, parked_and_watched(Code::UpstreamReset));
}

#[test]
fn a_read_that_fails_leaves_it_uncertain_with_its_first_reason() {
    let down = failure(Outcome::NotDone, Code::UpstreamUnreachable);
    let (case, command) = take(verifying(Code::UpstreamRejected), Event::AskFailed(&down));
    assert_eq!(case.failures, 2);
    assert_eq!(
        command,
        settle(State::Uncertain, Some(5), Some(Code::UpstreamRejected))
    );
}

#[test]
fn refused_authority_waits_for_the_prescriber() {
    let refused = authority_refused();
    let waits = settle(
        State::NeedsAuthorization,
        None,
        Some(Code::AuthorityRefused),
    );
    let (case, command) = take(sending(1), Event::SendFailed(&refused));
    assert_eq!((case.sends, command), (0, waits));
    let (case, command) = take(verifying(Code::UpstreamTimeout), Event::AskFailed(&refused));
    assert_eq!((case.sends, command), (1, waits));
}

#[test]
fn a_defect_of_ours_is_parked_not_repeated() {
    let mut refused = failure(Outcome::NotDone, Code::SchemaRefused);
    refused.fault = Fault::Gateway;
    refused.retry = Retry::No;
    let (_, command) = take(sending(1), Event::SendFailed(&refused));
    assert_eq!(
        command,
        settle(State::Parked, None, Some(Code::SchemaRefused))
    );
}

#[test]
fn other_content_under_our_number_is_a_conflict() {
    let mut taken = failure(Outcome::Rejected, Code::NumberTaken);
    taken.stops = Stops::Nothing;
    for case in [sending(1), verifying(Code::UpstreamTimeout)] {
        let (_, command) = take(case, Event::SendFailed(&taken));
        assert_eq!(
            command,
            settle(State::Conflict, None, Some(Code::NumberTaken))
        );
    }
}

#[test]
fn closed_upstream_waits_for_a_person() {
    let (_, command) = take(
        verifying(Code::UpstreamReset),
        Event::Found(Standing::Closed),
    );
    assert_eq!(
        command,
        settle(State::Parked, None, Some(Code::ClosedUpstream))
    );
}

#[test]
fn past_its_deadline_it_is_parked_but_asked_for_first() {
    let late = overdue(sending(1));
    let (case, command) = take(late, Event::Leased { probe: false });
    assert_eq!(case.sends, 0);
    assert_eq!(
        command,
        settle(State::Parked, None, Some(Code::DeadlinePassed))
    );
    let late = overdue(verifying(Code::UpstreamTimeout));
    let (_, command) = take(late, Event::Leased { probe: false });
    assert_eq!(command, Command::Ask(READS[0]));
    let (case, _) = take(late, Event::Absent);
    let (_, command) = take(case, Event::Absent);
    assert_eq!(
        command,
        parked_and_watched(Code::DeadlinePassed),
        "it may be applied when someone has written it anew"
    );
}

#[test]
fn a_shutdown_hands_back_what_was_not_sent_and_leaves_the_rest_uncertain() {
    let before = shutdown(Outcome::NotDone);
    let (case, command) = take(sending(1), Event::SendFailed(&before));
    assert_eq!((case.sends, case.failures), (0, 0));
    assert_eq!(command, settle(State::Accepted, Some(0), None));
    let during = shutdown(Outcome::Unknown);
    let (case, command) = take(sending(1), Event::SendFailed(&during));
    assert_eq!(case.sends, 1);
    assert_eq!(
        command,
        settle(State::Uncertain, Some(0), Some(Code::ShuttingDown))
    );
}

#[test]
fn what_cannot_be_read_is_parked() {
    let (_, command) = take(sending(1), Event::Unreadable);
    assert_eq!(command, settle(State::Parked, None, Some(Code::Unreadable)));
    // What was sent of it may be there: whoever is told that it is parked may write it anew.
    for sent_before in [sending(2), verifying(Code::LeaseExpired)] {
        let (_, command) = take(sent_before, Event::Unreadable);
        assert_eq!(command, parked_and_watched(Code::Unreadable));
    }
}

#[test]
fn a_read_that_cannot_be_repeated_parks_and_watches() {
    let (_, command) = take(
        verifying(Code::UpstreamTimeout),
        Event::AskFailed(&refused()),
    );
    assert_eq!(command, parked_and_watched(Code::UpstreamRejected));
    let down = failure(Outcome::NotDone, Code::UpstreamUnreachable);
    let late = overdue(verifying(Code::UpstreamTimeout));
    let (_, command) = take(late, Event::AskFailed(&down));
    assert_eq!(command, parked_and_watched(Code::DeadlinePassed));
}

#[test]
fn a_lease_that_ended_is_uncertain_for_its_first_reason() {
    let ended = |role, state, reason| lease_ended(role, state, reason, Fallback::Hold);
    let expired = (State::Uncertain, Code::LeaseExpired, NumberFate::Kept);
    let asked = Some(Code::UpstreamRejected);
    for role in [Role::Create, Role::Cancel] {
        assert_eq!(ended(role, State::Sending, None), expired);
        assert_eq!(ended(role, State::Sending, asked), expired);
        assert_eq!(ended(role, State::Verifying, None), expired);
        assert_eq!(
            ended(role, State::Verifying, asked),
            (State::Uncertain, Code::UpstreamRejected, NumberFate::Kept)
        );
    }
}
