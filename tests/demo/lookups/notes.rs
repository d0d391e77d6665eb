//! What the desks know of their look-ups.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::morning::Spell;

/// Milliseconds since 1970 on the clock on the wall.
pub(crate) type Millis = i64;
/// A person, by place in [`super::people::People`].
pub(crate) type PersonAt = usize;
/// A desk, by place in [`super::people::People`].
pub(crate) type DeskAt = usize;

/// Whom a look-up asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// A person whom this desk has to do with, and who was looked up yesterday.
    Known(PersonAt),
    /// A person who has never been here.
    NeverSeen,
    /// A person of another doctor, whom this desk has nothing to do with.
    Stranger(PersonAt),
}

/// One look-up with all its repeats, as its desk knows it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Who asked.
    pub(crate) desk: DeskAt,
    /// For whom.
    pub(crate) whom: Whom,
    /// What the SAC did when it was first asked.
    pub(crate) spell: Spell,
    /// When the last repeat was sent.
    pub(crate) sent: Millis,
    /// When it was over.
    pub(crate) ended: Millis,
    /// Whether any repeat was told to ask less.
    pub(crate) limited: bool,
    /// What came of it.
    pub(crate) told: Told,
}

/// What a desk was told in the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Told {
    /// What is known of the person.
    Shown(Shown),
    /// There is no such person.
    Absent,
    /// Nothing.
    Refused,
}

/// An answer, as far as its age goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Shown {
    /// When its source gave it, by its own account; cut to a second.
    pub(crate) as_of: Millis,
    /// How old it was, by its own account; cut to a second.
    pub(crate) age: Duration,
    /// Whether it said that it was stale.
    pub(crate) stale: bool,
    /// Whether it said that the SAC has just given it.
    pub(crate) loaded: bool,
    /// How long it took, if the SAC was not asked for it.
    pub(crate) hit_in: Option<Duration>,
}

/// All look-ups that are over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<Asked>>>);

impl Notes {
    /// Notes one that is over.
    pub(crate) fn note(&self, asked: Asked) {
        self.lock().push(asked);
    }

    /// A copy, as it stands.
    pub(crate) fn all(&self) -> Vec<Asked> {
        self.lock().clone()
    }

    /// A copy of those that ended after the first so many.
    pub(crate) fn since(&self, known: usize) -> Vec<Asked> {
        self.lock()[known..].to_vec()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Whom {
    /// The person, unless nobody knows them.
    pub(crate) fn person(self) -> Option<PersonAt> {
        match self {
            Whom::Known(person) | Whom::Stranger(person) => Some(person),
            Whom::NeverSeen => None,
        }
    }
}

impl Asked {
    /// What was shown, if anything.
    pub(crate) fn shown(&self) -> Option<&Shown> {
        match &self.told {
            Told::Shown(shown) => Some(shown),
            Told::Absent | Told::Refused => None,
        }
    }
}
