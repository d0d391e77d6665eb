//! The policy of the morning: the region's durations, divided; those of look-ups by how long the
//! morning takes, so that a bound is crossed in every one.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io};

use crate::morning::Morning;

/// What does not depend on how long the morning takes.
const SAC: &str = include_str!("policies/sac.toml");
/// The last line of a policy that is whole.
const END: &str = "# end of policy";

/// Writes the policy of `morning` below `directory`, and tells where.
pub(crate) fn write(morning: Morning, directory: &Path) -> io::Result<PathBuf> {
    let policies = directory.join("policies");
    fs::create_dir_all(&policies)?;
    fs::write(policies.join("sac.toml"), text(morning))?;
    Ok(policies)
}

fn text(morning: Morning) -> String {
    let fixed = SAC.trim_end().strip_suffix(END);
    let fixed = fixed.expect("the demo's policy is whole");
    let freshness = morning.freshness();
    format!(
        "{fixed}[registry.freshness]\n\
         fresh_for = \"{}\"\n\
         stale_for = \"{}\"\n\
         negative_for = \"{}\"\n\n\
         {END}\n",
        in_millis(freshness.fresh_for),
        in_millis(freshness.stale_for),
        in_millis(freshness.fresh_for / 2),
    )
}

fn in_millis(span: Duration) -> String {
    format!("{}ms", span.as_millis())
}

#[cfg(test)]
mod tests {
    use toml::Table;

    use super::*;

    #[test]
    fn the_policy_ends_as_a_whole_one_and_bounds_look_ups_by_the_morning() {
        let text = text(Morning {
            whole: Duration::from_secs(60),
        });
        assert!(text.ends_with("\n# end of policy\n"));
        let policy: Table = text.parse().unwrap();
        let freshness = &policy["registry"]["freshness"];
        assert_eq!(freshness["fresh_for"].as_str(), Some("4000ms"));
        assert_eq!(freshness["stale_for"].as_str(), Some("40000ms"));
    }
}
