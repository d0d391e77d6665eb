//! One connection: its handshake, its requests, and how each answer leaves or fails to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::server::{Door, Ending, Gate, Greeting};
use super::{BODY_MAX, Parsed, Request, Response, parse};

/// How long a handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How long a begun request may take to arrive.
const REQUEST_WITHIN: Duration = Duration::from_secs(30);
/// How long a connection may stay idle.
const IDLE_FOR: Duration = Duration::from_secs(120);
/// Serves one connection until either side ends it.
pub(super) async fn connection(tcp: TcpStream, door: Door) {
    let generation = door.gate.borrow().generation;
    if tcp.set_nodelay(true).is_err() {
        return;
    }
    let Some(tls) = door.tls.clone() else {
        return serve(tcp, None, door, generation).await;
    };
    let config = match door.handler.greet() {
        Greeting::Serve => tls.usual,
        Greeting::Distrust => tls.distrustful,
        Greeting::Reset => {
            let mut tcp = tcp;
            // Only once the peer has begun, so that it sees a handshake fail and not a refusal.
            let begun = timeout(HANDSHAKE_WITHIN, tcp.read_u8()).await;
            return if begun.is_ok() {
                tcp.reset()
            };
        }
    };
    let handshake = timeout(HANDSHAKE_WITHIN, TlsAcceptor::from(config).accept(tcp)).await;
    if let Ok(Ok(stream)) = handshake {
        let chain = stream.get_ref().1.peer_certificates();
        let peer = chain
            .and_then(<[_]>::first)
            .map(|certificate| certificate.to_vec());
        serve(stream, peer, door, generation).await;
    }
}

/// A stream that can be torn down without a goodbye.
trait Reset {
    fn reset(&self);
}

impl Reset for TcpStream {
    fn reset(&self) {
        // A socket that cannot linger is closed the usual way, which is all we could do anyway.
        self.set_zero_linger().ok();
    }
}

impl Reset for TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Reset {}
impl<S: AsyncRead + AsyncWrite + Unpin + Reset> Stream for S {}

async fn serve<S: Stream>(mut stream: S, peer: Option<Vec<u8>>, mut door: Door, generation: u64) {
    let mut buffer = Vec::new();
    while let Some(mut request) =
        next_request(&mut stream, &mut buffer, &mut door, generation).await
    {
        request.peer_certificate.clone_from(&peer);
        let delivery = Arc::clone(&door.handler).handle(request).await;
        let lives = tokio::select! {
            () = sleep(delivery.delay), if !delivery.delay.is_zero() => {
                deliver(&mut stream, &mut buffer, delivery.ending).await
            }
            () = until_gone(&mut stream, &mut buffer), if !delivery.delay.is_zero() => false,
            else => deliver(&mut stream, &mut buffer, delivery.ending).await,
        };
        drop(delivery.held);
        if !lives {
            drop(stream);
            if let Some(afterwards) = delivery.afterwards {
                afterwards.await;
            }
            return;
        }
    }
    // The peer may be gone already; there is nobody to tell.
    stream.shutdown().await.ok();
}

/// The next request; none when the connection is to be closed.
async fn next_request<S: Stream>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    door: &mut Door,
    generation: u64,
) -> Option<Request> {
    let idle = door.seen.idle(generation);
    let first = tokio::select! {
        biased;
        () = outlived(&mut door.gate, generation) => {
            // Said before it stops counting as idle, so that whoever waits for that finds it closed.
            stream.shutdown().await.ok();
            return None;
        }
        first = more(stream, buffer) => first,
    };
    drop(idle);
    if !first {
        return None;
    }
    timeout(REQUEST_WITHIN, whole_request(stream, buffer))
        .await
        .ok()
        .flatten()
}

async fn whole_request<S: Stream>(stream: &mut S, buffer: &mut Vec<u8>) -> Option<Request> {
    let mut continued = false;
    loop {
        match parse(buffer) {
            Parsed::Whole(request, taken) => {
                buffer.drain(..taken);
                return Some(*request);
            }
            Parsed::Refused(status) => {
                let refusal = Response::new(status, "text/plain", "").encode();
                stream.write_all(&refusal).await.ok()?;
                return None;
            }
            Parsed::Partial { continue_first } => {
                if continue_first && !continued {
                    continued = true;
                    stream
                        .write_all(b"HTTP/1.1 100 Continue\r\n\r\n")
                        .await
                        .ok()?;
                    stream.flush().await.ok()?;
                }
                if stream.read_buf(buffer).await.ok()? == 0 {
                    return None;
                }
            }
        }
    }
}

/// Sends the answer as asked; whether the connection lives on.
async fn deliver<S: Stream>(stream: &mut S, buffer: &mut Vec<u8>, ending: Ending) -> bool {
    match ending {
        Ending::Answer(response) => {
            let written = write(stream, &response.encode()).await.is_ok();
            if response.ends_connection() {
                stream.shutdown().await.ok();
            }
            written && !response.ends_connection()
        }
        Ending::Half(response) => {
            let bytes = response.encode();
            if write(stream, &bytes[..bytes.len() / 2]).await.is_ok() {
                until_gone(stream, buffer).await;
            }
            false
        }
        Ending::Trickle(response, every) => {
            for byte in response.encode() {
                if write(stream, &[byte]).await.is_err() {
                    return false;
                }
                tokio::select! {
                    () = sleep(every) => {}
                    () = until_gone(stream, buffer) => return false,
                }
            }
            true
        }
        Ending::Hang => {
            until_gone(stream, buffer).await;
            false
        }
        Ending::Close => {
            stream.shutdown().await.ok();
            false
        }
        Ending::Reset => {
            stream.reset();
            false
        }
    }
}

async fn write<S: Stream>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Returns when the peer has closed its side, keeping whatever it sends until then.
async fn until_gone<S: Stream>(stream: &mut S, buffer: &mut Vec<u8>) {
    while buffer.len() < BODY_MAX && matches!(stream.read_buf(buffer).await, Ok(1..)) {}
}

/// Returns once connections of this generation are to take no more requests.
async fn outlived(gate: &mut watch::Receiver<Gate>, generation: u64) {
    // An error means that the server is gone, which is the same.
    gate.wait_for(|gate| !gate.open || gate.generation != generation)
        .await
        .map(drop)
        .ok();
}

/// Whether there is something to read a request from: what is left of the last read, or a new one.
async fn more<S: Stream>(stream: &mut S, buffer: &mut Vec<u8>) -> bool {
    !buffer.is_empty()
        || matches!(
            timeout(IDLE_FOR, stream.read_buf(buffer)).await,
            Ok(Ok(1..))
        )
}
