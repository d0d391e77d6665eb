//! The promises, over every case and whatever is heard in whatever order.

use proptest::prelude::*;

use super::*;

/// Steps of one lease at most: more would be a loop.
const STEPS_MAX: usize = 12;

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

/// What an upstream says to a call, whatever the call is.
#[derive(Debug, Clone)]
enum Said {
    Yes,
    Absent,
    Found(Standing),
    Failed(Failure),
}

fn said() -> impl Strategy<Value = Said> {
    let standing = prop_oneof![
        Just(Standing::Live),
        Just(Standing::Closed),
        Just(Standing::Taken)
    ];
    prop_oneof![
        Just(Said::Yes),
        Just(Said::Absent),
        standing.prop_map(Said::Found),
        failures().prop_map(Said::Failed),
    ]
}

/// The event that `said` is as an answer to `command`.
fn heard(command: Command, said: &Said) -> Event<'_> {
    match (command, said) {
        (Command::Ask(_), Said::Found(standing)) => Event::Found(*standing),
        (Command::Ask(_), Said::Failed(failure)) => Event::AskFailed(failure),
        (Command::Ask(_), _) => Event::Absent,
        (Command::Send, Said::Failed(failure)) => Event::SendFailed(failure),
        (Command::Send, _) => Event::Done,
        (Command::Undo(_), Said::Failed(failure)) => Event::UndoFailed(failure),
        (Command::Undo(_), _) => Event::Undone,
        (Command::Settle { .. }, _) => unreachable!("a settled entry hears nothing more"),
    }
}

fn cases() -> impl Strategy<Value = Case> {
    prop_oneof![
        cases_of(Role::Create),
        cases_of(Role::Cancel),
        cases_of(Role::Watch)
    ]
}

fn cases_of(role: Role) -> impl Strategy<Value = Case> {
    let reason = prop_oneof![
        Just(None),
        (0..Code::ALL.len()).prop_map(|place| Some(Code::ALL[place]))
    ];
    let terms = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let counts = (1_u32..4, 0_u32..4, 0_u64..400_000, 0_u64..400_000);
    (any::<bool>(), reason, terms, counts).prop_map(move |(verify, reason, terms, counts)| {
        let (desk, annuls, annul_consent, late) = terms;
        let (sends, failures, age, recovered) = counts;
        Case {
            role,
            state: if verify || role == Role::Watch {
                State::Verifying
            } else {
                State::Sending
            },
            sends,
            failures,
            reason,
            terms: Terms {
                fallback: Fallback::ALL[usize::from(desk)],
                uncertain: Uncertain::ALL[usize::from(annuls)],
                deadline: if late { NOW } else { DEADLINE },
                annul_consent,
                ..TERMS
            },
            accepted_at: Timestamp(NOW.0 - age * 1_000),
            recovered_at: Timestamp(NOW.0 - recovered * 1_000),
            absences: 0,
        }
    })
}

/// One lease from beginning to end.
#[derive(Debug)]
struct Life {
    commands: Vec<Command>,
    /// What was heard before each command but the first.
    told: Vec<Said>,
    last: Case,
}

impl Life {
    fn end(&self) -> (State, Option<Timestamp>, Option<Code>, NumberFate) {
        match self.commands.last() {
            Some(Command::Settle {
                state,
                due,
                reason,
                number,
            }) => (*state, *due, *reason, *number),
            other => panic!("a lease ends settled, not with {other:?}"),
        }
    }

    fn sent(&self) -> usize {
        let is_send = |command: &&Command| **command == Command::Send;
        self.commands.iter().filter(is_send).count()
    }

    /// Whether the call of the `place`th command heard this.
    fn absent(&self, place: usize) -> bool {
        let said = &self.told[place];
        matches!(self.commands[place], Command::Ask(_)) && matches!(said, Said::Absent | Said::Yes)
    }
}

fn live(case: Case, probe: bool, said: &[Said]) -> Life {
    let operation = if case.role == Role::Create {
        SEND
    } else {
        ANNUL
    };
    let (mut case, mut command) = take(&operation, case, Event::Leased { probe });
    let mut life = Life {
        commands: vec![command],
        told: Vec::new(),
        last: case,
    };
    for said in said.iter().cycle().take(STEPS_MAX) {
        if matches!(command, Command::Settle { .. }) {
            break;
        }
        life.told.push(said.clone());
        (case, command) = take(&operation, case, heard(command, said));
        life.commands.push(command);
        life.last = case;
    }
    life
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// No loop without an outward call, and no lease that never ends.
    #[test]
    fn every_lease_ends_after_a_few_calls(
        case in cases(), probe: bool, said in prop::collection::vec(said(), 1..6),
    ) {
        let life = live(case, probe, &said);
        let (state, due, reason, _) = life.end();
        prop_assert!(!state.is_leased());
        // Whatever the gateway will still move says when, and whatever needs somebody says why.
        prop_assert_eq!(state.is_pending(), due.is_some());
        let is_raised = matches!(
            state,
            State::Parked | State::Conflict | State::Rejected | State::NeedsAuthorization
        );
        prop_assert!(!is_raised || reason.is_some());
    }

    /// Invariant 1: nothing that may have had an effect is sent again before every read has said
    /// *absent*, or under another number.
    #[test]
    fn nothing_is_resent_blindly(
        mut case in cases_of(Role::Create), said in prop::collection::vec(said(), 1..6),
    ) {
        case.state = State::Verifying;
        let life = live(case, false, &said);
        prop_assert_eq!(life.sent(), 0);
        let (state, _, reason, number) = life.end();
        if state == State::Accepted {
            let absences = (0..life.told.len()).filter(|place| life.absent(*place)).count();
            let undone = life.commands.iter().any(|command| matches!(command, Command::Undo(_)));
            let all_absent = absences == READS.len();
            prop_assert!(all_absent || (undone && number == NumberFate::Replaced));
        }
        if number == NumberFate::Replaced {
            prop_assert_eq!((state, reason), (State::Accepted, Some(Code::Superseded)));
            prop_assert_eq!(life.last.sends, 0);
        }
    }

    /// Invariants 1 and 4: whatever a send hears, an unknown outcome never becomes due for sending.
    #[test]
    fn unknown_never_becomes_due(
        mut heard in failures(),
        mut case in prop_oneof![cases_of(Role::Create), cases_of(Role::Cancel)],
    ) {
        case.state = State::Sending;
        heard.outcome = Outcome::Unknown;
        prop_assume!(heard.code != Code::NumberTaken);
        let operation = if case.role == Role::Create { SEND } else { ANNUL };
        let (after, command) = take(&operation, case, Event::SendFailed(&heard));
        let Command::Settle { state, number, .. } = command else {
            panic!("a failed send settles");
        };
        let desk = case.role == Role::Create && case.terms.fallback == Fallback::RedRecipe;
        let expected = if desk {
            (State::Withdrawn, NumberFate::Watched)
        } else {
            (State::Uncertain, NumberFate::Kept)
        };
        prop_assert_eq!((state, number), expected);
        prop_assert_eq!(after.sends, case.sends);
    }

    /// A red recipe never rests where it would be sent, asked for or signed later.
    #[test]
    fn a_red_recipe_never_waits(
        mut case in cases_of(Role::Create),
        probe: bool,
        said in prop::collection::vec(said(), 1..6),
    ) {
        case.terms.fallback = Fallback::RedRecipe;
        let (state, _, _, number) = live(case, probe, &said).end();
        let waits = state.is_pending() || state == State::NeedsAuthorization;
        prop_assert!(!waits, "{state:?}");
        prop_assert_ne!(number, NumberFate::Replaced);
    }

    /// Invariant 5: whatever is given up, or parked unregistered, and may have been sent, is watched.
    #[test]
    fn what_is_given_up_is_watched(
        case in cases_of(Role::Create), probe: bool, said in prop::collection::vec(said(), 1..6),
    ) {
        let life = live(case, probe, &said);
        let (state, _, reason, number) = life.end();
        // Found closed at the upstream, it cannot be applied any more.
        let is_given_up = matches!(state, State::Withdrawn | State::Parked)
            && reason != Some(Code::ClosedUpstream);
        if is_given_up {
            prop_assert_eq!(number == NumberFate::Watched, life.last.sends > 0);
        }
        // A refusal of a later send is believed only with a watch over the earlier ones.
        if state == State::Rejected && case.state == State::Verifying {
            prop_assert_eq!(number, NumberFate::Watched);
        }
        if state == State::Rejected && case.state == State::Sending {
            prop_assert_eq!(case.sends, 1);
        }
    }

    /// Invariants of a watch: silence only past the horizon after an absent look, no annul without
    /// consent nor of what it has not just found live, and it never stops otherwise unraised.
    #[test]
    fn a_watch_neither_stops_early_nor_annuls_unasked(
        case in cases_of(Role::Watch), said in prop::collection::vec(said(), 1..6),
    ) {
        let life = live(case, false, &said);
        let (state, due, _, number) = life.end();
        prop_assert_eq!(number, NumberFate::Kept);
        for (place, command) in life.commands.iter().enumerate() {
            if *command == Command::Send {
                prop_assert!(case.terms.annul_consent);
                prop_assert!(matches!(life.told[place - 1], Said::Found(Standing::Live)));
            }
        }
        let horizon = case.accepted_at.max(case.recovered_at) + RULES.watch.horizon;
        match state {
            State::Withdrawn => {
                prop_assert!(NOW >= horizon);
                prop_assert!(life.absent(life.told.len() - 1));
            }
            // Between two looks it never sleeps past the horizon.
            State::Uncertain => prop_assert!(due <= Some(horizon.max(NOW + Duration::from_secs(5)))),
            State::Cancelled | State::Conflict => {}
            other => prop_assert!(false, "a watch does not end as {other:?}"),
        }
    }

    /// A cancel never ends as if nothing had been: it is done, refused, or waits for somebody.
    #[test]
    fn a_cancel_is_done_refused_or_raised(
        case in cases_of(Role::Cancel), probe: bool, said in prop::collection::vec(said(), 1..6),
    ) {
        let (state, _, _, number) = live(case, probe, &said).end();
        let ends = matches!(
            state,
            State::Registered
                | State::Rejected
                | State::Accepted
                | State::Uncertain
                | State::NeedsAuthorization
                | State::Parked
        );
        prop_assert!(ends, "{state:?}");
        prop_assert_eq!(number, NumberFate::Kept);
    }
}
