//! Formal checks on the codes of persons (sac.md §8).

/// Whether it is a tax code, a provisional numeric one, or an STP/ENI code.
pub fn is_patient_code(code: &str) -> bool {
    is_tax_code(code) || is_numeric_code(code) || is_stp_eni(code)
}

/// Whether it is a 16-character tax code, substitutions for namesakes included, with the right
/// check letter.
pub fn is_tax_code(code: &str) -> bool {
    const SHAPE: &[u8; 16] = b"LLLLLLNNMNNLNNNL";
    let shaped = code.len() == SHAPE.len()
        && code.bytes().zip(SHAPE).all(|(byte, kind)| match kind {
            b'L' => byte.is_ascii_uppercase(),
            b'M' => b"ABCDEHLMPRST".contains(&byte),
            _ => byte.is_ascii_digit() || b"LMNPQRSTUV".contains(&byte),
        });
    shaped && has_right_check_letter(code)
}

/// Whether the last letter is the one that the other fifteen give. This alone decides the warning
/// 1024: the test doctor's month is no month, and the SAC does not mind.
pub fn has_right_check_letter(code: &str) -> bool {
    code.len() == 16 && check_letter(code).is_some_and(|letter| code.ends_with(letter))
}

/// The letter that the first fifteen of these capital letters and digits give.
pub fn check_letter(code: &str) -> Option<char> {
    const ODD: [u32; 26] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24,
        23,
    ];
    let mut sum = 0;
    for (at, byte) in code.as_bytes().get(..15)?.iter().enumerate() {
        let rank = match byte {
            b'0'..=b'9' => byte - b'0',
            b'A'..=b'Z' => byte - b'A',
            _ => return None,
        };
        // Positions count from one: the first is odd.
        sum += if at % 2 == 0 {
            ODD[usize::from(rank)]
        } else {
            u32::from(rank)
        };
    }
    char::from_u32(u32::from('A') + sum % 26)
}

/// Whether it is `STP` or `ENI` and thirteen digits.
pub fn is_stp_eni(code: &str) -> bool {
    let digits = code
        .strip_prefix("STP")
        .or_else(|| code.strip_prefix("ENI"));
    digits.is_some_and(|d| d.len() == 13 && d.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether it is a provisional code: eleven digits, the last of which checks the others.
fn is_numeric_code(code: &str) -> bool {
    if code.len() != 11 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let sum: u32 = code
        .bytes()
        .enumerate()
        .map(|(at, byte)| {
            let digit = u32::from(byte - b'0');
            if at % 2 == 0 {
                digit
            } else {
                digit * 2 / 10 + digit * 2 % 10
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patient_codes_are_judged_by_form_and_check_letter() {
        let good = [
            "PNIMRA70A01H501P",
            "RSSMRA80A01H501U",
            "STP1302010000001",
            "ENI1302010000001",
            "01234567897",
        ];
        for code in good {
            assert!(is_patient_code(code), "{code}");
        }
        let bad = [
            "",
            "PNIMRA70A01H501Q",
            "pnimra70a01h501p",
            "PNIMRA70A01H501",
            "PROVAX00X00X000Y",
            "STP130201000000",
            "01234567890",
        ];
        for code in bad {
            assert!(!is_patient_code(code), "{code}");
        }
    }

    /// As the test environment itself answers: no warning for the doctor, 1024 for the substitute.
    #[test]
    fn the_test_doctors_letter_is_right_and_the_substitutes_is_wrong() {
        assert!(has_right_check_letter("PROVAX00X00X000Y"));
        assert!(!has_right_check_letter("PROVAX00X00X000Z"));
    }
}
