//! Who may call the gateway of a world.

use std::sync::Arc;

use super::World;
use super::caller::Caller;
use super::prescription::{DOCTOR, TEST_DOCTOR};
use crate::certs;

/// The organisations of every world.
pub(super) const CALLERS: [certs::Caller<'static>; 10] = [
    certs::Caller::practice("practice-a"),
    certs::Caller::practice("practice-b"),
    certs::Caller {
        organization: "pharmacy-a",
        profiles: &["pharmacy"],
        pattern: certs::MANY_TIMES,
        stands_in_for: &[],
    },
    certs::Caller {
        organization: "booking-a",
        profiles: &["booking"],
        pattern: certs::MANY_TIMES,
        stands_in_for: &[],
    },
    certs::Caller {
        organization: "operator-a",
        profiles: &["operator", "portal"],
        pattern: certs::MANY_TIMES,
        stands_in_for: &[],
    },
    certs::Caller {
        organization: "practice-once",
        profiles: &["practice"],
        pattern: certs::ONCE,
        stands_in_for: &[],
    },
    certs::Caller {
        organization: "practice-fse",
        profiles: &["practice"],
        pattern: certs::FSE,
        stands_in_for: &[],
    },
    certs::Caller {
        organization: "hospital-fse",
        profiles: &["practice"],
        pattern: certs::FSE,
        stands_in_for: &[],
    },
    certs::Caller {
        organization: "any-a",
        profiles: &[
            "practice",
            "substitute",
            "pharmacy",
            "booking",
            "portal",
            "call-centre",
            "operator",
            "viewer",
        ],
        pattern: certs::MANY_TIMES,
        stands_in_for: &[TEST_DOCTOR, DOCTOR],
    },
    certs::Caller {
        organization: "forger-a",
        profiles: &["substitute"],
        pattern: certs::MANY_TIMES,
        stands_in_for: &[],
    },
];

impl World {
    /// A caller of this organisation, with a doctor at the desk.
    pub fn caller(&self, organization: &str) -> Caller {
        let address = Arc::clone(&self.address);
        let record = Arc::clone(&self.record);
        Caller::new(organization, self.certs.path(), address, record)
    }

    /// A pharmacy, at whose desk no doctor is.
    pub fn pharmacy(&self) -> Caller {
        self.caller("pharmacy-a").acting_as("pharmacy")
    }

    /// A booking centre, at whose desk no doctor is.
    pub fn booking(&self) -> Caller {
        self.caller("booking-a").acting_as("booking")
    }

    /// Whoever runs the gateway.
    pub fn operator(&self) -> Caller {
        self.caller("operator-a").acting_as("operator")
    }
}
