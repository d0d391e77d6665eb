//! A collector of traces: takes OTLP over HTTP, or behaves as one that is dead, slow or broken.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// How a collector behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It takes what it gets.
    Takes,
    /// It accepts connections, reads, and never answers.
    Silent,
    /// It refuses connections.
    Refuses,
    /// It answers 500.
    Fails,
}

/// A running collector.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    bodies: Arc<Mutex<Vec<Vec<u8>>>>,
    accepting: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start(manner: Manner) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let bodies = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let received = Arc::clone(&bodies);
        let accepting = tokio::spawn(async move {
            if manner == Manner::Refuses {
                return;
            }
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, manner, Arc::clone(&received)));
            }
        });
        Collector {
            address,
            bodies,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// Every byte that was exported.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bodies.lock().expect("no holder panics").concat()
    }

    /// Every span that was exported.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().expect("no holder panics");
        let requests = bodies.iter().map(|body| {
            ExportTraceServiceRequest::decode(body.as_slice()).expect("an export is OTLP")
        });
        requests
            .flat_map(|request| request.resource_spans)
            .flat_map(|of_resource| of_resource.scope_spans)
            .flat_map(|of_scope| of_scope.spans)
            .collect()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(mut stream: TcpStream, manner: Manner, bodies: Arc<Mutex<Vec<Vec<u8>>>>) {
    let mut read = Vec::new();
    while let Some((body, length)) = request(&mut stream, &mut read).await {
        bodies.lock().expect("no holder panics").push(body);
        read.drain(..length);
        let status = match manner {
            Manner::Takes => "200 OK",
            Manner::Fails => "500 Internal Server Error",
            // Until the other side has had enough.
            Manner::Silent | Manner::Refuses => {
                let _closed = stream.read(&mut [0; 1]).await;
                return;
            }
        };
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(head.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The body of the next request, and how long it is with its head; none, once the connection ends.
async fn request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<(Vec<u8>, usize)> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))?;
            let whole = end + 4 + length.trim().parse::<usize>().ok()?;
            if let Some(body) = read.get(end + 4..whole) {
                return Some((body.to_vec(), whole));
            }
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}
