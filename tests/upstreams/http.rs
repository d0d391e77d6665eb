//! HTTP/1.1 messages, read and written by hand so that an answer can go wrong at any byte.
//!
//! # Limits
//!
//! A head of [`HEAD_MAX`] bytes and [`HEADERS_MAX`] fields, a body of [`BODY_MAX`] bytes. Beyond
//! them the request is refused and the connection closed.

mod connection;
pub mod server;

/// The longest request line and header fields together.
pub const HEAD_MAX: usize = 16 * 1024;
/// The most header fields.
pub const HEADERS_MAX: usize = 64;
/// The longest request body.
pub const BODY_MAX: usize = 1024 * 1024;

/// A whole request.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The method, as sent.
    pub method: String,
    /// The request target, as sent.
    pub target: String,
    /// The header fields in order.
    pub headers: Vec<(String, String)>,
    /// The body, without its transfer coding.
    pub body: Vec<u8>,
    /// The certificate that the peer proved to hold, DER.
    pub peer_certificate: Option<Vec<u8>>,
}

impl Request {
    /// The target up to its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The target's query, empty if there is none.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// The first header field of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// A whole response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    /// More header fields.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A response with a body of this type.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Response {
        Response {
            status,
            content_type,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Whether it is the last on its connection.
    pub fn ends_connection(&self) -> bool {
        self.headers.contains(&("Connection", "close".to_owned()))
    }

    /// The bytes as they go on the wire.
    pub fn encode(&self) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n",
            self.status,
            reason(self.status),
            self.content_type,
            self.body.len()
        );
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        422 => "Unprocessable Content",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "",
    }
}

/// What the bytes received so far amount to.
#[derive(Debug)]
pub enum Parsed {
    /// Not yet a request. `continue_first`: the head is whole and the peer waits for a 100 before
    /// it sends the body.
    Partial {
        /// Whether the peer waits for `100 Continue`.
        continue_first: bool,
    },
    /// A request, and how many bytes it took.
    Whole(Box<Request>, usize),
    /// Nothing that can be answered but with this status.
    Refused(u16),
}

/// Reads one request from the start of `bytes`.
pub fn parse(bytes: &[u8]) -> Parsed {
    let mut fields = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut fields);
    let head_len = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) if bytes.len() > HEAD_MAX => return Parsed::Refused(400),
        Ok(httparse::Status::Partial) => {
            return Parsed::Partial {
                continue_first: false,
            };
        }
        Err(_) => return Parsed::Refused(400),
    };
    let mut request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        target: head.path.unwrap_or_default().to_owned(),
        headers: head.headers.iter().map(field).collect(),
        ..Request::default()
    };
    let body = match body(&request, &bytes[head_len..]) {
        Ok(body) => body,
        Err(status) => return Parsed::Refused(status),
    };
    match body {
        Some((body, taken)) => {
            request.body = body;
            Parsed::Whole(Box::new(request), head_len + taken)
        }
        None => Parsed::Partial {
            continue_first: request
                .header("expect")
                .is_some_and(|value| value.eq_ignore_ascii_case("100-continue")),
        },
    }
}

fn field(raw: &httparse::Header<'_>) -> (String, String) {
    (
        raw.name.to_owned(),
        String::from_utf8_lossy(raw.value).into_owned(),
    )
}

/// The body and how many bytes it took on the wire; none while it is not whole.
type Body = Option<(Vec<u8>, usize)>;

fn body(request: &Request, bytes: &[u8]) -> Result<Body, u16> {
    let length = request.header("content-length");
    match (request.header("transfer-encoding"), length) {
        // Both at once is how requests are smuggled past a front end (RFC 9112 §6.1).
        (Some(_), Some(_)) => Err(400),
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => chunked(bytes),
        (Some(_), None) => Err(400),
        (None, None) => Ok(Some((Vec::new(), 0))),
        (None, Some(length)) => {
            let length: usize = length.trim().parse().map_err(|_| 400_u16)?;
            if length > BODY_MAX {
                return Err(413);
            }
            Ok(bytes.get(..length).map(|body| (body.to_vec(), length)))
        }
    }
}

fn chunked(bytes: &[u8]) -> Result<Body, u16> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let (size_len, size) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(400),
        };
        let size = usize::try_from(size).map_err(|_| 413_u16)?;
        if size > BODY_MAX - body.len() {
            return Err(413);
        }
        let data_at = at + size_len;
        let Some(chunk) = bytes.get(data_at..data_at + size + 2) else {
            return Ok(None);
        };
        if &chunk[size..] != b"\r\n" {
            return Err(400);
        }
        at = data_at + size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
        body.extend_from_slice(&chunk[..size]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> (Request, usize) {
        match parse(bytes) {
            Parsed::Whole(request, taken) => (*request, taken),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_whole_only_with_its_last_byte() {
        let cases: [&[u8]; 3] = [
            b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
            b"POST /a?b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
            b"GET /a?b HTTP/1.1\r\n\r\n",
        ];
        for bytes in cases {
            for cut in 0..bytes.len() {
                assert!(
                    matches!(parse(&bytes[..cut]), Parsed::Partial { .. }),
                    "{cut}"
                );
            }
            let (request, taken) = whole(bytes);
            assert_eq!(
                (request.path(), request.query(), taken),
                ("/a", "b", bytes.len())
            );
            assert!(request.body == b"abc" || request.method == "GET");
        }
    }

    #[test]
    fn what_follows_a_request_is_left_for_the_next() {
        let (request, taken) = whole(b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\naGET");
        assert_eq!((request.body.as_slice(), taken), (b"a".as_slice(), 39));
    }

    #[test]
    fn malformed_and_oversized_requests_are_refused() {
        let cases: [(&[u8], u16); 5] = [
            (
                b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nContent-Length: 1048577\r\n\r\n", 413),
            (
                b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n",
                413,
            ),
            (b"\x16\x03\x01\x02\x00", 400),
        ];
        for (bytes, status) in cases {
            assert!(
                matches!(parse(bytes), Parsed::Refused(s) if s == status),
                "{bytes:?}"
            );
        }
    }
}
