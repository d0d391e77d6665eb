//! Public keys as PDND writes them (JWK, RFC 7517 and 7518), read strictly.
//!
//! # Limits
//!
//! RSA of 2048 to 8192 bits; the curves P-256 and P-384.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// Bytes of an RSA modulus. Shorter ones can be broken, longer ones cost too much to check.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// Bytes of an RSA exponent.
const EXPONENT_BYTES_MAX: usize = 8;

/// A key, in the parts that any library can make its own of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA.
    Rsa {
        /// Big-endian.
        modulus: Vec<u8>,
        /// Big-endian.
        exponent: Vec<u8>,
    },
    /// The point of a curve, uncompressed: a byte of form and two coordinates.
    P256(Vec<u8>),
    /// The same of P-384.
    P384(Vec<u8>),
}

/// A key and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwk {
    /// Its id.
    pub kid: String,
    /// The algorithm it is meant for, where that is said.
    pub algorithm: Option<String>,
    /// The key itself.
    pub key: PublicKey,
}

/// A key that holders of vouchers sign with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientKey {
    /// Whose it is, where PDND says it.
    pub client: Option<String>,
    /// The key.
    pub jwk: Jwk,
}

#[derive(Deserialize)]
struct Wire {
    kid: String,
    kty: String,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Wire>,
}

/// The first version of PDND's API answers with the bare key, the second says whose it is.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Owned {
        #[serde(rename = "clientId")]
        client: String,
        jwk: Wire,
    },
    Bare(Wire),
}

/// The keys of a set that are for signatures and of a kind we know; `None` if it is no set, holds more
/// than `keys_max`, or not one that serves.
pub(super) fn set(body: &[u8], keys_max: usize) -> Option<Vec<Jwk>> {
    let set: Set = serde_json::from_slice(body).ok()?;
    if set.keys.len() > keys_max {
        return None;
    }
    let keys: Vec<Jwk> = set.keys.into_iter().filter_map(Wire::read).collect();
    Some(keys).filter(|keys| !keys.is_empty())
}

/// The answer about one key.
pub(super) fn client_key(body: &[u8]) -> Option<ClientKey> {
    let (client, wire) = match serde_json::from_slice(body).ok()? {
        Answer::Owned { client, jwk } => (Some(client), jwk),
        Answer::Bare(jwk) => (None, jwk),
    };
    Some(ClientKey {
        client,
        jwk: wire.read()?,
    })
}

impl Wire {
    fn read(self) -> Option<Jwk> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => PublicKey::Rsa {
                modulus: bytes(self.n.as_ref()?).filter(|n| MODULUS_BYTES.contains(&n.len()))?,
                exponent: bytes(self.e.as_ref()?).filter(|e| e.len() <= EXPONENT_BYTES_MAX)?,
            },
            ("EC", Some("P-256")) => PublicKey::P256(point(&self, 32)?),
            ("EC", Some("P-384")) => PublicKey::P384(point(&self, 48)?),
            _ => return None,
        };
        Some(Jwk {
            kid: self.kid,
            algorithm: self.alg,
            key,
        })
    }
}

fn point(wire: &Wire, coordinate_bytes: usize) -> Option<Vec<u8>> {
    let mut point = vec![4];
    for coordinate in [&wire.x, &wire.y] {
        let coordinate = bytes(coordinate.as_ref()?)?;
        if coordinate.len() != coordinate_bytes {
            return None;
        }
        point.extend(coordinate);
    }
    Some(point)
}

fn bytes(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn rsa(kid: &str, modulus_bytes: usize) -> Value {
        let modulus = URL_SAFE_NO_PAD.encode(vec![0xab; modulus_bytes]);
        json!({"kid": kid, "kty": "RSA", "use": "sig", "alg": "RS256", "n": modulus, "e": "AQAB"})
    }

    fn p256() -> Value {
        let coordinate = URL_SAFE_NO_PAD.encode([7; 32]);
        json!({"kid": "ec", "kty": "EC", "crv": "P-256", "x": coordinate, "y": coordinate})
    }

    fn read(value: &Value) -> Option<ClientKey> {
        client_key(value.to_string().as_bytes())
    }

    #[test]
    fn a_key_is_read_with_its_owner_or_without() {
        let bare = read(&rsa("a", 256)).unwrap();
        assert_eq!((bare.client, bare.jwk.kid.as_str()), (None, "a"));
        let owned = read(&json!({"clientId": "c-1", "jwk": p256()})).unwrap();
        assert_eq!(owned.client.as_deref(), Some("c-1"));
        assert!(matches!(owned.jwk.key, PublicKey::P256(point) if point.len() == 65));
    }

    #[test]
    fn what_is_no_key_for_signatures_is_none() {
        let with = |mut key: Value, field: &str, value: &str| {
            key[field] = json!(value);
            key
        };
        for bad in [
            json!([]),
            json!({"keys": []}),
            rsa("short", 255),
            rsa("long", 1025),
            with(rsa("a", 256), "use", "enc"),
            with(rsa("a", 256), "kty", "oct"),
            with(rsa("a", 256), "n", "not base64url!"),
            with(p256(), "crv", "P-521"),
            with(p256(), "x", "AAAA"),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn of_a_set_the_keys_that_serve_are_taken() {
        let of = |keys: Value| set(json!({ "keys": keys }).to_string().as_bytes(), 3);
        let unknown = json!({"kid": "o", "kty": "oct", "k": "AAAA"});
        assert_eq!(of(json!([unknown.clone(), p256()])).unwrap().len(), 1);
        assert_eq!(
            of(json!([unknown])),
            None,
            "a set without a key is a mistake"
        );
        assert_eq!(of(json!([p256(), p256(), p256(), p256()])), None);
    }
}
