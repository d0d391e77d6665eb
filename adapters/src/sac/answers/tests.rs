//! Answers as the SAC gives them, in both of its namespace habits, and what is made of them.

use proptest::prelude::*;

use super::*;
use crate::model::tests::{drug, full, service, with};
use crate::sac::operations::{
    ANNULLA_SERVICE, INTERROGA_SERVICE, INVIO_SERVICE, LOTTO_SERVICE, Service, TYPES,
    VISUALIZZA_SERVICE,
};
use crate::sac::soap::read::{Body, envelope};
use policies::failure::{Code, Fault, Outcome, Retry, Stops};

mod lots;
mod reads;
mod writes;

use reads::seen;
use writes::registered;

const NRE: &str = "1300A4019294901";
const OTHER: &str = "1300A4019294902";
const CODE: &str = "021020261015012040000000012345";

/// How a document binds its two namespaces.
#[derive(Clone, Copy, Debug)]
enum Habit {
    /// The receipt's is the default, the types' is `ns2` (seen on invio and annulla).
    ReceiptIsDefault,
    /// The types' is the default, the receipt's is `ns2` (seen on visualizza).
    TypesAreDefault,
}

const HABITS: [Habit; 2] = [Habit::ReceiptIsDefault, Habit::TypesAreDefault];

/// A document in which `r:` stands for the receipt's namespace and `t:` for the types'.
fn document(service: &Service, fields: &str, habit: Habit) -> String {
    let (receipt, types) = (service.receipt, TYPES);
    let name = service.receipt_name;
    let fields = fields.replace("</", "<\u{1}");
    let (fields, open, close, declared) = match habit {
        Habit::ReceiptIsDefault => (
            fields.replace("r:", "").replace("t:", "ns2:"),
            name.to_owned(),
            name.to_owned(),
            format!("xmlns=\"{receipt}\" xmlns:ns2=\"{types}\""),
        ),
        Habit::TypesAreDefault => (
            fields.replace("r:", "ns2:").replace("t:", ""),
            format!("ns2:{name}"),
            format!("ns2:{name}"),
            format!("xmlns=\"{types}\" xmlns:ns2=\"{receipt}\""),
        ),
    };
    let fields = fields.replace("<\u{1}", "</");
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope \
         xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">\n <soapenv:Body>\
         <{open} {declared}>{fields}</{close}></soapenv:Body></soapenv:Envelope>"
    )
}

fn message(service: &Service, fields: &str, habit: Habit) -> Element {
    let document = document(service, fields, habit);
    match envelope(document.as_bytes()) {
        Ok(Body::Message(message)) => message,
        other => panic!("{document} reads as {other:?}"),
    }
}

fn nre() -> Nre {
    Nre::new(NRE).unwrap()
}

fn problem(code: &str, row: u32, weight: &str) -> String {
    format!(
        "<r:ElencoErroriRicette><t:ErroreRicetta><t:codEsito>{code}</t:codEsito>\
         <t:esito>TESTO {code}</t:esito><t:progPresc>{row}</t:progPresc>{weight}</t:ErroreRicetta>\
         </r:ElencoErroriRicette>"
    )
}

const BLOCKING: &str = "<t:tipoErrore>Bloccante</t:tipoErrore>";
const WARNING: &str = "<t:tipoErrore>Avviso</t:tipoErrore>";

/// The same under both habits; they must agree.
fn both(read: impl Fn(Habit) -> Result<Answer, Failure>) -> Result<Answer, Failure> {
    let [first, second] = HABITS.map(read);
    assert_eq!(first, second);
    first
}

fn receipt_of(answer: &Answer) -> Receipt {
    serde_json::from_slice(&answer.body.0).unwrap()
}

fn notice(code: &str, text: &str, row: u32) -> Notice {
    Notice {
        code: code.to_owned(),
        text: text.to_owned(),
        row,
    }
}

proptest! {
    /// A good answer with a piece cut out, doubled or overwritten is read, or refused; it never
    /// panics, and it is never taken for another number's.
    #[test]
    fn broken_answers_never_panic(
        at in 0_usize..2_000, length in 0_usize..80, doubled in any::<bool>(), noise in "[<>a:/\"&]{0,3}",
    ) {
        let ours = drug();
        let good = [
            document(&INVIO_SERVICE, &registered(NRE, CODE, "0001", &problem("1024", 0, WARNING)), HABITS[0]),
            document(&VISUALIZZA_SERVICE, &seen(&ours, "3"), HABITS[1]),
        ];
        for (index, document) in good.iter().enumerate() {
            let start = at.min(document.len());
            let end = (start + length).min(document.len());
            let piece = if doubled { document[start..end].repeat(2) } else { noise.clone() };
            let broken = format!("{}{piece}{}", &document[..start], &document[end..]);
            let Ok(Body::Message(message)) = envelope(broken.as_bytes()) else { continue };
            let read = if index == 0 { invio(&message, &nre()) } else { visualizza(&message, &nre(), &ours) };
            if let Ok(answer) = read && answer.fact == Fact::Done {
                prop_assert!(broken.contains(NRE));
            }
        }
    }
}
