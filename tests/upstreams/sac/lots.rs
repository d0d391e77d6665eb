//! Lots of prescription numbers (specification §4.1 and §5): who holds which.
//!
//! # Invariants
//!
//! 1. No prefix is given twice, to anyone, ever.
//! 2. A prefix and the digits left for its progressive make exactly fifteen characters.

use std::collections::BTreeMap;

use serde::Serialize;

/// Digits of the lot code, by kind of lot 0 to 7.
const CODE_DIGITS: [usize; 8] = [7, 6, 5, 4, 0, 3, 2, 1];
/// How long a number is.
pub const NUMBER_LEN: usize = 15;
/// Where the lot code begins: after region, group and kind.
const CODE_AT: usize = 6;
/// The first lot given, so that lot codes have zeros in front and a caller that drops them fails.
const FIRST: u64 = 42;
/// `0A`…`9Z`, then `A0`…`Z9`; the very last one is kept for numbers that the SAC assigns itself.
const GROUPS: u64 = 2 * 26 * 10 - 1;
const OWN_GROUP: &str = "Z9";

/// A lot, as given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Lot {
    /// What each of its numbers begins with.
    pub prefix: String,
    /// The region that asked.
    pub region: String,
    /// `BB` of the number.
    pub group: String,
    /// `C` of the number.
    pub kind: u8,
    /// `D…` of the number with its zeros; empty for kind 4.
    pub code: String,
    /// The doctor it is bound to.
    pub doctor: Option<String>,
    /// statoProcesso: 1 given, 2 given and bound to a doctor.
    pub state: u8,
}

/// Every lot ever given.
#[derive(Debug, Default)]
pub struct Lots {
    given: BTreeMap<String, Lot>,
    next: BTreeMap<(String, u8), u64>,
    own: u64,
}

impl Lots {
    /// Gives a new lot; none when every group of that kind is used up.
    pub fn give(&mut self, region: &str, kind: u8, doctor: Option<&str>) -> Option<&Lot> {
        let digits = CODE_DIGITS[usize::from(kind)];
        let next = self.next.entry((region.to_owned(), kind)).or_insert(FIRST);
        let codes = 10_u64.pow(u32::try_from(digits).expect("at most seven digits"));
        let group = group(*next / codes)?;
        let code = if digits == 0 {
            String::new()
        } else {
            format!("{:0digits$}", *next % codes)
        };
        *next += 1;
        let prefix = format!("{region}{group}{kind}{code}");
        let lot = Lot {
            prefix: prefix.clone(),
            region: region.to_owned(),
            group,
            kind,
            code,
            doctor: doctor.map(str::to_owned),
            state: if doctor.is_some() { 2 } else { 1 },
        };
        Some(self.given.entry(prefix).or_insert(lot))
    }

    /// The lot that this number belongs to.
    pub fn holding(&self, number: &str) -> Option<&Lot> {
        let kind = number.as_bytes().get(CODE_AT - 1)?.checked_sub(b'0')?;
        let digits = CODE_DIGITS.get(usize::from(kind))?;
        self.given.get(number.get(..CODE_AT + digits)?)
    }

    /// A number of the SAC's own, for a prescription that came without one.
    pub fn assign(&mut self, region: &str) -> String {
        self.own += 1;
        format!("{region}{OWN_GROUP}4{:09}", self.own)
    }

    /// Every lot, by prefix.
    pub fn all(&self) -> impl Iterator<Item = &Lot> {
        self.given.values()
    }
}

/// The n-th group: the order is not published, the range `0A` to `Z9` is.
fn group(n: u64) -> Option<String> {
    let letter = |n: u64| char::from(b'A' + u8::try_from(n % 26).expect("below 26"));
    match n {
        0..260 => Some(format!("{}{}", n / 26, letter(n))),
        260..GROUPS => Some(format!("{}{}", letter((n - 260) / 10), n % 10)),
        _ => None,
    }
}

/// Whether it has the form of a number: region, group, kind, nine digits (§5.1).
pub fn is_number(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == NUMBER_LEN
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            3 | 4 => byte.is_ascii_digit() || byte.is_ascii_uppercase(),
            5 => (b'0'..=b'7').contains(byte),
            _ => byte.is_ascii_digit(),
        })
        && bytes[3].is_ascii_digit() != bytes[4].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_prefix_is_given_twice_and_every_number_of_a_lot_is_found_in_it() {
        let mut lots = Lots::default();
        let mut seen = BTreeSet::new();
        for round in 0..300 {
            for kind in 0..8 {
                let prefix = lots.give("130", kind, None).unwrap().prefix.clone();
                let number = format!("{prefix:0<width$}", width = NUMBER_LEN);
                assert!(is_number(&number), "{number}");
                assert_eq!(lots.holding(&number).unwrap().prefix, prefix);
                assert!(seen.insert(prefix), "round {round}");
            }
        }
        assert!(lots.holding("1200A3004200000").is_none());
    }

    #[test]
    fn the_zeros_of_a_lot_code_are_part_of_it() {
        let mut lots = Lots::default();
        let lot = lots.give("130", 3, Some("PROVAX00X00X000Y")).unwrap();
        assert_eq!(
            (lot.prefix.as_str(), lot.code.as_str()),
            ("1300A30042", "0042")
        );
        assert_eq!(lot.state, 2);
    }

    #[test]
    fn groups_end() {
        assert_eq!(group(0).unwrap(), "0A");
        assert_eq!(group(259).unwrap(), "9Z");
        assert_eq!(group(260).unwrap(), "A0");
        assert_eq!(group(GROUPS - 1).unwrap(), "Z8");
        assert_eq!(group(GROUPS), None);
    }

    #[test]
    fn numbers_have_one_form() {
        for good in ["1300A4019294833", "010A24380836154", "1300Z4001511111"] {
            assert!(is_number(good), "{good}");
        }
        for bad in [
            "",
            "1300A401929483",
            "1300A8019294833",
            "13000A019294833",
            "1300a4019294833",
        ] {
            assert!(!is_number(bad), "{bad}");
        }
    }
}
