//! From a request that parsed to the write that is handed over, or to everything that forbids it.

use std::time::Duration;

use adapters::model::{Authority, Nre, PatientCode};
use aws_lc_rs::digest::{Context, SHA256};
use engine::door::Write;
use policies::delivery::Fallback;
use policies::failure::Opaque;
use policies::time::Timestamp;

use super::reading::{Place, Reading};
use super::request::NewPrescription;
use crate::edge::caller::Caller;
use crate::edge::codes;
use crate::edge::respond::{FieldError, Problem};

/// Fallbacks that exist, and that the policy in force does not allow.
const FALLBACKS_NOT_ALLOWED: [&str; 2] = ["red-recipe", "provisional"];
/// A well-formed NRE, to go on checking with.
const NRE_STAND_IN: &str = "000000000000000";

/// What the headers said.
#[derive(Debug)]
pub(super) struct Headers {
    pub(super) key: String,
    pub(super) wait_max: Option<Duration>,
    pub(super) trace: Option<String>,
}

/// Checks everything that can be checked here, and encodes the write for its lane.
///
/// Also returns the rules that only warn.
pub(super) fn prepare(
    mut new: NewPrescription,
    caller: &Caller,
    authority: &Authority,
    headers: Headers,
    now: Timestamp,
    checks_off: &[&str],
) -> Result<(Write, Vec<FieldError>), Problem> {
    let nre = new.nre.take();
    let fallback = new.fallback.take();
    let patient_waiting = new.patient_waiting;
    let (prescription, mut reading) = Reading::of(new, now, checks_off);
    let own_number: Option<Nre> =
        nre.map(|nre| reading.value(Place::Root.field("nre"), nre, NRE_STAND_IN));
    let region = prescription.prescriber.region.as_str();
    if let Some(own_number) = &own_number
        && own_number.region() != region
        && !["/nre", "/prescriber/region"]
            .map(|at| reading.is_noted(at))
            .contains(&true)
    {
        let detail = "must begin with the region of the prescriber";
        let error = FieldError::at("/nre", "nre-region", detail);
        reading.errors.push(error);
    }
    reading.errors.extend(check_fallback(fallback.as_deref()));
    if !reading.errors.is_empty() {
        return Err(Problem::with_errors(
            &codes::CONTENT_REFUSED,
            reading.errors,
        ));
    }
    if prescription.acting_prescriber() != &authority.subject {
        return Err(Problem::from(&codes::PRESCRIBER_NOT_AUTHENTICATED));
    }
    if !authority.locality.as_str().starts_with(region) {
        let detail = "must name a locality in the region of the prescriber";
        let error = FieldError::of_parameter("prescriber_authn", "locality-region", detail);
        let errors = vec![error];
        return Err(Problem::with_errors(
            &codes::PRESCRIBER_AUTHN_INVALID,
            errors,
        ));
    }
    let payload = encode(&prescription);
    let own_number = own_number.map(|nre| Opaque(nre.as_str().as_bytes().to_vec()));
    let write = Write {
        organization: caller.organization.clone(),
        key: headers.key,
        fingerprint: fingerprint(&payload, own_number.as_ref(), patient_waiting),
        person: prescription.patient.code.as_ref().map(person),
        own_number,
        identity: identity(caller, authority),
        authority: encode(authority),
        payload,
        wait_max: headers.wait_max,
        trace: headers.trace,
    };
    Ok((write, reading.warnings))
}

/// How a patient is found again: by the code as it is written.
pub(super) fn person(code: &PatientCode) -> Opaque {
    Opaque(code.as_str().as_bytes().to_vec())
}

fn encode<T: serde::Serialize>(value: &T) -> Opaque {
    Opaque(serde_json::to_vec(value).expect("the model has only strings, numbers and lists"))
}

/// The prescriber as this organisation's: two practices of one doctor authenticate apart.
fn identity(caller: &Caller, authority: &Authority) -> Opaque {
    let parts = [
        caller.organization.0.as_bytes(),
        authority.subject.as_str().as_bytes(),
    ];
    Opaque(parts.join(&0))
}

/// The digest of the request as we understand it: neither white space, nor the order of fields, nor
/// how a moment was written makes it another. Parts are told apart by a byte that JSON never has.
fn fingerprint(payload: &Opaque, own_number: Option<&Opaque>, patient_waiting: bool) -> Opaque {
    let mut context = Context::new(&SHA256);
    context.update(&payload.0);
    context.update(&[0]);
    context.update(own_number.map_or(&[], |number| number.0.as_slice()));
    context.update(&[0, u8::from(patient_waiting)]);
    context.update(Fallback::Hold.as_str().as_bytes());
    Opaque(context.finish().as_ref().to_vec())
}

/// The policy in force allows one fallback, which is also the default.
fn check_fallback(word: Option<&str>) -> Option<FieldError> {
    let word = word?;
    if Fallback::parse(word).is_some() {
        None
    } else if FALLBACKS_NOT_ALLOWED.contains(&word) {
        let detail = "is not allowed by the region's policy, which allows hold";
        Some(FieldError::at("/fallback", "fallback-not-allowed", detail))
    } else {
        let detail = "is not one of the values of this field";
        Some(FieldError::at("/fallback", "unknown-value", detail))
    }
}

#[cfg(test)]
mod tests;
