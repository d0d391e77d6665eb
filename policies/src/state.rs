//! The states of an entry, and the equation that accounts for every one of them.

/// Where an entry stands (design: the life of an entry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// On disk, waiting to be sent.
    Accepted,
    /// Leased by a deliverer that may be putting it on the wire.
    Sending,
    /// The upstream said yes.
    Registered,
    /// The upstream said no, for its content.
    Rejected,
    /// Sent, or maybe sent, and the upstream did not say.
    Uncertain,
    /// Leased by a deliverer that is asking the upstream what became of it.
    Verifying,
    /// Taken back before it was registered.
    Withdrawn,
    /// Written on a paper form instead.
    RedRecipe,
    /// Registered, and a cancel is on its way.
    Cancelling,
    /// Registered once, and cancelled.
    Cancelled,
    /// Waits for its prescriber to authenticate again.
    NeedsAuthorization,
    /// Waits for a person.
    Parked,
    /// The upstream's truth and ours differ, and a person must decide.
    Conflict,
}

impl State {
    /// Every state, in the order of the life of an entry.
    pub const ALL: [State; 13] = [
        State::Accepted,
        State::Sending,
        State::Registered,
        State::Rejected,
        State::Uncertain,
        State::Verifying,
        State::Withdrawn,
        State::RedRecipe,
        State::Cancelling,
        State::Cancelled,
        State::NeedsAuthorization,
        State::Parked,
        State::Conflict,
    ];

    /// The word used in the store, on the wire and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Accepted => "accepted",
            State::Sending => "sending",
            State::Registered => "registered",
            State::Rejected => "rejected",
            State::Uncertain => "uncertain",
            State::Verifying => "verifying",
            State::Withdrawn => "withdrawn",
            State::RedRecipe => "red-recipe",
            State::Cancelling => "cancelling",
            State::Cancelled => "cancelled",
            State::NeedsAuthorization => "needs-authorization",
            State::Parked => "parked",
            State::Conflict => "conflict",
        }
    }

    /// The state of this word.
    pub fn parse(word: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether a deliverer holds it.
    pub fn is_leased(self) -> bool {
        matches!(self, State::Sending | State::Verifying)
    }

    /// Whether the gateway itself will still move it.
    pub fn is_pending(self) -> bool {
        matches!(
            self,
            State::Accepted
                | State::Sending
                | State::Uncertain
                | State::Verifying
                | State::Cancelling
        )
    }
}

/// How many entries stand where, as the equation groups them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Entries on disk, counted on their own and not as a sum of the rest.
    pub stored: u64,
    /// Registered, a cancel on its way included.
    pub registered: u64,
    /// Rejected.
    pub rejected: u64,
    /// Cancelled.
    pub cancelled: u64,
    /// Withdrawn, whether or not it had to be annulled.
    pub withdrawn: u64,
    /// Written on paper.
    pub red_recipe: u64,
    /// Accepted or being sent.
    pub waiting: u64,
    /// Uncertain or being verified.
    pub uncertain: u64,
    /// Waiting for the prescriber.
    pub needs_authorization: u64,
    /// Waiting for a person.
    pub parked: u64,
    /// In conflict.
    pub conflict: u64,
}

impl Tally {
    /// Counts `count` entries in `state`; `stored` is the caller's own count and is left alone.
    pub fn add(&mut self, state: State, count: u64) {
        let group = match state {
            State::Registered | State::Cancelling => &mut self.registered,
            State::Rejected => &mut self.rejected,
            State::Cancelled => &mut self.cancelled,
            State::Withdrawn => &mut self.withdrawn,
            State::RedRecipe => &mut self.red_recipe,
            State::Accepted | State::Sending => &mut self.waiting,
            State::Uncertain | State::Verifying => &mut self.uncertain,
            State::NeedsAuthorization => &mut self.needs_authorization,
            State::Parked => &mut self.parked,
            State::Conflict => &mut self.conflict,
        };
        *group += count;
    }

    /// The equation: every stored entry stands in exactly one group.
    pub fn balances(&self) -> bool {
        self.stored
            == self.registered
                + self.rejected
                + self.cancelled
                + self.withdrawn
                + self.red_recipe
                + self.waiting
                + self.uncertain
                + self.needs_authorization
                + self.parked
                + self.conflict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_reads_back_from_its_word() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
    }

    #[test]
    fn every_state_has_a_term_in_the_equation() {
        let mut tally = Tally::default();
        for state in State::ALL {
            tally.add(state, 1);
            assert!(!tally.balances(), "{state:?} is counted nowhere");
            tally.stored += 1;
            assert!(tally.balances(), "{state:?} is counted twice");
        }
    }
}
