//! How entries about one prescription move each other.
//!
//! A prescription is the *parent*; a cancel, a paper form, an acknowledgement and the watch over a
//! number that was given up are its *dependents*. What a dependent may do depends on where its
//! parent stands, and a parent's step may settle a dependent that waits: [`turn`] and [`followed`]
//! say how, and a store applies both in the transaction of the step itself.
//!
//! # Invariants
//!
//! 1. A number that may have been sent, and whose prescription is given up, is watched from that
//!    very transaction on.
//! 2. What was registered is cancelled at the upstream or a conflict, never merely forgotten.
//! 3. A dependent is held only as long as its parent will move by itself or by its prescriber.

use crate::delivery::Fallback;
use crate::failure::Code;
use crate::state::State;

/// What an entry is to its prescription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The prescription itself. May depend on another one that must be registered first.
    Create,
    /// Takes it back.
    Cancel,
    /// Says that it was written on a paper form.
    Paper,
    /// Says that its prescriber knows how it ended.
    Acknowledge,
    /// Looks after a number that was given up, until nothing can come of it any more.
    Watch,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 5] = [
        Role::Create,
        Role::Cancel,
        Role::Paper,
        Role::Acknowledge,
        Role::Watch,
    ];

    /// The word used in the store and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Create => "create",
            Role::Cancel => "cancel",
            Role::Paper => "paper",
            Role::Acknowledge => "acknowledge",
            Role::Watch => "watch",
        }
    }

    /// The role of this word.
    pub fn parse(word: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

/// A prescription, as far as its dependents need to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Where it stands.
    pub state: State,
    /// Why.
    pub reason: Option<Code>,
    /// How often its present number was or may have been sent.
    pub sends: u32,
    /// What its desk does while it waits.
    pub fallback: Fallback,
    /// Whether its prescriber agreed to an automatic annul.
    pub annul_consent: bool,
}

/// When a watched number is looked up first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// By the schedule.
    Scheduled,
    /// At once: it is known to be there.
    Now,
}

/// What a dependent does to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Where the parent goes; the state it has, if it stays.
    pub state: State,
    /// Why.
    pub reason: Option<Code>,
    /// Its present number is watched from now on.
    pub watch: Option<Look>,
    /// Its prescriber has taken note of how it ended.
    pub acknowledged: bool,
}

impl Change {
    /// To `state`, and nothing else.
    pub fn to(state: State, reason: Option<Code>) -> Change {
        Change {
            state,
            reason,
            watch: None,
            acknowledged: false,
        }
    }

    /// Away from a number that may have been sent `sends` times.
    fn giving_up(state: State, reason: Option<Code>, sends: u32) -> Change {
        Change {
            watch: (sends > 0).then_some(Look::Scheduled),
            ..Change::to(state, reason)
        }
    }
}

/// Where a dependent goes, given where its parent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It waits for its parent.
    Held,
    /// It may be sent; the parent changes with it.
    Due(Option<Change>),
    /// Nothing is to be sent for it: it is settled as registered, and the parent changes with it.
    Done(Option<Change>),
    /// There is nothing it could do. A new one is refused; one that was held is let go of by
    /// [`moot`].
    Moot,
}

/// Where a dependent of `role` goes while its parent stands at `parent`: asked when it is stored,
/// and again after every step of the parent as long as it is held.
///
/// # Panics
///
/// For a watch, which follows no parent.
pub fn turn(role: Role, parent: Parent) -> Turn {
    match role {
        Role::Create => after_another(parent),
        Role::Cancel => cancel(parent),
        Role::Paper => paper(parent),
        Role::Acknowledge => acknowledge(parent),
        Role::Watch => unreachable!("a watch waits for time, not for its parent"),
    }
}

fn after_another(parent: Parent) -> Turn {
    match parent.state {
        State::Registered => Turn::Due(None),
        state if state.is_pending() || state == State::NeedsAuthorization => Turn::Held,
        _ => Turn::Moot,
    }
}

fn cancel(parent: Parent) -> Turn {
    let done = |change| Turn::Done(Some(change));
    let withdrawn = Change::giving_up(State::Withdrawn, Some(Code::CancelRequested), parent.sends);
    match parent.state {
        // Never sent, or shown absent: it is not sent again.
        State::Accepted => done(withdrawn),
        // What was sent of it is watched already.
        State::Parked => done(Change::to(State::Withdrawn, Some(Code::CancelRequested))),
        State::NeedsAuthorization if parent.sends == 0 => done(withdrawn),
        State::Sending | State::Uncertain | State::Verifying | State::NeedsAuthorization => {
            Turn::Held
        }
        State::Registered => Turn::Due(Some(Change::to(State::Cancelling, None))),
        // The number holds another prescription, which is not ours to annul.
        // One that was never sent has nothing to annul: the double is of an earlier number, which its
        // watch annuls now ([`looks_again`]).
        State::Conflict if parent.reason == Some(Code::NumberTaken) || parent.sends == 0 => {
            done(Change::to(State::Withdrawn, Some(Code::CancelRequested)))
        }
        // The reason stays: an annul that is refused leaves the conflict that it was.
        State::Conflict => Turn::Due(Some(Change::to(State::Cancelling, parent.reason))),
        // No paper form will follow, and whatever is still found may be annulled.
        State::Withdrawn if parent.reason != Some(Code::CancelRequested) => {
            done(Change::to(State::Withdrawn, Some(Code::CancelRequested)))
        }
        State::Withdrawn
        | State::Rejected
        | State::RedRecipe
        | State::Cancelling
        | State::Cancelled => Turn::Moot,
    }
}

fn paper(parent: Parent) -> Turn {
    let written = |sends| Turn::Done(Some(Change::giving_up(State::RedRecipe, None, sends)));
    match parent.state {
        State::Accepted
        | State::Sending
        | State::Uncertain
        | State::Verifying
        | State::NeedsAuthorization => written(parent.sends),
        // Whatever was sent of these is watched already, or was never there.
        State::Withdrawn | State::Rejected | State::Parked => written(0),
        State::Registered if parent.annul_consent => Turn::Done(Some(Change {
            watch: Some(Look::Now),
            ..Change::to(State::RedRecipe, Some(Code::PaperIssued))
        })),
        State::Registered => Turn::Done(Some(Change::to(State::Conflict, Some(Code::PaperIssued)))),
        State::Conflict => Turn::Done(None),
        State::RedRecipe | State::Cancelling | State::Cancelled => Turn::Moot,
    }
}

fn acknowledge(parent: Parent) -> Turn {
    if awaits_acknowledgement(parent.state, parent.reason) {
        Turn::Done(Some(Change {
            acknowledged: true,
            ..Change::to(parent.state, parent.reason)
        }))
    } else {
        Turn::Moot
    }
}

/// Whether a dependent of `role` may come only from who wrote its parent, while that stands in
/// `state`.
///
/// A cancel is theirs alone. So is a paper form of what is registered: with their consent, given
/// beforehand, the annul goes out in their name.
pub fn needs_writer(role: Role, state: State) -> bool {
    match role {
        Role::Cancel => true,
        Role::Paper => state == State::Registered,
        Role::Create | Role::Acknowledge | Role::Watch => false,
    }
}

/// Whether a dependent of `role` is its prescriber's consent to annul automatically, from the moment
/// it is stored: of the parent, and of every number of it that is watched.
pub fn consents(role: Role) -> bool {
    role == Role::Cancel
}

/// Whether a watch that ended in conflict for `reason` looks again once its prescriber consents.
///
/// It does, at once, with that consent and the authority it came under, if the number that it found
/// live, or could not look for, is not the prescription's present one: a cancel of the prescription
/// would leave it there.
pub fn looks_again(reason: Option<Code>, is_present_number: bool) -> bool {
    matches!(reason, Some(Code::LateCommit | Code::PossibleDouble)) && !is_present_number
}

/// What came for a watch while a deliverer held it, who could not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meanwhile {
    /// Its prescriber agrees to an annul, and none was sent.
    pub agreed: bool,
    /// The upstream has said that the number was applied.
    pub answered: bool,
}

/// Whether a watch looks once more, at once, instead of going to `state` for `reason` as the look
/// that has just ended would have it: that look was overtaken by what came meanwhile.
pub fn is_overtaken(state: State, reason: Option<Code>, meanwhile: Meanwhile) -> bool {
    match state {
        State::Conflict => meanwhile.agreed && reason == Some(Code::LateCommit),
        State::Uncertain | State::Withdrawn => meanwhile.answered,
        _ => false,
    }
}

/// Whether an entry that stands so must have reached its prescriber.
pub fn awaits_acknowledgement(state: State, reason: Option<Code>) -> bool {
    match state {
        State::Rejected | State::Conflict | State::Parked => true,
        State::Withdrawn => reason == Some(Code::PaperMissing),
        State::Registered => reason == Some(Code::CancelRefused),
        _ => false,
    }
}

/// Whether an entry that stands so still waits for the number of a paper form.
pub fn awaits_paper(state: State, reason: Option<Code>, fallback: Fallback) -> bool {
    state == State::Withdrawn
        && fallback == Fallback::RedRecipe
        && !matches!(reason, Some(Code::CancelRequested | Code::PaperMissing))
}

/// How a dependent that was held ends when its turn will never come, and why.
pub fn moot(role: Role, parent: State) -> (State, Code) {
    let reason = match parent {
        State::Rejected => Code::DependencyRejected,
        State::Withdrawn => Code::DependencyWithdrawn,
        State::RedRecipe => Code::DependencyRedRecipe,
        State::Cancelling | State::Cancelled => Code::DependencyCancelled,
        State::Conflict => Code::DependencyConflict,
        _ => Code::DependencyParked,
    };
    match role {
        Role::Create => (State::Parked, reason),
        _ => (State::Withdrawn, reason),
    }
}

/// What becomes of the parent when a dependent of `role` has come to `state`; `None` leaves it as it
/// is.
pub fn followed(role: Role, state: State, reason: Option<Code>, parent: Parent) -> Option<Change> {
    match (role, state) {
        (Role::Cancel, _) if parent.state != State::Cancelling => None,
        (Role::Cancel, State::Registered) => Some(Change::to(State::Cancelled, None)),
        (Role::Cancel, State::Rejected) => Some(match parent.reason {
            // It was a conflict before, and is one again.
            Some(before) if !is_of_authority(before) => Change::to(State::Conflict, Some(before)),
            _ => Change::to(State::Registered, Some(Code::CancelRefused)),
        }),
        // Whoever follows the prescription must see for whom its cancel waits, and that it does not
        // any more. Why it was a conflict before is not given up for that.
        (Role::Cancel, State::NeedsAuthorization) if parent.reason.is_none() => {
            reason.map(|reason| Change::to(State::Cancelling, Some(reason)))
        }
        (Role::Cancel, State::Accepted | State::Uncertain)
            if parent.reason.is_some_and(is_of_authority) =>
        {
            Some(Change::to(State::Cancelling, None))
        }
        // It is still registered, and nothing moves it any more.
        (Role::Cancel, State::Parked | State::Conflict) => {
            Some(Change::to(State::Conflict, reason))
        }
        (Role::Watch, State::Conflict) => Some(doubled(reason, parent)),
        (Role::Watch, State::Cancelled) => undone(parent),
        // It was registered, and is not to be found: nobody can say that it was undone.
        (Role::Watch, State::Withdrawn)
            if (parent.state, parent.reason) == (State::RedRecipe, Some(Code::PaperIssued)) =>
        {
            Some(Change::to(State::Conflict, Some(Code::PossibleDouble)))
        }
        _ => None,
    }
}

/// Whether it says that something waits for its prescriber to authenticate: no conflict does.
fn is_of_authority(reason: Code) -> bool {
    matches!(reason, Code::AuthorityRefused | Code::AuthorityExpired)
}

/// A watch found what it may not or cannot undo. Its number may be another one than the parent has
/// now; a parent that the gateway would still have moved is given up with it.
fn doubled(reason: Option<Code>, parent: Parent) -> Change {
    let is_under_way = parent.state != State::Cancelling
        && (parent.state.is_pending() || parent.state == State::NeedsAuthorization);
    let sends = if is_under_way { parent.sends } else { 0 };
    Change::giving_up(State::Conflict, reason, sends)
}

/// A watch undid what was applied late: news to whoever gave it up, and to nobody else. It neither
/// calls for a paper form nor takes back the alarm that one is missing.
fn undone(parent: Parent) -> Option<Change> {
    let is_news = match parent.state {
        State::Withdrawn => !matches!(
            parent.reason,
            Some(Code::CancelRequested | Code::PaperMissing)
        ),
        State::RedRecipe | State::Rejected | State::Parked => true,
        _ => false,
    };
    is_news.then(|| Change::to(parent.state, Some(Code::Annulled)))
}

#[cfg(test)]
mod tests;
