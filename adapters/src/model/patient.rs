//! For whom a recipe is, and at whose charge.

use serde::{Deserialize, Serialize};

use super::{
    AddressPart, Day, Description, ExemptionCode, HealthUnit, Invalid, Name, PatientCode,
    PostalCode, Province,
};

/// The patient, as far as the recipe names them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patient {
    /// Absent for those insured abroad, who have [`ForeignInsured`] instead (codiceAss).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<PatientCode>,
    /// Family name, or its initial where the law wants that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_name: Option<Name>,
    /// Given name, or its initial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given_name: Option<Name>,
    /// Where they live, where the law wants it on the recipe.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
    /// Their province and health unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residence: Option<Residence>,
    /// The patient wants name and address hidden from the dispenser (oscuramDati).
    #[serde(default)]
    pub hide_data: bool,
}

/// A postal address; on the wire its parts are joined with `|`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Street and number.
    pub street: AddressPart,
    /// Postal code (CAP).
    pub postal_code: PostalCode,
    /// Municipality.
    pub municipality: AddressPart,
    /// Province.
    pub province: Province,
}

/// Where the patient is registered with the health service. The SAC wants both or neither.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residence {
    /// Province (provAssistito).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub province: Option<Province>,
    /// Health unit (aslAssistito).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health_unit: Option<HealthUnit>,
}

words! {
    /// At whose charge the recipe is, where it is not an ordinary one (tipoRic).
    Recipient {
        /// Insured outside the Union, on a temporary stay.
        ExtraEu = "EE" / "EE",
        /// Insured within the Union, on a temporary stay.
        Eu = "UE" / "UE",
        /// Seafarers' service (SASN), seen in the surgery.
        SasnAmbulatory = "NA" / "NA",
        /// Seafarers' service, seen at home.
        SasnHome = "ND" / "ND",
        /// Assisted by institutions of the Union.
        EuInstitution = "NE" / "NE",
        /// Seafarers' service, from outside the Union.
        SasnExtraEu = "NX" / "NX",
        /// Temporarily present foreigner.
        TemporarilyPresent = "ST" / "ST",
    }
}

impl Recipient {
    /// Whether the seafarers' service pays.
    pub fn is_sasn(self) -> bool {
        matches!(
            self,
            Recipient::SasnAmbulatory | Recipient::SasnHome | Recipient::SasnExtraEu
        )
    }

    /// Whether an institution abroad insures them: then they have no patient code.
    pub fn is_insured_abroad(self) -> bool {
        matches!(
            self,
            Recipient::ExtraEu | Recipient::Eu | Recipient::EuInstitution | Recipient::SasnExtraEu
        )
    }
}

/// The seafarers' card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sasn {
    /// The number of the card (numTessSasn).
    pub card_number: Name,
    /// The shipping company (socNavigaz).
    pub shipping_company: Name,
}

/// Who insures a patient from abroad. Every field is optional to the SAC.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForeignInsured {
    /// The state (statoEstero).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<Name>,
    /// The competent institution (istituzCompetente).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub institution: Option<Description>,
    /// The personal identification number (numIdentPers).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal_number: Option<Name>,
    /// The number of the card (numIdentTess).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_number: Option<Name>,
    /// Date of birth (dataNascitaEstero).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<Day>,
    /// When the card expires (dataScadTessera).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_expiry: Option<Day>,
}

/// Whether the patient pays a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawExemption", into = "RawExemption")]
pub enum Exemption {
    /// The patient pays (nonEsente).
    NotExempt,
    /// Exempt under this code (codEsenzione).
    Code(ExemptionCode),
    /// Exempt by income (reddito), possibly under a code.
    Income(Option<ExemptionCode>),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawExemption {
    status: ExemptionStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ExemptionCode>,
}

words! {
    /// The three cases of [`Exemption`], as JSON names them.
    ExemptionStatus {
        /// See [`Exemption::NotExempt`].
        NotExempt = "not-exempt" / "1",
        /// See [`Exemption::Code`].
        Code = "code" / "",
        /// See [`Exemption::Income`].
        Income = "income" / "1",
    }
}

impl TryFrom<RawExemption> for Exemption {
    type Error = Invalid;
    fn try_from(raw: RawExemption) -> Result<Self, Invalid> {
        match (raw.status, raw.code) {
            (ExemptionStatus::NotExempt, None) => Ok(Exemption::NotExempt),
            (ExemptionStatus::Code, Some(code)) => Ok(Exemption::Code(code)),
            (ExemptionStatus::Income, code) => Ok(Exemption::Income(code)),
            (ExemptionStatus::NotExempt, Some(_)) | (ExemptionStatus::Code, None) => {
                Err(Invalid::ExemptionCode)
            }
        }
    }
}

impl From<Exemption> for RawExemption {
    fn from(exemption: Exemption) -> RawExemption {
        let (status, code) = match exemption {
            Exemption::NotExempt => (ExemptionStatus::NotExempt, None),
            Exemption::Code(code) => (ExemptionStatus::Code, Some(code)),
            Exemption::Income(code) => (ExemptionStatus::Income, code),
        };
        RawExemption { status, code }
    }
}
