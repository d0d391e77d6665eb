//! The messages of the registry of assisted persons: a contract of our own.
//!
//! No schema of the national search is public. This one follows what is (S1 for the receipts, the
//! certificates' look-up of a worker for the encrypted code, the names of the tessera-sanitaria
//! services for the rest); its namespaces are in a domain that is nobody's. Where a region has
//! another, this module alone changes: what it gives and takes is in terms of `model`.
//!
//! # Invariants
//!
//! 1. The code of who is asked about leaves encrypted.
//! 2. What is read is whole: a field that is missing, twice there or not in its form is garbage.
//!
//! # Limits
//!
//! Those of `model::Person`.

use crate::model::{
    Assistance, Birth, CardFault, CardKind, CardNumber, Day, ExemptionCode, Exemptions,
    GrantedExemption, HealthCard, HealthUnit, ListedDoctor, Name, PatientCode, Period, Person,
    PlaceOfResidence, PrescriberCode, Province, Region, Sex,
};
use crate::sac::operations::Service;
use crate::sac::receipts::{Fields, Verdict, fields, verdict};
use crate::sac::soap::read::{Element, Garbage};
use crate::sac::soap::write::{Xml, envelope};

const REQ: &str = "req";

/// ricercaAssistito.
pub(in crate::sac) const RICERCA_SERVICE: Service = Service {
    path: "/AnagrafeAssistitiServicesWeb/services/ricercaAssistito",
    soap_action: "http://ricercaassistito.wsdl.anagrafe.example/RicercaAssistito",
    request: "http://ricercaassistitorichiesta.xsd.anagrafe.example",
    receipt: "http://ricercaassistitoricevuta.xsd.anagrafe.example",
    receipt_name: "RicercaAssistitoRicevuta",
};

/// verificaTessera.
pub(in crate::sac) const TESSERA_SERVICE: Service = Service {
    path: "/AnagrafeAssistitiServicesWeb/services/verificaTessera",
    soap_action: "http://verificatessera.wsdl.anagrafe.example/VerificaTessera",
    request: "http://verificatesserarichiesta.xsd.anagrafe.example",
    receipt: "http://verificatesseraricevuta.xsd.anagrafe.example",
    receipt_name: "VerificaTesseraRicevuta",
};

/// The registry has nobody under this code.
pub(super) const NOT_REGISTERED: &str = "6001";

/// In whose name the registry is asked.
#[derive(Clone, Copy)]
pub(super) enum Asker<'a> {
    /// A doctor's, whose assertion goes with it: a whole answer, about those of their competence.
    Doctor(&'a PrescriberCode),
    /// The organisation's own: a reduced answer.
    Organization,
}

/// What every request says.
pub(super) struct Question<'a> {
    /// The region's PIN, encrypted.
    pub(super) pin_code: &'a str,
    pub(super) region: &'a Region,
    pub(super) asker: Asker<'a>,
    /// The organisation that asks, also where it asks for a doctor.
    pub(super) organization: &'a str,
    /// The person's code, encrypted.
    pub(super) tax_code: &'a str,
}

/// RicercaAssistitoRichiesta.
pub(super) fn ricerca(question: &Question<'_>, security: Option<&str>) -> Vec<u8> {
    // A whole answer, or a reduced one ("ricerca ridotta assistito").
    let extent = match question.asker {
        Asker::Doctor(_) => "C",
        Asker::Organization => "R",
    };
    let request = (RICERCA_SERVICE.request, "RicercaAssistitoRichiesta");
    message(request, question, security, ("tipoRicerca", extent))
}

/// VerificaTesseraRichiesta.
pub(super) fn tessera(
    question: &Question<'_>,
    card: &CardNumber,
    security: Option<&str>,
) -> Vec<u8> {
    let request = (TESSERA_SERVICE.request, "VerificaTesseraRichiesta");
    message(
        request,
        question,
        security,
        ("numeroTessera", card.as_str()),
    )
}

fn message(
    (namespace, name): (&'static str, &str),
    question: &Question<'_>,
    security: Option<&str>,
    last: (&str, &str),
) -> Vec<u8> {
    let doctor = match question.asker {
        Asker::Doctor(code) => code.as_str(),
        Asker::Organization => "",
    };
    envelope(&[(REQ, namespace)], security, |xml: &mut Xml| {
        xml.open(REQ, name);
        for (name, value) in [
            ("pinCode", question.pin_code),
            ("codRegione", question.region.as_str()),
            ("cfMedico", doctor),
            ("strutturaRichiedente", question.organization),
            ("codiceFiscale", question.tax_code),
            last,
        ] {
            xml.field(REQ, name, value);
        }
        xml.close(REQ, name);
    })
}

/// What the registry says of a card, and of which.
pub(super) struct SeenCard {
    pub(super) tax_code: String,
    pub(super) number: String,
    pub(super) standing: CardStanding,
}

/// Whether a card holds.
pub(super) enum CardStanding {
    Valid(CardKind, Day),
    Invalid(CardFault),
}

/// Reads RicercaAssistitoRicevuta: nobody, where the verdict is not that somebody was found.
pub(super) fn read_person(message: &Element) -> Result<(Verdict, Option<Person>), Garbage> {
    let fields = fields(&RICERCA_SERVICE, message)?;
    let verdict = verdict(&fields, "codEsitoRichiesta")?;
    let person = fields.group("assistito")?;
    Ok((verdict, person.as_ref().map(assisted).transpose()?))
}

/// Reads VerificaTesseraRicevuta.
pub(super) fn read_card(message: &Element) -> Result<(Verdict, Option<SeenCard>), Garbage> {
    let fields = fields(&TESSERA_SERVICE, message)?;
    let verdict = verdict(&fields, "codEsitoRichiesta")?;
    let card = fields.group("tessera")?;
    Ok((verdict, card.as_ref().map(card_said).transpose()?))
}

fn assisted(fields: &Fields<'_>) -> Result<Person, Garbage> {
    let residence = match (
        optional(fields, "comuneResidenza", Name::new)?,
        optional(fields, "aslResidenza", HealthUnit::new)?,
    ) {
        (Some(municipality), Some(health_unit)) => Some(PlaceOfResidence {
            municipality,
            health_unit,
        }),
        (None, None) => None,
        _ => return Err(Garbage::Field),
    };
    let assistance = match (
        optional(fields, "regioneAssistenza", Region::new)?,
        optional(fields, "aslAssistenza", HealthUnit::new)?,
    ) {
        (Some(region), Some(health_unit)) => Some(Assistance {
            region,
            health_unit,
        }),
        (None, None) => None,
        _ => return Err(Garbage::Field),
    };
    let doctor = fields.group("medico")?;
    let card = fields.group("tesseraSanitaria")?;
    Ok(Person {
        tax_code: required(fields, "codiceFiscale", PatientCode::new)?,
        family_name: required(fields, "cognome", Name::new)?,
        given_name: required(fields, "nome", Name::new)?,
        sex: of_wire(Sex::ALL, Sex::wire, fields.text("sesso")?)?,
        birth: Birth {
            date: required(fields, "dataNascita", Day::new)?,
            municipality: required(fields, "comuneNascita", Name::new)?,
            province: required(fields, "provinciaNascita", Province::new)?,
        },
        residence,
        assistance,
        doctor: doctor.as_ref().map(listed_doctor).transpose()?,
        exemptions: exemptions(fields)?,
        health_card: card.as_ref().map(health_card).transpose()?,
        is_assisted: is_yes(fields, "assistitoSSN")?,
        died_on: optional(fields, "dataDecesso", Day::new)?,
    })
}

fn listed_doctor(fields: &Fields<'_>) -> Result<ListedDoctor, Garbage> {
    Ok(ListedDoctor {
        tax_code: required(fields, "codiceFiscale", PrescriberCode::new)?,
        family_name: required(fields, "cognome", Name::new)?,
        given_name: required(fields, "nome", Name::new)?,
        period: period(fields)?,
    })
}

fn health_card(fields: &Fields<'_>) -> Result<HealthCard, Garbage> {
    Ok(HealthCard {
        number: required(fields, "numero", CardNumber::new)?,
        expires_on: required(fields, "dataScadenza", Day::new)?,
    })
}

fn exemptions(fields: &Fields<'_>) -> Result<Exemptions, Garbage> {
    let mut granted = Vec::new();
    for exemption in fields.list("ElencoEsenzioni", "Esenzione")? {
        granted.push(GrantedExemption {
            code: required(&exemption, "codEsenzione", ExemptionCode::new)?,
            period: period(&exemption)?,
        });
    }
    Exemptions::new(granted).ok_or(Garbage::TooLarge)
}

fn card_said(fields: &Fields<'_>) -> Result<SeenCard, Garbage> {
    let standing = if is_yes(fields, "tesseraValida")? {
        CardStanding::Valid(
            of_wire(CardKind::ALL, CardKind::wire, fields.text("tipoTessera")?)?,
            required(fields, "dataScadenza", Day::new)?,
        )
    } else {
        CardStanding::Invalid(of_wire(
            CardFault::ALL,
            CardFault::wire,
            fields.text("motivo")?,
        )?)
    };
    Ok(SeenCard {
        tax_code: fields.owned("codiceFiscale")?.ok_or(Garbage::Field)?,
        number: fields.owned("numeroTessera")?.ok_or(Garbage::Field)?,
        standing,
    })
}

fn period(fields: &Fields<'_>) -> Result<Period, Garbage> {
    let from = required(fields, "dataInizio", Day::new)?;
    Period::new(from, optional(fields, "dataFine", Day::new)?).ok_or(Garbage::Field)
}

fn required<'a, T, E>(
    fields: &Fields<'a>,
    name: &str,
    read: impl FnOnce(&'a str) -> Result<T, E>,
) -> Result<T, Garbage> {
    optional(fields, name, read)?.ok_or(Garbage::Field)
}

fn optional<'a, T, E>(
    fields: &Fields<'a>,
    name: &str,
    read: impl FnOnce(&'a str) -> Result<T, E>,
) -> Result<Option<T>, Garbage> {
    let text = fields.text(name)?;
    text.map(read).transpose().map_err(|_| Garbage::Field)
}

fn is_yes(fields: &Fields<'_>, name: &str) -> Result<bool, Garbage> {
    match fields.text(name)? {
        Some("SI") => Ok(true),
        Some("NO") => Ok(false),
        _ => Err(Garbage::Field),
    }
}

/// The value that the wire writes so.
fn of_wire<T: Copy>(
    all: &[T],
    wire: impl Fn(T) -> &'static str,
    text: Option<&str>,
) -> Result<T, Garbage> {
    let mut all = all.iter().copied();
    all.find(|value| Some(wire(*value)) == text)
        .ok_or(Garbage::Field)
}
