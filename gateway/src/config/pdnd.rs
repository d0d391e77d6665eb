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
const HOUR: Duration = Duration::from_secs(3_600);
const WEEK: Duration = Duration::from_secs(7 * 86_400);

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
    /// None if `url` is empty. `rules` are those of the callers' own tokens, where they have no problem.
    pub(super) fn read(section: &mut Section<'_>, rules: Option<&TokenRules>) -> Option<Pdnd> {
        let url = optional_address(section, "url");
        let jwks_url = optional_address(section, "jwks_url");
        let trust_file =
            section.checked_if_set("trust_file", |path| pem::certificates(path).map(|_| ()));
        let token_file = section.checked_if_set("token_file", |path| {
            read_bounded(path, TOKEN_BYTES_MAX).map(|_| ())
        });
        let (issuer, audience) = (section.text("issuer"), section.text("audience"));
        let life = Life {
            fresh_for: section.duration("fresh_for", WEEK),
            stale_for: section.duration("stale_for", WEEK),
            ask_again: section.duration("ask_again", HOUR),
        };
        let url = url.filter(|url| !url.is_empty() && !section.has_problems())?;
        let required = [
            ("trust_file", trust_file.is_some()),
            ("issuer", !issuer.is_empty()),
            ("audience", !audience.is_empty()),
        ];
        for (key, is_set) in required {
            if !is_set {
                section.refuse(key, "must be set: url is");
            }
        }
        if life.stale_for < life.fresh_for {
            section.refuse("stale_for", "must be at least pdnd.fresh_for");
        }
        let own = format!("{}/.well-known/jwks.json", url.trim_end_matches('/'));
        Some(Pdnd {
            settings: Settings {
                url,
                jwks_url: jwks_url.filter(|url| !url.is_empty()).unwrap_or(own),
                trust_file: trust_file?,
                token_file,
            },
            rules: VoucherRules::new(issuer, audience, rules?),
            life,
        })
    }
}
