//! A source told call by call how to behave. It knows who may see whom, and writes down whom it has
//! told what.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use engine::lookup::Tag;
use engine::ports::{Answer, Clock, Fact, Request, Upstream};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::delivery::Standing;
use policies::failure::{Code, Failure, Fault, Opaque, Outcome, Retry, Stops};
use policies::operation::OpName;

use super::tag;

/// How one call goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    Fine,
    /// Takes this long, then goes well.
    Slow(Duration),
    /// Takes this long, then fails so.
    Fails(Duration, Code),
    /// The upstream refused the caller's request for its content.
    Rejects(Duration),
    RefusesAuthority(Duration),
    ExpiredAuthority(Duration),
    Absent(Duration),
    Panics(Duration),
}

#[derive(Default)]
pub(crate) struct Book {
    /// The doctor of each person; whoever is not here is not there.
    pub(crate) doctors: BTreeMap<u64, u64>,
    /// Callers who are refused.
    pub(crate) refused: BTreeSet<Tag>,
    /// Every call: of whom, and for which caller.
    pub(crate) calls: Vec<(u64, Tag)>,
    /// Whom the source has answered about whom.
    pub(crate) answered: BTreeSet<(u64, Tag)>,
    pub(crate) turns: VecDeque<Turn>,
    pub(crate) always: Option<Turn>,
    /// How many bytes an answer has besides.
    pub(crate) padding: usize,
}

pub(crate) struct Source {
    clock: Arc<dyn Clock>,
    book: Mutex<Book>,
}

impl Source {
    /// Everybody below 100,000 is there; the doctor of each has the same number.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Source {
        let doctors = (0..100_000).map(|person| (person, person)).collect();
        let book = Book {
            doctors,
            ..Book::default()
        };
        Source {
            clock,
            book: Mutex::new(book),
        }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no test panics under this lock")
    }

    pub(crate) fn calls(&self) -> usize {
        self.book().calls.len()
    }

    pub(crate) fn next(&self, turns: &[Turn]) {
        self.book().turns.extend(turns);
    }

    pub(crate) fn always(&self, turn: Turn) {
        self.book().always = Some(turn);
    }

    /// Every call fails so from now on.
    pub(crate) fn fails(&self, code: Code) {
        self.always(Turn::Fails(Duration::ZERO, code));
    }

    fn answer(&self, person: u64, caller: Tag, serial: usize) -> Result<Answer, Failure> {
        let mut book = self.book();
        if book.refused.contains(&caller) {
            return Err(rejection());
        }
        let Some(doctor) = book.doctors.get(&person).copied() else {
            return Ok(absent());
        };
        book.answered.insert((person, caller));
        let padding = "x".repeat(book.padding);
        let body = format!("{{\"person\":{person},\"serial\":{serial},\"padding\":\"{padding}\"}}");
        Ok(Answer {
            fact: Fact::Found(Standing::Live),
            tags: vec![tag(2, doctor)],
            body: Opaque(body.into_bytes()),
            document: None,
        })
    }
}

fn absent() -> Answer {
    Answer {
        fact: Fact::Absent,
        tags: Vec::new(),
        body: Opaque::default(),
        document: None,
    }
}

fn rejection() -> Failure {
    Failure {
        fault: Fault::Caller,
        retry: Retry::No,
        stops: Stops::Nothing,
        ..Failure::upstream(Code::UpstreamRejected, Outcome::Rejected)
    }
}

fn refused_authority(code: Code) -> Failure {
    Failure {
        fault: Fault::Caller,
        retry: Retry::No,
        stops: Stops::Identity,
        ..Failure::upstream(code, Outcome::NotDone)
    }
}

impl Upstream for Source {
    fn call<'a>(
        &'a self,
        _: OpName,
        request: &'a Request,
        within: Duration,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        async move {
            let person = request.payload.0.as_slice().try_into();
            let person = u64::from_be_bytes(person.expect("a person's number"));
            let caller = request.authority.0.as_slice().try_into();
            let caller = Tag(caller.expect("a caller's tag"));
            let (turn, serial) = {
                let mut book = self.book();
                book.calls.push((person, caller));
                let turn = book.turns.pop_front().or(book.always);
                (turn.unwrap_or(Turn::Fine), book.calls.len())
            };
            let takes = match turn {
                Turn::Slow(span)
                | Turn::Fails(span, _)
                | Turn::Rejects(span)
                | Turn::Absent(span)
                | Turn::RefusesAuthority(span)
                | Turn::ExpiredAuthority(span)
                | Turn::Panics(span) => span,
                Turn::Fine => Duration::ZERO,
            };
            if takes > within {
                self.clock.sleep(within).await;
                return Err(Failure::upstream(Code::UpstreamTimeout, Outcome::Unknown));
            }
            if !takes.is_zero() {
                self.clock.sleep(takes).await;
            }
            match turn {
                Turn::Fine | Turn::Slow(_) => self.answer(person, caller, serial),
                Turn::Fails(_, code) => Err(Failure::upstream(code, Outcome::Unknown)),
                Turn::Rejects(_) => Err(rejection()),
                Turn::RefusesAuthority(_) => Err(refused_authority(Code::AuthorityRefused)),
                Turn::ExpiredAuthority(_) => Err(refused_authority(Code::AuthorityExpired)),
                Turn::Absent(_) => Ok(absent()),
                Turn::Panics(_) => panic!("a defect of the adapter"),
            }
        }
        .boxed()
    }
}
