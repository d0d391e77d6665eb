//! Who may call, and what their tokens must look like.

use std::time::Duration;

use engine::live::Live;

use super::limits::Limits;
use super::section::Section;
use crate::callers::files::CallersFiles;
use crate::callers::{Callers, TokenRules};
use crate::tokens::replay::{ISSUER_MAX, TOKENS_OF_REQUEST};

/// Who may call, and the files that say so.
#[derive(Debug, Clone)]
pub struct InForce {
    /// The callers in force.
    pub callers: Live<Callers>,
    /// Where they stand.
    pub files: CallersFiles,
}

/// Reads the section and the files it names, and holds it against `limits`, if they are any; problems
/// inside the callers file are listed one by one.
pub(super) fn read(section: &mut Section<'_>, limits: Option<&Limits>) -> Option<InForce> {
    let in_force = read_alone(section)?;
    if let Some(limits) = limits
        && !section.has_problems()
    {
        check_against(limits, &in_force.files.rules, section);
    }
    Some(in_force)
}

fn read_alone(section: &mut Section<'_>) -> Option<InForce> {
    let list = section.path("file");
    let audience = section.required("audience");
    let clock_skew = section.duration("clock_skew", Duration::from_secs(300));
    let lifetime_max = section.duration("token_lifetime_max", Duration::from_secs(86_400));
    let one_time_lifetime_max =
        section.duration("one_time_lifetime_max", Duration::from_secs(86_400));
    if one_time_lifetime_max > lifetime_max && !section.has_problems() {
        section.refuse(
            "one_time_lifetime_max",
            "must be at most callers.token_lifetime_max",
        );
    }
    let citizen_authn_age_max =
        section.duration("citizen_authn_age_max", Duration::from_secs(86_400));
    let authorities = section.path_if_set("signing_ca_file");
    let revoked = section.path_if_set("signing_crl_file");
    if authorities.is_none() && revoked.is_some() {
        section.refuse("signing_crl_file", "must stand beside signing_ca_file");
    }
    let files = CallersFiles {
        list: list.clone().unwrap_or_default(),
        authorities,
        revoked,
        rules: TokenRules {
            audience: audience.clone().unwrap_or_default(),
            clock_skew,
            lifetime_max,
            one_time_lifetime_max,
            citizen_authn_age_max,
        },
    };
    match files.read().callers {
        Ok(callers) => audience.and(list).map(|_| InForce {
            callers: Live::new(callers),
            files,
        }),
        Err(mistakes) => {
            for (key, rule) in mistakes.files {
                // A path that is not set has been named already.
                if !section.text(key).is_empty() {
                    section.refuse(key, rule);
                }
            }
            section.add_problems(mistakes.entries);
            None
        }
    }
}

/// Checks that an organisation which asks at its full rate, each time with as many one-time tokens as a
/// request may carry, does not fill its part of the memory of them.
fn check_against(limits: &Limits, rules: &TokenRules, section: &mut Section<'_>) {
    // From a clock that is ahead of ours by the skew to one that is behind by as much.
    let lives_for = rules.one_time_lifetime_max + 2 * rules.clock_skew;
    let a_second = u128::from(limits.rate.get()) * u128::from(TOKENS_OF_REQUEST);
    let tokens = a_second * lives_for.as_millis() / 1_000;
    if tokens > ISSUER_MAX as u128 {
        section.refuse(
            "one_time_lifetime_max",
            format!(
                "must be shorter, or limits.requests_per_second lower: {tokens} one-time tokens of an \
                 organisation would live at a time, and {ISSUER_MAX} are remembered"
            ),
        );
    }
}
