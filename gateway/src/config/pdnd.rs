//! How PDND is reached, and what its vouchers must say.

use std::time::Duration;

use adapters::pdnd::Settings;

use super::pem;
use super::sac::optional_address;
use super::section::Section;
use crate::callers::TokenRules;
use crate::files::read_bounded;
use crate::tokens::pdnd::Life;
use crate::tokens::voucher::VoucherRules;

/// Largest file of a voucher.
const TOKEN_BYTES_MAX: u64 = 16 << 10;

/// PDND, where vouchers are accepted.
#[derive(Debug, Clone)]
pub struct Pdnd {
    /// How it is reached.
    pub settings: Settings,
    /// What its vouchers must say.
    pub(crate) rules: VoucherRules,
    /// How long its keys are used.
    pub(crate) life: Life,
}

impl Pdnd {
    /// None if `url` is empty, and nothing else is looked at then. `rules` are those of the callers' own
    /// tokens, where they have no problem.
    pub(super) fn read(section: &mut Section<'_>, rules: Option<&TokenRules>) -> Option<Pdnd> {
        let url = optional_address(section, "url").filter(|url| !url.is_empty())?;
        let jwks_url = optional_address(section, "jwks_url")
            .filter(|jwks_url| !jwks_url.is_empty())
            .unwrap_or_else(|| format!("{}/.well-known/jwks.json", url.trim_end_matches('/')));
        let trust_file = section.file("trust_file", |path| pem::certificates(path).map(|_| ()));
        let token_file = section.checked_if_set("token_file", |path| {
            read_bounded(path, TOKEN_BYTES_MAX).map(|_| ())
        });
        let issuer = section.required("issuer");
        let audience = section.required("audience");
        let week = Duration::from_secs(7 * 86_400);
        let life = Life {
            fresh_for: section.duration("fresh_for", week),
            stale_for: section.duration("stale_for", week),
            ask_again: section.duration("ask_again", Duration::from_secs(3_600)),
        };
        if !section.has_problems() && life.stale_for < life.fresh_for {
            section.refuse("stale_for", "must be at least pdnd.fresh_for");
        }
        Some(Pdnd {
            settings: Settings {
                url,
                jwks_url,
                trust_file: trust_file?,
                token_file,
            },
            rules: VoucherRules::new(issuer?, audience?, rules?),
            life,
        })
    }
}
