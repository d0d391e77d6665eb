//! An upstream with a book, that loses, delays, refuses and is half dead by chance. What it was
//! given it applies on its own time, whether or not anybody still waits for the answer.
//!
//! Numbers are unique in the book for ever; a second insert of one is refused like any other fault
//! of content, because the real answer to it is not public. What is in it may be dispensed, or
//! cancelled by others, at any time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use engine::ports::{Answer, NumberRange, Request, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::failure::{Code, Failure, Opaque, Outcome, Retry, Stops};
use policies::operation::OpName;
use policies::time::Timestamp;
use tokio::sync::oneshot;

use super::chance::Chance;
use super::journal::Journal;
use super::kill::Kill;
use super::operations::{ANNUL, LOT, SEND};
use super::options::{self, Air, millis, seconds};
use super::witness::Witness;

mod book;

use book::Said;
pub(crate) use book::{Book, Closed, Held};

/// What the upstream as a whole is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spell {
    /// Single calls go wrong, as drawn.
    Usual,
    /// Nothing answers.
    Outage,
    /// Every connection is refused.
    Refusing,
    /// Reads answer, writes hang.
    WritesHang,
    /// Writes answer, reads hang.
    ReadsHang,
    /// Nothing goes wrong any more.
    Fair,
}

/// How one call goes.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Fine,
    Slow(Duration),
    Unreachable,
    Unavailable,
    RequestLost,
    AnswerLost,
    /// Applied after this long; the answer never comes.
    Late(Duration),
    Hang,
    AuthorityRefused,
    CertificateRefused,
    /// Refused for a reason that nobody is told.
    Refused,
}

/// The far side: it outlives every process.
pub(crate) struct Far {
    book: Mutex<Book>,
    spell: Mutex<Spell>,
    /// What it has still to do, and until when, at most.
    agenda: Mutex<BTreeMap<Timestamp, u64>>,
    chance: Chance,
    options: options::Upstream,
    journal: Arc<Journal>,
    kill: Arc<Kill>,
}

impl Far {
    pub(crate) fn new(
        seed: u64,
        options: &options::Options,
        journal: Arc<Journal>,
        kill: Arc<Kill>,
    ) -> Far {
        Far {
            book: Mutex::new(Book::new(options.lot_digits, options.upstream.foreign)),
            spell: Mutex::new(Spell::Usual),
            agenda: Mutex::default(),
            chance: Chance::new(seed, "upstream"),
            options: options.upstream.clone(),
            journal,
            kill,
        }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn spell(&self, spell: Spell) {
        self.journal.note(format_args!("upstream: {spell:?}"));
        *self.spell.lock().unwrap_or_else(PoisonError::into_inner) = spell;
    }

    fn turn(&self, op: OpName, authority: &Opaque) -> Turn {
        let spell = *self.spell.lock().unwrap_or_else(PoisonError::into_inner);
        let is_write = matches!(op, SEND | ANNUL);
        match spell {
            _ if self.book().is_authority_refused(authority) => Turn::AuthorityRefused,
            Spell::Fair => Turn::Fine,
            Spell::Outage => Turn::Hang,
            Spell::Refusing => Turn::Unreachable,
            Spell::WritesHang if is_write => self.hang_of_write(),
            Spell::ReadsHang if !is_write => Turn::Hang,
            _ => self.drawn(op),
        }
    }

    /// A write that hangs may be applied all the same, sooner or later.
    fn hang_of_write(&self) -> Turn {
        if self.chance.hit(0.5) {
            Turn::Hang
        } else {
            Turn::Late(self.late())
        }
    }

    fn late(&self) -> Duration {
        self.chance.span(seconds(1), self.options.late_max)
    }

    fn drawn(&self, op: OpName) -> Turn {
        let air = match op {
            SEND => &self.options.writes,
            ANNUL => &self.options.annuls,
            LOT => &self.options.lots,
            _ => &self.options.reads,
        };
        let (late, slow) = (self.late(), self.chance.span(seconds(1), seconds(15)));
        let Air {
            unreachable,
            unavailable,
            request_lost,
            answer_lost,
            hangs,
            ..
        } = *air;
        let turns = [
            (unreachable, Turn::Unreachable),
            (unavailable, Turn::Unavailable),
            (request_lost, Turn::RequestLost),
            (answer_lost, Turn::AnswerLost),
            (air.late, Turn::Late(late)),
            (air.slow, Turn::Slow(slow)),
            (hangs, Turn::Hang),
            (air.authority_refused, Turn::AuthorityRefused),
            (air.certificate_refused, Turn::CertificateRefused),
            (air.refused, Turn::Refused),
        ];
        let hit = turns.into_iter().find(|(share, _)| self.chance.hit(*share));
        hit.map_or(Turn::Fine, |(_, turn)| turn)
    }

    /// Ends after `span`, and has it on the agenda meanwhile.
    async fn in_a_while(&self, span: Duration) {
        let at = self.journal.now() + span;
        *self.agenda().entry(at).or_default() += 1;
        tokio::time::sleep(span).await;
        let mut agenda = self.agenda();
        if let Some(count) = agenda.get_mut(&at) {
            *count -= 1;
            if *count == 0 {
                agenda.remove(&at);
            }
        }
    }

    /// When the first of what it has still to do will be done.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.agenda().keys().next().copied()
    }

    fn agenda(&self) -> MutexGuard<'_, BTreeMap<Timestamp, u64>> {
        self.agenda.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What others do to a prescription once it is in the book: dispense it, or cancel it.
    fn live_on(self: &Arc<Self>, number: &Opaque) {
        let options = &self.options;
        let drawn = [options.dispensed, options.cancelled].map(|share| self.chance.hit(share));
        let after = self.chance.span(seconds(1), options.handled_within);
        let held = match drawn {
            [true, _] => Held::Taken,
            [_, true] => Held::Closed(Closed::Elsewhere),
            _ => return,
        };
        let (far, number) = (Arc::clone(self), number.clone());
        drop(tokio::spawn(async move {
            far.in_a_while(after).await;
            let name = String::from_utf8_lossy(&number.0);
            if far.book().handle(&number, held) {
                far.journal
                    .note(format_args!("upstream: {name} is {held:?}"));
            }
        }));
    }

    /// The far side's own work on one request; the answer goes where it is still awaited.
    async fn serve(
        self: Arc<Self>,
        op: OpName,
        request: Request,
        turn: Turn,
        reply: oneshot::Sender<Result<Answer, Failure>>,
    ) {
        let most = self.options.answers_in.as_millis() as u64;
        let [there, back] = [(); 2].map(|()| millis(self.chance.between(1, most)));
        let refused = |code, stops| Failure {
            stops,
            retry: Retry::After(Duration::ZERO),
            ..Failure::upstream(code, Outcome::NotDone)
        };
        self.in_a_while(there).await;
        let answer = match turn {
            Turn::Fine => self.apply(op, &request).await,
            Turn::Slow(span) => {
                self.in_a_while(span).await;
                self.apply(op, &request).await
            }
            Turn::Late(span) => {
                drop(reply);
                self.in_a_while(span).await;
                drop(self.apply(op, &request).await);
                return;
            }
            Turn::AnswerLost => {
                drop(self.apply(op, &request).await);
                return;
            }
            Turn::RequestLost => return,
            Turn::Hang => {
                tokio::time::sleep(seconds(60)).await;
                return;
            }
            Turn::Unreachable => Err(refused(Code::UpstreamUnreachable, Stops::Gate)),
            Turn::Unavailable => Err(Failure::upstream(
                Code::UpstreamUnavailable,
                Outcome::Unknown,
            )),
            Turn::AuthorityRefused => {
                self.book().refuse_authority(&request.authority);
                Err(Failure {
                    retry: Retry::No,
                    ..refused(Code::AuthorityRefused, Stops::Identity)
                })
            }
            Turn::CertificateRefused => Err(refused(Code::OwnCertificate, Stops::Lane)),
            Turn::Refused => Err(rejected(Code::UpstreamRejected)),
        };
        tokio::time::sleep(back).await;
        drop(reply.send(answer));
    }

    async fn apply(self: &Arc<Self>, op: OpName, request: &Request) -> Result<Answer, Failure> {
        let said = self.book().apply(op, request);
        let number = String::from_utf8_lossy(&request.number.0).into_owned();
        self.journal
            .note(format_args!("upstream: {} {number}: {said:?}", op.0));
        if matches!(op, SEND | ANNUL) && matches!(said, Said::Fact(_)) {
            // Only the process stops here: the book keeps what it has.
            self.kill.tell_step("after the upstream applied a write");
        }
        if op == SEND && matches!(said, Said::Fact(_)) {
            self.live_on(&request.number);
        }
        let fact = match said {
            Said::Fact(fact) => fact,
            Said::Refused => return Err(rejected(Code::UpstreamRejected)),
            Said::Others => return Err(rejected(Code::NumberTaken)),
        };
        Ok(Answer {
            tags: Vec::new(),
            fact,
            body: Opaque(b"receipt".to_vec()),
            document: None,
        })
    }
}

fn rejected(code: Code) -> Failure {
    Failure {
        stops: Stops::Nothing,
        retry: Retry::No,
        detail: Opaque(b"9999".to_vec()),
        ..Failure::upstream(code, Outcome::Rejected)
    }
}

/// The adapter of one process.
pub(crate) struct Near {
    pub(crate) far: Arc<Far>,
    pub(crate) witness: Arc<Witness>,
}

impl Upstream for Near {
    fn call<'a>(
        &'a self,
        op: OpName,
        request: &'a Request,
        within: Duration,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        async move {
            let seen = self.witness.begins(op, request);
            let (reply, answer) = oneshot::channel();
            let turn = self.far.turn(op, &request.authority);
            let far = Arc::clone(&self.far);
            drop(tokio::spawn(far.serve(op, request.clone(), turn, reply)));
            let result = match tokio::time::timeout(within, answer).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(Failure::upstream(Code::UpstreamReset, Outcome::Unknown)),
                Err(_) => Err(Failure::upstream(Code::UpstreamTimeout, Outcome::Unknown)),
            };
            seen.ends(&result);
            result
        }
        .boxed()
    }
}

fn range(lot: u64, digits: u8) -> NumberRange {
    NumberRange {
        prefix: format!("L{lot:03}-"),
        digits,
    }
}
