//! What a request for numbers is answered.

use super::*;

fn read(fields: &str, kind: u8) -> Result<Answer, Failure> {
    let region = Region::new("130").unwrap();
    both(|habit| lotto(&message(&LOTTO_SERVICE, fields, habit), &region, kind))
}

fn fields(region: &str, group: &str, kind: &str, lot: &str) -> String {
    format!(
        "<r:CodRegione>{region}</r:CodRegione><r:CodRagLotto>{group}</r:CodRagLotto>\
         <r:IdentificativoLotto>{kind}</r:IdentificativoLotto><r:CodLotto>{lot}</r:CodLotto>\
         <r:CFMedico></r:CFMedico><r:CodEsito>00</r:CodEsito><r:Esito>OK</r:Esito>"
    )
}

#[test]
fn a_lot_becomes_a_range_with_its_zeros_kept() {
    let good = fields("130", "0A", "3", "0042");
    let Fact::Range(range) = read(&good, 3).unwrap().fact else {
        panic!("a lot is a range")
    };
    assert_eq!((range.prefix.as_str(), range.digits), ("1300A30042", 5));
    assert_eq!(range.number(17), "1300A3004200017");
    let billion = fields("130", "Z9", "4", "");
    let Fact::Range(range) = read(&billion, 4).unwrap().fact else {
        panic!("a lot is a range")
    };
    assert_eq!((range.prefix.as_str(), range.digits), ("130Z94", 9));

    let code = |fields: &str| read(fields, 3).unwrap_err().code;
    assert_eq!(
        code(&fields("120", "0A", "3", "0042")),
        Code::UpstreamMismatch
    );
    assert_eq!(
        code(&fields("130", "0A", "2", "00042")),
        Code::UpstreamMismatch
    );
    for lot in ["042", "00042", "", "00X2"] {
        assert_eq!(
            code(&fields("130", "0A", "3", lot)),
            Code::UpstreamGarbage,
            "{lot}"
        );
    }
    assert_eq!(code(&fields("130", "", "3", "0042")), Code::UpstreamGarbage);
    assert_eq!(
        code(&fields("130", "a!", "3", "0042")),
        Code::UpstreamGarbage
    );
    assert_eq!(
        code(&good.replace("<r:CodEsito>00</r:CodEsito>", "")),
        Code::UpstreamGarbage
    );

    let refused = read(
        "<r:CodEsito>12</r:CodEsito><r:Esito>REGIONE NON ABILITATA</r:Esito>",
        3,
    );
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.code, refused.outcome),
        (Code::UpstreamRejected, Outcome::Rejected)
    );
    assert_eq!(
        (refused.fault, refused.stops),
        (Fault::Gateway, Stops::Gate)
    );
    let detail: Vec<Notice> = serde_json::from_slice(&refused.detail.0).unwrap();
    assert_eq!(detail, [notice("12", "REGIONE NON ABILITATA", 0)]);
}
