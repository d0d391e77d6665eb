//! A connection with its place, whose peer must read what it is sent.
//!
//! # Invariants
//!
//! 1. Who takes nothing of what waits to be written for `write_within` is closed, and so is, after a
//!    while, who takes less than [`RATE_MIN`]. Who is faster gets all of it, however much it is.
//! 2. A place is given back when its connection ends, whatever ends it.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::peers::Place;
use crate::telemetry::Watcher;
use crate::tls::CertificateDigest;

/// Bytes a second that a caller must take while something waits for it, as of a body that it sends.
const RATE_MIN: u64 = 4096;

/// A socket, its place, and the deadline of what is being written.
pub(super) struct Held {
    socket: TcpStream,
    _place: Place,
    write_within: Duration,
    /// Runs from the first byte that could not be written until everything has been; what is written
    /// meanwhile puts it off, never further than `write_within` from then.
    deadline: Option<Pin<Box<Sleep>>>,
    watcher: Arc<Watcher>,
}

impl Held {
    pub(super) fn new(
        socket: TcpStream,
        place: Place,
        write_within: Duration,
        watcher: Arc<Watcher>,
    ) -> Held {
        Held {
            socket,
            _place: place,
            write_within,
            deadline: None,
            watcher,
        }
    }

    /// The outcome of a write, unless it has waited for too long.
    fn within(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let furthest = Instant::now() + self.write_within;
        if written.is_pending() && self.deadline.is_none() {
            self.deadline = Some(Box::pin(sleep_until(furthest)));
        }
        let Some(deadline) = &mut self.deadline else {
            return written;
        };
        if let Poll::Ready(Ok(bytes)) = &written {
            let put_off = deadline.deadline() + earned(*bytes);
            deadline.as_mut().reset(put_off.min(furthest));
        }
        if deadline.as_mut().poll(context).is_ready() {
            self.watcher.connection_ended("reader-slow");
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
}

/// How long so many bytes may have taken.
fn earned(bytes: usize) -> Duration {
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    Duration::from_millis(bytes.saturating_mul(1_000) / RATE_MIN)
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.within(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.within(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// Whoever flushes has written everything.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_flush(context))?;
        self.deadline = None;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

/// What HTTP is spoken over.
pub(super) enum Stream {
    /// TLS, begun under credentials of this generation.
    Tls {
        tls: Box<TlsStream<Held>>,
        generation: u64,
    },
    /// The socket itself, whoever is at its other end.
    Plain {
        held: Held,
        taken_for: CertificateDigest,
    },
}

/// Does the same with whichever it is.
macro_rules! either {
    ($stream:expr, $inner:ident => $do:expr) => {
        match $stream.get_mut() {
            Stream::Tls { tls, .. } => {
                let $inner = Pin::new(tls.as_mut());
                $do
            }
            Stream::Plain { held, .. } => {
                let $inner = Pin::new(held);
                $do
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, inner => inner.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, inner => inner.poll_shutdown(context))
    }
}
