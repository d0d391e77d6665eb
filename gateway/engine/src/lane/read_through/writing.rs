//! The one task that writes to the shelf.
//!
//! # Invariants
//!
//! 1. It writes in the order in which things happened: nothing that was forgotten is put back by a
//!    write that was begun before.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::join_all;
use tokio::sync::mpsc;

use super::inside::Inside;
use super::leaving::Forgotten;
use super::shelving::{Before, Op, count};
use super::showing;
use crate::lookup::Shelved;
use crate::ports::WriteError;

/// Answers put at the same time: the shelf writes them to disk together.
const PUTS_AT_ONCE: usize = 64;

impl Inside {
    /// Writes to the shelf until the lane has ended, or is cut short.
    pub(super) async fn write_shelf(self: Arc<Self>, ops: mpsc::Receiver<Op>) {
        tokio::select! {
            biased;
            () = self.write(ops) => {}
            () = self.core.stop.forced() => {}
        }
    }

    /// Writes what it is told to, in order, as long as the shelf takes for it.
    async fn write(&self, mut ops: mpsc::Receiver<Op>) {
        let mut next = None;
        loop {
            let op = match next.take() {
                Some(op) => Some(op),
                None => ops.recv().await,
            };
            match op {
                None | Some(Op::End) => break,
                Some(Op::Put(answer, before)) => {
                    next = self.put_together((answer, before), &mut ops).await;
                }
                Some(Op::Forget(what, number, reply)) => {
                    let result = self.tell_to_forget(what, number).await;
                    if let Some(reply) = reply {
                        // Who has given up waiting has been told that nobody knows.
                        reply.send(result).ok();
                    }
                }
            }
        }
    }

    /// Puts `first` and what waits behind it, as long as no two are about one person; what is to be
    /// done next.
    async fn put_together(
        &self,
        first: (Arc<Shelved>, Before),
        ops: &mut mpsc::Receiver<Op>,
    ) -> Option<Op> {
        let mut persons = BTreeSet::from([first.0.key.person]);
        let mut puts = vec![first];
        let mut next = None;
        while puts.len() < PUTS_AT_ONCE {
            match ops.try_recv() {
                Ok(Op::Put(answer, before)) if persons.insert(answer.key.person) => {
                    puts.push((answer, before));
                }
                other => {
                    next = other.ok();
                    break;
                }
            }
        }
        let puts = puts
            .into_iter()
            .map(|(answer, before)| self.put(answer, before));
        join_all(puts).await;
        next
    }

    /// Puts one answer; refused or unknown, what it should have replaced is forgotten.
    async fn put(&self, answer: Arc<Shelved>, before: Before) {
        let key = answer.key;
        let answer = match before {
            Before::Unread => self.with_whom_the_shelf_knows(answer).await,
            Before::Same | Before::Other => answer,
        };
        let shelving = &self.shelving;
        if shelving.shelf.put(Shelved::clone(&answer)).await.is_err() {
            count(&shelving.troubles.writes);
            if before != Before::Same {
                let what = Forgotten::Answer(key);
                let number = shelving.expel(what);
                // Refused, the order is given again at the next sweep.
                self.tell_to_forget(what, number).await.ok();
            }
        }
    }

    /// `answer`, seen by those, too, who have seen what the shelf has and could not be read before.
    async fn with_whom_the_shelf_knows(&self, answer: Arc<Shelved>) -> Arc<Shelved> {
        let Ok(Some(earlier)) = self.shelving.get(answer.key).await else {
            return answer;
        };
        let leaving = self.shelving.leaving();
        if leaving.bars(&answer.key) || !showing::has_same_tags(&earlier.tags, &answer.tags) {
            return answer;
        }
        let (rules, now) = (self.core.rules.load(), self.core.clock.now());
        let seen = answer.seen_by.iter().chain(&earlier.seen_by).copied();
        let merged = Arc::new(Shelved {
            seen_by: self.related(answer.key, seen, &rules, now),
            ..Shelved::clone(&answer)
        });
        // Nothing is expelled while this lock is held, nor forgotten in memory before it is expelled.
        self.memory.put(&merged);
        drop(leaving);
        merged
    }

    async fn tell_to_forget(&self, what: Forgotten, number: u64) -> Result<usize, WriteError> {
        let shelving = &self.shelving;
        let result = match what {
            Forgotten::Answer(key) => shelving.shelf.remove(key).await.map(|()| 1),
            Forgotten::Person(person) => shelving.shelf.purge(person).await,
        };
        match result {
            Ok(_) => shelving.leaving().done(what, number),
            Err(_) => {
                count(&shelving.troubles.writes);
                shelving.leaving().queued(what, number, false);
            }
        }
        result
    }
}
