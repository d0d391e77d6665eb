//! Addresses that events are pushed to, and hosts that may be named in them.
//!
//! # Invariants
//!
//! 1. An address is written in one way only: what a URL parser would change in it is refused, so that the
//!    host that was compared is the host that is called.
//! 2. Nothing in its path looks like the name of a person or of a recipe: addresses are logged wherever they
//!    pass.

use crate::client::Url;
use crate::model::{NRE_LENGTH, Nre};

/// Longest address.
const ADDRESS_BYTES_MAX: usize = 512;
const SCHEME: &str = "https://";
const TAX_CODE_LENGTH: usize = 16;
/// What stands for digits among namesakes (omocodia).
const OMOCODIA: &[u8] = b"LMNPQRSTUV";

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Its length.
    #[error("must be at most 512 characters")]
    TooLong,
    /// Its scheme.
    #[error("must begin with https://")]
    Scheme,
    /// Its host or port.
    #[error("must name a host in lower case and, where it is not 443, a port; no user")]
    Host,
    /// Its path.
    #[error("must have a path of letters, digits and marks among . _ ~ - / and nothing after it")]
    Path,
    /// A path, where none belongs.
    #[error("must end after host and port")]
    NoPath,
    /// What its path says.
    #[error("must not contain what looks like a tax code or an NRE")]
    Personal,
}

/// An address to push to.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    url: String,
    origin_length: usize,
    host: String,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (host, rest) = split(text)?;
        let origin_length = text.len() - rest.len();
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._~-/".contains(&b);
        if !rest.starts_with('/') || !rest.bytes().all(fits) {
            return Err(AddressError::Path);
        }
        if looks_personal(rest) {
            return Err(AddressError::Personal);
        }
        let parsed = Url::parse(text).map_err(|_| AddressError::Host)?;
        if parsed.as_str() != text {
            // Of the rest only its steps up and down can have changed.
            let is_host = parsed.path() == rest;
            return Err(if is_host {
                AddressError::Host
            } else {
                AddressError::Path
            });
        }
        Ok(Address {
            url: text.to_owned(),
            origin_length,
            host,
        })
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Scheme, host and port, as registered.
    pub fn origin(&self) -> &str {
        &self.url[..self.origin_length]
    }

    /// Host and port.
    pub fn host(&self) -> &str {
        &self.host
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.origin())
    }
}

/// The host and port of a host that is registered: `https://host[:port]`.
///
/// # Errors
///
/// The rule that `text` breaks.
pub fn origin(text: &str) -> Result<String, AddressError> {
    match split(text)? {
        (_, "") => Address::parse(&format!("{text}/")).map(|address| address.host),
        _ => Err(AddressError::NoPath),
    }
}

/// Host and port, and what follows them.
fn split(text: &str) -> Result<(String, &str), AddressError> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(AddressError::TooLong);
    }
    let rest = text.strip_prefix(SCHEME).ok_or(AddressError::Scheme)?;
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b);
    if authority.is_empty() || !authority.bytes().all(fits) {
        return Err(AddressError::Host);
    }
    let has_port = match authority.strip_prefix('[') {
        Some(literal) => literal.contains("]:"),
        None => authority.contains(':'),
    };
    let host = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:443")
    };
    Ok((host, rest))
}

/// Whether somewhere in `text` stands what has the shape of a tax code, of a temporary code (STP, ENI) or
/// of an NRE.
pub fn looks_personal(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let is_nre = |part: &[u8]| {
        let part = std::str::from_utf8(part).unwrap_or_default();
        Nre::new(part).is_ok()
    };
    let bytes = text.as_bytes();
    bytes.windows(NRE_LENGTH).any(is_nre)
        || bytes
            .windows(TAX_CODE_LENGTH)
            .any(|part| is_tax_code(part) || is_temporary(part))
}

fn is_tax_code(part: &[u8]) -> bool {
    part.iter().enumerate().all(|(place, b)| match place {
        0..=5 | 8 | 11 | 15 => b.is_ascii_uppercase(),
        _ => b.is_ascii_digit() || OMOCODIA.contains(b),
    })
}

fn is_temporary(part: &[u8]) -> bool {
    let (head, digits) = part.split_at(3);
    (head == b"STP" || head == b"ENI") && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        let address = Address::parse("https://software.example:8443/argine/events").unwrap();
        assert_eq!(address.host(), "software.example:8443");
        assert_eq!(address.origin(), "https://software.example:8443");
        let address = Address::parse("https://software.example/").unwrap();
        assert_eq!(address.host(), "software.example:443");
        let address = Address::parse("https://[2001:db8::1]/x").unwrap();
        assert_eq!(address.host(), "[2001:db8::1]:443");
        use AddressError::{Host, NoPath, Path, Scheme, TooLong};
        for (text, error) in [
            ("", Scheme),
            ("http://software.example/", Scheme),
            ("HTTPS://software.example/", Scheme),
            ("https://", Host),
            ("https:///x", Host),
            ("https://user@software.example/", Host),
            ("https://user:pw@software.example/", Host),
            ("https://Software.example/", Host),
            ("https://software.example:443/", Host),
            ("https://software.example:/", Host),
            ("https://software.example:99999/", Host),
            ("https://127.1/", Host),
            ("https://0x7f000001/", Host),
            ("https://2130706433/", Host),
            ("https://[::ffff:7f00:1]:443/", Host),
            ("https://soft%77are.example/", Host),
            ("https://software.example\\@evil.example/", Path),
            ("https://software.example", Path),
            ("https://software.example?x", Path),
            ("https://software.example/?x", Path),
            ("https://software.example/#x", Path),
            ("https://software.example/a b", Path),
            ("https://software.example/a\r\nHost: x", Path),
            ("https://software.example/%2e%2e", Path),
            ("https://software.example/a/../b", Path),
            ("https://software.example/è", Path),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
        let long = format!("https://software.example/{}", "a".repeat(500));
        assert_eq!(Address::parse(&long), Err(TooLong));
        assert_eq!(
            origin("https://software.example").as_deref(),
            Ok("software.example:443")
        );
        assert_eq!(origin("https://software.example/"), Err(NoPath));
        assert_eq!(origin("https://software.example:443"), Err(Host));
    }

    #[test]
    fn no_person_and_no_recipe_is_named_in_a_path() {
        for part in [
            "PNIMRA70A01H501P",
            "rssmra80a01h501u",
            "RSSMRAULALMH5LMU",
            "xRSSMRA80A01H501Ux",
            "1300A4000000015",
            "STP1234567890123",
        ] {
            let address = Address::parse(&format!("https://software.example/a/{part}/b"));
            assert_eq!(address, Err(AddressError::Personal), "{part}");
        }
        let named = "https://software.example/0192f2c1-9d7a-7c6b-8a55-0f1e2d3c4b5a/events";
        Address::parse(named).unwrap();
    }
}
