//! The fields of each request, in the order of its XSD.
//!
//! Written out rather than read from the kit, which is not ours to ship; a test compares them with
//! the kit where it is at hand.

use super::{Facet, Field, Kind, Operation};

/// The fields of the request of `operation`.
pub(super) fn of(operation: Operation) -> &'static [Field] {
    match operation {
        Operation::Invio => INVIO,
        // The two messages have the same content.
        Operation::Visualizza | Operation::Annulla => BY_NUMBER,
        Operation::Interroga => INTERROGA,
        Operation::Lotto => LOTTO,
        Operation::Ricerca => RICERCA,
        Operation::Tessera => TESSERA,
    }
}

const fn must(name: &'static str, type_name: &'static str, facet: Facet) -> Field {
    Field {
        name,
        mandatory: true,
        kind: Kind::Simple(type_name, facet),
    }
}

const fn may(name: &'static str, type_name: &'static str, facet: Facet) -> Field {
    Field {
        name,
        mandatory: false,
        kind: Kind::Simple(type_name, facet),
    }
}

/// InvioPrescrittoRichiesta with `TipiDati.xsd`.
const INVIO: &[Field] = &[
    must("pinCode", "stringType", Facet::Any),
    must("cfMedico1", "cfMedicoType", Facet::Length(0, 16)),
    may("cfMedico2", "cfMedicoType", Facet::Length(0, 16)),
    must("codRegione", "codRegioneType", Facet::Length(3, 3)),
    must("codASLAo", "stringType", Facet::Any),
    may("codStruttura", "stringType", Facet::Any),
    must(
        "codSpecializzazione",
        "codSpecializzazioneType",
        Facet::Length(1, 1),
    ),
    may("testata1", "stringType", Facet::Any),
    may("testata2", "stringType", Facet::Any),
    may("nre", "nreType", Facet::Length(0, 15)),
    may("tipoRic", "tipoRicettaType", Facet::Length(0, 2)),
    may("codiceAss", "stringType", Facet::Any),
    may("cognNome", "stringType", Facet::Any),
    may("indirizzo", "stringType", Facet::Any),
    may("oscuramDati", "stringType", Facet::Any),
    may("numTessSasn", "stringType", Facet::Any),
    may("socNavigaz", "stringType", Facet::Any),
    must("tipoPrescrizione", "tipoPrescType", Facet::Length(1, 1)),
    may("ricettaInterna", "stringType", Facet::Any),
    may("codEsenzione", "stringType", Facet::Any),
    may("nonEsente", "stringType", Facet::Any),
    may("reddito", "stringType", Facet::Any),
    may("codDiagnosi", "stringType", Facet::Any),
    may("descrizioneDiagnosi", "stringType", Facet::Any),
    must("dataCompilazione", "dataOraType", Facet::Length(0, 19)),
    must("tipoVisita", "tipoVisitaType", Facet::Length(1, 1)),
    may("dispReg", "stringType", Facet::Any),
    may("provAssistito", "stringType", Facet::Any),
    may("aslAssistito", "stringType", Facet::Any),
    may("indicazionePrescr", "indicPrescType", Facet::Length(0, 1)),
    may("altro", "indicPrescType", Facet::Length(0, 1)),
    may("classePriorita", "prioritaType", Facet::Length(0, 1)),
    may("statoEstero", "stringType", Facet::Any),
    may("istituzCompetente", "stringType", Facet::Any),
    may("numIdentPers", "stringType", Facet::Any),
    may("numIdentTess", "stringType", Facet::Any),
    may("dataNascitaEstero", "dataOraType", Facet::Length(0, 19)),
    may("dataScadTessera", "dataOraType", Facet::Length(0, 19)),
    Field {
        name: "ElencoDettagliPrescrizioni",
        mandatory: true,
        kind: Kind::Rows {
            row: "DettaglioPrescrizione",
            fields: ROW,
        },
    },
];

/// `dettaglioPrescrizioneType` of `TipiDati.xsd`.
const ROW: &[Field] = &[
    may("codProdPrest", "stringType", Facet::Any),
    may("descrProdPrest", "stringType", Facet::Any),
    may("codGruppoEquival", "stringType", Facet::Any),
    may("descrGruppoEquival", "stringType", Facet::Any),
    may("testoLibero", "stringType", Facet::Any),
    may("descrTestoLiberoNote", "stringType", Facet::Any),
    may("nonSost", "stringType", Facet::Any),
    may("motivazNote", "stringType", Facet::Any),
    may("codMotivazione", "stringType", Facet::Any),
    may("notaProd", "stringType", Facet::Any),
    must("quantita", "integerType", Facet::Digits(1)),
    may("prescrizione1", "stringType", Facet::Any),
    may("prescrizione2", "stringType", Facet::Any),
    may("codCatalogoPrescr", "stringType", Facet::Any),
    may("tipoAccesso", "string1Type", Facet::Length(0, 1)),
    may("numeroNota", "maxString10", Facet::Length(0, 10)),
    may("condErogabilita", "maxString10", Facet::Length(0, 10)),
    may("approprPrescrittiva", "maxString10", Facet::Length(0, 10)),
    may("patologia", "maxString10", Facet::Length(0, 10)),
    may("numsedute", "integerType", Facet::Digits(1)),
];

/// VisualizzaPrescrittoRichiesta and AnnullaPrescrittoRichiesta with `TipiDati.xsd`.
const BY_NUMBER: &[Field] = &[
    must("pinCode", "stringType", Facet::Any),
    must("nre", "nreType", Facet::Length(0, 15)),
    must("cfMedico", "cfMedicoType", Facet::Length(0, 16)),
];

/// InterrogaNreUtilRichiesta with `TipiDatiInterrogaNreUtilizzati.xsd`: its dates are 19 characters, never empty.
const INTERROGA: &[Field] = &[
    must("pinCode", "stringType", Facet::Any),
    must("codRegione", "codRegioneType", Facet::Length(3, 3)),
    may("nre", "nreType", Facet::Length(0, 15)),
    may("codLotto", "codLottoType", Facet::Length(1, 13)),
    must("cfMedico", "cfMedicoType", Facet::Length(0, 16)),
    may("cfAssistito", "cfMedicoType", Facet::Length(0, 16)),
    may("tipoPrescr", "tipoPrescType", Facet::Length(1, 1)),
    may(
        "dataCompilazioneRicettaDal",
        "dataOraType",
        Facet::Length(19, 19),
    ),
    may(
        "dataCompilazioneRicettaAl",
        "dataOraType",
        Facet::Length(19, 19),
    ),
];

/// LottoRichiestaNRE with `TipiDatiNRE.xsd`.
const LOTTO: &[Field] = &[
    must("CodRegione", "CodRegioneType", Facet::Length(3, 3)),
    must("IdentificativoLotto", "integer1", Facet::Digits(1)),
    may("CFMedico", "CFMedicoType", Facet::Length(0, 16)),
];

/// RicercaAssistitoRichiesta. The registry's schema is not public: this is the contract of our own,
/// as `adapters/README.md` has it.
const RICERCA: &[Field] = &[
    must("pinCode", "stringType", Facet::Any),
    must("codRegione", "codRegioneType", Facet::Length(3, 3)),
    must("cfMedico", "cfMedicoType", Facet::Length(0, 16)),
    must(
        "strutturaRichiedente",
        "strutturaType",
        Facet::Length(1, 64),
    ),
    must("codiceFiscale", "cifratoType", Facet::Length(1, 200)),
    must("tipoRicerca", "tipoRicercaType", Facet::Length(1, 1)),
];

/// VerificaTesseraRichiesta, likewise.
const TESSERA: &[Field] = &[
    must("pinCode", "stringType", Facet::Any),
    must("codRegione", "codRegioneType", Facet::Length(3, 3)),
    must("cfMedico", "cfMedicoType", Facet::Length(0, 16)),
    must(
        "strutturaRichiedente",
        "strutturaType",
        Facet::Length(1, 64),
    ),
    must("codiceFiscale", "cifratoType", Facet::Length(1, 200)),
    must("numeroTessera", "numeroTesseraType", Facet::Digits(20)),
];
