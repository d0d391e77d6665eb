//! Redis beside us: `XADD` to one stream with `appendfsync always`, over 64 connections.
//!
//! It checks no key and seals nothing; it is what an append can cost.

use std::io;
use std::path::Path;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::cores::{Cores, Processes};
use crate::phase::{Connection, Served};
use crate::server::{self, Server};

/// A server, and the clients that load it.
pub(crate) struct Redis {
    /// What is measured.
    pub(crate) served: Served<Client>,
    server: Server,
}

impl Redis {
    /// An empty one that keeps its log in `directory`.
    ///
    /// # Errors
    ///
    /// Why there is none, in words for the report.
    pub(crate) async fn start(
        directory: &Path,
        clients: usize,
        row_bytes: usize,
        cores: Cores,
    ) -> io::Result<Redis> {
        let program = server::find("redis-server", &[])
            .ok_or_else(|| io::Error::other("redis-server is not installed"))?;
        let data = directory.join("redis");
        std::fs::create_dir(&data)?;
        let address = server::free_address()?;
        let settings = [
            ("--bind", address.ip().to_string()),
            ("--port", address.port().to_string()),
            ("--dir", data.display().to_string()),
            ("--appendonly", "yes".to_owned()),
            ("--appendfsync", "always".to_owned()),
            // Neither snapshots nor rewriting the log: that would fall into anybody's round.
            ("--save", String::new()),
            ("--auto-aof-rewrite-percentage", "0".to_owned()),
        ];
        let arguments = settings
            .map(|(name, value)| [name.to_owned(), value])
            .concat();
        let log = directory.join("redis.log");
        let command = (program.as_path(), &arguments[..]);
        let server = Server::start(command, None, address, cores.server, &log).await?;
        let mut connections = Vec::new();
        for _ in 0..clients {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            connections.push(Client {
                stream: BufReader::new(stream),
                payload: crate::payload(row_bytes),
                line: Vec::new(),
            });
        }
        let processes = Processes::WithChildren(server.pid());
        let served = Served {
            connections,
            processes,
            cores,
        };
        Ok(Redis { served, server })
    }

    /// Ends it in order.
    pub(crate) async fn stop(self) -> io::Result<()> {
        drop(self.served);
        self.server.stop().await
    }
}

/// One connection.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    payload: Vec<u8>,
    line: Vec<u8>,
}

impl Connection for Client {
    async fn operate(&mut self) -> io::Result<bool> {
        let key = crate::fresh_key();
        let request = command(&[b"XADD", b"entries", b"*", &key, &self.payload]);
        self.stream.write_all(&request).await?;
        // The answer is the new identifier: a line with its length, a line with itself.
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line).await?;
        if !self.line.starts_with(b"$") {
            let said = String::from_utf8_lossy(&self.line);
            return Err(io::Error::other(format!("Redis answered {}", said.trim())));
        }
        self.stream.read_until(b'\n', &mut self.line).await?;
        Ok(true)
    }
}

/// A command in RESP: an array of binary-safe strings.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        command.extend_from_slice(word);
        command.extend_from_slice(b"\r\n");
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_array_of_strings() {
        assert_eq!(
            command(&[b"XADD", b"\r"]),
            b"*2\r\n$4\r\nXADD\r\n$1\r\n\r\r\n"
        );
    }
}
