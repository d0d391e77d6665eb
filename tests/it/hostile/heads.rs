//! Heads that two readers may read in two ways, and TLS of another age.

use tests::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::raw::{Raw, STATUS, dial, network};

const POST: &str = "POST /v1/prescriptions/search HTTP/1.1\r\nHost: localhost\r\n";

/// Every request that may end in two places, or is for two hosts.
fn ambiguous() -> Vec<String> {
    let headers = [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        "Content-Length: 4\r\nContent-Length: 5\r\n",
        "Content-Length: 4\r\nContent-Length: 4\r\n",
        "Content-Length: 4, 5\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: -4\r\n",
        "Content-Length: 0x4\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Host: another\r\nContent-Length: 4\r\n",
        "X: a\0b\r\nContent-Length: 4\r\n",
    ];
    let bodies = "0\r\n\r\nGET /v1/status HTTP/1.1\r\nHost: smuggled\r\n\r\n";
    let requests = headers
        .iter()
        .map(|text| format!("{POST}{text}\r\n{bodies}"));
    requests.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fault_54_a_request_that_may_be_read_in_two_ways_is_refused_and_its_connection_closed() {
    let world = World::start().await;
    for request in ambiguous() {
        let connected = Raw::connect(&world, "practice-a", network(1)).await;
        let mut caller = connected.expect("a caller connects");
        caller.send(&request).await.expect("a request is taken");
        let heard = caller.read_to_end().await;
        let heard = heard.unwrap_or_else(|| panic!("the connection stays open: {request:?}"));
        assert!(heard.starts_with("HTTP/1.1 400 "), "{request:?}: {heard}");
        assert_eq!(
            heard.matches("HTTP/1.1 ").count(),
            1,
            "{request:?}: {heard}"
        );
    }
    let bad_chunk = format!("{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\nGET / HTTP/1.1\r\n\r\n");
    let connected = Raw::connect(&world, "practice-a", network(1)).await;
    let mut caller = connected.expect("a caller connects");
    caller.send(&bad_chunk).await.expect("a request is taken");
    let heard = caller
        .read_to_end()
        .await
        .expect("the connection is closed");
    assert!(heard.starts_with("HTTP/1.1 4"), "{heard}");
    assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{heard}");
    let connected = Raw::connect(&world, "practice-b", network(1)).await;
    let answer = connected.expect("another connects").ask(STATUS).await;
    assert!(answer.expect("it is answered").starts_with("HTTP/1.1 200"));
}

/// A hello of this version that offers these suites and nothing else.
fn hello(version: [u8; 2], suites: &[u16]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(u16::try_from(2 * suites.len()).expect("few").to_be_bytes());
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.extend([1, 0]);
    // Groups, formats of points and algorithms of signatures that we would take.
    let extensions: &[&[u8]] = &[
        &[0, 10, 0, 4, 0, 2, 0, 23],
        &[0, 11, 0, 2, 1, 0],
        &[0, 13, 0, 4, 0, 2, 4, 3],
    ];
    let extensions = extensions.concat();
    body.extend(u16::try_from(extensions.len()).expect("few").to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).expect("short");
    let mut record = vec![22, 3, 1];
    record.extend((length + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend(length.to_be_bytes());
    record.extend(body);
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_before_1_2_and_suites_without_authentication_are_refused() {
    const ALERT: u8 = 21;
    const HANDSHAKE: u8 = 22;
    let world = World::start().await;
    // ECDHE-ECDSA with AES-128-CBC, and with AES-128-GCM: a hello of 1.2 with the latter goes on.
    let (cbc, gcm) = (0xC009, 0xC02B);
    let cases = [
        ([3, 1], gcm, ALERT),
        ([3, 2], gcm, ALERT),
        ([3, 3], cbc, ALERT),
        ([3, 3], gcm, HANDSHAKE),
    ];
    for (version, suite, expected) in cases {
        let mut socket = dial(network(1), world.address()).await.expect("connects");
        let hello = hello(version, &[suite]);
        socket.write_all(&hello).await.expect("a hello is taken");
        let kind = socket.read_u8().await.expect("an answer");
        assert_eq!(kind, expected, "{version:?} {suite:#x}");
    }
}
