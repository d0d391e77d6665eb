//! What a simulator is started with, and what may be changed while it runs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::registry::population::Population;

/// What a simulator is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory that `tests::certs::mint` filled.
    pub certs: PathBuf,
    /// Where every service is offered.
    pub listen: SocketAddr,
    /// Where the service for lots is offered besides, as its real host is another one.
    pub lots_listen: Option<SocketAddr>,
    /// Where the registry of assisted persons is offered besides.
    pub registry_listen: Option<SocketAddr>,
    /// Whom the registry knows from the start.
    pub population: Population,
    /// Where the control port listens (plain HTTP).
    pub control: SocketAddr,
    /// The ISTAT code of the one region that may call.
    pub region: String,
    /// Whether TLS 1.3 is offered; the real system is only known to speak 1.2.
    pub tls13: bool,
    /// What every random draw comes from.
    pub seed: u64,
    /// What may be changed while it runs.
    pub live: Live,
}

impl Settings {
    /// The region 130, on ports of the system's choice, over the certificates in this directory.
    pub fn new(certs: impl Into<PathBuf>) -> Settings {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Settings {
            certs: certs.into(),
            listen: any,
            lots_listen: None,
            registry_listen: None,
            population: Population::default(),
            control: any,
            region: "130".to_owned(),
            tls13: false,
            seed: 1,
            live: Live::default(),
        }
    }
}

/// What may be changed while it runs, over `PUT /settings`: keys left out stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Live {
    /// The doctors that the SAC knows, with their positions.
    pub doctors: Vec<Doctor>,
    /// What it answers to a number that has been used.
    pub duplicate: Duplicate,
    /// How it writes namespaces.
    pub prefixes: Prefixes,
    /// How much it can take; nothing means no limit.
    pub capacity: Option<Capacity>,
    /// Whether an accepted prescription comes with its PDF.
    pub reminder: bool,
    /// Services of the national plan on waiting lists: they need a priority and an access type.
    pub pngla: Vec<String>,
    /// Whether the region supplied its catalogue, which makes its code mandatory.
    pub catalogue: bool,
    /// The organisations that the registry answers in their own name.
    pub accredited: Vec<String>,
    /// The sentence that the region prints on every reminder (communication 0197).
    pub regional_sentence: Option<String>,
}

impl Default for Live {
    fn default() -> Live {
        Live {
            doctors: Doctor::of_the_test_environment(),
            duplicate: Duplicate::default(),
            prefixes: Prefixes::AsReal,
            capacity: None,
            reminder: true,
            // First cardiological visit and electrocardiogram, both in the plan 2019-2021.
            pngla: vec!["89.7A.3".to_owned(), "89.52".to_owned()],
            catalogue: false,
            accredited: [
                "practice-a",
                "practice-b",
                "pharmacy-a",
                "pharmacy-b",
                "booking-a",
            ]
            .map(str::to_owned)
            .to_vec(),
            regional_sentence: None,
        }
    }
}

/// A doctor in the SAC's register.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Doctor {
    /// The tax code.
    pub tax_code: String,
    /// The family name, as communication 0199 gives it.
    pub family_name: String,
    /// The given name, as communication 0198 gives it.
    pub given_name: String,
    /// The contract under which he prescribes; a substitute may have none.
    pub position: Option<Position>,
}

/// A doctor's contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Region, three digits.
    pub region: String,
    /// Health unit, three digits.
    pub health_unit: String,
    /// One letter; `F` is a general practitioner.
    pub speciality: String,
    /// The structure, where the region has registered one.
    #[serde(default)]
    pub structure: String,
}

impl Doctor {
    /// A general practitioner of the health unit 201 in region 130.
    pub fn practitioner(tax_code: &str, family_name: &str, given_name: &str) -> Doctor {
        Doctor {
            tax_code: tax_code.to_owned(),
            family_name: family_name.to_owned(),
            given_name: given_name.to_owned(),
            position: Some(Position {
                region: "130".to_owned(),
                health_unit: "201".to_owned(),
                speciality: "F".to_owned(),
                structure: String::new(),
            }),
        }
    }

    /// The test doctor, the test substitute (no contract, a wrong check letter), and two of our
    /// own: one whose code is right in every way, one whose check letter is wrong.
    pub fn of_the_test_environment() -> Vec<Doctor> {
        let mut substitute = Doctor::practitioner("PROVAX00X00X000Z", "PRO", "VA");
        substitute.position = None;
        vec![
            Doctor::practitioner("PROVAX00X00X000Y", "PRO", "VA"),
            substitute,
            Doctor::practitioner("RSSMRA80A01H501U", "ROSSI", "MARIO"),
            Doctor::practitioner("RSSMRA80A01H501A", "ROSSI", "MARIA"),
        ]
    }
}

/// What the SAC answers to an `invio` whose number has been used. The truth is not public, so a
/// caller must come right under each of these.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Duplicate {
    /// `9999` with this error.
    Reject {
        /// Four digits.
        code: String,
        /// Its text.
        text: String,
    },
    /// `0000` with the code of the prescription that holds the number, whatever its content.
    AsNew,
    /// A SOAP fault that says nothing.
    Fault,
}

impl Default for Duplicate {
    fn default() -> Duplicate {
        // Made up: neither the code nor the text is the real one.
        Duplicate::Reject {
            code: "1900".to_owned(),
            text: "NRE gia' utilizzato".to_owned(),
        }
    }
}

/// Which namespace an answer makes its default one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prefixes {
    /// As the real answers do: visualizza the common types, all others the receipt.
    AsReal,
    /// The other way round for each of them.
    Swapped,
    /// No default namespace at all.
    Everywhere,
}

/// How much it can take before its front end answers 503.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Calls at the same time.
    #[serde(default)]
    pub concurrent: Option<u32>,
    /// Calls begun within one second of the clock.
    #[serde(default)]
    pub per_second: Option<u32>,
}
