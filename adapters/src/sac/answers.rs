//! What an answer means for the number it is about.
//!
//! # Invariants
//!
//! 1. Nothing is *done* or *found* without the authentication code that makes it valid, and under
//!    the number that was asked about.
//! 2. What is found was compared with what we sent: the number alone proves nothing.
//! 3. Nothing is *absent* by an answer that says anything else besides.

use engine::ports::{Answer, Fact, NumberRange};
use policies::delivery::Standing;
use policies::failure::{Failure, Opaque};

use super::classify::{
    NOT_PRESENT, OTHER_DOCTOR, Reading, garbage, is_refused_for, mismatch, number_taken, reading,
    rejected, rejected_lot,
};
use super::receipt::{NOTICES_MAX, Notice, Receipt};
use super::receipts::{self, NreRecord, SeenRow, Verdict, Visualizza};
use super::soap::read::{Element, Garbage};
use crate::model::{Moment, NRE_LENGTH, Nre, PatientCode, Prescription, Region, Row};

/// The answer to a registration.
pub(super) fn invio(message: &Element, nre: &Nre) -> Result<Answer, Failure> {
    let said = receipts::invio(message).map_err(garbage)?;
    about(nre, said.nre.as_deref())?;
    match (reading(&said.verdict), said.authentication) {
        (Reading::Done, Some(authentication)) if said.nre.is_some() => {
            let receipt = receipt(said.verdict, authentication, said.registered_at.as_deref());
            let document = said.document.map(Opaque);
            Ok(Answer {
                document,
                ..answer(Fact::Done, &receipt)
            })
        }
        (Reading::Rejected, None) => Err(rejected(&said.verdict.problems)),
        _ => Err(garbage(Garbage::Field)),
    }
}

/// The answer to a cancel. A number that is not there is nothing left to cancel.
pub(super) fn annulla(message: &Element, nre: &Nre) -> Result<Answer, Failure> {
    let said = receipts::annulla(message).map_err(garbage)?;
    about(nre, said.nre.as_deref())?;
    if is_refused_for(&said.verdict, NOT_PRESENT).map_err(garbage)? {
        return Ok(absent());
    }
    match reading(&said.verdict) {
        Reading::Done if said.nre.is_some() => Ok(answer(
            Fact::Done,
            &receipt(said.verdict, String::new(), None),
        )),
        Reading::Rejected => Err(rejected(&said.verdict.problems)),
        Reading::Done | Reading::Contradiction => Err(garbage(Garbage::Field)),
    }
}

/// What stands under the number.
pub(super) fn visualizza(
    message: &Element,
    nre: &Nre,
    ours: &Prescription,
) -> Result<Answer, Failure> {
    let said = receipts::visualizza(message).map_err(garbage)?;
    about(nre, said.nre.as_deref())?;
    let is_absent = is_refused_for(&said.verdict, NOT_PRESENT).map_err(garbage)?;
    let is_others = is_refused_for(&said.verdict, OTHER_DOCTOR).map_err(garbage)?;
    match is_absent || is_others {
        true if said.state.is_some() || said.authentication.is_some() => {
            return Err(garbage(Garbage::Field));
        }
        true if is_absent => return Ok(absent()),
        true => return Err(number_taken()),
        false => {}
    }
    let Some(state) = said.state.as_deref() else {
        return Err(match reading(&said.verdict) {
            Reading::Rejected => rejected(&said.verdict.problems),
            Reading::Done | Reading::Contradiction => garbage(Garbage::Field),
        });
    };
    let standing = match state {
        // The lot exists; no recipe was ever registered under the number.
        "1" | "2" => return no_recipe(&said),
        "3" => Standing::Live,
        "4" | "10" => Standing::Closed,
        "5" | "6" | "7" | "8" | "9" => Standing::Taken,
        _ => return Err(garbage(Garbage::Field)),
    };
    if said.nre.is_none() {
        return Err(garbage(Garbage::Field));
    }
    if !is_ours(&said, ours).map_err(garbage)? {
        return Err(number_taken());
    }
    let authentication = said.authentication.ok_or_else(|| garbage(Garbage::Field))?;
    let receipt = receipt(said.verdict, authentication, said.registered_at.as_deref());
    Ok(answer(Fact::Found(standing), &receipt))
}

/// Whether the number was used.
pub(super) fn interroga(
    message: &Element,
    nre: &Nre,
    ours: &Prescription,
) -> Result<Answer, Failure> {
    let said = receipts::interroga(message).map_err(garbage)?;
    let is_absent = is_refused_for(&said.verdict, NOT_PRESENT).map_err(garbage)?;
    match reading(&said.verdict) {
        Reading::Done => {}
        _ if !said.records.is_empty() => return Err(garbage(Garbage::Field)),
        _ if is_absent => return Ok(absent()),
        Reading::Rejected => return Err(rejected(&said.verdict.problems)),
        Reading::Contradiction => return Err(garbage(Garbage::Field)),
    }
    let is_plain = said.verdict.code == "0000" && said.verdict.problems.is_empty();
    let mut records = said.records.into_iter();
    let record = match (records.next(), records.next()) {
        (None, _) if is_plain => return Ok(absent()),
        (None, _) => return Err(garbage(Garbage::Field)),
        (Some(record), None) => record,
        (Some(_), Some(_)) => return Err(garbage(Garbage::Duplicate)),
    };
    if record.nre.is_none() {
        return Err(garbage(Garbage::Field));
    }
    about(nre, record.nre.as_deref())?;
    if !is_record_ours(&record, ours) {
        return Err(number_taken());
    }
    let authentication = record
        .authentication
        .ok_or_else(|| garbage(Garbage::Field))?;
    let receipt = receipt(said.verdict, authentication, None);
    Ok(answer(Fact::Found(Standing::Live), &receipt))
}

/// A lot of numbers.
pub(super) fn lotto(message: &Element, region: &Region, kind: u8) -> Result<Answer, Failure> {
    let said = receipts::lotto(message).map_err(garbage)?;
    if said.outcome.code != "00" {
        return Err(rejected_lot(said.outcome));
    }
    let (Some(their_region), Some(group), Some(their_kind)) = (said.region, said.group, said.kind)
    else {
        return Err(garbage(Garbage::Field));
    };
    if their_region != region.as_str() || their_kind != kind.to_string() {
        return Err(mismatch());
    }
    let prefix = format!(
        "{their_region}{group}{their_kind}{}",
        said.lot.unwrap_or_default()
    );
    let digits = Nre::progressive_digits(kind).ok_or_else(|| garbage(Garbage::Field))?;
    // The first number of the lot is one, or the parts do not make numbers at all.
    let first = format!("{prefix}{}", "0".repeat(digits));
    if prefix.len() + digits != NRE_LENGTH || Nre::new(first).is_err() {
        return Err(garbage(Garbage::Field));
    }
    let digits = u8::try_from(digits).map_err(|_| garbage(Garbage::Field))?;
    Ok(Answer {
        tags: Vec::new(),
        fact: Fact::Range(NumberRange { prefix, digits }),
        body: Opaque::default(),
        document: None,
    })
}

/// An answer that names a number must name ours.
fn about(nre: &Nre, theirs: Option<&str>) -> Result<(), Failure> {
    match theirs {
        Some(theirs) if theirs != nre.as_str() => Err(mismatch()),
        Some(_) | None => Ok(()),
    }
}

/// A number of a lot without a recipe, if nothing speaks of one.
fn no_recipe(said: &Visualizza) -> Result<Answer, Failure> {
    match reading(&said.verdict) {
        Reading::Done if said.authentication.is_none() => Ok(absent()),
        _ => Err(garbage(Garbage::Field)),
    }
}

fn absent() -> Answer {
    answer(Fact::Absent, &Receipt::default())
}

fn answer(fact: Fact, receipt: &Receipt) -> Answer {
    let body = serde_json::to_vec(receipt).expect("a receipt is plain data");
    Answer {
        tags: Vec::new(),
        fact,
        body: Opaque(body),
        document: None,
    }
}

fn receipt(verdict: Verdict, authentication: String, registered_at: Option<&str>) -> Receipt {
    let registered_at = registered_at.and_then(|text| Moment::from_wire(text).ok());
    let warnings: Vec<Notice> = verdict
        .problems
        .into_iter()
        .map(|problem| problem.notice)
        .take(NOTICES_MAX)
        .collect();
    let mut communications = verdict.communications;
    communications.truncate(NOTICES_MAX - warnings.len());
    Receipt {
        codice_autenticazione: authentication,
        registered_at: registered_at.map(Moment::to_rfc3339).unwrap_or_default(),
        warnings,
        communications,
    }
}

/// Whether what is there is what we sent, by all that identifies it.
fn is_ours(seen: &Visualizza, ours: &Prescription) -> Result<bool, Garbage> {
    let field = |value: &Option<String>| value.clone().ok_or(Garbage::Field);
    let substitute = ours.substitute.as_ref().map(|code| code.as_str());
    let rows = ours.rows.as_slice();
    if seen.rows.is_empty() {
        return Err(Garbage::Field);
    }
    Ok(field(&seen.prescriber)? == ours.prescriber.code.as_str()
        && seen.substitute.as_deref() == substitute
        && field(&seen.kind)? == ours.kind.wire()
        && field(&seen.compiled_at)? == ours.compiled_at.to_wire()
        && is_patient_ours(seen.patient_code.as_deref(), ours)
        && seen.rows.len() == rows.len()
        && seen
            .rows
            .iter()
            .zip(rows)
            .all(|(theirs, ours)| is_row_ours(theirs, ours)))
}

/// A row is told by its quantity and by whatever code we gave it; the SAC may have added another.
fn is_row_ours(theirs: &SeenRow, ours: &Row) -> bool {
    let code = ours.code.as_ref().map(|code| code.as_str());
    let group = ours
        .equivalence_group
        .as_ref()
        .map(|group| group.code.as_str());
    theirs.quantity.as_deref() == Some(ours.quantity.get().to_string().as_str())
        && (code.is_none() || theirs.code.as_deref() == code)
        && (group.is_none() || theirs.group.as_deref() == group)
}

/// The SAC returns the patient's code empty, or could return it encrypted: only a code in clear can
/// be compared.
fn is_patient_ours(theirs: Option<&str>, ours: &Prescription) -> bool {
    let theirs = theirs.and_then(|theirs| PatientCode::new(theirs).ok());
    theirs.is_none() || theirs == ours.patient.code
}

/// A record says less; what it says must be ours.
fn is_record_ours(record: &NreRecord, ours: &Prescription) -> bool {
    let compiled_at = ours.compiled_at.to_wire();
    let agrees =
        |theirs: &Option<String>, ours: &str| theirs.as_deref().is_none_or(|text| text == ours);
    agrees(&record.prescriber, ours.prescriber.code.as_str())
        && agrees(&record.kind, ours.kind.wire())
        && agrees(&record.compiled_at, &compiled_at)
        && is_patient_ours(record.patient_code.as_deref(), ours)
}

#[cfg(test)]
mod tests;
