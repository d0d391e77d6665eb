//! First and later exchanges of a connection, and what an alert on them says.

use super::*;

/// Answers two requests on one connection, then accepts another for a third.
async fn serve_twice_then_once(listener: TcpListener, acceptor: TlsAcceptor) {
    for requests in [2, 1] {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut tls = acceptor.accept(tcp).await.unwrap();
        for _ in 0..requests {
            read_request(&mut tls).await.unwrap();
            tls.write_all(&http("200 OK", "", "x")).await.unwrap();
            tls.flush().await.unwrap();
        }
        tls.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn only_the_first_exchange_on_a_connection_is_one() {
    let parties = Parties::trusting();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::clone(&parties.server));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(serve_twice_then_once(listener, acceptor));
    let client = parties.client();
    // As in the gateway, where the caller is a task of its own.
    let calls = async move {
        let mut told = Vec::new();
        for another in [false, false, true] {
            // Another client has none of this one's connections.
            let client = if another { &parties.client() } else { &client };
            let first = Arc::new(AtomicBool::new(false));
            let call = Call {
                url: &format!("https://{address}/path"),
                soap_action: "urn:action",
                body: b"<body/>".to_vec(),
                began: Arc::default(),
            };
            let reply = client.exchange(call, Arc::clone(&first)).await;
            assert_eq!(reply.ok().unwrap().status, 200);
            told.push(first.load(Ordering::Acquire));
        }
        told
    };
    let told = tokio::spawn(calls).await.unwrap();
    assert_eq!(told, [true, false, true]);
}

#[test]
fn a_refused_certificate_undoes_only_the_first_exchange() {
    let reached = |cause, began, first| unanswered(cause, began, first).reached;
    assert!(!reached(Cause::OwnCertificate, false, false), "handshake");
    assert!(!reached(Cause::OwnCertificate, true, true), "TLS 1.3");
    assert!(reached(Cause::OwnCertificate, true, false), "reused");
    for cause in [Cause::Connection, Cause::Timeout, Cause::PeerCertificate] {
        assert!(reached(cause, true, true), "{cause:?}");
        assert!(!reached(cause, false, false), "{cause:?}");
    }
}
