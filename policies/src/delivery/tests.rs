//! Every state × event of delivery as a table, and the promises as properties.

use proptest::prelude::*;

use super::*;
use crate::failure::Fault;
use crate::operation::{LaneName, Late, Strategy as Serving};

const READS: &[OpName] = &[OpName("look"), OpName("list")];

const SEND: Operation = Operation {
    op: OpName("send"),
    lane: LaneName("lane"),
    strategy: Serving::WriteBehind,
    settle_by: READS,
    undo_by: None,
    resend: Resend::Same,
    late: Late::Watch,
};

const NOW: Timestamp = Timestamp(1_000_000);
const DEADLINE: Timestamp = Timestamp(2_000_000);

fn rules() -> DeliveryRules {
    DeliveryRules {
        rate_per_second: 50,
        lease_for: Duration::from_secs(60),
        resend_after: vec![Duration::from_secs(2), Duration::from_secs(60)],
        verify_after: vec![Duration::from_secs(1), Duration::from_secs(5)],
        jitter_share: 0.0,
        retry_share: 0.1,
        retry_floor_per_second: 1,
    }
}

fn sending(sends: u32) -> Case {
    Case {
        state: State::Sending,
        sends,
        failures: 0,
        reason: None,
        deadline: DEADLINE,
        absences: 0,
    }
}

fn verifying(reason: Code) -> Case {
    Case {
        state: State::Verifying,
        reason: Some(reason),
        failures: 1,
        ..sending(1)
    }
}

fn failure(outcome: Outcome, code: Code) -> Failure {
    Failure::upstream(code, outcome)
}

fn take(case: Case, event: Event<'_>) -> (Case, Command) {
    step(&SEND, &rules(), case, event, NOW, 0.5)
}

fn settle(state: State, due_in: Option<u64>, reason: Option<Code>) -> Command {
    let due = due_in.map(|seconds| NOW + Duration::from_secs(seconds));
    Command::Settle { state, due, reason }
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
    let refused = failure(Outcome::Rejected, Code::UpstreamRejected);
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
    assert_eq!(
        command,
        settle(State::Rejected, None, Some(Code::UpstreamRejected))
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
    let mut refused = failure(Outcome::Rejected, Code::UpstreamRejected);
    refused.stops = Stops::Nothing;
    refused.retry = Retry::No;
    let (case, command) = take(sending(1), Event::AskFailed(&refused));
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
    let (_, command) = step(&never, &rules(), case, Event::Absent, NOW, 0.5);
    assert_eq!(
        command,
        settle(State::Parked, None, Some(Code::UpstreamReset))
    );
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
    let mut refused = failure(Outcome::NotDone, Code::AuthorityRefused);
    refused.stops = Stops::Identity;
    refused.retry = Retry::No;
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
    let late = Case {
        deadline: NOW,
        ..sending(1)
    };
    let (case, command) = take(late, Event::Leased { probe: false });
    assert_eq!(case.sends, 0);
    assert_eq!(
        command,
        settle(State::Parked, None, Some(Code::DeadlinePassed))
    );
    let late = Case {
        deadline: NOW,
        ..verifying(Code::UpstreamTimeout)
    };
    let (_, command) = take(late, Event::Leased { probe: false });
    assert_eq!(command, Command::Ask(READS[0]));
    let (case, _) = take(late, Event::Absent);
    let (_, command) = take(case, Event::Absent);
    assert_eq!(
        command,
        settle(State::Parked, None, Some(Code::DeadlinePassed))
    );
}

#[test]
fn a_shutdown_hands_back_what_was_not_sent_and_leaves_the_rest_uncertain() {
    let before = Failure::gateway(
        Code::ShuttingDown,
        Outcome::NotDone,
        Retry::After(Duration::ZERO),
    );
    let (case, command) = take(sending(1), Event::SendFailed(&before));
    assert_eq!((case.sends, case.failures), (0, 0));
    assert_eq!(command, settle(State::Accepted, Some(0), None));
    let during = Failure {
        outcome: Outcome::Unknown,
        ..before
    };
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
}

fn failures() -> impl Strategy<Value = Failure> {
    let outcome = prop_oneof![
        Just(Outcome::NotDone),
        Just(Outcome::Unknown),
        Just(Outcome::Rejected)
    ];
    let stops = prop_oneof![
        Just(Stops::Nothing),
        Just(Stops::Gate),
        Just(Stops::Identity)
    ];
    let retry = prop_oneof![Just(Retry::No), Just(Retry::After(Duration::ZERO))];
    let code = (0..Code::ALL.len()).prop_map(|place| Code::ALL[place]);
    (outcome, stops, retry, code).prop_map(|(outcome, stops, retry, code)| Failure {
        stops,
        retry,
        ..Failure::upstream(code, outcome)
    })
}

proptest! {
    /// Invariants 1 and 4: whatever a send hears, an unknown outcome never becomes due for sending.
    #[test]
    fn unknown_never_becomes_due(heard in failures(), sends in 1_u32..5) {
        let (case, command) = take(sending(sends), Event::SendFailed(&heard));
        let Command::Settle { state, due, .. } = command else {
            panic!("a failed send settles");
        };
        if heard.outcome == Outcome::Unknown && heard.code != Code::NumberTaken {
            prop_assert_eq!(state, State::Uncertain);
            prop_assert_eq!(case.sends, sends);
        }
        // Whatever the gateway will still move says when.
        prop_assert_eq!(state.is_pending(), due.is_some());
    }
}
