//! A connection with its place, whose peer must read what it is sent.
//!
//! # Invariants
//!
//! 1. Who does not take what is written within `write_within` is closed: what waits to be written is
//!    at most what the server buffers, so that a reader of a byte a second gets no further.
//! 2. A place is given back when its connection ends, whatever ends it.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_rustls::server::TlsStream;

use super::peers::Place;
use crate::telemetry::Watcher;
use crate::tls::CertificateDigest;

/// A socket, its place, and the deadline of what is being written.
pub(super) struct Held {
    socket: TcpStream,
    _place: Place,
    write_within: Duration,
    /// Runs from the first byte that could not be written until everything has been.
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
        if written.is_pending() && self.deadline.is_none() {
            self.deadline = Some(Box::pin(sleep(self.write_within)));
        }
        let Some(deadline) = &mut self.deadline else {
            return written;
        };
        if deadline.as_mut().poll(context).is_ready() {
            self.watcher.connection_ended("reader-slow");
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        written
    }
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
