//! `X-ReplyTo`: where a caller wants the events of its prescription pushed to (ModI `NONBLOCK_PUSH_REST`).
//!
//! # Invariants
//!
//! 1. Events go to hosts that the caller's own organisation has registered, and to no other.
//! 2. Whose address is refused hears that nothing was stored only where that is so.

use actix_web::HttpRequest;
use adapters::callbacks::Address;
use engine::door::Write;
use engine::entry::ReplyTo;
use policies::failure::Opaque;

use super::stored_before;
use crate::edge::caller::Caller;
use crate::edge::respond::{FieldError, Problem};
use crate::edge::{Edge, codes};

/// The header, and the parameter that a problem names.
const X_REPLY_TO: &str = "X-ReplyTo";

/// `write`, whose prescription's events go to where its caller says.
pub(super) async fn followed(
    edge: &Edge,
    caller: &Caller,
    request: &HttpRequest,
    write: Write,
) -> Result<Write, Problem> {
    match reply_to(edge, caller, request) {
        Ok(reply_to) => Ok(Write { reply_to, ..write }),
        Err(error) => {
            let refused = Problem::with_errors(&codes::CONTENT_REFUSED, vec![error]);
            stored_before(edge, &write, refused).await?;
            Ok(write)
        }
    }
}

fn reply_to(
    edge: &Edge,
    caller: &Caller,
    request: &HttpRequest,
) -> Result<Option<ReplyTo>, FieldError> {
    let mut values = request.headers().get_all(X_REPLY_TO);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let refuse = |rule, detail: String| FieldError::of_parameter(X_REPLY_TO, rule, detail);
    if values.next().is_some() {
        return Err(refuse("repeated", "must be sent once".to_owned()));
    }
    if !edge.gateway.is_pushing {
        let detail = "is not offered here: leave it out, and ask for the events";
        return Err(refuse("not-offered", detail.to_owned()));
    }
    let text = value.to_str().unwrap_or_default();
    let address = Address::parse(text).map_err(|rule| refuse("address", rule.to_string()))?;
    let callers = edge.gateway.callers.load();
    if !callers.may_receive(&caller.organization, address.host()) {
        let detail = "must name a host that the organisation has registered for callbacks";
        return Err(refuse("not-registered", detail.to_owned()));
    }
    Ok(Some(ReplyTo {
        host: address.host().to_owned(),
        url: Opaque(address.as_str().as_bytes().to_vec()),
    }))
}
