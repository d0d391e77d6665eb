//! What operators see and do while the gateway runs: the policy in force, toggles over it, the
//! keys of what is stored, and persons to be forgotten.
//!
//! # Invariants
//!
//! 1. Only the profile `operator` gets in, with certificate and token like any other caller.
//! 2. Reasons and names of authors are shown here and nowhere else.

pub(crate) mod keys;
pub(crate) mod persons;
pub(crate) mod policies;
pub(crate) mod toggles;

use actix_web::HttpRequest;
use actix_web::web::{self, ServiceConfig};

use super::Edge;
use super::caller::Caller;
use super::codes::{self, Text};
use super::respond::Problem;
use ::policies::access::Profile;

/// The resources of operators.
pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .service(web::resource("/keys").route(web::get().to(keys::show)))
        .service(web::resource("/keys/rotate").route(web::post().to(keys::rotate)))
        .service(web::resource("/persons/purge").route(web::post().to(persons::purge)))
        .service(web::resource("/policies").route(web::get().to(policies::policies)))
        .service(
            web::resource("/toggles")
                .route(web::get().to(toggles::list))
                .route(web::post().to(toggles::set)),
        )
        .service(web::resource("/toggles/withdraw").route(web::post().to(toggles::withdraw)));
}

const WHO: Text = Text {
    en: "It takes the profile operator.",
    it: "Serve il profilo operator.",
};

/// The operator who asks.
fn operator(edge: &Edge, request: &HttpRequest) -> Result<Caller, Problem> {
    let caller = edge.caller(request)?;
    if caller.profile == Profile::Operator {
        Ok(caller)
    } else {
        Err(Problem {
            detail: Some(&WHO),
            ..Problem::from(&codes::PROFILE_NOT_ALLOWED)
        })
    }
}
