//! What the SAC checks in a prescription before it takes it (specification §4.2.1).
//!
//! All that is wrong is said at once, as the real one does. Codes that are public are the real
//! ones; what is published only as a rule has a code of [`unpublished`].
//!
//! # Not here
//!
//! The schema; the number (which needs the book); and rules over registers that are not ours to
//! ship: the whole nomenclature, the list of drugs, exemptions. A service that is not in
//! [`rows::CYCLES`] is taken for an ordinary one.

pub mod rows;
pub mod unpublished;

use jiff::Zoned;
use jiff::civil::DateTime;

use super::saml::Asserted;
use super::schema::Message;
use super::settings::{Doctor, Live};
use super::tax_code::{has_right_check_letter, is_patient_code, is_stp_eni};
use super::wire::Notice;

/// Foreign insured persons: identified by the foreign block, never by `codiceAss`.
const FOREIGN: [&str; 4] = ["EE", "UE", "NE", "NX"];
/// Assisted by SASN.
const SEAFARERS: [&str; 2] = ["NA", "ND"];
/// Foreigners temporarily present: STP and ENI codes.
const PRESENT: &str = "ST";

/// One prescription under examination.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The region that calls.
    pub region: &'a str,
    /// The present settings.
    pub live: &'a Live,
    /// Who the assertion says the doctor is.
    pub asserted: &'a Asserted,
    /// The request.
    pub message: &'a Message,
    /// The patient's code; none if it was not encrypted for SanitelCF.
    pub patient: Option<&'a str>,
    /// Now, in Rome.
    pub now: &'a Zoned,
}

impl Case<'_> {
    fn get(&self, name: &str) -> &str {
        self.message.get(name)
    }
}

/// Everything wrong with the prescription, its number aside.
pub fn examine(case: Case<'_>) -> Vec<Notice> {
    let mut notices = Vec::new();
    position(case, &mut notices);
    patient(case, &mut notices);
    header(case, &mut notices);
    diagnosis(case, &mut notices);
    rows::examine(case, &mut notices);
    if !has_right_check_letter(case.get("cfMedico1")) {
        notices.push(Notice::warning(
            "1024",
            "Il check digit del Codice Fiscale del campo cfMedico1 risulta errato",
        ));
    }
    notices
}

/// The titular's contract, and whether a substitute is who sends (§4.2.1, note (**)).
fn position(case: Case<'_>, notices: &mut Vec<Notice>) {
    let doctor = find(case.live, case.get("cfMedico1"));
    let held = doctor
        .and_then(|doctor| doctor.position.as_ref())
        .is_some_and(|position| {
            position.region == case.region
                && position.region == case.get("codRegione")
                && position.health_unit == case.get("codASLAo")
                && position.structure == case.get("codStruttura")
                && position.speciality == case.get("codSpecializzazione")
        });
    if !held {
        notices.push(Notice::blocking("1020", "Codice Asl medico non valido", 0));
    }
    let substitute = case.get("cfMedico2");
    if !substitute.is_empty()
        && (substitute != case.asserted.subject || find(case.live, substitute).is_none())
    {
        notices.push(Notice::blocking(
            "1212",
            "Il campo cfMedico2 deve coincidere con il CF dell'utente inviante",
            0,
        ));
    }
}

/// The doctor with this code.
pub fn find<'a>(live: &'a Live, tax_code: &str) -> Option<&'a Doctor> {
    live.doctors
        .iter()
        .find(|doctor| doctor.tax_code == tax_code)
}

fn patient(case: Case<'_>, notices: &mut Vec<Notice>) {
    let kind = case.get("tipoRic");
    if case.get("codiceAss").is_empty() {
        if !FOREIGN.contains(&kind) {
            notices.push(malformed_patient());
        }
    } else if FOREIGN.contains(&kind) {
        notices.push(unpublished::PATIENT_KIND.notice(0));
    } else {
        match case.patient {
            Some(code) if is_patient_code(code) => {
                if is_stp_eni(code) != (kind == PRESENT) {
                    notices.push(unpublished::PATIENT_KIND.notice(0));
                }
            }
            _ => notices.push(malformed_patient()),
        }
    }
    let block = [
        "statoEstero",
        "istituzCompetente",
        "numIdentPers",
        "dataNascitaEstero",
    ];
    if FOREIGN.contains(&kind) && block.iter().any(|field| case.get(field).is_empty()) {
        notices.push(unpublished::FOREIGN_BLOCK.notice(0));
    }
    let dates = ["dataNascitaEstero", "dataScadTessera"];
    if dates.iter().any(|field| !is_date_or_empty(case.get(field))) {
        notices.push(unpublished::FOREIGN_BLOCK.notice(0));
    }
    let seafarer = ["numTessSasn", "socNavigaz"];
    if SEAFARERS.contains(&kind) && seafarer.iter().any(|field| case.get(field).is_empty()) {
        notices.push(unpublished::SASN.notice(0));
    }
}

fn malformed_patient() -> Notice {
    Notice::blocking("1036", "Codice fiscale o STP o ENI formalmente errato", 0)
}

fn header(case: Case<'_>, notices: &mut Vec<Notice>) {
    let allowed: [(&str, &[&str]); 11] = [
        (
            "tipoRic",
            &["", "EE", "UE", "NA", "ND", "NE", "NX", PRESENT],
        ),
        ("tipoPrescrizione", &["F", "P"]),
        ("tipoVisita", &["A", "D"]),
        ("indicazionePrescr", &["", "S", "H"]),
        ("altro", &["", "A"]),
        ("classePriorita", &["", "U", "B", "D", "P"]),
        ("oscuramDati", &["", "1"]),
        ("ricettaInterna", &["", "1"]),
        ("nonEsente", &["", "1"]),
        ("reddito", &["", "1"]),
        // Internal prescriptions are for services (§4.2.1, ricettaInterna).
        (
            "ricettaInterna",
            if case.get("tipoPrescrizione") == "F" {
                &[""]
            } else {
                &["", "1"]
            },
        ),
    ];
    for (field, values) in allowed {
        if !values.contains(&case.get(field)) {
            notices.push(unpublished::VALUE.about(field, 0));
        }
    }
    if case.get("provAssistito").is_empty() != case.get("aslAssistito").is_empty() {
        notices.push(unpublished::RESIDENCE.notice(0));
    }
    let plan = case.get("testata1");
    if plan.starts_with("PT=") && !plan.ends_with(';') {
        notices.push(unpublished::VALUE.about("testata1", 0));
    }
    let compiled = parse_instant(case.get("dataCompilazione"));
    if compiled.is_none_or(|compiled| compiled > case.now.datetime()) {
        notices.push(unpublished::COMPILED_AT.notice(0));
    }
}

fn diagnosis(case: Case<'_>, notices: &mut Vec<Notice>) {
    let absent = ["codDiagnosi", "descrizioneDiagnosi"]
        .iter()
        .all(|f| case.get(f).is_empty());
    if case.get("tipoPrescrizione") == "P" && absent {
        notices.push(Notice::blocking(
            "1233",
            "Indicare obbligatoriamente la diagnosi/quesito diagnostico in maniera testuale o \
             tramite uno specifico codice",
            0,
        ));
    }
}

/// `aaaa-mm-gg HH:MM:SS`, and nothing else that a lenient reader would take.
pub fn parse_instant(text: &str) -> Option<DateTime> {
    let instant = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    (instant.strftime("%Y-%m-%d %H:%M:%S").to_string() == text).then_some(instant)
}

fn is_date_or_empty(text: &str) -> bool {
    text.is_empty() || text.len() == 10 && jiff::civil::Date::strptime("%Y-%m-%d", text).is_ok()
}
