//! What a call broke of, told by the errors beneath it.

use std::error::Error;
use std::io;

use rustls::AlertDescription;

/// What broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// No connection, or it died.
    Connection,
    /// No answer in time.
    Timeout,
    /// They are not who the trust file vouches for.
    PeerCertificate,
    /// They refuse our certificate.
    OwnCertificate,
    /// The answer is longer than its caller reads, at most [`ANSWER_MAX`](super::ANSWER_MAX).
    TooLarge,
}

/// What a failed call died of, read from the errors beneath it.
pub(super) fn cause(error: &reqwest::Error) -> Cause {
    match tls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
            Cause::OwnCertificate
        }
        Some(
            rustls::Error::InvalidCertificate(_)
            | rustls::Error::NoCertificatesPresented
            | rustls::Error::UnsupportedNameType,
        ) => Cause::PeerCertificate,
        _ if error.is_timeout() => Cause::Timeout,
        _ => Cause::Connection,
    }
}

fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

/// The TLS error somewhere beneath `error`. An `io::Error` hides what it wraps from `source`.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(wrapped) => Some(wrapped as &'a (dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}
