//! Requests as lists of fields, so that a test can spoil exactly one.

use tests::certs::PIN_CODE;
use tests::upstreams::sac::operation::Operation;

use super::client::{DOCTOR, PATIENT, encrypted};

type Field = (String, String);

/// The content of a SOAP body.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) operation: Operation,
    pub(super) fields: Vec<Field>,
    pub(super) rows: Vec<Vec<Field>>,
}

fn fields(list: &[(&str, &str)]) -> Vec<Field> {
    list.iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}

fn set(fields: &mut [Field], name: &str, text: &str) {
    let field = fields.iter_mut().find(|(field, _)| field == name);
    field.unwrap_or_else(|| panic!("no field {name}")).1 = text.to_owned();
}

impl Body {
    /// The same with another text in one field.
    pub(super) fn with(mut self, name: &str, text: &str) -> Body {
        set(&mut self.fields, name, text);
        self
    }

    /// The same with another text in one field of the first row.
    pub(super) fn row(mut self, name: &str, text: &str) -> Body {
        set(&mut self.rows[0], name, text);
        self
    }

    /// The same with one more element at the end of the first row.
    pub(super) fn row_end(mut self, name: &str, text: &str) -> Body {
        self.rows[0].push((name.to_owned(), text.to_owned()));
        self
    }

    /// The same without one element.
    pub(super) fn without(mut self, name: &str) -> Body {
        self.fields.retain(|(field, _)| field != name);
        self
    }

    /// The same with its first row so many times.
    pub(super) fn times(mut self, count: usize) -> Body {
        self.rows = vec![self.rows[0].clone(); count];
        self
    }

    /// The message as XML.
    pub(super) fn xml(&self) -> String {
        let element = |prefix: &str, (name, text): &Field| {
            let text = text.replace('&', "&amp;").replace('<', "&lt;");
            format!("<{prefix}:{name}>{text}</{prefix}:{name}>")
        };
        let fields: String = self
            .fields
            .iter()
            .map(|field| element("r", field))
            .collect();
        let rows: String = self
            .rows
            .iter()
            .map(|row| {
                let row: String = row.iter().map(|field| element("t", field)).collect();
                format!("<t:DettaglioPrescrizione>{row}</t:DettaglioPrescrizione>")
            })
            .collect();
        let rows = if self.rows.is_empty() {
            String::new()
        } else {
            format!("<r:ElencoDettagliPrescrizioni>{rows}</r:ElencoDettagliPrescrizioni>")
        };
        let name = self.operation.request_name();
        format!(
            "<r:{name} xmlns:r=\"{}\" xmlns:t=\"{}\">{fields}{rows}</r:{name}>",
            self.operation.request_namespace(),
            self.operation.types_namespace()
        )
    }
}

/// A good prescription of a drug.
pub(super) fn drug(number: &str) -> Body {
    Body {
        operation: Operation::Invio,
        fields: header(number),
        rows: vec![fields(&[
            ("codProdPrest", ""),
            ("descrProdPrest", ""),
            ("codGruppoEquival", "G3B"),
            (
                "descrGruppoEquival",
                "LEVETIRACETAM 500MG 60 UNITA' USO ORALE",
            ),
            ("testoLibero", ""),
            ("descrTestoLiberoNote", ""),
            ("nonSost", ""),
            ("motivazNote", ""),
            ("codMotivazione", ""),
            ("notaProd", ""),
            ("quantita", "2"),
            ("prescrizione1", ""),
            ("prescrizione2", ""),
            ("codCatalogoPrescr", ""),
            ("tipoAccesso", ""),
        ])],
    }
}

/// A good prescription of a service.
pub(super) fn service(number: &str) -> Body {
    let body = drug(number)
        .with("tipoPrescrizione", "P")
        .with("descrizioneDiagnosi", "CONTROLLO")
        .with("classePriorita", "P");
    body.row("codGruppoEquival", "")
        .row("descrGruppoEquival", "")
        .row("codProdPrest", "99.97.2")
        .row("descrProdPrest", "PRESTAZIONE DI PROVA")
        .row("codCatalogoPrescr", "A099972")
        .row("quantita", "1")
}

fn header(number: &str) -> Vec<Field> {
    let rome = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::get("Europe/Rome").unwrap());
    let compiled = rome.strftime("%Y-%m-%d %H:%M:%S").to_string();
    fields(&[
        ("pinCode", &encrypted(PIN_CODE)),
        ("cfMedico1", DOCTOR),
        ("cfMedico2", ""),
        ("codRegione", "130"),
        ("codASLAo", "201"),
        ("codStruttura", ""),
        ("codSpecializzazione", "F"),
        ("testata1", ""),
        ("testata2", ""),
        ("nre", number),
        ("tipoRic", ""),
        ("codiceAss", &encrypted(PATIENT)),
        ("cognNome", "PINI MARIO"),
        ("indirizzo", "VIA ROMA, 1|67100|L'AQUILA|AQ"),
        ("oscuramDati", ""),
        ("numTessSasn", ""),
        ("socNavigaz", ""),
        ("tipoPrescrizione", "F"),
        ("ricettaInterna", ""),
        ("codEsenzione", ""),
        ("nonEsente", "1"),
        ("reddito", ""),
        ("codDiagnosi", ""),
        ("descrizioneDiagnosi", ""),
        ("dataCompilazione", &compiled),
        ("tipoVisita", "A"),
        ("dispReg", ""),
        ("provAssistito", "AQ"),
        ("aslAssistito", "201"),
        ("indicazionePrescr", ""),
        ("altro", ""),
        ("classePriorita", ""),
        ("statoEstero", ""),
        ("istituzCompetente", ""),
        ("numIdentPers", ""),
        ("numIdentTess", ""),
        ("dataNascitaEstero", ""),
        ("dataScadTessera", ""),
    ])
}

/// A view of a prescription.
pub(super) fn view(number: &str, doctor: &str) -> Body {
    by_number(Operation::Visualizza, number, doctor)
}

/// A cancellation of a prescription.
pub(super) fn cancel(number: &str, doctor: &str) -> Body {
    by_number(Operation::Annulla, number, doctor)
}

fn by_number(operation: Operation, number: &str, doctor: &str) -> Body {
    let list = [
        ("pinCode", &*encrypted(PIN_CODE)),
        ("nre", number),
        ("cfMedico", doctor),
    ];
    Body {
        operation,
        fields: fields(&list),
        rows: Vec::new(),
    }
}

/// A question about one number.
pub(super) fn used(number: &str, doctor: &str) -> Body {
    let list = [
        ("pinCode", &*encrypted(PIN_CODE)),
        ("codRegione", "130"),
        ("nre", number),
        ("cfMedico", doctor),
    ];
    Body {
        operation: Operation::Interroga,
        fields: fields(&list),
        rows: Vec::new(),
    }
}

/// A question about a period; no kind is not asked for.
pub(super) fn used_within(from: &str, until: &str, kind: Option<&str>) -> Body {
    let pin = encrypted(PIN_CODE);
    let mut list = vec![
        ("pinCode", pin.as_str()),
        ("codRegione", "130"),
        ("cfMedico", DOCTOR),
    ];
    list.extend(kind.map(|kind| ("tipoPrescr", kind)));
    list.push(("dataCompilazioneRicettaDal", from));
    list.push(("dataCompilazioneRicettaAl", until));
    Body {
        operation: Operation::Interroga,
        fields: fields(&list),
        rows: Vec::new(),
    }
}

/// A request for a lot.
pub(super) fn lot(kind: &str, doctor: Option<&str>) -> Body {
    let mut list = vec![("CodRegione", "130"), ("IdentificativoLotto", kind)];
    list.extend(doctor.map(|doctor| ("CFMedico", doctor)));
    Body {
        operation: Operation::Lotto,
        fields: fields(&list),
        rows: Vec::new(),
    }
}

/// A look-up of a person: whole for a doctor, reduced for an organisation in its own name.
pub(super) fn person(tax_code: &str, doctor: &str, organization: &str) -> Body {
    let extent = if doctor.is_empty() { "R" } else { "C" };
    let last = ("tipoRicerca", extent);
    looked_up(Operation::Ricerca, tax_code, doctor, organization, last)
}

/// A verification of a card.
pub(super) fn card(tax_code: &str, number: &str, doctor: &str, organization: &str) -> Body {
    let last = ("numeroTessera", number);
    looked_up(Operation::Tessera, tax_code, doctor, organization, last)
}

fn looked_up(
    operation: Operation,
    tax_code: &str,
    doctor: &str,
    organization: &str,
    last: (&str, &str),
) -> Body {
    let list = [
        ("pinCode", &*encrypted(PIN_CODE)),
        ("codRegione", "130"),
        ("cfMedico", doctor),
        ("strutturaRichiedente", organization),
        ("codiceFiscale", &encrypted(tax_code)),
        last,
    ];
    Body {
        operation,
        fields: fields(&list),
        rows: Vec::new(),
    }
}
