//! What happens to an entry next, as a pure step.
//!
//! The engine leases an entry, feeds what it hears to [`step`] and performs the command that comes
//! back, until that command is to settle. The step knows no upstream: what an operation may do is
//! read from its [`Operation`] row, and what the entry is for from its [`Role`].
//!
//! # Invariants
//!
//! 1. A write whose outcome is unknown is not sent again before every read of `settle_by` has said
//!    *absent*, or its number has been annulled and another one taken.
//! 2. A refusal is final only on the first send that may have had an effect; on a later one it is
//!    uncertain until reading shows the number absent, because the answer to a number that is
//!    already there is not public (sac.md §1.7).
//! 3. A send that surely had no effect is not counted.
//! 4. Nothing is dropped: what the gateway cannot settle waits for a person, with its reason.
//! 5. A number that may be applied after its entry was given up, or parked, is watched from the
//!    settlement on.

mod cancel;
mod create;
mod next;
mod watch;

use std::time::Duration;

use serde::Deserialize;

use crate::failure::{Code, Failure};
use crate::family::Role;
use crate::operation::{OpName, Operation};
use crate::rules::WriteBehindRules;
use crate::state::State;
use crate::time::Timestamp;
use next::Next;

/// How an upstream holds a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Usable (statoProcesso 3).
    Live,
    /// Cancelled or expired there (4, 10).
    Closed,
    /// Taken in charge or dispensed (5 to 9).
    Taken,
}

/// What the desk does while a write waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallback {
    /// It is queued, and registered later.
    Hold,
    /// It is sent only inside its own request; not registered in time, it is withdrawn and the
    /// doctor writes a paper form.
    RedRecipe,
}

impl Fallback {
    /// Every fallback.
    pub const ALL: [Fallback; 2] = [Fallback::Hold, Fallback::RedRecipe];

    /// The word used in policy, on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Fallback::Hold => "hold",
            Fallback::RedRecipe => "red-recipe",
        }
    }

    /// The fallback of this word.
    pub fn parse(word: &str) -> Option<Fallback> {
        Fallback::ALL
            .into_iter()
            .find(|fallback| fallback.as_str() == word)
    }
}

/// What becomes of a send whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uncertain {
    /// It is asked for by its number; absent, the same number is sent again.
    Verify,
    /// Its number is annulled, and it is sent under another (Umbria's rule, sac.md §1.8).
    AnnulAndResend,
}

impl Uncertain {
    /// Every rule.
    pub const ALL: [Uncertain; 2] = [Uncertain::Verify, Uncertain::AnnulAndResend];

    /// The word used in policy, on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Uncertain::Verify => "verify",
            Uncertain::AnnulAndResend => "annul-and-resend",
        }
    }

    /// The rule of this word.
    pub fn parse(word: &str) -> Option<Uncertain> {
        Uncertain::ALL
            .into_iter()
            .find(|rule| rule.as_str() == word)
    }
}

/// What the caller was promised, as values: a later change of policy changes none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What the desk does while it waits.
    pub fallback: Fallback,
    /// What becomes of an unknown outcome. Of a watch: whether its prescription has gone on under
    /// another number ([`Uncertain::AnnulAndResend`]), or has the watched one still.
    pub uncertain: Uncertain,
    /// Past this instant it is parked and raised.
    pub deadline: Timestamp,
    /// How long the caller was made to wait for an answer.
    pub answer_within: Duration,
    /// How long the number of a paper form is waited for, once one is to be written.
    pub paper_within: Duration,
    /// When its number is looked for first, once it was given up.
    pub look_after: Duration,
    /// Whether what is applied late may be annulled without asking again.
    pub annul_consent: bool,
}

/// An entry in the hands of one deliverer, as far as the next step depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// What it is to its prescription.
    pub role: Role,
    /// `sending` or `verifying`.
    pub state: State,
    /// Sends that had or may have had an effect; the one this lease is for is counted.
    pub sends: u32,
    /// Attempts without an outcome since the last progress.
    pub failures: u32,
    /// Why it stands where it stands.
    pub reason: Option<Code>,
    /// What was promised.
    pub terms: Terms,
    /// When it was stored: a watch counts its looks from there.
    pub accepted_at: Timestamp,
    /// When the upstream was last seen to recover, or this process began to look.
    pub recovered_at: Timestamp,
    /// How many reads of `settle_by` have said *absent* under this lease.
    pub absences: usize,
}

/// What the deliverer heard.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The entry was leased. A probe asks before it sends.
    Leased {
        /// Whether the gate of the write is half-open.
        probe: bool,
    },
    /// The stored row cannot be turned into a request.
    Unreadable,
    /// The write was applied.
    Done,
    /// A read found nothing.
    Absent,
    /// A read found the number, with our content.
    Found(Standing),
    /// The write failed.
    SendFailed(&'a Failure),
    /// A read failed.
    AskFailed(&'a Failure),
    /// The number was annulled.
    Undone,
    /// The annul failed.
    UndoFailed(&'a Failure),
}

/// What becomes of the entry's present number when it is let go of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberFate {
    /// It stays the entry's.
    Kept,
    /// It stays the entry's, and is watched: the entry was given up.
    Watched,
    /// It is watched, and the entry goes on under another.
    Replaced,
}

/// What the deliverer does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Put the write on the wire.
    Send,
    /// Ask with this read.
    Ask(OpName),
    /// Annul the entry's number with this operation.
    Undo(OpName),
    /// Write this down and let go of the entry.
    Settle {
        /// The new state, never a leased one.
        state: State,
        /// When it is due again.
        due: Option<Timestamp>,
        /// Why it stands there.
        reason: Option<Code>,
        /// What becomes of its number.
        number: NumberFate,
    },
}

/// The next step of the entry `case`; `chance` in `[0, 1)` spreads the waits.
///
/// # Panics
///
/// If `case` is not leased: only a deliverer that holds the entry may ask. If its role has nothing
/// to deliver.
pub fn step(
    operation: &Operation,
    rules: &WriteBehindRules,
    case: Case,
    event: Event<'_>,
    now: Timestamp,
    chance: f64,
) -> (Case, Command) {
    assert!(case.state.is_leased(), "only a leased entry takes a step");
    let next = Next {
        operation,
        rules,
        case,
        now,
        chance,
    };
    match case.role {
        Role::Create => create::step(next, event),
        Role::Cancel => cancel::step(next, event),
        Role::Watch => watch::step(next, event),
        Role::Paper | Role::Acknowledge => unreachable!("nothing is sent for it"),
    }
}

/// What becomes of an entry whose lease has ended: nobody knows what the upstream has seen of it.
pub fn lease_ended(
    role: Role,
    state: State,
    reason: Option<Code>,
    fallback: Fallback,
) -> (State, Code, NumberFate) {
    match (role, fallback, state) {
        (Role::Create, Fallback::RedRecipe, _) => {
            (State::Withdrawn, Code::LeaseExpired, NumberFate::Watched)
        }
        // Asking changes nothing: what a lost reader held is as uncertain as it was, for its reason.
        (_, _, State::Verifying) => {
            let reason = reason.unwrap_or(Code::LeaseExpired);
            (State::Uncertain, reason, NumberFate::Kept)
        }
        _ => (State::Uncertain, Code::LeaseExpired, NumberFate::Kept),
    }
}

/// What becomes of the number of an entry that is parked after `sends` sends.
///
/// Its prescriber is told that it is not registered, and may write it anew: what may have been sent is
/// watched. Of every parking but one over a number that is closed at the upstream, or a row that cannot
/// be read; also of those that a passed deadline parks unleased.
pub fn parked(role: Role, sends: u32) -> NumberFate {
    if role == Role::Create && sends > 0 {
        NumberFate::Watched
    } else {
        NumberFate::Kept
    }
}

#[cfg(test)]
mod tests;
