//! Turns an honest answer into what a fault makes of it.

use std::time::Duration;

use super::faults::{Fault, Faults};
use super::operation::{Host, Operation};
use super::wire::{self, TEXT_XML};
use crate::upstreams::http::Response;
use crate::upstreams::http::server::Ending;

const MAINTENANCE: &str = "<!DOCTYPE html><html lang=\"it\"><head><title>Sistema TS</title></head>\
<body><h1>Servizio in manutenzione</h1><p>Il servizio non &egrave; al momento disponibile.</p>\
</body></html>";

/// Persons whom a wrong answer may be about.
const NEIGHBOUR: &str = "RSSMRA80A01H501U";
const OTHER_NEIGHBOUR: &str = "PNIMRA70A01H501P";

/// What a caller sees of this fault. `honest` is the answer of a request that took effect.
///
/// # Panics
///
/// When a fault that harms an answer comes without one: such faults always take effect.
pub(super) fn ending(
    fault: &Fault,
    operation: Operation,
    honest: Option<Response>,
    faults: &mut Faults,
) -> Ending {
    let answer = || honest.expect("a fault that harms an answer lets the request take effect");
    match fault {
        Fault::Hang => Ending::Hang,
        Fault::HangHalfway => Ending::Half(answer()),
        Fault::Trickle { every_ms } => Ending::Trickle(answer(), Duration::from_millis(*every_ms)),
        Fault::LateCommit { hang: true, .. } => Ending::Hang,
        Fault::LateCommit { hang: false, .. } | Fault::LostAnswer => Ending::Close,
        Fault::Refuse
        | Fault::HandshakeReset
        | Fault::CertificateRefused
        | Fault::ResetBefore
        | Fault::ResetAfter => Ending::Reset,
        Fault::Slow { .. } | Fault::DispensedFirst => Ending::Answer(answer()),
        Fault::Status { status } => Ending::Answer(Response::new(*status, "text/html", "")),
        Fault::Truncated => Ending::Answer(edit(answer(), |body| body[..body.len() / 2].to_vec())),
        Fault::Garbage => Ending::Answer(Response::new(200, TEXT_XML, faults.garbage())),
        Fault::Empty => Ending::Answer(Response::new(200, TEXT_XML, "")),
        Fault::MaintenancePage => {
            Ending::Answer(Response::new(200, "text/html; charset=UTF-8", MAINTENANCE))
        }
        Fault::WrongNamespace => Ending::Answer(edit(answer(), |body| {
            let own = operation.receipt_namespace();
            replace(&body, own, &own.replace("ricevuta.xsd", "ricevutadiff.xsd"))
        })),
        Fault::TrailingDocument => Ending::Answer(edit(answer(), |mut body| {
            let again = body.clone();
            body.extend_from_slice(&again);
            body
        })),
        Fault::Oversized { bytes } => Ending::Answer(edit(answer(), |mut body| {
            // White space after the root is legal, so that only its size is wrong.
            body.resize((*bytes).max(body.len()), b' ');
            body
        })),
        Fault::OtherNumber => Ending::Answer(edit(answer(), |body| match operation.host() {
            Host::Registry => other_person(&body),
            Host::Prescriptions | Host::Lots => other_number(body),
        })),
        Fault::AuthenticationFault => {
            Ending::Answer(wire::fault(500, "Server", wire::AUTHENTICATION))
        }
        Fault::PolicyFault => Ending::Answer(wire::fault(401, "Client", wire::POLICY)),
        Fault::SchemaFault => {
            let name = format!("{{{}}}pinCode", operation.request_namespace());
            let text = format!("cvc-simple-type 1: element {name} is not a valid instance of type");
            Ending::Answer(wire::fault(500, "Client", &text))
        }
    }
}

fn edit(mut response: Response, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Response {
    response.body = change(std::mem::take(&mut response.body));
    response
}

fn replace(body: &[u8], from: &str, to: &str) -> Vec<u8> {
    String::from_utf8_lossy(body).replace(from, to).into_bytes()
}

/// The same answer about the number next to it: the last digit of every `nre`, or of the lot's
/// code, is another one.
fn other_number(body: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&body);
    let mut changed = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((end, last)) = last_of_a_number(rest) {
        changed.push_str(&rest[..end - 1]);
        changed.push(if last == b'9' {
            '8'
        } else {
            char::from(last + 1)
        });
        rest = &rest[end..];
    }
    changed.push_str(rest);
    changed.into_bytes()
}

/// The same answer about somebody else, whose code is right in every way.
fn other_person(body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body);
    let after = |name: &str| Some(text.split_once(name)?.1.split_once('<')?.0.to_owned());
    match after("codiceFiscale>") {
        Some(asked) if asked == NEIGHBOUR => replace(body, NEIGHBOUR, OTHER_NEIGHBOUR),
        Some(asked) => replace(body, &asked, NEIGHBOUR),
        None => body.to_vec(),
    }
}

/// Where the next number ends and its last digit.
fn last_of_a_number(text: &str) -> Option<(usize, u8)> {
    let mut from = 0;
    loop {
        let end = from + text[from..].find("</")?;
        let name = text[end + 2..].split('>').next()?;
        let local = name.rsplit(':').next()?;
        let last = text[..end].bytes().next_back().unwrap_or_default();
        if ["nre", "CodLotto"].contains(&local) && last.is_ascii_digit() {
            return Some((end, last));
        }
        from = end + 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_change() {
        let body =
            b"<a><nre>1300A4019294839</nre><b>9</b><n:nre>12</n:nre><nre></nre></a>".to_vec();
        assert_eq!(
            other_number(body),
            b"<a><nre>1300A4019294838</nre><b>9</b><n:nre>13</n:nre><nre></nre></a>"
        );
    }
}
