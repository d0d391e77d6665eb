//! Answers to requests whose body is not read.
//!
//! A chunked body says nothing about its length, and the HTTP library goes on draining one that was
//! dropped unread, without a limit and without an end. Such a request is refused, and its body is
//! held until the answer is out: then the connection is closed.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::header::{HeaderMap, TRANSFER_ENCODING};
use actix_web::web::Bytes;

/// Whether the body of a request comes in chunks, or in any other coding but its own length.
pub(crate) fn is_of_unknown_length(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
}

/// The same answer, whose end is the end of the connection: `payload` is not read any more.
pub(crate) fn and_close(response: HttpResponse, payload: Payload) -> HttpResponse {
    response.map_body(|_, body| {
        BoxBody::new(Holding {
            body,
            _payload: payload,
        })
    })
}

struct Holding {
    body: BoxBody,
    _payload: Payload,
}

impl MessageBody for Holding {
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
