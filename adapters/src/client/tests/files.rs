//! Files that make no client: which of them is wrong, and how.

use super::*;

#[test]
fn files_that_do_not_fit_are_named() {
    let parties = Parties::trusting();
    let open = |trust: &str, certificate: &str, key: &str| {
        let files = TlsFiles {
            trust: &parties.file(trust),
            certificate: &parties.file(certificate),
            key: &parties.file(key),
        };
        Client::open(&files).err()
    };
    std::fs::write(parties.file("empty.pem"), "").unwrap();
    std::fs::write(
        parties.file("other.key"),
        KeyPair::generate().unwrap().serialize_pem(),
    )
    .unwrap();
    assert!(open("trust.pem", "ours.pem", "ours.key").is_none());
    let missing = open("no.pem", "ours.pem", "ours.key");
    assert!(matches!(
        missing,
        Some(ClientError::Material {
            what: "a trusted certificate",
            ..
        })
    ));
    let empty = open("trust.pem", "empty.pem", "ours.key");
    assert!(matches!(
        empty,
        Some(ClientError::Nothing {
            what: "our certificate",
            ..
        })
    ));
    let keyless = open("trust.pem", "ours.pem", "empty.pem");
    assert!(matches!(
        keyless,
        Some(ClientError::Material {
            what: "our private key",
            ..
        })
    ));
    assert!(matches!(
        open("trust.pem", "ours.pem", "other.key"),
        Some(ClientError::Tls(_))
    ));
}
