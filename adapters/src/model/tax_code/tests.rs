//! Tax codes against cases worked out by hand and against an oracle without the table.

use proptest::prelude::*;

use super::*;

#[test]
fn tax_codes_are_judged_by_form_day_and_check_letter() {
    let cases = [
        ("PNIMRA70A01H501P", None),
        ("RSSMRA80A01H501U", None),
        ("BBTMRZ54L19H501T", None),
        ("MTOMRA66A41G224M", None),
        ("RSSMRA80A01H501X", Some(Invalid::TaxCodeCheckLetter)),
        ("rssmra80a01h501u", Some(Invalid::TaxCodeShape)),
        ("RSSMRA80A01H501", Some(Invalid::TaxCodeShape)),
        ("RSSMRA80A01H501UU", Some(Invalid::TaxCodeShape)),
        ("RSSMRA80F01H501U", Some(Invalid::TaxCodeShape)),
        ("PROVAX00X00X000Y", Some(Invalid::TaxCodeShape)),
        ("RSSMRA80A32H501U", Some(Invalid::TaxCodeDay)),
        ("RSSMRA80A00H501U", Some(Invalid::TaxCodeDay)),
        ("RSSMRA80A40H501U", Some(Invalid::TaxCodeDay)),
        ("RSSMRA80A72H501U", Some(Invalid::TaxCodeDay)),
        ("RSSMRA80B30H501U", Some(Invalid::TaxCodeDay)),
        ("", Some(Invalid::TaxCodeShape)),
    ];
    for (text, invalid) in cases {
        assert_eq!(TaxCode::new(text).err(), invalid, "{text}");
    }
}

#[test]
fn letters_stand_for_digits_among_namesakes() {
    // 501 written as 50M: the check letter is another one.
    let twin = with_check_letter("RSSMRA80A01H50M");
    assert!(TaxCode::new(twin.clone()).is_ok());
    assert_ne!(twin.as_bytes()[15], b'U');
    // All seven places at once, and a day that is written in letters.
    assert!(TaxCode::new(with_check_letter("RSSMRAULALMHRLM")).is_ok());
    let day_32 = with_check_letter("RSSMRA80APNH501");
    assert_eq!(TaxCode::new(day_32).err(), Some(Invalid::TaxCodeDay));
}

#[test]
fn a_patient_has_one_of_four_codes() {
    assert!(matches!(
        PatientCode::new("RSSMRA80A01H501U"),
        Ok(PatientCode::TaxCode(_))
    ));
    assert!(matches!(
        PatientCode::new("STP1302010000001"),
        Ok(PatientCode::Stp(_))
    ));
    assert!(matches!(
        PatientCode::new("ENI1302010000001"),
        Ok(PatientCode::Eni(_))
    ));
    assert!(matches!(
        PatientCode::new("12345678903"),
        Ok(PatientCode::Temporary(_))
    ));
    let cases = [
        ("12345678901", Invalid::TemporaryCodeCheckDigit),
        ("STP130201000000", Invalid::PatientCodeShape),
        ("STP13020100000A1", Invalid::PatientCodeShape),
        ("STX1302010000001", Invalid::PatientCodeShape),
        ("RSSMRA80A01H501X", Invalid::TaxCodeCheckLetter),
        ("PROVAX00X00X000Y", Invalid::PatientCodeShape),
    ];
    for (text, invalid) in cases {
        assert_eq!(PatientCode::new(text).err(), Some(invalid), "{text}");
    }
}

#[test]
fn a_genuine_tax_code_may_begin_like_an_stp_code() {
    let code = with_check_letter("STPMRA80A01H501");
    assert!(matches!(
        PatientCode::new(code),
        Ok(PatientCode::TaxCode(_))
    ));
}

#[test]
fn a_prescriber_may_have_a_malformed_code() {
    let test_doctor = PrescriberCode::new("PROVAX00X00X000Y").unwrap();
    assert!(test_doctor.is_check_letter_right() && !test_doctor.is_well_formed());
    assert!(
        !PrescriberCode::new("PROVAX00X00X000Z")
            .unwrap()
            .is_check_letter_right()
    );
    assert!(
        PrescriberCode::new("RSSMRA80A01H501U")
            .unwrap()
            .is_well_formed()
    );
    for wrong in [
        "",
        "PROVAX00X00X000",
        "provax00x00x000y",
        "PROVAX00X00X000-",
    ] {
        assert_eq!(
            PrescriberCode::new(wrong).err(),
            Some(Invalid::PrescriberCodeShape)
        );
    }
}

#[test]
fn codes_of_persons_never_print_and_read_back_from_json() {
    let code = PatientCode::new("RSSMRA80A01H501U").unwrap();
    assert_eq!(format!("{code:?}"), "…");
    let json = serde_json::to_string(&code).unwrap();
    assert_eq!(serde_json::from_str::<PatientCode>(&json).unwrap(), code);
    let error = serde_json::from_str::<PatientCode>("\"RSSMRA80A01H501X\"").unwrap_err();
    assert!(!error.to_string().contains("RSS"), "{error}");
}

/// The check letter by the rule as the decree words it: odd places by a permutation that is written
/// here as the letters in the order of their values, even places by the alphabet.
fn with_check_letter(first_fifteen: &str) -> String {
    const BY_VALUE: &str = "BAKPLCQDREVOSFTGUHMINJWZYX";
    let alphabet = |b: u8| {
        if b.is_ascii_digit() {
            b - b'0' + b'A'
        } else {
            b
        }
    };
    let sum: usize = first_fifteen
        .bytes()
        .enumerate()
        .map(|(index, b)| {
            let letter = char::from(alphabet(b));
            if (index + 1) % 2 == 1 {
                BY_VALUE.find(letter).unwrap()
            } else {
                ('A'..='Z').position(|other| other == letter).unwrap()
            }
        })
        .sum();
    let letter = ('A'..='Z').nth(sum % 26).unwrap();
    format!("{first_fifteen}{letter}")
}

proptest! {
    #[test]
    fn the_check_letter_agrees_with_the_oracle(code in "[A-Z0-9]{15}") {
        let whole = with_check_letter(&code);
        prop_assert!(PrescriberCode::new(whole).unwrap().is_check_letter_right());
    }

    #[test]
    fn no_bytes_make_a_code_panic(text in ".{0,20}") {
        prop_assert!(TaxCode::new(text.clone()).is_err() || text.len() == LENGTH);
        if let Ok(code) = PatientCode::new(text.clone()) {
            prop_assert_eq!(code.as_str(), &text);
        }
        if let Ok(code) = PrescriberCode::new(text.clone()) {
            prop_assert_eq!(code.as_str(), &text);
        }
    }
}
