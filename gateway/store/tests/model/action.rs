//! What a history is made of.

use std::time::Duration;

use engine::ports::{EntryId, NewEntry, NumberUse, Start};
use policies::delivery::{Fallback, Terms};
use policies::failure::Code;
use policies::family::Role;
use policies::state::State;
use proptest::prelude::*;

use crate::world::{LEASE, START, UNDO, bytes, entry};

/// One thing that is done to a store.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Append(New),
    About(About),
    Lease {
        undo: bool,
        verify: bool,
        entries_max: usize,
        seconds: u64,
    },
    Settle {
        /// Which of the leases given so far, counted back from the latest, and round.
        lease: usize,
        /// Which of the states its role may come to.
        state: usize,
        reason: Option<Code>,
        due: Option<u64>,
        fate: Fate,
    },
    Advance(u64),
    Sweep(usize),
    Hasten(u64),
    Reauthorize,
    Reopen,
}

/// What becomes of the number of a prescription that is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Watched,
    Replaced,
    /// By one that was taken before.
    ReplacedInVain,
}

/// A new entry in short: few keys, bodies and numbers, so that they meet.
#[derive(Debug, Clone)]
pub(crate) struct New {
    key: u8,
    body: u8,
    number: u8,
    deadline: u64,
    start: u8,
    red: bool,
    consent: bool,
    /// Which of the entries stored so far it comes after, if any.
    behind: Option<usize>,
    /// Which of them it depends on, if any.
    depends_on: Option<usize>,
}

impl New {
    /// The entry itself, under the name `id`, in a store that holds `names`.
    pub(crate) fn entry(&self, id: EntryId, names: &[EntryId]) -> NewEntry {
        let of = |index: Option<usize>| index.and_then(|index| names.get(index)).copied();
        let depends_on = of(self.depends_on);
        let (start, number) = match self.start {
            0 | 1 => (Start::Leased(LEASE), None),
            2 if depends_on.is_none() => (Start::Withdrawn(Code::GateOpen), Some(NumberUse::None)),
            _ => (Start::Due, None),
        };
        let own = NumberUse::Callers(bytes(&format!("number {}", self.number)));
        NewEntry {
            id,
            order_key: of(self.behind).unwrap_or(id),
            depends_on,
            fingerprint: bytes(&format!("body {}", self.body)),
            number: number.unwrap_or(own),
            terms: Terms {
                deadline: START + Duration::from_secs(self.deadline),
                fallback: match self.red {
                    true => Fallback::RedRecipe,
                    false => Fallback::Hold,
                },
                annul_consent: self.consent,
                paper_within: Duration::from_secs(90),
                look_after: Duration::from_secs(20),
                ..entry("").terms
            },
            start,
            ..entry(&format!("key {}", self.key))
        }
    }
}

/// A new entry about another one.
#[derive(Debug, Clone)]
pub(crate) struct About {
    key: u8,
    of: usize,
    role: Role,
    leased: bool,
    is_theirs: bool,
    deadline: u64,
}

impl About {
    /// The entry itself, about one of `names`; none without them.
    pub(crate) fn entry(&self, id: EntryId, names: &[EntryId]) -> Option<NewEntry> {
        let parent = names.get(self.of % names.len().max(1))?;
        let identity = match self.is_theirs {
            true => entry("").identity,
            false => bytes("RSSMRA80A01H501U"),
        };
        Some(NewEntry {
            id,
            op: match self.role {
                Role::Cancel => UNDO,
                role => policies::operation::OpName(role.as_str()),
            },
            role: self.role,
            order_key: *parent,
            depends_on: Some(*parent),
            number: NumberUse::None,
            payload: match self.role {
                Role::Paper => bytes(&format!("paper form {}", self.key)),
                _ => bytes(""),
            },
            authority: bytes("the authority of a later day"),
            identity,
            terms: Terms {
                deadline: START + Duration::from_secs(self.deadline),
                ..entry("").terms
            },
            start: match self.leased {
                true => Start::Leased(LEASE),
                false => Start::Due,
            },
            ..entry(&format!("{} {}", self.role.as_str(), self.key))
        })
    }
}

/// Where a deliverer may take an entry of `role`.
pub(crate) fn states_of(role: Role) -> &'static [State] {
    match role {
        Role::Watch => &[
            State::Uncertain,
            State::Cancelled,
            State::Withdrawn,
            State::Conflict,
        ],
        Role::Cancel => &[
            State::Registered,
            State::Rejected,
            State::Uncertain,
            State::Accepted,
            State::Parked,
            State::NeedsAuthorization,
        ],
        _ => &[
            State::Registered,
            State::Uncertain,
            State::Accepted,
            State::Rejected,
            State::Withdrawn,
            State::NeedsAuthorization,
            State::Parked,
            State::Conflict,
        ],
    }
}

fn new() -> impl Strategy<Value = New> {
    let body = prop_oneof![9 => Just(0_u8), 1 => Just(1)];
    let place = || proptest::option::weighted(0.2, 0..6_usize);
    (
        (0..12_u8, body, 0..24_u8, 30..400_u64),
        (0..6_u8, any::<bool>(), any::<bool>()),
        (place(), place()),
    )
        .prop_map(
            |((key, body, number, deadline), (start, red, consent), (behind, depends_on))| New {
                key,
                body,
                number,
                deadline,
                start,
                red,
                consent,
                behind,
                depends_on,
            },
        )
}

fn about() -> impl Strategy<Value = About> {
    let role = prop_oneof![
        4 => Just(Role::Cancel),
        2 => Just(Role::Paper),
        1 => Just(Role::Acknowledge),
    ];
    let is_theirs = prop_oneof![9 => Just(true), 1 => Just(false)];
    let rest = (0..12_u8, any::<usize>(), any::<bool>(), 60..600_u64);
    (role, is_theirs, rest).prop_map(|(role, is_theirs, (key, of, leased, deadline))| About {
        key,
        of,
        role,
        leased,
        is_theirs,
        deadline,
    })
}

fn settle() -> impl Strategy<Value = Action> {
    let reason = proptest::option::of(proptest::sample::select(vec![
        Code::UpstreamTimeout,
        Code::LateCommit,
        Code::NumberTaken,
    ]));
    let due = proptest::option::of(0..90_u64);
    // Mostly the latest lease, sometimes one long gone.
    let lease = prop_oneof![3 => Just(0), 1 => any::<usize>()];
    let fate = prop_oneof![
        6 => Just(Fate::Kept),
        2 => Just(Fate::Watched),
        2 => Just(Fate::Replaced),
        1 => Just(Fate::ReplacedInVain),
    ];
    (lease, any::<usize>(), reason, due, fate).prop_map(|(lease, state, reason, due, fate)| {
        Action::Settle {
            lease,
            state,
            reason,
            due,
            fate,
        }
    })
}

/// A history.
pub(crate) fn actions() -> impl Strategy<Value = Vec<Action>> {
    let lease = (any::<(bool, bool)>(), 0..4_usize, 1..120_u64).prop_map(
        |((undo, verify), entries_max, seconds)| Action::Lease {
            undo,
            verify,
            entries_max,
            seconds,
        },
    );
    let action = prop_oneof![
        6 => new().prop_map(Action::Append),
        5 => about().prop_map(Action::About),
        6 => lease,
        7 => settle(),
        3 => (0..70_u64).prop_map(Action::Advance),
        1 => (0..3_usize).prop_map(Action::Sweep),
        1 => (0..60_u64).prop_map(Action::Hasten),
        1 => Just(Action::Reauthorize),
        1 => Just(Action::Reopen),
    ];
    proptest::collection::vec(action, 1..60)
}
