//! What a history is made of.

use std::time::Duration;

use engine::ports::{EntryId, NewEntry, NumberUse, Start};
use policies::failure::Code;
use policies::state::State;
use proptest::prelude::*;

use crate::world::{LEASE, START, bytes, entry};

/// One thing that is done to a store.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Append(New),
    Lease {
        verify: bool,
        entries_max: usize,
        seconds: u64,
    },
    Settle {
        /// Which of the leases given so far, counted round.
        lease: usize,
        state: State,
        reason: Option<Code>,
        due: Option<u64>,
    },
    Advance(u64),
    Park(usize),
    Reauthorize,
    Reopen,
}

/// A new entry in short: few keys, bodies and numbers, so that they meet.
#[derive(Debug, Clone)]
pub(crate) struct New {
    key: u8,
    body: u8,
    number: u8,
    deadline: u64,
    leased: bool,
    /// Which of the entries stored so far it comes after, if any.
    behind: Option<usize>,
}

impl New {
    /// The entry itself, under the name `id`, in a store that holds `names`.
    pub(crate) fn entry(&self, id: EntryId, names: &[EntryId]) -> NewEntry {
        let behind = self.behind.and_then(|index| names.get(index));
        NewEntry {
            id,
            order_key: behind.copied().unwrap_or(id),
            fingerprint: bytes(&format!("body {}", self.body)),
            number: NumberUse::Callers(bytes(&format!("number {}", self.number))),
            terms: policies::delivery::Terms {
                deadline: START + Duration::from_secs(self.deadline),
                ..entry("").terms
            },
            start: if self.leased {
                Start::Leased(LEASE)
            } else {
                Start::Due
            },
            ..entry(&format!("key {}", self.key))
        }
    }
}

fn new() -> impl Strategy<Value = New> {
    (
        0..12_u8,
        prop_oneof![9 => Just(0_u8), 1 => Just(1)],
        0..24_u8,
        0..400_u64,
        any::<bool>(),
        proptest::option::weighted(0.3, 0..4_usize),
    )
        .prop_map(|(key, body, number, deadline, leased, behind)| New {
            key,
            body,
            number,
            deadline,
            leased,
            behind,
        })
}

fn settle() -> impl Strategy<Value = Action> {
    let states: Vec<State> = State::ALL
        .into_iter()
        .filter(|state| !state.is_leased())
        .collect();
    let weighted = prop_oneof![
        2 => Just(State::Accepted),
        2 => Just(State::Uncertain),
        2 => Just(State::Registered),
        2 => Just(State::NeedsAuthorization),
        1 => proptest::sample::select(states),
    ];
    let reason = proptest::option::of(proptest::sample::select(vec![
        Code::UpstreamTimeout,
        Code::LeaseExpired,
    ]));
    let due = proptest::option::of(0..90_u64);
    // Mostly the latest lease, sometimes one long gone.
    let lease = prop_oneof![3 => Just(usize::MAX), 1 => any::<usize>()];
    (lease, weighted, reason, due).prop_map(|(lease, state, reason, due)| Action::Settle {
        lease,
        state,
        reason,
        due,
    })
}

/// A history.
pub(crate) fn actions() -> impl Strategy<Value = Vec<Action>> {
    let lease =
        (any::<bool>(), 0..4_usize, 1..120_u64).prop_map(|(verify, entries_max, seconds)| {
            Action::Lease {
                verify,
                entries_max,
                seconds,
            }
        });
    let action = prop_oneof![
        6 => new().prop_map(Action::Append),
        5 => lease,
        6 => settle(),
        3 => (0..70_u64).prop_map(Action::Advance),
        1 => (0..3_usize).prop_map(Action::Park),
        1 => Just(Action::Reauthorize),
        1 => Just(Action::Reopen),
    ];
    proptest::collection::vec(action, 1..40)
}
