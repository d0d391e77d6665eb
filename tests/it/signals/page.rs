//! The page of metrics, as a scraper sees it.

use std::net::SocketAddr;

use serde_json::Value;
use tests::world::World;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Where the gateway that runs now says that it shows its metrics.
pub(crate) async fn address(world: &World) -> SocketAddr {
    let line = world.logged(&["metrics.address"]).await;
    let line: Value = serde_json::from_str(&line).expect("a line is JSON");
    let address = line["metrics.address"].as_str().expect("text");
    address.parse().expect("an address")
}

/// The answer to `GET` of this path, head and body.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address)
        .await
        .expect("the page is served");
    let request = format!("GET {path} HTTP/1.1\r\nhost: metrics\r\nconnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("a scraper can ask");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .await
        .expect("the page is text");
    answer
}

/// The value of a series, written as on the page; none if it is not there.
pub(crate) fn value(page: &str, series: &str) -> Option<f64> {
    page.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .map(|value| value.parse().expect("a value is a number"))
}
