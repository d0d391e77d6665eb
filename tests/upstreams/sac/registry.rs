//! The registry of assisted persons: who may know what about whom.
//!
//! No schema of the national search is public. Messages and codes are those of our own contract, as
//! `adapters/README.md` has it, written here a second time from that text and not from the adapter.
//!
//! | code | refusal |
//! |---|---|
//! | 6001 | nobody is registered under the code |
//! | 6002 | a doctor asks for a person who is not on their list |
//! | 6003 | an organisation asks in its own name that is not accredited |
//! | 6004 | a doctor of no register asks about a card |
//! | 6005 | the code is not encrypted for the registry, or not a code |
//! | 6006 | another region |
//! | 6007 | neither a whole search nor a reduced one, or not the one for who asks |

pub mod book;
pub mod population;

use jiff::civil::Date;

pub use self::book::{Assisted, Exemption, LookUp, Registry};

use super::operation::Operation;
use super::rules::{Case, find};
use super::tax_code::is_patient_code;
use super::wire::{self, Element, Notice, Ns};
use crate::upstreams::http::Response;

/// Answers a look-up, or says why not; either way it is written down.
pub(super) fn apply(
    operation: Operation,
    case: Case<'_>,
    registry: &mut Registry,
    is_harmed: bool,
) -> Response {
    let answer = answer(operation, case, registry);
    let answered = match &answer {
        Ok(_) => "found",
        Err((code, _)) => code,
    };
    registry.note(LookUp {
        operation,
        doctor: case.message.get("cfMedico").to_owned(),
        organization: case.message.get("strutturaRichiedente").to_owned(),
        tax_code: case.patient.unwrap_or_default().to_owned(),
        at_ms: case.now.timestamp().as_millisecond(),
        answered: answered.to_owned(),
        is_harmed,
    });
    let (content, notices) = match answer {
        Ok(content) => (Some(content), Vec::new()),
        Err((code, text)) => (None, vec![Notice::blocking(code, text, 0)]),
    };
    let outcome = wire::outcome(&notices);
    let mut fields = vec![Element::text(Ns::Receipt, "codEsitoRichiesta", outcome)];
    fields.push(wire::notices(operation, &notices));
    fields.extend(content);
    wire::receipt(operation, case.live.prefixes, fields)
}

type Refusal = (&'static str, &'static str);

fn answer(operation: Operation, case: Case<'_>, registry: &Registry) -> Result<Element, Refusal> {
    let doctor = case.message.get("cfMedico");
    let organization = case.message.get("strutturaRichiedente");
    if case.message.get("codRegione") != case.region {
        return Err(("6006", "Regione non abilitata"));
    }
    let wanted = if doctor.is_empty() { "R" } else { "C" };
    if operation == Operation::Ricerca && case.message.get("tipoRicerca") != wanted {
        return Err(("6007", "Tipo ricerca non ammesso"));
    }
    let is_accredited = case.live.accredited.iter().any(|a| a == organization);
    if doctor.is_empty() && !is_accredited {
        return Err(("6003", "Struttura richiedente non abilitata"));
    }
    let asked = case.patient.filter(|code| is_patient_code(code));
    let asked = asked.ok_or(("6005", "Codice fiscale errato"))?;
    let person = registry.find(asked);
    let not_registered = ("6001", "Codice fiscale non censito");
    if operation == Operation::Tessera {
        let is_known = find(case.live, doctor).is_some() || registry.has_list(doctor);
        if !doctor.is_empty() && !is_known {
            return Err(("6004", "Medico non censito"));
        }
        let number = case.message.get("numeroTessera");
        let today = case.now.date();
        return Ok(card(person.ok_or(not_registered)?, number, today));
    }
    let person = person.ok_or(not_registered)?;
    if !doctor.is_empty() && person.doctor != doctor {
        return Err(("6002", "Assistito non in carico al medico richiedente"));
    }
    Ok(assisted(case.region, person, !doctor.is_empty()))
}

fn text(name: &'static str, value: impl Into<String>) -> Element {
    Element::text(Ns::Receipt, name, value)
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "SI" } else { "NO" }
}

/// All of a person, or what organisations are told: neither where they live nor whose list they
/// are on.
fn assisted(region: &str, person: &Assisted, is_whole: bool) -> Element {
    let mut fields = vec![
        text("codiceFiscale", &person.tax_code),
        text("cognome", &person.family_name),
        text("nome", &person.given_name),
        text("sesso", person.sex),
        text("dataNascita", &person.born_on),
        text("comuneNascita", &person.born_in.0),
        text("provinciaNascita", &person.born_in.1),
        text("dataDecesso", &person.died_on),
        text("assistitoSSN", yes(person.died_on.is_empty())),
        text("regioneAssistenza", region),
        text("aslAssistenza", &person.health_unit),
    ];
    if is_whole {
        let (family_name, given_name) = population::doctors_name(&person.doctor);
        fields.push(text("comuneResidenza", &person.lives_in));
        fields.push(text("aslResidenza", &person.health_unit));
        let doctor = vec![
            text("codiceFiscale", &person.doctor),
            text("cognome", family_name),
            text("nome", given_name),
            text("dataInizio", &person.since),
            text("dataFine", ""),
        ];
        fields.push(Element::of(Ns::Receipt, "medico", doctor));
    }
    let card = vec![
        text("numero", &person.card),
        text("dataScadenza", &person.card_expires_on),
    ];
    fields.push(Element::of(Ns::Receipt, "tesseraSanitaria", card));
    let exemptions = person.exemptions.iter().map(|exemption| {
        let fields = [
            ("codEsenzione", &exemption.code),
            ("dataInizio", &exemption.from),
            ("dataFine", &exemption.until),
        ];
        let fields = fields.map(|(name, value)| Element::text(Ns::Types, name, value));
        Element::of(Ns::Types, "Esenzione", fields.into())
    });
    fields.push(Element::of(
        Ns::Receipt,
        "ElencoEsenzioni",
        exemptions.collect(),
    ));
    Element::of(Ns::Receipt, "assistito", fields)
}

/// Whether the card holds: `S` expired, `D` replaced by a duplicate, `A` another person's.
fn card(person: &Assisted, number: &str, today: Date) -> Element {
    let is_theirs = person.card == number;
    let expires_on: Option<Date> = person.card_expires_on.parse().ok();
    let fault = match expires_on {
        _ if person.former_cards.iter().any(|former| former == number) => "D",
        _ if !is_theirs => "A",
        Some(last) if today <= last => "",
        _ => "S",
    };
    let is_valid = fault.is_empty();
    let expires_on = if is_theirs {
        person.card_expires_on.as_str()
    } else {
        ""
    };
    Element::of(
        Ns::Receipt,
        "tessera",
        vec![
            text("codiceFiscale", &person.tax_code),
            text("numeroTessera", number),
            text("tesseraValida", yes(is_valid)),
            text("tipoTessera", if is_valid { "TS" } else { "" }),
            text("dataScadenza", expires_on),
            text("motivo", fault),
        ],
    )
}
