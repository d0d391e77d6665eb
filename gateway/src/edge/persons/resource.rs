//! What is known of a person and of a card, as callers read it.
//!
//! Only the description of the API is made from this: what is sent are the bytes of the adapter, with
//! `freshness` in front.

#![expect(dead_code, reason = "the shapes of bytes that are passed on unread")]

use utoipa::ToSchema;

/// How old an answer is.
#[derive(ToSchema)]
pub(crate) struct Freshness {
    /// Who gave it.
    #[schema(max_length = 16)]
    source: String,
    /// When.
    #[schema(format = DateTime, max_length = 40)]
    as_of: String,
    /// Only where it may have been earlier: the machine was restarted, and its clock does not tell for
    /// how long it was off.
    #[schema(nullable = false)]
    or_earlier: Option<bool>,
    /// It is past the time for which it is shown without asking again, and asking failed.
    stale: bool,
}

/// A person whom the health service assists.
#[derive(ToSchema)]
pub(crate) struct AssistedPerson {
    /// How old all of this is.
    freshness: Freshness,
    /// Under which code.
    #[schema(max_length = 16, example = "PNIMRA70A01H501P")]
    tax_code: String,
    /// Family name.
    #[schema(max_length = 100)]
    family_name: String,
    /// Given name.
    #[schema(max_length = 100)]
    given_name: String,
    /// `F` or `M`.
    #[schema(max_length = 1)]
    sex: String,
    /// When and where born.
    birth: Birth,
    /// Where resident. For practices.
    residence: Option<PersonResidence>,
    /// Who assists; null for who is not assisted.
    assistance: Option<Assistance>,
    /// On whose list. For practices; null without a doctor.
    doctor: Option<ListedDoctor>,
    /// Exemptions from the ticket.
    #[schema(min_items = 0, max_items = 200)]
    exemptions: Vec<HeldExemption>,
    /// The health card in force; null without one.
    health_card: Option<HeldCard>,
    /// Whether the health service assists the person at present.
    is_assisted: bool,
    /// When the person died.
    #[schema(format = Date, max_length = 10)]
    died_on: Option<String>,
}

/// A birth.
#[derive(ToSchema)]
pub(crate) struct Birth {
    /// When.
    #[schema(format = Date, max_length = 10)]
    date: String,
    /// Where; a country for who was born abroad.
    #[schema(max_length = 100)]
    municipality: String,
    /// Its province.
    #[schema(max_length = 2)]
    province: String,
}

/// A residence.
#[derive(ToSchema)]
pub(crate) struct PersonResidence {
    /// Where.
    #[schema(max_length = 100)]
    municipality: String,
    /// Its health unit.
    #[schema(max_length = 3)]
    health_unit: String,
}

/// Who assists a person.
#[derive(ToSchema)]
pub(crate) struct Assistance {
    /// The region.
    #[schema(max_length = 3, example = "130")]
    region: String,
    /// Its health unit.
    #[schema(max_length = 3, example = "201")]
    health_unit: String,
}

/// The doctor on whose list a person is.
#[derive(ToSchema)]
pub(crate) struct ListedDoctor {
    /// The doctor's code.
    #[schema(max_length = 16)]
    tax_code: String,
    /// Family name.
    #[schema(max_length = 100)]
    family_name: String,
    /// Given name.
    #[schema(max_length = 100)]
    given_name: String,
    /// Since when.
    #[schema(format = Date, max_length = 10)]
    from: String,
    /// Until when.
    #[schema(format = Date, max_length = 10)]
    to: Option<String>,
}

/// An exemption from the ticket.
#[derive(ToSchema)]
pub(crate) struct HeldExemption {
    /// Its code.
    #[schema(max_length = 10, example = "E01")]
    code: String,
    /// Since when.
    #[schema(format = Date, max_length = 10)]
    from: String,
    /// Until when.
    #[schema(format = Date, max_length = 10)]
    to: Option<String>,
}

/// A health card that a person holds.
#[derive(ToSchema)]
pub(crate) struct HeldCard {
    /// Its number.
    #[schema(max_length = 20, example = "80380000000000000001")]
    number: String,
    /// Until when it holds.
    #[schema(format = Date, max_length = 10)]
    expires_on: String,
}

/// Whether a health card holds.
#[derive(ToSchema)]
pub(crate) struct HealthCard {
    /// How old this is.
    freshness: Freshness,
    /// Whether it is this person's and holds.
    is_valid: bool,
    /// Why it does not: `expired`, `replaced` or `not-this-person`.
    #[schema(max_length = 16, nullable = false)]
    reason: Option<String>,
    /// Its kind: `TS`, or `TS-CNS` with a chip.
    #[schema(max_length = 16, nullable = false)]
    kind: Option<String>,
    /// Until when it holds.
    #[schema(format = Date, max_length = 10, nullable = false)]
    expires_on: Option<String>,
}
