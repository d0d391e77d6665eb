//! Who may call, and what their tokens must look like.

use std::time::Duration;

use super::section::Section;
use crate::callers::{Callers, TokenRules};
use crate::files::read_bounded;

/// Largest callers file that is read: about 20,000 organisations.
const CALLERS_BYTES_MAX: u64 = 8 << 20;

/// Reads the section and the file it names; problems inside that file are listed one by one.
pub(super) fn read(section: &mut Section<'_>) -> Option<Callers> {
    let mut text = None;
    let path = section.file("file", |path| {
        let bytes = read_bounded(path, CALLERS_BYTES_MAX)?;
        text = Some(String::from_utf8(bytes).map_err(|_| "must be UTF-8 text")?);
        Ok(())
    });
    let audience = section.required("audience");
    let clock_skew = section.duration("clock_skew", Duration::from_secs(300));
    let lifetime_max = section.duration("token_lifetime_max", Duration::from_secs(86_400));
    let rules = TokenRules {
        audience: audience?,
        clock_skew,
        lifetime_max,
    };
    match Callers::parse(&path?, &text?, rules) {
        Ok(callers) => Some(callers),
        Err(problems) => {
            section.add_problems(problems);
            None
        }
    }
}
