//! What a caller must bring with its requests, and the name under which PDND vouches for it.

use std::sync::Arc;

use super::SigningKey;
use super::file::{NAME_RULE, RawCaller, Reading, is_name};
use crate::problem::HIDDEN;

const REQUIRED: &str = "required";

/// What a caller is refused without. What it brings all the same is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Duties {
    /// INTEGRITY_REST_01 or 02, with everything that may carry a body.
    pub(crate) integrity: bool,
    /// AUDIT_REST_01, with everything.
    pub(crate) tracking: bool,
}

/// A calling organisation as PDND knows it.
pub(crate) struct PdndClient {
    /// Who it is here; the keys themselves are PDND's to know.
    pub(crate) key: Arc<SigningKey>,
    /// For what it may call.
    pub(crate) purposes: Vec<String>,
}

impl Reading<'_> {
    pub(super) fn duties(&mut self, number: usize, raw: &RawCaller) -> Duties {
        Duties {
            integrity: self.is_required(number, "integrity", raw.integrity.as_deref()),
            tracking: self.is_required(number, "tracking", raw.tracking.as_deref()),
        }
    }

    fn is_required(&mut self, number: usize, field: &str, word: Option<&str>) -> bool {
        if word.is_some_and(|word| word != REQUIRED) {
            let key = format!("caller {number}.{field}");
            self.refuse(key, HIDDEN, "must be required, or absent");
        }
        word.is_some()
    }

    /// Registers the caller that `signing` speaks of as a client of PDND, if it is one; says whether.
    pub(super) fn add_client(
        &mut self,
        number: usize,
        raw: &RawCaller,
        signing: &SigningKey,
    ) -> bool {
        let at = |field: &str| format!("caller {number}.{field}");
        let Some(id) = &raw.pdnd_client_id else {
            if !raw.purpose_ids.is_empty() {
                self.refuse(at("purpose_ids"), HIDDEN, "must stand with pdnd_client_id");
            }
            return false;
        };
        if !is_name(id) {
            self.refuse(at("pdnd_client_id"), HIDDEN, NAME_RULE);
        }
        if raw.purpose_ids.is_empty() || !raw.purpose_ids.iter().all(|purpose| is_name(purpose)) {
            self.refuse(at("purpose_ids"), HIDDEN, "must name at least one purpose");
        }
        let key = SigningKey {
            name: id.clone(),
            organization: signing.organization.clone(),
            profiles: signing.profiles.clone(),
            stand_ins: signing.stand_ins.clone(),
            certificates: signing.certificates.clone(),
            key: None,
            ..*signing
        };
        let client = PdndClient {
            key: Arc::new(key),
            purposes: raw.purpose_ids.clone(),
        };
        if self
            .callers
            .pdnd_clients
            .insert(id.clone(), client)
            .is_some()
        {
            self.refuse(at("pdnd_client_id"), id, "must be another caller's nowhere");
        }
        true
    }
}
