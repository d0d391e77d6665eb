//! What a region lets its desks do while the upstream is away, and how a number that was given up is
//! looked after.

use std::time::Duration;

use serde::Deserialize;

use super::{AUTHN_AGE_MAX, RuleError, broken};
use crate::delivery::{Fallback, Uncertain};
use crate::duration;

/// The word of a fallback that no region may choose without a law behind it.
const PROVISIONAL: &str = "provisional";

/// What a desk does while the upstream does not answer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FallbackRules {
    /// For a prescription whose patient waits at the desk.
    pub patient_waiting: String,
    /// For any other.
    pub otherwise: String,
    /// What a request may ask for by name.
    pub allowed: Vec<String>,
    /// How long the number of a paper form is waited for before a person is told.
    #[serde(deserialize_with = "duration::text")]
    pub paper_within: Duration,
    /// The law that a provisional sheet stands on.
    pub legal_basis: Option<LegalBasis>,
}

/// Where the law allows what it does not allow by itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LegalBasis {
    /// The act.
    pub act: String,
    /// Its article.
    pub article: String,
    /// Its last day, `YYYY-MM-DD`.
    pub valid_until: String,
}

/// When a number that was given up is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchRules {
    /// After these spans, counted from when it was given up.
    #[serde(deserialize_with = "duration::texts")]
    pub look_after: Vec<Duration>,
    /// And this long after the upstream was seen to recover.
    #[serde(deserialize_with = "duration::text")]
    pub look_after_recovery: Duration,
    /// Until this long after it was given up, or after the upstream recovered (whichever is later).
    #[serde(deserialize_with = "duration::text")]
    pub horizon: Duration,
}

/// How old a prescriber's authentication may be when it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthnAgeRules {
    /// To send a prescription.
    #[serde(deserialize_with = "duration::text")]
    pub send: Duration,
    /// To annul one.
    #[serde(deserialize_with = "duration::text")]
    pub annul: Duration,
    /// To read one back.
    #[serde(deserialize_with = "duration::text")]
    pub read: Duration,
}

impl FallbackRules {
    /// What a desk does that says nothing else.
    pub fn standard(&self, patient_waiting: bool) -> Fallback {
        let word = if patient_waiting {
            &self.patient_waiting
        } else {
            &self.otherwise
        };
        Fallback::parse(word).unwrap_or(Fallback::Hold)
    }

    /// Whether a request may ask for `fallback`.
    pub fn allows(&self, fallback: Fallback) -> bool {
        self.allowed.iter().any(|word| word == fallback.as_str())
    }

    pub(super) fn problems(&self, uncertain: Uncertain) -> Vec<RuleError> {
        let words = || {
            [&self.patient_waiting, &self.otherwise]
                .into_iter()
                .chain(&self.allowed)
        };
        let is_known = |word: &String| word == PROVISIONAL || Fallback::parse(word).is_some();
        let is_allowed = |word: &String| self.allowed.contains(word);
        let provisional = words().any(|word| word == PROVISIONAL);
        broken(
            "prescriptions",
            &[
                (
                    words().all(is_known),
                    "fallback",
                    "must name hold, red-recipe or provisional",
                ),
                (
                    is_allowed(&self.patient_waiting),
                    "fallback.patient_waiting",
                    "must be one of allowed",
                ),
                (
                    is_allowed(&self.otherwise),
                    "fallback.otherwise",
                    "must be one of allowed",
                ),
                (
                    !self.paper_within.is_zero(),
                    "fallback.paper_within",
                    "must be longer than zero",
                ),
                (
                    !provisional || self.legal_basis.is_some(),
                    "fallback",
                    "provisional needs legal_basis {act, article, valid_until}: without the SAC's code no sheet is valid by itself",
                ),
                (
                    !provisional || uncertain != Uncertain::AnnulAndResend,
                    "uncertain",
                    "annul-and-resend cannot stand beside provisional: the sheet in the patient's hand would name an annulled prescription",
                ),
                (
                    !provisional,
                    "fallback",
                    "provisional is not offered by this release: it prints no provisional sheet",
                ),
            ],
        )
    }
}

impl WatchRules {
    /// When a number is looked for first.
    pub fn first_look(&self) -> Duration {
        self.look_after.first().copied().unwrap_or_default()
    }

    pub(super) fn problems(&self) -> Vec<RuleError> {
        let last = self.look_after.last().copied().unwrap_or_default();
        broken(
            "prescriptions",
            &[
                (
                    !self.look_after.is_empty() && self.look_after.is_sorted(),
                    "watch.look_after",
                    "needs at least one wait, and each at least as long as the one before",
                ),
                (
                    self.horizon > last && self.horizon > self.look_after_recovery,
                    "watch.horizon",
                    "must be longer than every wait before a look",
                ),
            ],
        )
    }
}

impl AuthnAgeRules {
    pub(super) fn problems(&self, horizon: Duration) -> Vec<RuleError> {
        broken(
            "prescriptions",
            &[
                (
                    !self.send.is_zero() && self.send <= AUTHN_AGE_MAX,
                    "authn_age_max.send",
                    "must be longer than zero and at most 30d",
                ),
                (
                    self.annul >= horizon,
                    "authn_age_max.annul",
                    "must be at least watch.horizon, or what is applied late cannot be annulled",
                ),
                (
                    self.read >= horizon,
                    "authn_age_max.read",
                    "must be at least watch.horizon, or what is applied late cannot be found",
                ),
            ],
        )
    }
}
