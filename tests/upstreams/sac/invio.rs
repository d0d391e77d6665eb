//! `demInvioPrescritto`: a prescription is taken, or it is not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::book::{Ledger, Received, Stored, content_digest};
use super::lots::is_number;
use super::operation::Operation;
use super::reminder;
use super::rules::{self, Case, find, unpublished};
use super::settings::{Duplicate, Live};
use super::wire::{self, Element, Notice, Ns};
use crate::upstreams::http::Response;

/// Applies the request to the book and writes the receipt.
pub(super) fn apply(case: Case<'_>, ledger: &mut Ledger) -> Response {
    let mut received = Received {
        nre: case.message.get("nre").to_owned(),
        outcome: String::new(),
        duplicate: false,
        content: content_digest(case.message, case.patient.unwrap_or_default()),
        at: case.now.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    };
    let response = decide(case, ledger, &mut received);
    ledger.note_received(received);
    response
}

fn decide(case: Case<'_>, ledger: &mut Ledger, received: &mut Received) -> Response {
    let mut notices = rules::examine(case);
    if !received.nre.is_empty() {
        received.duplicate = ledger.find(&received.nre).is_some();
        notices.extend(number(case, ledger, &received.nre));
    }
    if wire::outcome(&notices) == "9999" {
        received.outcome = "9999".to_owned();
        return refusal(case.live, &notices);
    }
    if received.duplicate {
        return duplicate(case.live, ledger, received);
    }
    if received.nre.is_empty() {
        received.nre = ledger.lots.assign(case.region);
    }
    received.outcome = wire::outcome(&notices).to_owned();
    let patient = case.patient.unwrap_or_default();
    let stored = ledger.insert(&received.nre, patient, case.message.clone(), case.now);
    acceptance(case.live, stored, &notices)
}

/// What is wrong with the number itself, whether or not it has been used.
fn number(case: Case<'_>, ledger: &Ledger, number: &str) -> Option<Notice> {
    if !is_number(number) {
        return Some(unpublished::NUMBER_FORM.notice(0));
    }
    // A number that the SAC gave itself is in no lot; used it is, and that is said elsewhere.
    if ledger.find(number).is_some() {
        return None;
    }
    match ledger.lots.holding(number) {
        Some(lot) if lot.region == case.region => {
            let other = lot
                .doctor
                .as_ref()
                .is_some_and(|d| d != case.message.get("cfMedico1"));
            other.then(|| unpublished::NUMBER_DOCTOR.notice(0))
        }
        _ => Some(unpublished::NUMBER_LOT.notice(0)),
    }
}

/// The answer to a number that is used. What is published leaves it open while its prescription stands;
/// one that is cancelled or has expired never comes back (specification §4.2.2).
fn duplicate(live: &Live, ledger: &Ledger, received: &mut Received) -> Response {
    let stored = ledger
        .find(&received.nre)
        .expect("a duplicate has its first");
    let answer = match &live.duplicate {
        Duplicate::AsNew if !stored.public.is_live() => &Duplicate::default(),
        answer => answer,
    };
    match answer {
        Duplicate::Reject { code, text } => {
            received.outcome = "9999".to_owned();
            refusal(live, &[Notice::blocking(code, text, 0)])
        }
        Duplicate::AsNew => {
            received.outcome = "0000".to_owned();
            acceptance(live, stored, &[])
        }
        Duplicate::Fault => {
            received.outcome = "fault".to_owned();
            wire::fault(500, "Server", "Internal Error")
        }
    }
}

fn acceptance(live: &Live, stored: &Stored, notices: &[Notice]) -> Response {
    let public = &stored.public;
    let mut fields = vec![
        Element::text(Ns::Receipt, "nre", &public.nre),
        Element::text(
            Ns::Receipt,
            "codAutenticazione",
            &public.codice_autenticazione,
        ),
        Element::text(Ns::Receipt, "dataInserimento", &public.inserted_at),
        Element::text(Ns::Receipt, "codEsitoInserimento", wire::outcome(notices)),
        wire::notices(Operation::Invio, notices),
        wire::communications(&communications(live, Some(&public.doctor))),
        Element::text(
            Ns::Receipt,
            "flagPromemoria",
            if live.reminder { "0" } else { "1" },
        ),
    ];
    if live.reminder {
        let pdf = STANDARD.encode(reminder::pdf(public));
        fields.push(Element::text(Ns::Receipt, "pdfPromemoria", pdf));
    }
    wire::receipt(Operation::Invio, live.prefixes, fields)
}

/// As the real one: no number, no instant, no flag.
fn refusal(live: &Live, notices: &[Notice]) -> Response {
    let fields = vec![
        Element::text(Ns::Receipt, "codEsitoInserimento", wire::outcome(notices)),
        wire::notices(Operation::Invio, notices),
        wire::communications(&communications(live, None)),
    ];
    wire::receipt(Operation::Invio, live.prefixes, fields)
}

fn communications(live: &Live, doctor: Option<&str>) -> Vec<(&'static str, String)> {
    let mut list = Vec::new();
    if let Some(doctor) = doctor.and_then(|doctor| find(live, doctor)) {
        list.push(("0199", format!("COGNOME_MEDICO={}", doctor.family_name)));
        list.push(("0198", format!("NOME_MEDICO={}", doctor.given_name)));
    }
    if let Some(sentence) = &live.regional_sentence {
        list.push(("0197", sentence.clone()));
    }
    list.push(("0100", "Nessuna comunicazione.".to_owned()));
    list
}
