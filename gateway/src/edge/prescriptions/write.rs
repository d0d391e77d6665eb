//! From a request that parsed to the write that is handed over, or to everything that forbids it.

use std::sync::Arc;

use adapters::model::{Authority, Nre, PatientCode, Prescription};
use aws_lc_rs::digest::{Context, SHA256};
use engine::door::{Matter, Write};
use policies::delivery::Fallback;
use policies::failure::Opaque;
use policies::rules::{FallbackRules, WriteBehindRules};
use policies::time::Timestamp;

use super::headers::Headers;
use super::reading::{Place, Reading};
use super::request::NewPrescription;
use crate::edge::caller::Caller;
use crate::edge::codes;
use crate::edge::noted::of_write;
use crate::edge::respond::{FieldError, Problem};

/// A fallback of the design that this release does not offer.
const PROVISIONAL: &str = "provisional";
/// A well-formed NRE, to go on checking with.
const NRE_STAND_IN: &str = "000000000000000";

/// Checks everything that can be checked here under `rules`, and encodes the write for its lane, which
/// goes by the same.
///
/// Also returns the rules that only warn.
pub(super) fn prepare(
    mut new: NewPrescription,
    caller: &Caller,
    authority: &Authority,
    headers: Headers,
    now: Timestamp,
    rules: &Arc<WriteBehindRules>,
) -> Result<(Write, Vec<FieldError>), Problem> {
    let nre = new.nre.take();
    let asked = Asked {
        fallback: new.fallback.take(),
        patient_waiting: new.patient_waiting,
        annul_consent: new.annul_consent,
    };
    let checks_off: Vec<&str> = rules.checks_off.iter().map(String::as_str).collect();
    let (prescription, mut reading) = Reading::of(new, now, &checks_off);
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
    let fallback = asked.fallback(&rules.fallback).unwrap_or_else(|error| {
        reading.errors.push(error);
        Fallback::Hold
    });
    if !reading.errors.is_empty() {
        return Err(Problem::with_errors(
            &codes::CONTENT_REFUSED,
            reading.errors,
        ));
    }
    if prescription.acting_prescriber() != &authority.subject {
        return Err(Problem::from(&codes::PRESCRIBER_NOT_AUTHENTICATED));
    }
    check_substitution(&prescription, caller)?;
    check_locality(authority, region)?;
    let payload = encode(&prescription);
    let own_number = own_number.map(|nre| Opaque(nre.as_str().as_bytes().to_vec()));
    let code = prescription.patient.code.as_ref();
    let audit = of_write(caller, authority, None, code, headers.trace.as_deref());
    let write = Write {
        organization: caller.organization.clone(),
        key: headers.key,
        fingerprint: fingerprint(&payload, own_number.as_ref(), &asked),
        identity: identity(caller, authority),
        authority: encode(authority),
        resumes: caller.authn_age(authority) <= rules.authn_age_max.send,
        matter: Matter::New {
            payload,
            person: code.map(person),
            own_number,
            fallback,
            annul_consent: asked.annul_consent,
        },
        wait_max: headers.wait_max,
        audit,
        trace: headers.trace,
        reply_to: None,
        rules: Arc::clone(rules),
    };
    Ok((write, reading.warnings))
}

/// Who writes in another doctor's name stands in for that one, as the region has registered.
fn check_substitution(prescription: &Prescription, caller: &Caller) -> Result<(), Problem> {
    let doctor = &prescription.prescriber.code;
    if prescription.substitute.is_none() || caller.may_stand_in_for(doctor) {
        return Ok(());
    }
    let detail = "must be a doctor for whom the caller stands in, where there is a substitute";
    let error = FieldError::at("/prescriber/code", "substitution", detail);
    Err(Problem::with_errors(
        &codes::SUBSTITUTION_NOT_REGISTERED,
        vec![error],
    ))
}

/// A prescriber acts where they authenticated.
pub(super) fn check_locality(authority: &Authority, region: &str) -> Result<(), Problem> {
    if authority.locality.as_str().starts_with(region) {
        return Ok(());
    }
    let detail = "must name a locality in the region of the prescriber";
    let error = FieldError::of_parameter("prescriber_authn", "locality-region", detail);
    Err(Problem::with_errors(
        &codes::PRESCRIBER_AUTHN_INVALID,
        vec![error],
    ))
}

/// How a patient is found again: by the code as it is written.
pub(super) fn person(code: &PatientCode) -> Opaque {
    Opaque(code.as_str().as_bytes().to_vec())
}

pub(super) fn encode<T: serde::Serialize>(value: &T) -> Opaque {
    Opaque(serde_json::to_vec(value).expect("the model has only strings, numbers and lists"))
}

/// The prescriber as this organisation's: two practices of one doctor authenticate apart.
pub(super) fn identity(caller: &Caller, authority: &Authority) -> Opaque {
    let parts = [
        caller.organization.0.as_bytes(),
        authority.subject.as_str().as_bytes(),
    ];
    Opaque(parts.join(&0))
}

/// What the desk asks for besides the prescription itself.
struct Asked {
    fallback: Option<String>,
    patient_waiting: bool,
    annul_consent: bool,
}

impl Asked {
    /// The fallback that is asked for by name, or else the one that the policy has for such a patient.
    fn fallback(&self, rules: &FallbackRules) -> Result<Fallback, FieldError> {
        let Some(word) = self.fallback.as_deref() else {
            return Ok(rules.standard(self.patient_waiting));
        };
        match Fallback::parse(word) {
            Some(fallback) if rules.allows(fallback) => Ok(fallback),
            None if word != PROVISIONAL => {
                let detail = "is not one of the values of this field";
                Err(FieldError::at("/fallback", "unknown-value", detail))
            }
            Some(_) | None => {
                let detail = "is not allowed by the region's policy";
                Err(FieldError::at("/fallback", "fallback-not-allowed", detail))
            }
        }
    }
}

/// The digest of the request as we understand it: neither white space, nor the order of fields, nor
/// how a moment was written makes it another. What the policy made of it is no part: a repetition
/// after a change of policy is the same request. Parts are told apart by a byte that JSON never has.
fn fingerprint(payload: &Opaque, own_number: Option<&Opaque>, asked: &Asked) -> Opaque {
    let mut context = Context::new(&SHA256);
    context.update(&payload.0);
    context.update(&[0]);
    context.update(own_number.map_or(&[], |number| number.0.as_slice()));
    context.update(&[
        0,
        u8::from(asked.patient_waiting),
        u8::from(asked.annul_consent),
    ]);
    context.update(asked.fallback.as_deref().unwrap_or_default().as_bytes());
    Opaque(context.finish().as_ref().to_vec())
}

#[cfg(test)]
mod tests;
