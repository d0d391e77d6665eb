//! What was promised per prescription: a red recipe, and another number for an uncertain one.

use super::*;

fn at_the_desk(case: Case) -> Case {
    let terms = Terms {
        fallback: Fallback::RedRecipe,
        ..case.terms
    };
    Case { terms, ..case }
}

fn annulling(case: Case) -> Case {
    let terms = Terms {
        uncertain: Uncertain::AnnulAndResend,
        ..case.terms
    };
    Case { terms, ..case }
}

fn sending() -> Case {
    super::sending(Role::Create, 1)
}

fn verifying(reason: Code) -> Case {
    super::verifying(Role::Create, reason)
}

fn take(case: Case, event: Event<'_>) -> (Case, Command) {
    super::take(&SEND, case, event)
}

fn withdrawn(reason: Code, number: NumberFate) -> Command {
    settle_number(State::Withdrawn, None, Some(reason), number)
}

fn superseded(due_in: u64) -> Command {
    let reason = Some(Code::Superseded);
    settle_number(State::Accepted, Some(due_in), reason, NumberFate::Replaced)
}

#[test]
fn a_red_recipe_is_registered_or_rejected_like_any_other() {
    let case = at_the_desk(sending());
    let leased = take(case, Event::Leased { probe: false }).1;
    assert_eq!(leased, Command::Send);
    let done = take(case, Event::Done).1;
    assert_eq!(done, settle(State::Registered, None, None));
    let refused = take(case, Event::SendFailed(&refused())).1;
    let rejected = settle(State::Rejected, None, Some(Code::UpstreamRejected));
    assert_eq!(refused, rejected);
}

#[test]
fn a_red_recipe_that_was_not_sent_leaves_nothing_to_watch() {
    let case = at_the_desk(sending());
    for failure in [
        failure(Outcome::NotDone, Code::UpstreamUnreachable),
        shutdown(Outcome::NotDone),
        authority_refused(),
    ] {
        let (case, command) = take(case, Event::SendFailed(&failure));
        let expected = withdrawn(failure.code, NumberFate::Kept);
        assert_eq!((case.sends, command), (0, expected));
    }
    let lost = failure(Outcome::Unknown, Code::UpstreamTimeout);
    let (_, probed) = take(case, Event::AskFailed(&lost));
    assert_eq!(probed, withdrawn(Code::UpstreamTimeout, NumberFate::Kept));
    let (_, late) = take(overdue(case), Event::Leased { probe: false });
    assert_eq!(late, withdrawn(Code::DeadlinePassed, NumberFate::Kept));
}

#[test]
fn a_red_recipe_that_may_have_been_sent_is_watched() {
    for code in [Code::UpstreamTimeout, Code::ShuttingDown] {
        let lost = failure(Outcome::Unknown, code);
        let (case, command) = take(at_the_desk(sending()), Event::SendFailed(&lost));
        let expected = withdrawn(code, NumberFate::Watched);
        assert_eq!((case.sends, command), (1, expected));
    }
    let ended = |state| lease_ended(Role::Create, state, None, Fallback::RedRecipe);
    let expected = (State::Withdrawn, Code::LeaseExpired, NumberFate::Watched);
    assert_eq!(ended(State::Sending), expected);
    assert_eq!(ended(State::Verifying), expected);
}

#[test]
fn what_is_about_a_red_recipe_is_not_withdrawn_with_its_lease() {
    // A watch has the terms of its prescription.
    for role in [Role::Cancel, Role::Watch] {
        let (state, _, number) = lease_ended(role, State::Verifying, None, Fallback::RedRecipe);
        assert_eq!((state, number), (State::Uncertain, NumberFate::Kept));
    }
}

#[test]
fn a_red_recipe_found_uncertain_all_the_same_is_given_up() {
    let case = at_the_desk(annulling(verifying(Code::UpstreamReset)));
    let leased = take(case, Event::Leased { probe: false }).1;
    assert_eq!(leased, Command::Ask(READS[0]), "never under another number");
    let given_up = withdrawn(Code::UpstreamReset, NumberFate::Watched);
    let (asked, _) = take(case, Event::Absent);
    assert_eq!(take(asked, Event::Absent).1, given_up);
    let down = failure(Outcome::NotDone, Code::UpstreamUnreachable);
    assert_eq!(take(case, Event::AskFailed(&down)).1, given_up);
}

#[test]
fn an_uncertain_number_is_annulled_and_another_taken() {
    let case = annulling(verifying(Code::UpstreamTimeout));
    let (case, command) = take(case, Event::Leased { probe: false });
    assert_eq!(command, Command::Undo(UNDO));
    let (case, command) = take(case, Event::Undone);
    assert_eq!(command, superseded(2));
    assert_eq!(case.sends, 0, "none of them was under the new number");
}

#[test]
fn an_annul_that_is_refused_is_read() {
    let case = annulling(verifying(Code::UpstreamTimeout));
    let (case, command) = take(case, Event::UndoFailed(&refused()));
    assert_eq!(command, Command::Ask(READS[0]));
    let taken = take(case, Event::Found(Standing::Taken)).1;
    assert_eq!(taken, settle(State::Registered, None, None));
    // An earlier annul may have been lost, and come late: it is not called registered.
    let live = take(case, Event::Found(Standing::Live)).1;
    let again = settle(State::Uncertain, Some(5), Some(Code::UpstreamTimeout));
    assert_eq!(live, again);
    let closed = take(case, Event::Found(Standing::Closed)).1;
    assert_eq!(closed, superseded(2));
    let (case, command) = take(case, Event::Absent);
    assert_eq!(command, Command::Ask(READS[1]));
    assert_eq!(take(case, Event::Absent).1, superseded(2));
}

#[test]
fn an_annul_without_an_outcome_leaves_it_uncertain() {
    let case = annulling(verifying(Code::UpstreamTimeout));
    for outcome in [Outcome::NotDone, Outcome::Unknown] {
        let down = failure(outcome, Code::UpstreamReset);
        let (case, command) = take(case, Event::UndoFailed(&down));
        let waits = settle(State::Uncertain, Some(5), Some(Code::UpstreamTimeout));
        assert_eq!((case.sends, command), (1, waits));
    }
    let (_, command) = take(case, Event::UndoFailed(&authority_refused()));
    let reason = Some(Code::AuthorityRefused);
    assert_eq!(command, settle(State::NeedsAuthorization, None, reason));
}

#[test]
fn past_its_deadline_it_takes_no_other_number() {
    let case = overdue(annulling(verifying(Code::UpstreamTimeout)));
    let (case, command) = take(case, Event::Undone);
    let reason = Some(Code::DeadlinePassed);
    let parked = settle_number(State::Parked, None, reason, NumberFate::Watched);
    assert_eq!((case.sends, command), (1, parked));
}

#[test]
fn a_refusal_of_the_second_number_is_final_on_its_first_send() {
    let case = annulling(sending());
    let (_, command) = take(case, Event::SendFailed(&refused()));
    let rejected = settle(State::Rejected, None, Some(Code::UpstreamRejected));
    assert_eq!(command, rejected);
}

#[test]
fn number_after_number_waits_longer() {
    let lost = failure(Outcome::Unknown, Code::UpstreamTimeout);
    let (case, _) = take(annulling(sending()), Event::SendFailed(&lost));
    let again = Case {
        state: State::Verifying,
        ..case
    };
    let (case, first) = take(again, Event::Undone);
    assert_eq!(first, superseded(2));
    let again = Case {
        state: State::Sending,
        sends: 1,
        ..case
    };
    let (case, _) = take(again, Event::SendFailed(&lost));
    let again = Case {
        state: State::Verifying,
        ..case
    };
    assert_eq!(take(again, Event::Undone).1, superseded(60));
}
