//! What operators see and do while the gateway runs: the policy in force, toggles over it, the
//! keys of what is stored, and persons to be forgotten.
//!
//! # Invariants
//!
//! 1. Only whom the access rules let in gets in, with certificate and token like any other caller: an
//!    operator, and to look, a viewer.
//! 2. Reasons and names of authors are shown here and nowhere else.

pub(crate) mod keys;
pub(crate) mod persons;
pub(crate) mod policies;
pub(crate) mod toggles;

use actix_web::web::{self, ServiceConfig};

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
