//! The SAC (Sistema di Accoglienza Centrale): electronic prescriptions and the lots of their numbers.
//!
//! # Invariants
//!
//! 1. A call ends within the time it was given, and says whether the SAC may have seen it.
//! 2. No call is made under the authentication of another doctor than the one who acts, nor under
//!    one that is older than the policy allows for that operation.
//! 3. Nothing that is logged names a person, a number or what was prescribed.
//!
//! # Limits
//!
//! Those of `client`. A payload, a number and an authority are read back as strictly as they were
//! written.
//!
//! # Not here
//!
//! When to call, and what a failure leads to: `policies::delivery`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::ports::{Answer, Request, Upstream};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use policies::failure::{Code, Failure, Fault, Opaque, Outcome, Retry, Stops};
use policies::operation::OpName;
use zeroize::Zeroizing;

mod answers;
pub mod checks;
mod classify;
mod messages;
mod operations;
mod receipt;
mod receipts;
mod saml;
mod sanitel;
mod settings;
mod soap;

pub use operations::{
    ANNULLA, INTERROGA, INVIO, LOTS, LOTTO, OPERATIONS, PRESCRIPTIONS, REGISTRY, RICERCA, TESSERA,
    VISUALIZZA,
};
pub use receipt::{Notice, Receipt};
pub use sanitel::SanitelError;
pub use settings::{AuthnAgeMax, Expiry, OpenError, Problem, Settings};

use crate::client::{Broken, Call, Cause, Client};
use crate::model::{Authority, Nre, Prescription, Region, Relations};
use messages::Sealed;
use operations::Service;

/// The SAC, as one region reaches it.
pub struct Sac {
    client: Client,
    prescriptions_url: String,
    lots_url: String,
    registry_url: String,
    region: Region,
    lot_kind: u8,
    authn_age_max: AuthnAgeMax,
    relations: Relations,
    signer: saml::Signer,
    sanitel: sanitel::Sanitel,
    pin_code: Zeroizing<String>,
    expiries: Vec<Expiry>,
}

impl std::fmt::Debug for Sac {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sac")
            .field("prescriptions_url", &self.prescriptions_url)
            .finish_non_exhaustive()
    }
}

/// What a call about one prescription carries.
struct Case {
    prescription: Prescription,
    nre: Nre,
    authority: Authority,
}

/// A request ready to be sent, and what its answer is read against.
enum Prepared {
    About(Box<Case>, Vec<u8>),
    Lot(Vec<u8>),
}

impl Upstream for Sac {
    fn call<'a>(
        &'a self,
        op: OpName,
        request: &'a Request,
        within: Duration,
    ) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            let started = tokio::time::Instant::now();
            let began = Arc::new(AtomicBool::new(false));
            let attempt = self.attempt(op, request, Arc::clone(&began));
            let outcome = tokio::time::timeout(within, attempt)
                .await
                .unwrap_or_else(|_| {
                    Err(classify::broken(Broken {
                        cause: Cause::Timeout,
                        reached: began.load(Ordering::Acquire),
                    }))
                });
            tracing::debug!(
                upstream.op = op.0,
                upstream.outcome = outcome
                    .as_ref()
                    .map_or_else(|failure| failure.code.as_str(), |_| "ok"),
                duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
                "call to the SAC ended"
            );
            outcome
        })
    }
}

impl Sac {
    /// When each certificate ends.
    pub fn expiries(&self) -> &[Expiry] {
        &self.expiries
    }

    async fn attempt(
        &self,
        op: OpName,
        request: &Request,
        began: Arc<AtomicBool>,
    ) -> Result<Answer, Failure> {
        let service = Service::of(op).ok_or_else(unreadable)?;
        let (case, body) = match self.prepare(op, request)? {
            Prepared::About(case, body) => (Some(case), body),
            Prepared::Lot(body) => (None, body),
        };
        let base = if op == LOTTO {
            &self.lots_url
        } else {
            &self.prescriptions_url
        };
        let url = format!("{base}{}", service.path);
        let call = Call {
            url: &url,
            soap_action: service.soap_action,
            body,
            began,
        };
        let reply = self.client.post(call).await.map_err(classify::broken)?;
        let message = classify::message(op, &reply)?;
        match (op, case) {
            (INVIO, Some(case)) => answers::invio(&message, &case.nre),
            (ANNULLA, Some(case)) => answers::annulla(&message, &case.nre),
            (VISUALIZZA, Some(case)) => {
                answers::visualizza(&message, &case.nre, &case.prescription)
            }
            (INTERROGA, Some(case)) => answers::interroga(&message, &case.nre, &case.prescription),
            _ => answers::lotto(&message, &self.region, self.lot_kind),
        }
    }

    /// Everything that can fail before a byte leaves.
    fn prepare(&self, op: OpName, request: &Request) -> Result<Prepared, Failure> {
        if op == LOTTO {
            return Ok(Prepared::Lot(messages::lotto(&self.region, self.lot_kind)));
        }
        let case = Case::read(request)?;
        let acting = case.prescription.acting_prescriber();
        if case.authority.subject != *acting {
            return Err(not_their_authority());
        }
        let now = Timestamp::now();
        self.check_age(op, &case.authority, now)?;
        let sealed = self
            .seal(&case.prescription, op)
            .map_err(|_| unreadable())?;
        let security = self
            .signer
            .assertion(&case.authority, now)
            .map_err(|_| unreadable())?;
        let body = match op {
            INVIO => messages::invio(&case.prescription, &case.nre, &sealed, &security),
            ANNULLA => messages::annulla(&case.nre, acting, &sealed, &security),
            VISUALIZZA => messages::visualizza(&case.nre, acting, &sealed, &security),
            _ => messages::interroga(&case.nre, &case.prescription, &sealed, &security),
        };
        Ok(Prepared::About(Box::new(case), body))
    }

    /// Whether the authentication is young enough to be stated for `op` at `now`.
    fn check_age(&self, op: OpName, authority: &Authority, now: Timestamp) -> Result<(), Failure> {
        let age = now.duration_since(authority.instant.instant());
        // One of the future has no age: the edge has refused what is more than a clock's error.
        let age = Duration::try_from(age).unwrap_or_default();
        match operations::authn_age_max(op, &self.authn_age_max) {
            Some(age_max) if age > age_max => Err(too_old()),
            Some(_) | None => Ok(()),
        }
    }

    fn seal(&self, prescription: &Prescription, op: OpName) -> Result<Sealed, SanitelError> {
        let patient_code = match &prescription.patient.code {
            Some(code) if op == INVIO => self.sanitel.encrypt(code.as_str())?,
            _ => String::new(),
        };
        Ok(Sealed {
            pin_code: self.sanitel.encrypt(&self.pin_code)?,
            patient_code,
        })
    }
}

impl Case {
    fn read(request: &Request) -> Result<Case, Failure> {
        let number = String::from_utf8(request.number.0.clone()).map_err(|_| unreadable())?;
        Ok(Case {
            prescription: serde_json::from_slice(&request.payload.0).map_err(|_| unreadable())?,
            nre: Nre::new(number).map_err(|_| unreadable())?,
            authority: serde_json::from_slice(&request.authority.0).map_err(|_| unreadable())?,
        })
    }
}

/// What was stored cannot be turned into a request any more: a person must look.
fn unreadable() -> Failure {
    Failure::gateway(Code::Unreadable, Outcome::NotDone, Retry::No)
}

/// The edge lets a doctor write only in their own name. Should it fail to, nothing is sent; the
/// doctor whose authority it is has done nothing wrong, and goes on.
fn not_their_authority() -> Failure {
    Failure {
        fault: Fault::Gateway,
        outcome: Outcome::NotDone,
        retry: Retry::No,
        stops: Stops::Nothing,
        code: Code::AuthorityRefused,
        detail: Opaque::default(),
    }
}

/// The policy does not let an authentication as old as this be stated for this operation; for another
/// it may be young enough. Only a new authentication helps.
fn too_old() -> Failure {
    Failure {
        fault: Fault::Caller,
        outcome: Outcome::NotDone,
        retry: Retry::No,
        stops: Stops::Identity,
        code: Code::AuthorityExpired,
        detail: Opaque::default(),
    }
}

#[cfg(test)]
mod tests;
