//! Which push may begin next: a queue a host, so that one that hangs holds up its own alone.
//!
//! # Invariants
//!
//! 1. A push is under way once at a time.
//! 2. A host has at most [`CallbackRules::requests_per_host_max`] under way, and one that failed last has
//!    one: no crowd meets whoever comes back.
//! 3. Hosts that failed last have at most half of [`CallbackRules::requests_max`], so that the other half is
//!    there for those that answer, however many hang.

use std::collections::{BTreeMap, BTreeSet};

use policies::rules::CallbackRules;
use policies::time::Timestamp;

use super::port::Callback;

/// What is known of every host that something is under way to, or that failed last.
#[derive(Debug, Default)]
pub(super) struct Hosts(BTreeMap<String, Host>);

#[derive(Debug, Default)]
struct Host {
    under_way: BTreeSet<u64>,
    /// Since it answered last.
    has_failed: bool,
    rests_until: Timestamp,
}

impl Hosts {
    /// Chooses from `due` what begins now, and counts it as under way. First what each host has waited
    /// for longest, then the second of each, and so on.
    pub(super) fn begin(
        &mut self,
        due: Vec<Callback>,
        rules: &CallbackRules,
        now: Timestamp,
    ) -> Vec<Callback> {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut queue: Vec<(usize, Callback)> = Vec::with_capacity(due.len());
        for callback in due {
            let place = places.entry(callback.host.clone()).or_default();
            queue.push((*place, callback));
            *place += 1;
        }
        queue.sort_by_key(|(place, _)| *place);
        let mut begun = Vec::new();
        for (_, callback) in queue {
            if self.may_begin(&callback, rules, now) {
                let host = self.0.entry(callback.host.clone()).or_default();
                host.under_way.insert(callback.seq);
                begun.push(callback);
            }
        }
        begun
    }

    fn may_begin(&self, callback: &Callback, rules: &CallbackRules, now: Timestamp) -> bool {
        if self.under_way() >= rules.requests_max {
            return false;
        }
        let Some(host) = self.0.get(&callback.host) else {
            return true;
        };
        if host.under_way.contains(&callback.seq) {
            return false;
        }
        if host.has_failed {
            let is_rested = now >= host.rests_until && host.under_way.is_empty();
            return is_rested && self.failing_under_way() < rules.requests_max / 2;
        }
        host.under_way.len() < rules.requests_per_host_max
    }

    /// How many pushes are under way.
    pub(super) fn under_way(&self) -> usize {
        self.0.values().map(|host| host.under_way.len()).sum()
    }

    fn failing_under_way(&self) -> usize {
        let failing = self.0.values().filter(|host| host.has_failed);
        failing.map(|host| host.under_way.len()).sum()
    }

    /// A push has ended; `rests_until`, if its host failed.
    pub(super) fn ended(&mut self, name: &str, seq: u64, rests_until: Option<Timestamp>) {
        let Some(host) = self.0.get_mut(name) else {
            return;
        };
        host.under_way.remove(&seq);
        host.has_failed = rests_until.is_some();
        host.rests_until = rests_until.unwrap_or_default();
        if !host.has_failed && host.under_way.is_empty() {
            self.0.remove(name);
        }
    }

    /// When the next host has rested.
    pub(super) fn next_rested(&self, now: Timestamp) -> Option<Timestamp> {
        let ends = self.0.values().map(|host| host.rests_until);
        ends.filter(|end| *end > now).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use policies::failure::Opaque;
    use policies::state::State;
    use uuid::Uuid;

    use super::*;
    use crate::entry::EntryId;

    fn rules() -> CallbackRules {
        CallbackRules {
            retry_after: vec![Duration::from_secs(1)],
            jitter_share: 0.0,
            give_up_after: Duration::from_secs(60),
            request_within: Duration::from_secs(1),
            requests_max: 4,
            requests_per_host_max: 2,
        }
    }

    fn of(host: &str, seq: u64) -> Callback {
        Callback {
            seq,
            id: Uuid::nil(),
            entry: EntryId(Uuid::nil()),
            state: State::Registered,
            reason: None,
            at: Timestamp(0),
            tries: 0,
            host: host.to_owned(),
            url: Ok(Opaque::default()),
        }
    }

    fn begun(hosts: &mut Hosts, due: &[(&str, u64)], now: u64) -> Vec<u64> {
        let due = due.iter().map(|(host, seq)| of(host, *seq)).collect();
        let begun = hosts.begin(due, &rules(), Timestamp(now));
        begun.iter().map(|callback| callback.seq).collect()
    }

    #[test]
    fn a_long_queue_leaves_room_for_others() {
        let mut hosts = Hosts::default();
        let due = [("a", 1), ("a", 2), ("a", 3), ("b", 4), ("c", 5)];
        assert_eq!(begun(&mut hosts, &due, 0), [1, 4, 5, 2]);
        assert_eq!(
            begun(&mut hosts, &due, 0),
            [0; 0],
            "each once, and four in all"
        );
        hosts.ended("b", 4, None);
        assert_eq!(begun(&mut hosts, &due[..3], 0), [0; 0], "two of one host");
        assert_eq!(begun(&mut hosts, &[("c", 6)], 0), [6]);
    }

    #[test]
    fn a_host_that_failed_rests_and_is_then_tried_once() {
        let mut hosts = Hosts::default();
        let due = [("a", 1), ("a", 2)];
        assert_eq!(begun(&mut hosts, &due, 0), [1, 2]);
        hosts.ended("a", 1, Some(Timestamp(10)));
        hosts.ended("a", 2, Some(Timestamp(10)));
        assert_eq!(begun(&mut hosts, &due, 9), [0; 0]);
        assert_eq!(hosts.next_rested(Timestamp(9)), Some(Timestamp(10)));
        assert_eq!(begun(&mut hosts, &due, 10), [1]);
        hosts.ended("a", 1, None);
        assert_eq!(begun(&mut hosts, &[("a", 2), ("a", 3)], 10), [2, 3]);
    }

    #[test]
    fn hosts_that_fail_have_half_of_what_there_is() {
        let mut hosts = Hosts::default();
        let failing = [("a", 1), ("b", 2), ("c", 3)];
        assert_eq!(begun(&mut hosts, &failing, 0), [1, 2, 3]);
        for (host, seq) in failing {
            hosts.ended(host, seq, Some(Timestamp(1)));
        }
        assert_eq!(begun(&mut hosts, &failing, 1), [1, 2]);
        assert_eq!(begun(&mut hosts, &[("d", 4), ("d", 5)], 1), [4, 5]);
    }
}
