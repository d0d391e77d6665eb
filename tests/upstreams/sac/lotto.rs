//! `richiestaLotto`: numbers by the lot (specification §4.1).

use super::book::Ledger;
use super::operation::Operation;
use super::rules::find;
use super::schema::Message;
use super::settings::Live;
use super::wire::{self, Element, Ns};
use crate::upstreams::http::Response;

/// Gives a lot to the region, or says why not. Codes other than `00` are not public.
pub(super) fn apply(region: &str, live: &Live, message: &Message, ledger: &mut Ledger) -> Response {
    let asked = message.get("CodRegione");
    let doctor = message.get("CFMedico");
    let kind: u8 = message
        .get("IdentificativoLotto")
        .parse()
        .unwrap_or(u8::MAX);
    let refusal = match kind {
        _ if asked != region => Some(("91", "REGIONE NON ABILITATA")),
        8.. => Some(("92", "IDENTIFICATIVO LOTTO ERRATO")),
        0 if doctor.is_empty() => Some(("93", "CODICE FISCALE MEDICO OBBLIGATORIO")),
        2..=7 if !doctor.is_empty() => Some(("94", "CODICE FISCALE MEDICO NON AMMESSO")),
        0 | 1 if !doctor.is_empty() && find(live, doctor).is_none() => {
            Some(("95", "MEDICO NON CENSITO"))
        }
        _ => None,
    };
    if let Some((code, text)) = refusal {
        return answer(
            live,
            &[("CFMedico", doctor), ("CodEsito", code), ("Esito", text)],
        );
    }
    let bound = (!doctor.is_empty()).then_some(doctor);
    match ledger.lots.give(region, kind, bound) {
        None => answer(live, &[("CodEsito", "96"), ("Esito", "LOTTI ESAURITI")]),
        Some(lot) => {
            let mut fields = vec![
                ("CodRegione", lot.region.as_str()),
                ("CodRagLotto", lot.group.as_str()),
                ("IdentificativoLotto", message.get("IdentificativoLotto")),
            ];
            // A lot of a thousand million has no code, and its pattern allows no empty one.
            if !lot.code.is_empty() {
                fields.push(("CodLotto", lot.code.as_str()));
            }
            fields.push(("CFMedico", doctor));
            fields.push(("CodEsito", "00"));
            fields.push(("Esito", "OPERAZIONE EFFETTUATA"));
            answer(live, &fields)
        }
    }
}

fn answer(live: &Live, fields: &[(&'static str, &str)]) -> Response {
    let fields = fields
        .iter()
        .map(|(name, text)| Element::text(Ns::Receipt, name, *text));
    wire::receipt(Operation::Lotto, live.prefixes, fields.collect())
}
