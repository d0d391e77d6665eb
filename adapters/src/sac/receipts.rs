//! The answers, from a tree to typed fields: what the SAC said, without judging it.
//!
//! # Invariants
//!
//! 1. The receipt is the operation's own, by expanded name; its fields are in its namespace and those
//!    of its lists in the common one. Anything else is garbage, and so is a field that occurs twice.
//! 2. An unknown field of the right namespace is passed over: newer kits add some.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::operations::{Service, TYPES};
use super::receipt::Notice;
use super::soap::read::{Element, Garbage};

/// Length of a codAutenticazione: date and time to the millisecond, then a progressive number.
const AUTHENTICATION_DIGITS: usize = 30;

/// How a problem weighs (tipoErrore).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// `Bloccante` on the wire, `E` in the specification.
    Blocking,
    /// `Avviso` on the wire, `W` in the specification.
    Warning,
    /// Absent, or neither.
    Unsaid,
}

/// One ErroreRicetta.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) weight: Weight,
    pub(super) notice: Notice,
}

/// What every receipt of a prescription service says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The outcome code, four digits.
    pub(super) code: String,
    /// Without those that say "all is well".
    pub(super) problems: Vec<Problem>,
    pub(super) communications: Vec<Notice>,
}

/// InvioPrescrittoRicevuta.
#[derive(Debug)]
pub(super) struct Invio {
    pub(super) verdict: Verdict,
    pub(super) nre: Option<String>,
    pub(super) authentication: Option<String>,
    pub(super) registered_at: Option<String>,
    /// The promemoria. One that does not decode is no reason to doubt the registration.
    pub(super) document: Option<Vec<u8>>,
}

/// AnnullaPrescrittoRicevuta.
#[derive(Debug)]
pub(super) struct Annulla {
    pub(super) verdict: Verdict,
    pub(super) nre: Option<String>,
}

/// VisualizzaPrescrittoRicevuta: what is compared with our own.
#[derive(Debug)]
pub(super) struct Visualizza {
    pub(super) verdict: Verdict,
    pub(super) nre: Option<String>,
    pub(super) prescriber: Option<String>,
    pub(super) substitute: Option<String>,
    pub(super) patient_code: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) compiled_at: Option<String>,
    pub(super) rows: Vec<SeenRow>,
    pub(super) state: Option<String>,
    pub(super) authentication: Option<String>,
    pub(super) registered_at: Option<String>,
}

/// A row as it came back.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SeenRow {
    pub(super) code: Option<String>,
    pub(super) group: Option<String>,
    pub(super) quantity: Option<String>,
}

/// InterrogaNreUtilRicevuta.
#[derive(Debug)]
pub(super) struct Interroga {
    pub(super) verdict: Verdict,
    pub(super) records: Vec<NreRecord>,
}

/// One NreUtilRecord.
#[derive(Debug)]
pub(super) struct NreRecord {
    pub(super) nre: Option<String>,
    pub(super) prescriber: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) compiled_at: Option<String>,
    pub(super) patient_code: Option<String>,
    pub(super) authentication: Option<String>,
}

/// LottoRicevutaNRE.
#[derive(Debug)]
pub(super) struct Lotto {
    pub(super) outcome: Notice,
    pub(super) region: Option<String>,
    pub(super) group: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) lot: Option<String>,
}

/// A message whose children are fields of one namespace, each at most once.
pub(super) struct Fields<'a>(&'a Element);

impl<'a> Fields<'a> {
    fn of(element: &'a Element) -> Result<Self, Garbage> {
        for (index, child) in element.children.iter().enumerate() {
            if child.namespace != element.namespace {
                return Err(Garbage::Foreign);
            }
            if element.children[..index]
                .iter()
                .any(|other| other.name == child.name)
            {
                return Err(Garbage::Duplicate);
            }
        }
        Ok(Fields(element))
    }

    fn child(&self, name: &str) -> Option<&'a Element> {
        self.0.children.iter().find(|child| child.name == name)
    }

    /// A group of fields in the same namespace.
    pub(super) fn group(&self, name: &str) -> Result<Option<Fields<'a>>, Garbage> {
        self.child(name).map(Fields::of).transpose()
    }

    /// A scalar; an empty one counts as absent.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, Garbage> {
        let Some(child) = self.child(name) else {
            return Ok(None);
        };
        let text = child.text()?;
        Ok((!text.is_empty()).then_some(text))
    }

    pub(super) fn owned(&self, name: &str) -> Result<Option<String>, Garbage> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// The authentication code. One of another form is not one that makes a prescription valid.
    fn authentication(&self) -> Result<Option<String>, Garbage> {
        match self.text("codAutenticazione")? {
            None => Ok(None),
            Some(_) => self
                .digits("codAutenticazione", AUTHENTICATION_DIGITS)
                .map(Some),
        }
    }

    /// The items of a list, all of one name in the namespace of the common types.
    pub(super) fn list(&self, list: &str, item: &str) -> Result<Vec<Fields<'a>>, Garbage> {
        let Some(list) = self.child(list) else {
            return Ok(Vec::new());
        };
        list.children
            .iter()
            .map(|child| {
                if child.is(TYPES, item) {
                    Fields::of(child)
                } else {
                    Err(Garbage::Foreign)
                }
            })
            .collect()
    }

    /// `name` as `length` digits.
    fn digits(&self, name: &str, length: usize) -> Result<String, Garbage> {
        let text = self.text(name)?.ok_or(Garbage::Field)?;
        if text.len() != length || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(Garbage::Field);
        }
        Ok(text.to_owned())
    }
}

/// The fields of the receipt of `service`.
pub(super) fn fields<'a>(service: &Service, message: &'a Element) -> Result<Fields<'a>, Garbage> {
    if !message.is(service.receipt, service.receipt_name) {
        return Err(Garbage::Receipt);
    }
    Fields::of(message)
}

/// What the receipt says, its outcome being in the field `code`.
pub(super) fn verdict(fields: &Fields<'_>, code: &str) -> Result<Verdict, Garbage> {
    let mut problems = Vec::new();
    for error in fields.list("ElencoErroriRicette", "ErroreRicetta")? {
        let code = error.digits("codEsito", 4)?;
        if code == "0000" {
            // "Operazione eseguita correttamente" comes in the list of errors too (S1 §4.2.1).
            continue;
        }
        let weight = match error.text("tipoErrore")? {
            Some("Bloccante" | "E") => Weight::Blocking,
            Some("Avviso" | "W") => Weight::Warning,
            _ => Weight::Unsaid,
        };
        let text = error.owned("esito")?.unwrap_or_default();
        let row = error
            .text("progPresc")?
            .and_then(|row| row.parse().ok())
            .unwrap_or(0);
        problems.push(Problem {
            weight,
            notice: Notice::cut(code, text, row),
        });
    }
    let mut communications = Vec::new();
    for said in fields.list("ElencoComunicazioni", "Comunicazione")? {
        let code = said.owned("codice")?.unwrap_or_default();
        let text = said.owned("messaggio")?.unwrap_or_default();
        communications.push(Notice::cut(code, text, 0));
    }
    Ok(Verdict {
        code: fields.digits(code, 4)?,
        problems,
        communications,
    })
}

/// Reads InvioPrescrittoRicevuta.
pub(super) fn invio(message: &Element) -> Result<Invio, Garbage> {
    let fields = fields(&super::operations::INVIO_SERVICE, message)?;
    let has_document = fields.text("flagPromemoria")? == Some("0");
    let document = fields.text("pdfPromemoria")?.filter(|_| has_document);
    Ok(Invio {
        verdict: verdict(&fields, "codEsitoInserimento")?,
        nre: fields.owned("nre")?,
        authentication: fields.authentication()?,
        registered_at: fields.owned("dataInserimento")?,
        document: document
            .and_then(base64_lines)
            .filter(|document| !document.is_empty()),
    })
}

/// Base64 that may be broken into lines, as RFC 1521 has it.
fn base64_lines(text: &str) -> Option<Vec<u8>> {
    let compact: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    STANDARD.decode(compact).ok()
}

/// Reads AnnullaPrescrittoRicevuta.
pub(super) fn annulla(message: &Element) -> Result<Annulla, Garbage> {
    let fields = fields(&super::operations::ANNULLA_SERVICE, message)?;
    Ok(Annulla {
        verdict: verdict(&fields, "codEsitoAnnullamento")?,
        nre: fields.owned("nre")?,
    })
}

/// Reads VisualizzaPrescrittoRicevuta.
pub(super) fn visualizza(message: &Element) -> Result<Visualizza, Garbage> {
    let fields = fields(&super::operations::VISUALIZZA_SERVICE, message)?;
    let mut rows = Vec::new();
    for row in fields.list("ElencoDettagliPrescrizioni", "DettaglioPrescrizione")? {
        rows.push(SeenRow {
            code: row.owned("codProdPrest")?,
            group: row.owned("codGruppoEquival")?,
            quantity: row.owned("quantita")?,
        });
    }
    Ok(Visualizza {
        verdict: verdict(&fields, "codEsitoVisualizzazione")?,
        nre: fields.owned("nre")?,
        prescriber: fields.owned("cfMedico1")?,
        substitute: fields.owned("cfMedico2")?,
        patient_code: fields.owned("codiceAss")?,
        kind: fields.owned("tipoPrescrizione")?,
        compiled_at: fields.owned("dataCompilazione")?,
        rows,
        state: fields.owned("statoProcesso")?,
        authentication: fields.authentication()?,
        registered_at: fields.owned("dataInserimento")?,
    })
}

/// Reads InterrogaNreUtilRicevuta.
pub(super) fn interroga(message: &Element) -> Result<Interroga, Garbage> {
    let fields = fields(&super::operations::INTERROGA_SERVICE, message)?;
    let mut records = Vec::new();
    for record in fields.list("ElencoNreUtilRecord", "NreUtilRecord")? {
        records.push(NreRecord {
            nre: record.owned("nre")?,
            prescriber: record.owned("cfMedico")?,
            kind: record.owned("tipoPrescrizione")?,
            compiled_at: record.owned("dataCompilazioneRicetta")?,
            patient_code: record.owned("cfAssistito")?,
            authentication: record.authentication()?,
        });
    }
    Ok(Interroga {
        verdict: verdict(&fields, "codEsitoInterrogaNreUtilizzati")?,
        records,
    })
}

/// Reads LottoRicevutaNRE.
pub(super) fn lotto(message: &Element) -> Result<Lotto, Garbage> {
    let fields = fields(&super::operations::LOTTO_SERVICE, message)?;
    let code = fields.digits("CodEsito", 2)?;
    let text = fields.owned("Esito")?.unwrap_or_default();
    Ok(Lotto {
        outcome: Notice::cut(code, text, 0),
        region: fields.owned("CodRegione")?,
        group: fields.owned("CodRagLotto")?,
        kind: fields.owned("IdentificativoLotto")?,
        lot: fields.owned("CodLotto")?,
    })
}
