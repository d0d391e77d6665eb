//! Answers that are none, and the limits of those that are.

use proptest::prelude::*;

use super::*;

fn wrapped(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><s:Envelope \
         xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn reason(bytes: impl AsRef<[u8]>) -> Option<Garbage> {
    envelope(bytes.as_ref()).err()
}

#[test]
fn an_envelope_is_read_whatever_its_prefixes_are() {
    let documents = [
        wrapped("<r xmlns=\"urn:r\"><a>1 &amp; &#50; &lt;3<![CDATA[ & 4]]></a></r>"),
        wrapped("<n:r xmlns:n=\"urn:r\"><n:a>1 &amp; 2 &lt;3 &#x26; 4</n:a></n:r>"),
        "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"><Header><x xmlns=\"urn:x\"/>\
         </Header>\n<Body><!-- a comment --><r xmlns=\"urn:r\"><a>1 &amp; 2 &lt;3 &amp; 4</a></r>\
         </Body></Envelope>\n"
            .to_owned(),
        format!("\u{feff}{}", wrapped("<r xmlns='urn:r'><a> 1 &amp; 2 &lt;3 &amp; 4\n</a></r>")),
    ];
    for document in documents {
        let Ok(Body::Message(message)) = envelope(document.as_bytes()) else {
            panic!("{document} was not read");
        };
        assert!(message.is("urn:r", "r"));
        assert_eq!(message.children[0].text(), Ok("1 & 2 <3 & 4"), "{document}");
    }
}

#[test]
fn what_is_not_xml_is_named() {
    let good = wrapped("<r xmlns=\"urn:r\"/>");
    let cut = &good[..good.len() - 20];
    let cases = [
        ("", Garbage::Malformed),
        ("   ", Garbage::Malformed),
        ("plain text", Garbage::Malformed),
        (
            "<!DOCTYPE html><html><body>Servizio sospeso</body></html>",
            Garbage::Forbidden,
        ),
        ("<html><br></html>", Garbage::Malformed),
        (cut, Garbage::Malformed),
        ("<a>&undeclared;</a>", Garbage::Forbidden),
        ("<a>&#0;</a>", Garbage::Malformed),
        ("<a b=\"1\" b=\"2\"/>", Garbage::Malformed),
        ("<a b=1/>", Garbage::Malformed),
        ("<a/><?php evil?>", Garbage::Forbidden),
    ];
    for (document, garbage) in cases {
        assert_eq!(reason(document), Some(garbage), "{document}");
    }
    assert_eq!(reason(b"<a>\xff</a>"), Some(Garbage::Charset));
    assert_eq!(
        reason(good.replace("UTF-8", "ISO-8859-1")),
        Some(Garbage::Charset)
    );
}

#[test]
fn nothing_follows_a_document() {
    let good = wrapped("<r xmlns=\"urn:r\"/>");
    assert_eq!(reason(format!("{good}\n <!-- a comment -->\n")), None);
    assert_eq!(reason(format!("{good}{good}")), Some(Garbage::Forbidden));
    assert_eq!(reason(format!("{good}<more/>")), Some(Garbage::Trailing));
    assert_eq!(reason(format!("{good}more")), Some(Garbage::Trailing));
    assert_eq!(reason(format!("{good}<!--")), Some(Garbage::Malformed));
}

#[test]
fn an_envelope_is_soap_1_1_with_one_body() {
    let good = wrapped("<r xmlns=\"urn:r\"/>");
    let changes = [
        (
            "schemas.xmlsoap.org/soap",
            "evil.example",
            Garbage::Envelope,
        ),
        (
            "schemas.xmlsoap.org/soap/envelope/",
            "www.w3.org/2003/05/soap-envelope",
            Garbage::Envelope,
        ),
        ("xmlns:s=", "xmlns:t=", Garbage::Foreign),
        ("<s:Body>", "<s:Body><?php evil?>", Garbage::Forbidden),
        ("<s:Body>", "<s:Body>text", Garbage::Envelope),
        ("<s:Body>", "text<s:Body>", Garbage::Envelope),
        ("<s:Body>", "<s:Body/><s:Body>", Garbage::Envelope),
        (
            "<s:Body>",
            "<s:Header/><s:Header/><s:Body>",
            Garbage::Envelope,
        ),
        ("<s:Body>", "<Header/><s:Body>", Garbage::Envelope),
        ("</s:Body>", "</s:Body><s:Extra/>", Garbage::Envelope),
        ("<r xmlns=\"urn:r\"/>", "", Garbage::Envelope),
        ("<r xmlns=\"urn:r\"/>", "<a/><b/>", Garbage::Envelope),
    ];
    for (from, to, garbage) in changes {
        let document = good.replace(from, to);
        assert_ne!(document, good);
        assert_eq!(reason(&document), Some(garbage), "{document}");
    }
    assert_eq!(
        reason("<html><body>Servizio sospeso</body></html>"),
        Some(Garbage::Envelope)
    );
}

#[test]
fn a_document_type_never_expands() {
    let laughs = "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY lol \"lol\">\
        <!ENTITY lol2 \"&lol;&lol;&lol;&lol;\">]><lolz>&lol2;</lolz>";
    assert_eq!(reason(laughs), Some(Garbage::Forbidden));
}

#[test]
fn depth_elements_and_attributes_have_limits() {
    let nested =
        |depth: usize| wrapped(&format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth)));
    assert_eq!(reason(nested(DEPTH_MAX - 2)), None);
    assert_eq!(reason(nested(DEPTH_MAX - 1)), Some(Garbage::TooLarge));
    let flat = |elements: usize| wrapped(&format!("<r>{}</r>", "<a/>".repeat(elements)));
    assert_eq!(reason(flat(ELEMENTS_MAX - 3)), None);
    assert_eq!(reason(flat(ELEMENTS_MAX - 2)), Some(Garbage::TooLarge));
    let attributes = |count: usize| {
        let list: String = (0..count)
            .map(|number| format!(" a{number}=\"\""))
            .collect();
        wrapped(&format!("<r{list}/>"))
    };
    assert_eq!(reason(attributes(ATTRIBUTES_MAX)), None);
    assert_eq!(
        reason(attributes(ATTRIBUTES_MAX + 1)),
        Some(Garbage::TooLarge)
    );
}

#[test]
fn a_fault_is_read_with_its_code_and_string() {
    let fault = wrapped(
        "<s:Fault><faultcode>s:Client</faultcode><faultstring> Rejected by policy. </faultstring>\
         <detail><any xmlns=\"urn:x\">thing</any></detail></s:Fault>",
    );
    let expected = Fault {
        code: "Client".to_owned(),
        string: "Rejected by policy.".to_owned(),
    };
    assert_eq!(envelope(fault.as_bytes()), Ok(Body::Fault(expected)));
    let twice = wrapped("<s:Fault><faultcode>a</faultcode><faultcode>b</faultcode></s:Fault>");
    assert_eq!(reason(twice), Some(Garbage::Duplicate));
    let empty = Fault {
        code: String::new(),
        string: String::new(),
    };
    assert_eq!(
        envelope(wrapped("<s:Fault/>").as_bytes()),
        Ok(Body::Fault(empty))
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(envelope(&bytes).is_err());
    }

    #[test]
    fn random_markup_never_panics(text in "[<>/a-c:= \"'!?&;#x0-9\\[\\]-]{0,200}") {
        prop_assert!(envelope(text.as_bytes()).is_err());
        let wrapped = wrapped(&text);
        if let Ok(Body::Message(message)) = envelope(wrapped.as_bytes()) {
            prop_assert!(!message.name.is_empty());
        }
    }
}
