//! Where an answer of the gateway ends.

use std::io;

const HEAD_MAX: usize = 16 * 1024;
const FIELDS_MAX: usize = 64;

/// The status of the answer in `bytes` and the length of the whole, once its head is there.
pub(crate) fn head(bytes: &[u8]) -> io::Result<Option<(u16, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut answer = httparse::Response::new(&mut fields);
    let status = answer.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(head) = status else {
        let fits = bytes.len() <= HEAD_MAX;
        return fits
            .then_some(None)
            .ok_or_else(|| io::Error::other("the answer's head is too long"));
    };
    let length = answer
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("content-length"))
        .and_then(|field| std::str::from_utf8(field.value).ok()?.parse::<usize>().ok())
        .ok_or_else(|| io::Error::other("the answer has no length"))?;
    Ok(Some((answer.code.unwrap_or_default(), head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_body() {
        let answer = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4\r\n\r\nbody";
        let (status, whole) = head(answer).expect("HTTP").expect("a whole head");
        assert_eq!((status, whole), (202, answer.len()));
        assert!(head(&answer[..20]).expect("HTTP").is_none());
        assert!(head(b"HTTP/1.1 202 Accepted\r\n\r\n").is_err());
    }
}
