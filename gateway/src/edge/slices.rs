//! Hands the body of an answer over in slices: the server copies whatever it is handed as a whole, for
//! every caller that does not read.
//!
//! # Limits
//!
//! A slice is at most [`SLICE_BYTES`]; of one answer the server holds what it buffers (32 KiB) and one of
//! them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// The longest slice.
const SLICE_BYTES: usize = 16 << 10;

/// The same answer, in slices if it is longer than one.
pub(super) fn sliced(response: HttpResponse) -> HttpResponse {
    let is_short = match response.body().size() {
        BodySize::None => true,
        BodySize::Sized(bytes) => usize::try_from(bytes).is_ok_and(|bytes| bytes <= SLICE_BYTES),
        BodySize::Stream => false,
    };
    if is_short {
        return response;
    }
    response.map_body(|_, body| {
        let rest = Bytes::new();
        BoxBody::new(Sliced { body, rest })
    })
}

/// A body, and what is left of the part that is being sliced.
struct Sliced {
    body: BoxBody,
    rest: Bytes,
}

impl MessageBody for Sliced {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_next(context)) {
                Some(Ok(part)) => self.rest = part,
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(SLICE_BYTES);
        // Nothing is copied.
        Poll::Ready(Some(Ok(self.rest.split_to(length))))
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_long_body_comes_in_slices_and_is_the_same() {
        let text: Vec<u8> = (0..=255).cycle().take(3 * SLICE_BYTES + 1).collect();
        let answer = HttpResponse::Ok().body(text.clone());
        let mut body = sliced(answer).into_body();
        assert_eq!(body.size(), BodySize::Sized(text.len() as u64));
        let mut slices = Vec::new();
        while let Some(slice) = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
            slices.push(slice.unwrap());
        }
        assert_eq!(slices.concat(), text);
        assert!(slices.iter().all(|slice| slice.len() <= SLICE_BYTES));
        assert_eq!(slices.len(), 4);
    }
}
