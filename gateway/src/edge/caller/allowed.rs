//! The one way from a request to its caller: through the access rules in force.
//!
//! # Invariants
//!
//! 1. No handler has a caller whom the rules do not let do what the handler does: nothing else hands one
//!    out.
//! 2. Who is refused is told the action and who may do it, and nothing of what it was to be done to.

use actix_web::HttpRequest;
use policies::access::{Action, Profile, Relation, Table};

use super::{Caller, Recognising, authenticate, wall};
use crate::edge::Edge;
use crate::edge::codes;
use crate::edge::noted;
use crate::edge::respond::{FieldError, Problem};

impl Edge {
    /// Who makes `request`, if `access` lets them do `action` in some relation.
    ///
    /// # Errors
    ///
    /// What is wrong with their token, or 403 `profile-not-allowed`.
    pub(in crate::edge) fn caller_for(
        &self,
        request: &HttpRequest,
        access: &Table,
        action: Action,
    ) -> Result<Caller, Problem> {
        let callers = self.gateway.callers.load();
        let recognising = Recognising {
            callers: &callers,
            replay: &self.gateway.replay,
            wall: wall(),
        };
        let caller = authenticate(recognising, request)?;
        noted::caller(request, &caller);
        if access.allows_some(caller.profile, action) {
            Ok(caller)
        } else {
            Err(not_allowed(access, action))
        }
    }
}

/// Nothing, if `access` lets a caller of `profile` do `action` in this relation.
pub(in crate::edge) fn allowed(
    access: &Table,
    profile: Profile,
    action: Action,
    relation: Relation,
) -> Result<(), Problem> {
    if access.allows(profile, action, relation) {
        Ok(())
    } else {
        Err(not_allowed(access, action))
    }
}

/// The refusal of `action`, with who may do it, and in which relation where one is needed.
pub(in crate::edge) fn not_allowed(access: &Table, action: Action) -> Problem {
    let mut who = Vec::new();
    for profile in Profile::ALL {
        for relation in access.relations(profile, action) {
            who.push(match relation {
                Relation::None => profile.as_str().to_owned(),
                _ => format!("{} ({})", profile.as_str(), relation.as_str()),
            });
        }
    }
    let who = match who.is_empty() {
        true => "nobody".to_owned(),
        false => who.join(", "),
    };
    let detail = format!("{} is allowed to {who}", action.as_str());
    let error = FieldError::of_parameter("profile", "access", detail);
    Problem::with_errors(&codes::PROFILE_NOT_ALLOWED, vec![error])
}
