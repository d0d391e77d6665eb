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

/// What somebody sent.
#[derive(Debug)]
struct Request {
    head: String,
    body: Vec<u8>,
}

/// A running collector.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    accepting: JoinHandle<()>,
}

impl Collector {
    pub(crate) async fn start(manner: Manner) -> Collector {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let received = Arc::clone(&requests);
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
            requests,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    /// Every byte that was exported.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let requests = self.requests.lock().expect("no holder panics");
        let sent = requests.iter();
        sent.flat_map(|request| [request.head.as_bytes(), &request.body].concat())
            .collect()
    }

    /// Every span that was exported.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let requests = self.requests.lock().expect("no holder panics");
        let exports = requests.iter().map(|request| {
            ExportTraceServiceRequest::decode(request.body.as_slice()).expect("an export is OTLP")
        });
        exports
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

async fn serve(mut stream: TcpStream, manner: Manner, requests: Arc<Mutex<Vec<Request>>>) {
    let mut read = Vec::new();
    while let Some((request, length)) = next(&mut stream, &mut read).await {
        requests.lock().expect("no holder panics").push(request);
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

/// The next request, and how long it is; none, once the connection ends.
async fn next(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<(Request, usize)> {
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))?;
            let whole = end + 4 + length.trim().parse::<usize>().ok()?;
            if let Some(body) = read.get(end + 4..whole) {
                let body = body.to_vec();
                return Some((Request { head, body }, whole));
            }
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}
