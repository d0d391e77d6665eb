//! For which doctors somebody of an organisation may stand in.
//!
//! A token's word alone is no proof of that: whoever may act as a substitute could name any doctor. The
//! region says for whom, by the SHA-256 of each doctor's tax code: the file shows no code to who reads it
//! in passing. It is no secret all the same: there are few enough doctors to try them all.

use std::collections::BTreeSet;
use std::fmt;

use adapters::model::PrescriberCode;
use aws_lc_rs::digest::{SHA256, digest};

/// Doctors of one caller: those of the largest group practice, several times over.
const DOCTORS_MAX: usize = 256;
/// Characters of a SHA-256.
const DIGITS: usize = 64;

/// The registered doctors, by their digests in hexadecimal.
#[derive(Clone, Default)]
pub(crate) struct StandIns(BTreeSet<String>);

impl StandIns {
    /// Reads their digests.
    ///
    /// # Errors
    ///
    /// The rule that is broken.
    pub(super) fn parse(texts: &[String]) -> Result<StandIns, String> {
        if texts.len() > DOCTORS_MAX {
            return Err(format!("must name at most {DOCTORS_MAX} doctors"));
        }
        let is_digest =
            |text: &String| text.len() == DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
        match texts.iter().position(|text| !is_digest(text)) {
            Some(index) => Err(format!(
                "number {}: must be {DIGITS} hexadecimal characters",
                index + 1
            )),
            None => Ok(StandIns(
                texts.iter().map(|text| text.to_ascii_lowercase()).collect(),
            )),
        }
    }

    /// Whether `doctor` is one of them.
    pub(crate) fn has(&self, doctor: &PrescriberCode) -> bool {
        let found = digest(&SHA256, doctor.as_str().as_bytes());
        let found: String = found.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        self.0.contains(&found)
    }
}

/// Which doctors is for whoever keeps the file.
impl fmt::Debug for StandIns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StandIns(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf PROVAX00X00X000Y | sha256sum`
    const TEST_DOCTOR: &str = "593606ffa77b2040233e9c725e015b90bc8c9354cc85e054fed633886e47075c";

    #[test]
    fn a_doctor_is_known_by_the_digest_of_their_code() {
        let text = TEST_DOCTOR.to_uppercase();
        let registered = StandIns::parse(&[text]).unwrap();
        for (code, is_registered) in [("PROVAX00X00X000Y", true), ("RSSMRA80A01H501U", false)] {
            let doctor = PrescriberCode::new(code).unwrap();
            assert_eq!(registered.has(&doctor), is_registered, "{code}");
            assert!(!StandIns::default().has(&doctor));
        }
    }

    #[test]
    fn the_list_is_bounded_and_holds_digests_alone() {
        let rule = |texts: &[String]| StandIns::parse(texts).unwrap_err();
        let many = vec![TEST_DOCTOR.to_owned(); DOCTORS_MAX + 1];
        assert_eq!(rule(&many), "must name at most 256 doctors");
        let code = ["PROVAX00X00X000Y".to_owned()];
        assert_eq!(rule(&code), "number 1: must be 64 hexadecimal characters");
    }
}
