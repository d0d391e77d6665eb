//! `demVisualizzaPrescritto`, `demAnnullaPrescritto`, `demInterrogaNreUtilizzati`: what is asked
//! about a prescription that is there, or is not (specification §4.2.2 to §4.2.4).

use super::book::{Ledger, Prescription, Stored};
use super::operation::Operation;
use super::rules::{Case, find, parse_instant, unpublished};
use super::schema;
use super::settings::Live;
use super::tax_code::has_right_check_letter;
use super::wire::{self, Element, Notice, Ns};
use crate::upstreams::http::Response;

/// Shows a prescription, in whatever state, to who prescribed it and to its titular doctor.
pub(super) fn visualizza(case: Case<'_>, ledger: &Ledger) -> Response {
    let number = case.message.get("nre");
    let doctor = case.message.get("cfMedico");
    let stored = match ledger.find(number) {
        None => Err(unknown()),
        Some(s) if s.public.doctor == doctor || s.public.substitute == doctor => Ok(s),
        Some(_) => Err(other_doctor()),
    };
    let mut fields = vec![Element::text(Ns::Receipt, "nre", number)];
    let notices = match stored {
        Ok(stored) => {
            fields.extend(content(case.live, stored));
            warnings(doctor)
        }
        Err(refusal) => vec![refusal],
    };
    fields.push(Element::text(
        Ns::Receipt,
        "codEsitoVisualizzazione",
        wire::outcome(&notices),
    ));
    fields.push(wire::notices(Operation::Visualizza, &notices));
    fields.push(silence("0200"));
    wire::receipt(Operation::Visualizza, case.live.prefixes, fields)
}

/// Cancels a prescription that is still to be dispensed, for who prescribed it and nobody else.
pub(super) fn annulla(case: Case<'_>, ledger: &mut Ledger) -> Response {
    let number = case.message.get("nre");
    let doctor = case.message.get("cfMedico");
    let refusal = match ledger.find(number) {
        None => Some(unknown()),
        Some(stored) if stored.public.prescriber() != doctor => Some(other_doctor()),
        Some(_) => ledger.move_to(number, 4).err().map(|_| {
            let text = "Operazione non consentita - Annullamento ricetta, stato non valido";
            Notice::blocking("1120", text, 0)
        }),
    };
    let notices = refusal.map_or_else(|| warnings(doctor), |refusal| vec![refusal]);
    let fields = vec![
        Element::text(Ns::Receipt, "nre", number),
        Element::text(Ns::Receipt, "codEsitoAnnullamento", wire::outcome(&notices)),
        wire::notices(Operation::Annulla, &notices),
        silence("0300"),
    ];
    wire::receipt(Operation::Annulla, case.live.prefixes, fields)
}

/// Lists the numbers that a titular doctor has used: the one asked for, or those of a period.
///
/// A prescription of a substitute is listed under the titular, never under the substitute; and
/// only to one of the two.
pub(super) fn interroga(case: Case<'_>, ledger: &Ledger) -> Response {
    let criteria = Criteria::of(case);
    let (records, notices) = match criteria {
        Ok(criteria) => {
            let found = ledger
                .prescriptions()
                .map(|stored| &stored.public)
                .filter(|p| p.doctor == case.message.get("cfMedico"))
                .filter(|p| [&p.doctor, &p.substitute].contains(&&case.asserted.subject))
                .filter(|p| case.message.get("codRegione") == case.region && criteria.meets(p))
                .map(|p| record(ledger, p))
                .collect();
            (
                Some(Element::of(Ns::Receipt, "ElencoNreUtilRecord", found)),
                Vec::new(),
            )
        }
        Err(refusal) => (None, vec![refusal]),
    };
    let outcome = wire::outcome(&notices);
    let mut fields = vec![Element::text(
        Ns::Receipt,
        "codEsitoInterrogaNreUtilizzati",
        outcome,
    )];
    fields.extend(records);
    fields.push(wire::notices(Operation::Interroga, &notices));
    fields.push(silence("0400"));
    wire::receipt(Operation::Interroga, case.live.prefixes, fields)
}

enum Criteria<'a> {
    Number(&'a str),
    Period {
        from: &'a str,
        until: &'a str,
        kind: &'a str,
        lot: &'a str,
        patient: &'a str,
    },
}

impl<'a> Criteria<'a> {
    fn of(case: Case<'a>) -> Result<Criteria<'a>, Notice> {
        let get = |name| case.message.get(name);
        if !get("nre").is_empty() {
            return Ok(Criteria::Number(get("nre")));
        }
        let (from, until) = (
            get("dataCompilazioneRicettaDal"),
            get("dataCompilazioneRicettaAl"),
        );
        if parse_instant(from).is_none() || parse_instant(until).is_none() {
            return Err(unpublished::PERIOD.notice(0));
        }
        // The specification calls it optional; the real system does not.
        if get("tipoPrescr").is_empty() {
            let text = "Ricerca - Il tipo prescrizione è un campo obbligatorio";
            return Err(Notice::blocking("1153", text, 0));
        }
        let (kind, lot, patient) = (get("tipoPrescr"), get("codLotto"), get("cfAssistito"));
        Ok(Criteria::Period {
            from,
            until,
            kind,
            lot,
            patient,
        })
    }

    fn meets(&self, prescription: &Prescription) -> bool {
        match self {
            Criteria::Number(number) => prescription.nre == *number,
            Criteria::Period {
                from,
                until,
                kind,
                lot,
                patient,
            } => {
                // Both are year first, so that text compares as time does.
                (*from..=*until).contains(&prescription.compiled_at.as_str())
                    && prescription.kind == *kind
                    && prescription.nre.starts_with(lot)
                    && (patient.is_empty() || prescription.patient == *patient)
            }
        }
    }
}

fn record(ledger: &Ledger, prescription: &Prescription) -> Element {
    let lot = ledger.lots.holding(&prescription.nre).map_or_else(
        || prescription.nre.chars().take(6).collect(),
        |lot| lot.prefix.clone(),
    );
    let fields = [
        ("nre", prescription.nre.clone()),
        ("cfMedico", prescription.doctor.clone()),
        ("tipoPrescrizione", prescription.kind.clone()),
        ("dataCompilazioneRicetta", prescription.compiled_at.clone()),
        // Empty, as in the real answers, whatever the specification promises.
        ("cfAssistito", String::new()),
        ("provenienza", "0".to_owned()),
        ("lotto", lot),
        (
            "codAutenticazione",
            prescription.codice_autenticazione.clone(),
        ),
    ];
    let fields = fields
        .into_iter()
        .map(|(name, text)| Element::text(Ns::Types, name, text));
    Element::of(Ns::Types, "NreUtilRecord", fields.collect())
}

/// A prescription as the real system shows it: empty fields left out, the patient's code empty,
/// the doctor's name in `testata1`, sessions `0` even for drugs, bars for an empty address.
fn content(live: &Live, stored: &Stored) -> Vec<Element> {
    let doctor = find(live, &stored.public.doctor);
    let mut fields = Vec::new();
    for name in schema::invio_fields().filter(|name| !["pinCode", "nre"].contains(name)) {
        let text = match name {
            "testata1" => doctor.map(|d| {
                format!(
                    "COGNOME_MEDICO={};NOME_MEDICO={}",
                    d.family_name, d.given_name
                )
            }),
            "codiceAss" => Some(String::new()),
            "indirizzo" if stored.message.get(name).is_empty() => Some("|||".to_owned()),
            _ => Some(stored.message.get(name).to_owned()).filter(|text| !text.is_empty()),
        };
        fields.extend(text.map(|text| Element::text(Ns::Receipt, name, text)));
    }
    let rows = stored.message.rows().iter().map(|row| {
        let shown = schema::row_fields().filter_map(|name| match row.get(name) {
            "" if name == "numsedute" => Some(Element::text(Ns::Types, name, "0")),
            "" => None,
            text => Some(Element::text(Ns::Types, name, text)),
        });
        Element::of(Ns::Types, "DettaglioPrescrizione", shown.collect())
    });
    fields.push(Element::of(
        Ns::Receipt,
        "ElencoDettagliPrescrizioni",
        rows.collect(),
    ));
    let public = &stored.public;
    fields.push(Element::text(
        Ns::Receipt,
        "statoProcesso",
        public.state.to_string(),
    ));
    fields.push(Element::text(
        Ns::Receipt,
        "codAutenticazione",
        &public.codice_autenticazione,
    ));
    fields.push(Element::text(
        Ns::Receipt,
        "dataInserimento",
        &public.inserted_at,
    ));
    fields
}

fn unknown() -> Notice {
    Notice::blocking(
        "5005",
        "Numero Ricetta Elettronica non presente sul sistema",
        0,
    )
}

/// The real text speaks of a view also when it is a cancellation.
fn other_doctor() -> Notice {
    let text = "Visualizzazione non consentita - cf medico non valido, diverso da quello \
                associato NRE";
    Notice::blocking("1125", text, 0)
}

fn warnings(doctor: &str) -> Vec<Notice> {
    if has_right_check_letter(doctor) {
        return Vec::new();
    }
    let text = "Il check digit del Codice Fiscale del campo cfMedico risulta errato";
    vec![Notice::warning("1024", text)]
}

fn silence(code: &'static str) -> Element {
    wire::communications(&[(code, "Nessuna comunicazione.".to_owned())])
}
