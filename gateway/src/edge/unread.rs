//! Keeps the body of a request until its answer is sent, read or not.
//!
//! The server looks, once an answer is sent, at what is left of the request's body. Of one that
//! somebody still holds it closes the connection, after a short while; of a chunked one that was
//! dropped it waits for the end, for as long as the caller likes and however much is sent. So that
//! none is ever dropped early, the answer itself holds it.
//!
//! # Invariants
//!
//! 1. A connection is used again only after all of the body has arrived.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::error::PayloadError;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};

/// The body of a request, which its handler reads and its answer keeps.
#[derive(Clone)]
pub(crate) struct Unread(Rc<RefCell<Payload>>);

impl Unread {
    /// Takes the body of `request` and leaves it one that reads from here; `None` if it has none.
    pub(crate) fn of(request: &mut ServiceRequest) -> Option<Unread> {
        let (_, payload) = request.parts_mut();
        if matches!(payload, Payload::None) {
            return None;
        }
        let unread = Unread(Rc::new(RefCell::new(payload.take())));
        *payload = Payload::Stream {
            payload: Box::pin(unread.clone()),
        };
        Some(unread)
    }

    /// The same answer, which keeps this until it is sent.
    pub(crate) fn kept_by(&self, response: HttpResponse) -> HttpResponse {
        response.map_body(|_, body| {
            BoxBody::new(Keeping {
                body,
                _unread: self.clone(),
            })
        })
    }
}

impl Stream for Unread {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.borrow_mut().poll_next_unpin(context)
    }
}

/// The body of an answer, and what it keeps.
struct Keeping {
    body: BoxBody,
    _unread: Unread,
}

impl MessageBody for Keeping {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
