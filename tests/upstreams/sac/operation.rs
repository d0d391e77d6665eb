//! The operations: where they live, what they are called, in which namespaces they speak.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Types common to every DEM message.
pub const DEM_TYPES: &str = "http://tipodati.xsd.dem.sanita.finanze.it";
/// Types common to the messages on lots of numbers.
pub const LOT_TYPES: &str = "http://tipodati.xsd.nre.mirsac.sanita.finanze.it";

/// One operation of the SAC (sac.md §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// `demInvioPrescritto`.
    Invio,
    /// `demVisualizzaPrescritto`.
    Visualizza,
    /// `demAnnullaPrescritto`.
    Annulla,
    /// `demInterrogaNreUtilizzati`.
    Interroga,
    /// `richiestaLotto`.
    Lotto,
    /// `ricercaAssistito`, of the registry of assisted persons.
    Ricerca,
    /// `verificaTessera`, of the same.
    Tessera,
}

/// The hosts that the services live on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Host {
    /// That of prescriptions.
    Prescriptions,
    /// That of lots.
    Lots,
    /// That of assisted persons.
    Registry,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 7] = [
        Operation::Invio,
        Operation::Visualizza,
        Operation::Annulla,
        Operation::Interroga,
        Operation::Lotto,
        Operation::Ricerca,
        Operation::Tessera,
    ];

    /// Where its service lives.
    pub fn host(self) -> Host {
        match self {
            Operation::Lotto => Host::Lots,
            Operation::Ricerca | Operation::Tessera => Host::Registry,
            _ => Host::Prescriptions,
        }
    }

    /// The path of its endpoint.
    pub fn path(self) -> &'static str {
        match self {
            Operation::Invio => "/DemRicettaPrescrittoServicesWeb/services/demInvioPrescritto",
            Operation::Visualizza => {
                "/DemRicettaPrescrittoServicesWeb/services/demVisualizzaPrescritto"
            }
            Operation::Annulla => "/DemRicettaPrescrittoServicesWeb/services/demAnnullaPrescritto",
            Operation::Interroga => {
                "/DemRicettaInterrogazioniServicesWeb/services/demInterrogaNreUtilizzati"
            }
            Operation::Lotto => "/ricettaElettronicaServicesWeb/services/nreRichiestaLottoPort",
            Operation::Ricerca => "/AnagrafeAssistitiServicesWeb/services/ricercaAssistito",
            Operation::Tessera => "/AnagrafeAssistitiServicesWeb/services/verificaTessera",
        }
    }

    /// The operation whose endpoint this is.
    pub fn at(path: &str) -> Option<Operation> {
        Operation::ALL
            .into_iter()
            .find(|operation| operation.path() == path)
    }

    /// Its SOAPAction, without the quotation marks that must surround it on the wire.
    pub fn action(self) -> &'static str {
        match self {
            Operation::Invio => "http://invioprescritto.wsdl.dem.sanita.finanze.it/InvioPrescritto",
            Operation::Visualizza => {
                "http://visualizzaprescritto.wsdl.dem.sanita.finanze.it/VisualizzaPrescritto"
            }
            Operation::Annulla => {
                "http://annullaprescritto.wsdl.dem.sanita.finanze.it/AnnullaPrescritto"
            }
            // The kit says "associati" here; it is not a slip of ours.
            Operation::Interroga => {
                "http://interroganreassociati.wsdl.dem.sanita.finanze.it/InterrogaNreUtilizzati"
            }
            Operation::Lotto => {
                "http://lottorichiesta.wsdl.nre.mirsac.sanita.finanze.it/LottoRichiesta"
            }
            Operation::Ricerca => "http://ricercaassistito.wsdl.anagrafe.example/RicercaAssistito",
            Operation::Tessera => "http://verificatessera.wsdl.anagrafe.example/VerificaTessera",
        }
    }

    /// The local name of the message that asks.
    pub fn request_name(self) -> &'static str {
        match self {
            Operation::Invio => "InvioPrescrittoRichiesta",
            Operation::Visualizza => "VisualizzaPrescrittoRichiesta",
            Operation::Annulla => "AnnullaPrescrittoRichiesta",
            Operation::Interroga => "InterrogaNreUtilRichiesta",
            Operation::Lotto => "LottoRichiestaNRE",
            Operation::Ricerca => "RicercaAssistitoRichiesta",
            Operation::Tessera => "VerificaTesseraRichiesta",
        }
    }

    /// The namespace of the message that asks.
    pub fn request_namespace(self) -> &'static str {
        match self {
            Operation::Invio => "http://invioprescrittorichiesta.xsd.dem.sanita.finanze.it",
            Operation::Visualizza => {
                "http://visualizzaprescrittorichiesta.xsd.dem.sanita.finanze.it"
            }
            Operation::Annulla => "http://annullaprescrittorichiesta.xsd.dem.sanita.finanze.it",
            Operation::Interroga => "http://interroganreutilrichiesta.xsd.dem.sanita.finanze.it",
            Operation::Lotto => "http://lottorichiesta.xsd.nre.mirsac.sanita.finanze.it",
            Operation::Ricerca => "http://ricercaassistitorichiesta.xsd.anagrafe.example",
            Operation::Tessera => "http://verificatesserarichiesta.xsd.anagrafe.example",
        }
    }

    /// The local name of the message that answers.
    pub fn receipt_name(self) -> &'static str {
        match self {
            Operation::Invio => "InvioPrescrittoRicevuta",
            Operation::Visualizza => "VisualizzaPrescrittoRicevuta",
            Operation::Annulla => "AnnullaPrescrittoRicevuta",
            Operation::Interroga => "InterrogaNreUtilRicevuta",
            Operation::Lotto => "LottoRicevutaNRE",
            Operation::Ricerca => "RicercaAssistitoRicevuta",
            Operation::Tessera => "VerificaTesseraRicevuta",
        }
    }

    /// The namespace of the message that answers.
    pub fn receipt_namespace(self) -> &'static str {
        match self {
            Operation::Invio => "http://invioprescrittoricevuta.xsd.dem.sanita.finanze.it",
            Operation::Visualizza => {
                "http://visualizzaprescrittoricevuta.xsd.dem.sanita.finanze.it"
            }
            Operation::Annulla => "http://annullaprescrittoricevuta.xsd.dem.sanita.finanze.it",
            Operation::Interroga => "http://interroganreutilricevuta.xsd.dem.sanita.finanze.it",
            Operation::Lotto => "http://lottoricevuta.xsd.nre.mirsac.sanita.finanze.it",
            Operation::Ricerca => "http://ricercaassistitoricevuta.xsd.anagrafe.example",
            Operation::Tessera => "http://verificatesseraricevuta.xsd.anagrafe.example",
        }
    }

    /// The namespace of the types that both messages share.
    pub fn types_namespace(self) -> &'static str {
        if self == Operation::Lotto {
            LOT_TYPES
        } else {
            DEM_TYPES
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operation::Invio => "invio",
            Operation::Visualizza => "visualizza",
            Operation::Annulla => "annulla",
            Operation::Interroga => "interroga",
            Operation::Lotto => "lotto",
            Operation::Ricerca => "ricerca",
            Operation::Tessera => "tessera",
        })
    }
}
