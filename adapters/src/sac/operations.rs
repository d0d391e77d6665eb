//! What the SAC offers to prescribers, and how each operation is reached and settled.

use std::time::Duration;

use policies::operation::{LaneName, Late, OpName, Operation, Resend, Strategy};

use super::registry::{RICERCA_SERVICE, TESSERA_SERVICE};
use super::settings::AuthnAgeMax;

/// The lane of everything about one prescription.
pub const PRESCRIPTIONS: LaneName = LaneName("sac.prescriptions");
/// The lane of number lots: another host, which may be well while the first is not.
pub const LOTS: LaneName = LaneName("sac.lots");

/// The lane of assisted persons and their health cards.
pub const REGISTRY: LaneName = LaneName("sac.registry");

/// Registers a prescription (demInvioPrescritto).
pub const INVIO: OpName = OpName("invio");
/// Reads one back by number (demVisualizzaPrescritto).
pub const VISUALIZZA: OpName = OpName("visualizza");
/// Cancels one (demAnnullaPrescritto).
pub const ANNULLA: OpName = OpName("annulla");
/// Asks whether a number was used (demInterrogaNreUtilizzati).
pub const INTERROGA: OpName = OpName("interroga");
/// Asks for a lot of numbers (nreRichiestaLottoPort).
pub const LOTTO: OpName = OpName("lotto");
/// Looks an assisted person up (ricercaAssistito).
pub const RICERCA: OpName = OpName("ricerca");
/// Verifies a health card (verificaTessera).
pub const TESSERA: OpName = OpName("tessera");

/// The operations of every lane.
///
/// A registration whose answer is lost is asked about by both reads before its number is sent again.
/// A cancel whose answer is lost shows in the standing of its prescription, which only `visualizza`
/// tells: closed, it was applied; live, it is sent again, which does no harm. What it would leave
/// behind if it came late is what was wanted.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        op: INVIO,
        lane: PRESCRIPTIONS,
        strategy: Strategy::WriteBehind,
        settle_by: &[VISUALIZZA, INTERROGA],
        undo_by: Some(ANNULLA),
        resend: Resend::Same,
        late: Late::Watch,
    },
    Operation {
        op: ANNULLA,
        lane: PRESCRIPTIONS,
        strategy: Strategy::WriteBehind,
        settle_by: &[VISUALIZZA],
        undo_by: None,
        resend: Resend::Same,
        late: Late::None,
    },
    read(VISUALIZZA),
    read(INTERROGA),
    look_up(RICERCA),
    look_up(TESSERA),
    Operation {
        op: LOTTO,
        lane: LOTS,
        strategy: Strategy::PassThrough,
        settle_by: &[],
        undo_by: None,
        // A lot whose answer is lost is never used; another is asked for.
        resend: Resend::Never,
        late: Late::None,
    },
];

const fn read(op: OpName) -> Operation {
    Operation {
        op,
        lane: PRESCRIPTIONS,
        strategy: Strategy::PassThrough,
        settle_by: &[],
        undo_by: None,
        resend: Resend::Never,
        late: Late::None,
    }
}

const fn look_up(op: OpName) -> Operation {
    Operation {
        lane: REGISTRY,
        strategy: Strategy::ReadThrough,
        ..read(op)
    }
}

/// Which limit on the age of a prescriber's authentication an operation is under; `None` where no
/// prescriber acts.
pub(super) fn authn_age_max(op: OpName, ages: &AuthnAgeMax) -> Option<Duration> {
    match op {
        INVIO => Some(ages.send),
        ANNULLA => Some(ages.annul),
        VISUALIZZA | INTERROGA => Some(ages.read),
        RICERCA | TESSERA => Some(ages.registry),
        _ => None,
    }
}

/// How an operation is reached: path and SOAPAction, and the namespaces of its two messages.
pub(super) struct Service {
    pub(super) path: &'static str,
    pub(super) soap_action: &'static str,
    pub(super) request: &'static str,
    pub(super) receipt: &'static str,
    pub(super) receipt_name: &'static str,
}

pub(super) const INVIO_SERVICE: Service = Service {
    path: "/DemRicettaPrescrittoServicesWeb/services/demInvioPrescritto",
    soap_action: "http://invioprescritto.wsdl.dem.sanita.finanze.it/InvioPrescritto",
    request: "http://invioprescrittorichiesta.xsd.dem.sanita.finanze.it",
    receipt: "http://invioprescrittoricevuta.xsd.dem.sanita.finanze.it",
    receipt_name: "InvioPrescrittoRicevuta",
};

pub(super) const VISUALIZZA_SERVICE: Service = Service {
    path: "/DemRicettaPrescrittoServicesWeb/services/demVisualizzaPrescritto",
    soap_action: "http://visualizzaprescritto.wsdl.dem.sanita.finanze.it/VisualizzaPrescritto",
    request: "http://visualizzaprescrittorichiesta.xsd.dem.sanita.finanze.it",
    receipt: "http://visualizzaprescrittoricevuta.xsd.dem.sanita.finanze.it",
    receipt_name: "VisualizzaPrescrittoRicevuta",
};

pub(super) const ANNULLA_SERVICE: Service = Service {
    path: "/DemRicettaPrescrittoServicesWeb/services/demAnnullaPrescritto",
    soap_action: "http://annullaprescritto.wsdl.dem.sanita.finanze.it/AnnullaPrescritto",
    request: "http://annullaprescrittorichiesta.xsd.dem.sanita.finanze.it",
    receipt: "http://annullaprescrittoricevuta.xsd.dem.sanita.finanze.it",
    receipt_name: "AnnullaPrescrittoRicevuta",
};

/// Its action says "associati" where everything else says "utilizzati": so does the WSDL.
pub(super) const INTERROGA_SERVICE: Service = Service {
    path: "/DemRicettaInterrogazioniServicesWeb/services/demInterrogaNreUtilizzati",
    soap_action: "http://interroganreassociati.wsdl.dem.sanita.finanze.it/InterrogaNreUtilizzati",
    request: "http://interroganreutilrichiesta.xsd.dem.sanita.finanze.it",
    receipt: "http://interroganreutilricevuta.xsd.dem.sanita.finanze.it",
    receipt_name: "InterrogaNreUtilRicevuta",
};

pub(super) const LOTTO_SERVICE: Service = Service {
    path: "/ricettaElettronicaServicesWeb/services/nreRichiestaLottoPort",
    soap_action: "http://lottorichiesta.wsdl.nre.mirsac.sanita.finanze.it/LottoRichiesta",
    request: "http://lottorichiesta.xsd.nre.mirsac.sanita.finanze.it",
    receipt: "http://lottoricevuta.xsd.nre.mirsac.sanita.finanze.it",
    receipt_name: "LottoRicevutaNRE",
};

/// The types that all prescription messages share.
pub(super) const TYPES: &str = "http://tipodati.xsd.dem.sanita.finanze.it";

impl Service {
    /// The service of `op`; `None` for an operation that is not the SAC's.
    pub(super) fn of(op: OpName) -> Option<&'static Service> {
        match op {
            INVIO => Some(&INVIO_SERVICE),
            VISUALIZZA => Some(&VISUALIZZA_SERVICE),
            ANNULLA => Some(&ANNULLA_SERVICE),
            INTERROGA => Some(&INTERROGA_SERVICE),
            LOTTO => Some(&LOTTO_SERVICE),
            RICERCA => Some(&RICERCA_SERVICE),
            TESSERA => Some(&TESSERA_SERVICE),
            _ => None,
        }
    }
}
