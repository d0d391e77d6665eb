//! The SAC (Sistema di Accoglienza Centrale): electronic prescriptions, the lots of their numbers,
//! and the registry of assisted persons beside it.
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

use engine::live::Live;
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
mod registry;
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
use crate::model::{Authority, Day, Nre, Prescription, Region, Relations};
use classify::{Bare, InNameOf};
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
    authn_age_max: Live<AuthnAgeMax>,
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

/// A request ready to be sent.
struct Prepared {
    body: Vec<u8>,
    name: InNameOf,
    about: About,
}

/// What an answer is read against.
enum About {
    Prescription(Box<Case>),
    Lot,
    LookUp(Box<registry::Asked>),
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

    /// States no authentication older than `authn_age_max` in calls that begin from now on. Everything
    /// else that it was opened with stays: the kind of lots, too, by which their answers are read.
    pub fn adopt(&self, authn_age_max: AuthnAgeMax) {
        self.authn_age_max.replace(Arc::new(authn_age_max));
    }

    async fn attempt(
        &self,
        op: OpName,
        request: &Request,
        began: Arc<AtomicBool>,
    ) -> Result<Answer, Failure> {
        let service = Service::of(op).ok_or_else(unreadable)?;
        let Prepared { body, name, about } = self.prepare(op, request)?;
        let base = match &about {
            About::Prescription(_) => &self.prescriptions_url,
            About::Lot => &self.lots_url,
            About::LookUp(_) => &self.registry_url,
        };
        let url = format!("{base}{}", service.path);
        let call = Call {
            url: &url,
            soap_action: service.soap_action,
            body,
            began,
        };
        let reply = self.client.post(call).await.map_err(classify::broken)?;
        let bare = match &about {
            About::LookUp(_) => Bare::Outage,
            About::Prescription(_) | About::Lot => Bare::Refusal,
        };
        let message = classify::message(name, bare, &reply)?;
        match about {
            About::Lot => answers::lotto(&message, &self.region, self.lot_kind),
            About::LookUp(asked) => {
                let today = Day::in_rome(Timestamp::now());
                registry::answer(&message, &asked, &self.relations, today)
            }
            About::Prescription(case) => match op {
                INVIO => answers::invio(&message, &case.nre),
                ANNULLA => answers::annulla(&message, &case.nre),
                VISUALIZZA => answers::visualizza(&message, &case.nre, &case.prescription),
                _ => answers::interroga(&message, &case.nre, &case.prescription),
            },
        }
    }

    /// Everything that can fail before a byte leaves.
    fn prepare(&self, op: OpName, request: &Request) -> Result<Prepared, Failure> {
        match op {
            LOTTO => Ok(Prepared {
                body: messages::lotto(&self.region, self.lot_kind),
                name: InNameOf::Region,
                about: About::Lot,
            }),
            RICERCA | TESSERA => {
                let (asked, name, body) = registry::prepare(self, op, request, Timestamp::now())?;
                let about = About::LookUp(Box::new(asked));
                Ok(Prepared { body, name, about })
            }
            _ => self.prepare_case(op, request),
        }
    }

    fn prepare_case(&self, op: OpName, request: &Request) -> Result<Prepared, Failure> {
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
        Ok(Prepared {
            body,
            name: InNameOf::Doctor,
            about: About::Prescription(Box::new(case)),
        })
    }

    /// Whether the authentication is young enough to be stated for `op` at `now`.
    fn check_age(&self, op: OpName, authority: &Authority, now: Timestamp) -> Result<(), Failure> {
        let age = now.duration_since(authority.instant.instant());
        // One of the future has no age: the edge has refused what is more than a clock's error.
        let age = Duration::try_from(age).unwrap_or_default();
        match operations::authn_age_max(op, &self.authn_age_max.load()) {
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
