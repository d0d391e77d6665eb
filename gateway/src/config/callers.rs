//! Who may call, and what their tokens must look like.

use std::time::Duration;

use policies::time::Timestamp;

use super::pem;
use super::section::Section;
use crate::callers::{Callers, TokenRules};
use crate::files::read_bounded;
use crate::tokens::keys::Authorities;

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
    let citizen_authn_age_max =
        section.duration("citizen_authn_age_max", Duration::from_secs(86_400));
    let authorities = authorities(section);
    let rules = TokenRules {
        audience: audience?,
        clock_skew,
        lifetime_max,
        citizen_authn_age_max,
    };
    // The process begins here: whatever was signed before may have been presented to another one.
    match Callers::parse(&path?, &text?, rules, authorities, wall()) {
        Ok(callers) => Some(callers),
        Err(problems) => {
            section.add_problems(problems);
            None
        }
    }
}

/// Who may vouch for the certificates that tokens bring along, if they may bring any.
fn authorities(section: &mut Section<'_>) -> Option<Authorities> {
    let mut authorities = None;
    section.checked_if_set("signing_ca_file", |path| {
        authorities = Some(Authorities::of(&pem::certificates(path)?)?);
        Ok(())
    });
    if authorities.is_none() && !section.text("signing_crl_file").is_empty() {
        section.refuse("signing_crl_file", "must stand beside signing_ca_file");
        return None;
    }
    section.checked_if_set("signing_crl_file", |path| {
        let lists = pem::revocation_lists(path)?;
        authorities = authorities
            .take()
            .map(|authorities| authorities.revoking(&lists))
            .transpose()?;
        Ok(())
    });
    authorities
}

/// The wall clock: the times in a token are not ours.
fn wall() -> Timestamp {
    Timestamp(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0))
}
