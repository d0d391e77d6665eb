//! Which authority each doctor acts under now.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use policies::failure::Opaque;

/// How often each doctor has authenticated, by organisation and doctor.
#[derive(Default)]
pub(crate) struct Logins(Mutex<BTreeMap<(u64, u64), u64>>);

impl Logins {
    /// The doctor's authority; a new one if it authenticates `again`.
    pub(crate) fn authority(&self, organization: u64, doctor: u64, again: bool) -> Opaque {
        let mut logins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = logins.entry((organization, doctor)).or_default();
        *times += u64::from(again);
        Opaque(format!("{doctor} of {organization}, {times}").into_bytes())
    }
}
