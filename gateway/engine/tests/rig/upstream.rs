//! An upstream with a book, told call by call how to misbehave. Numbers are unique in it for ever.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use engine::ports::{Answer, Clock, Fact, NumberRange, Request, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::delivery::Standing;
use policies::failure::{Code, Failure, Opaque, Outcome, Retry, Stops};
use policies::operation::OpName;

use super::{LOOK, LOT, SEND, UNDO};

/// How one call goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    Fine,
    /// Applied, and the answer lost.
    LoseAnswer,
    /// Not applied, and nobody can know.
    LoseRequest,
    /// Surely not applied.
    Refuse,
    /// Refused for its content.
    Reject,
    /// The prescriber's authority is refused.
    RefuseAuthority,
    /// The prescriber's authority is too old to be presented: nothing is put on the wire.
    ExpiredAuthority,
    /// Takes this long, then goes well.
    Slow(Duration),
}

pub(crate) struct ModelUpstream {
    clock: Arc<dyn Clock>,
    book: Mutex<Book>,
}

#[derive(Default)]
pub(crate) struct Book {
    /// Live prescriptions by number.
    pub live: BTreeMap<Opaque, Opaque>,
    /// Of these, what is dispensed: it cannot be annulled any more.
    pub taken: BTreeSet<Opaque>,
    /// Numbers that were annulled.
    pub closed: BTreeSet<Opaque>,
    /// Every call, in order: operation and number.
    pub calls: Vec<(OpName, Opaque)>,
    /// Turns to come, an operation; then `Fine`, or what `always` says.
    pub turns: BTreeMap<OpName, VecDeque<Turn>>,
    pub always: BTreeMap<OpName, Turn>,
    /// Gives the lot that was given before, over and over.
    pub(crate) same_lot_again: bool,
    lots: u64,
}

impl Book {
    pub(crate) fn count(&self, op: OpName) -> usize {
        self.calls
            .iter()
            .filter(|(called, _)| *called == op)
            .count()
    }
}

impl Book {
    fn standing(&self, number: &Opaque) -> Option<Standing> {
        if self.closed.contains(number) {
            return Some(Standing::Closed);
        }
        self.live.contains_key(number).then(|| {
            if self.taken.contains(number) {
                Standing::Taken
            } else {
                Standing::Live
            }
        })
    }

    /// The number of the `place`th call of `op`.
    pub(crate) fn number(&self, op: OpName, place: usize) -> Opaque {
        let mut calls = self.calls.iter().filter(|(called, _)| *called == op);
        calls.nth(place).expect("it was called as often").1.clone()
    }
}

impl ModelUpstream {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> ModelUpstream {
        ModelUpstream {
            clock,
            book: Mutex::default(),
        }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no test panics under this lock")
    }

    pub(crate) fn next(&self, op: OpName, turns: &[Turn]) {
        self.book().turns.entry(op).or_default().extend(turns);
    }

    pub(crate) fn always(&self, op: OpName, turn: Turn) {
        self.book().always.insert(op, turn);
    }

    /// What was sent as the `place`th is applied after everyone has given it up.
    pub(crate) fn apply_late(&self, place: usize) {
        let mut book = self.book();
        let number = book.number(SEND, place);
        book.live.insert(number, Opaque::default());
    }

    /// What was sent as the `place`th is dispensed.
    pub(crate) fn dispense(&self, place: usize) {
        let mut book = self.book();
        let number = book.number(SEND, place);
        book.taken.insert(number);
    }

    /// What was sent as the `place`th is cancelled by someone else.
    pub(crate) fn cancel(&self, place: usize) {
        let mut book = self.book();
        let number = book.number(SEND, place);
        book.live.remove(&number);
        book.closed.insert(number);
    }

    fn turn(&self, op: OpName, request: &Request) -> Turn {
        let mut book = self.book();
        book.calls.push((op, request.number.clone()));
        let scripted = book.turns.get_mut(&op).and_then(VecDeque::pop_front);
        scripted
            .or_else(|| book.always.get(&op).copied())
            .unwrap_or(Turn::Fine)
    }

    fn apply(&self, op: OpName, request: &Request) -> Result<Answer, Failure> {
        let mut book = self.book();
        let fact = match op {
            LOT => {
                book.lots += u64::from(!book.same_lot_again);
                Fact::Range(NumberRange {
                    prefix: format!("L{:02}-", book.lots),
                    digits: 3,
                })
            }
            SEND if book.standing(&request.number).is_some() => {
                return Err(failure(Turn::Reject));
            }
            UNDO if book.standing(&request.number) != Some(Standing::Live) => {
                return Err(failure(Turn::Reject));
            }
            UNDO => {
                book.live.remove(&request.number);
                book.closed.insert(request.number.clone());
                Fact::Done
            }
            SEND => {
                book.live
                    .insert(request.number.clone(), request.payload.clone());
                Fact::Done
            }
            _ => match book.standing(&request.number) {
                Some(standing) => Fact::Found(standing),
                None => Fact::Absent,
            },
        };
        Ok(Answer {
            tags: Vec::new(),
            fact,
            body: Opaque(b"receipt".to_vec()),
            document: None,
        })
    }
}

fn failure(turn: Turn) -> Failure {
    let unknown = Failure::upstream(Code::UpstreamReset, Outcome::Unknown);
    match turn {
        Turn::Refuse => Failure::upstream(Code::UpstreamUnreachable, Outcome::NotDone),
        Turn::Reject => Failure {
            stops: Stops::Nothing,
            retry: Retry::No,
            ..Failure::upstream(Code::UpstreamRejected, Outcome::Rejected)
        },
        Turn::RefuseAuthority => Failure {
            stops: Stops::Identity,
            retry: Retry::No,
            ..Failure::upstream(Code::AuthorityRefused, Outcome::NotDone)
        },
        Turn::ExpiredAuthority => Failure {
            code: Code::AuthorityExpired,
            ..failure(Turn::RefuseAuthority)
        },
        _ => unknown,
    }
}

impl Upstream for ModelUpstream {
    fn call<'a>(
        &'a self,
        op: OpName,
        request: &'a Request,
        within: Duration,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        async move {
            assert_ne!(
                (op, request.number.0.is_empty()),
                (LOOK, true),
                "a look needs a number"
            );
            match self.turn(op, request) {
                Turn::Fine => self.apply(op, request),
                Turn::Slow(span) if span > within => {
                    self.clock.sleep(within).await;
                    Err(Failure::upstream(Code::UpstreamTimeout, Outcome::Unknown))
                }
                Turn::Slow(span) => {
                    self.clock.sleep(span).await;
                    self.apply(op, request)
                }
                Turn::LoseAnswer => {
                    drop(self.apply(op, request));
                    Err(failure(Turn::LoseAnswer))
                }
                turn => Err(failure(turn)),
            }
        }
        .boxed()
    }
}
