//! What was forgotten and may still be on the shelf: it is not read from there any more.
//!
//! # Limits
//!
//! [`LEAVING_MAX`] at a time. A shelf that has not forgotten as many is not read at all any more by this
//! process: better ask the source again than show what was to be forgotten.

use std::collections::BTreeMap;

use crate::lookup::{Digest, LookupKey};

/// Each takes fifty bytes; only a shelf that refuses writes lets them pile up.
const LEAVING_MAX: usize = 10_000;

/// What is forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Forgotten {
    /// One answer.
    Answer(LookupKey),
    /// All about one person.
    Person(Digest),
}

impl Forgotten {
    /// Whether the answer under `key` is of it.
    pub(super) fn covers(self, key: &LookupKey) -> bool {
        match self {
            Forgotten::Answer(answer) => answer == *key,
            Forgotten::Person(person) => person == key.person,
        }
    }
}

/// One order to the shelf to forget.
#[derive(Debug, Clone, Copy)]
struct Order {
    number: u64,
    is_queued: bool,
}

/// What the shelf has yet to forget.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    orders: BTreeMap<Forgotten, Order>,
    given: u64,
    is_overflowed: bool,
}

impl Leaving {
    /// `what` shall leave; the number of the order, which is not queued yet.
    pub(super) fn begin(&mut self, what: Forgotten) -> u64 {
        self.given += 1;
        let (number, is_queued) = (self.given, false);
        if self.orders.len() < LEAVING_MAX || self.orders.contains_key(&what) {
            self.orders.insert(what, Order { number, is_queued });
        } else if !self.is_overflowed {
            self.is_overflowed = true;
            tracing::error!("the shelf does not forget what it should: it is read no more");
        }
        number
    }

    /// The order is on its way to the shelf, or has come to nothing.
    pub(super) fn queued(&mut self, what: Forgotten, number: u64, is_queued: bool) {
        if let Some(order) = self.orders.get_mut(&what)
            && order.number == number
        {
            order.is_queued = is_queued;
        }
    }

    /// The shelf has done it; if it was told so again meanwhile, that is still to be done.
    pub(super) fn done(&mut self, what: Forgotten, number: u64) {
        if self
            .orders
            .get(&what)
            .is_some_and(|order| order.number == number)
        {
            self.orders.remove(&what);
        }
    }

    /// What is to be told to the shelf again.
    pub(super) fn undone(&self) -> Vec<(Forgotten, u64)> {
        let undone = self.orders.iter().filter(|(_, order)| !order.is_queued);
        undone.map(|(what, order)| (*what, order.number)).collect()
    }

    /// Whether the answer under `key` must not be read from the shelf.
    pub(super) fn bars(&self, key: &LookupKey) -> bool {
        self.is_overflowed
            || self.orders.contains_key(&Forgotten::Answer(*key))
            || self.orders.contains_key(&Forgotten::Person(key.person))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn key(person: u8, question: u8) -> LookupKey {
        LookupKey {
            person: [person; 16],
            question: [question; 16],
        }
    }

    #[test]
    fn only_the_last_order_lets_it_be_read_again() {
        let mut leaving = Leaving::default();
        let what = Forgotten::Person([1; 16]);
        let (first, second) = (leaving.begin(what), leaving.begin(what));
        leaving.done(what, first);
        assert!(leaving.bars(&key(1, 9)) && !leaving.bars(&key(2, 9)));
        leaving.queued(what, second, true);
        assert!(leaving.undone().is_empty());
        leaving.queued(what, second, false);
        assert_eq!(leaving.undone(), [(what, second)]);
        leaving.done(what, second);
        assert!(!leaving.bars(&key(1, 9)));
    }

    #[test]
    fn a_shelf_that_forgets_nothing_is_read_no_more() {
        let mut leaving = Leaving::default();
        for n in 0..LEAVING_MAX {
            let mut one = key(1, 1);
            one.question[..8].copy_from_slice(&n.to_be_bytes());
            leaving.begin(Forgotten::Answer(one));
        }
        assert!(!leaving.bars(&key(2, 2)));
        leaving.begin(Forgotten::Answer(key(3, 3)));
        assert!(leaving.bars(&key(2, 2)));
    }
}
