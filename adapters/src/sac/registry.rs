//! The registry of assisted persons: what is asked of it, and what its answers mean.
//!
//! # Invariants
//!
//! 1. An answer is about the person and the card that were asked about, or it is none.
//! 2. The doctor who is named as a relation is on whose list the person is today.
//! 3. Nobody is *absent* by an answer that says anything else besides.
//!
//! # Not here
//!
//! How any of it is written: `wire`.

use engine::ports::{Answer, Fact};
use jiff::Timestamp;
use policies::failure::{Failure, Opaque};

mod wire;

pub(super) use wire::{RICERCA_SERVICE, TESSERA_SERVICE};

use super::classify::{InNameOf, Reading, garbage, is_refused_for, mismatch, reading, rejected};
use super::receipts::Verdict;
use super::soap::read::{Element, Garbage};
use super::{Sac, not_their_authority, operations, unreadable};
use crate::model::{Authority, Card, CardQuery, Day, PatientCode, PersonQuery, Relations, View};
use engine::lookup::Tag;
use engine::ports::Request;
use policies::operation::OpName;
use wire::{Asker, CardStanding, NOT_REGISTERED, Question};

/// A look-up as it was asked, to read its answer against.
pub(super) enum Asked {
    Person(PersonQuery),
    Card(CardQuery),
}

impl Asked {
    fn read(op: OpName, request: &Request) -> Result<Asked, Failure> {
        let payload = &request.payload.0;
        let asked = if op == operations::RICERCA {
            serde_json::from_slice(payload).map(Asked::Person)
        } else {
            serde_json::from_slice(payload).map(Asked::Card)
        };
        asked.map_err(|_| unreadable())
    }

    /// Whom it is about, for whose eyes, and who asks.
    fn parts(&self) -> (&str, View, &str) {
        match self {
            Asked::Person(query) => (query.tax_code.as_str(), query.view, &query.organization),
            Asked::Card(query) => (query.tax_code.as_str(), query.view, &query.organization),
        }
    }
}

/// What `op` asks, whole: the question, in whose name, and the bytes.
pub(super) fn prepare(
    sac: &Sac,
    op: OpName,
    request: &Request,
    now: Timestamp,
) -> Result<(Asked, InNameOf, Vec<u8>), Failure> {
    let asked = Asked::read(op, request)?;
    let (tax_code, view, organization) = asked.parts();
    let authority = authority(request)?;
    let asker = match &authority {
        Some(authority) => Asker::Doctor(&authority.subject),
        // A doctor's answer is given to doctors, who say who they are.
        None if view == View::Practice => return Err(not_their_authority()),
        None => Asker::Organization,
    };
    if organization.is_empty() {
        return Err(unreadable());
    }
    let security = match &authority {
        None => None,
        Some(authority) => {
            sac.check_age(op, authority, now)?;
            let signed = sac.signer.assertion(authority, now);
            Some(signed.map_err(|_| unreadable())?)
        }
    };
    let encrypt = |value: &str| sac.sanitel.encrypt(value).map_err(|_| unreadable());
    let question = Question {
        pin_code: &encrypt(&sac.pin_code)?,
        region: &sac.region,
        asker,
        organization,
        tax_code: &encrypt(tax_code)?,
    };
    let body = match &asked {
        Asked::Person(_) => wire::ricerca(&question, security.as_deref()),
        Asked::Card(query) => wire::tessera(&question, &query.card_number, security.as_deref()),
    };
    let name = match asker {
        Asker::Doctor(_) => InNameOf::Doctor,
        Asker::Organization => InNameOf::Region,
    };
    Ok((asked, name, body))
}

fn authority(request: &Request) -> Result<Option<Authority>, Failure> {
    let bytes = &request.authority.0;
    if bytes.is_empty() {
        return Ok(None);
    }
    serde_json::from_slice(bytes)
        .map(Some)
        .map_err(|_| unreadable())
}

/// What the registry answered to `asked`.
pub(super) fn answer(
    message: &Element,
    asked: &Asked,
    relations: &Relations,
    today: Day,
) -> Result<Answer, Failure> {
    match asked {
        Asked::Person(query) => person(message, query, relations, today),
        Asked::Card(query) => card(message, query, relations),
    }
}

fn person(
    message: &Element,
    query: &PersonQuery,
    relations: &Relations,
    today: Day,
) -> Result<Answer, Failure> {
    let (verdict, person) = wire::read_person(message).map_err(garbage)?;
    let Some(person) = found(&verdict, person)? else {
        return Ok(absent());
    };
    if person.tax_code != query.tax_code {
        return Err(mismatch());
    }
    let doctor = person.doctor.as_ref();
    let doctor = doctor.filter(|doctor| doctor.period.holds_on(today));
    let doctor = doctor.map(|doctor| relations.doctor(&doctor.tax_code));
    let oneself = oneself(query.view, &query.tax_code, relations);
    Ok(Answer {
        tags: doctor.into_iter().chain(oneself).collect(),
        body: Opaque(person.to_json(query.view)),
        ..done()
    })
}

/// The tag of the person themselves, where they see it with their own eyes.
fn oneself(view: View, tax_code: &PatientCode, relations: &Relations) -> Option<Tag> {
    (view == View::Portal).then(|| relations.oneself(tax_code.as_str()))
}

fn card(message: &Element, query: &CardQuery, relations: &Relations) -> Result<Answer, Failure> {
    let (verdict, card) = wire::read_card(message).map_err(garbage)?;
    let Some(card) = found(&verdict, card)? else {
        return Ok(absent());
    };
    if card.tax_code != query.tax_code.as_str() || card.number != query.card_number.as_str() {
        return Err(mismatch());
    }
    let card = match card.standing {
        CardStanding::Valid(kind, expires_on) => Card::Valid { kind, expires_on },
        CardStanding::Invalid(fault) => Card::Invalid(fault),
    };
    Ok(Answer {
        tags: oneself(query.view, &query.tax_code, relations)
            .into_iter()
            .collect(),
        body: Opaque(card.to_json()),
        ..done()
    })
}

/// What was found; nothing where nobody is registered under the code.
fn found<T>(verdict: &Verdict, content: Option<T>) -> Result<Option<T>, Failure> {
    let is_absent = is_refused_for(verdict, NOT_REGISTERED).map_err(garbage)?;
    let is_alone = verdict
        .problems
        .iter()
        .all(|problem| problem.notice.code == NOT_REGISTERED);
    match (reading(verdict), content) {
        (Reading::Done, Some(content)) => Ok(Some(content)),
        (Reading::Rejected, None) if is_absent && is_alone => Ok(None),
        (Reading::Rejected, None) if !is_absent => Err(rejected(&verdict.problems)),
        _ => Err(garbage(Garbage::Field)),
    }
}

fn done() -> Answer {
    Answer {
        fact: Fact::Done,
        tags: Vec::new(),
        body: Opaque::default(),
        document: None,
    }
}

fn absent() -> Answer {
    Answer {
        fact: Fact::Absent,
        ..done()
    }
}

#[cfg(test)]
mod tests;
