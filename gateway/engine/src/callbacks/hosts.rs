//! Which push may begin next: a queue a host, so that one that hangs holds up its own alone.
//!
//! # Invariants
//!
//! 1. A push is under way once at a time, to whichever host.
//! 2. A host has at most [`CallbackRules::requests_per_host_max`] under way, and one that failed last has
//!    one: no crowd meets whoever comes back.
//! 3. Hosts that failed last have at most half of [`CallbackRules::requests_max`], so that the other half is
//!    there for those that answer, however many hang. Who has rested longest is tried first, so that each
//!    comes to its turn.
//! 4. A host rests longer with each failure in a row, whichever events they befell; what fails while it
//!    rests was under way before, and counts no more.

use std::collections::{BTreeMap, BTreeSet};

use policies::callback::{Said, host_rests};
use policies::rules::CallbackRules;
use policies::time::Timestamp;

use super::port::Callback;

/// What is known of every host that something is under way to, or that failed last.
#[derive(Debug, Default)]
pub(super) struct Hosts(BTreeMap<String, Host>);

#[derive(Debug, Default)]
struct Host {
    under_way: BTreeSet<u64>,
    /// In a row, since it answered last.
    failures: u32,
    rests_until: Timestamp,
}

impl Host {
    /// Whether one more push to it may begin, when `failing` are under way to hosts that failed last.
    fn is_open(&self, failing: usize, rules: &CallbackRules, now: Timestamp) -> bool {
        if self.failures == 0 {
            return self.under_way.len() < rules.requests_per_host_max;
        }
        let is_rested = now >= self.rests_until && self.under_way.is_empty();
        is_rested && failing < rules.requests_max / 2
    }
}

impl Hosts {
    /// Chooses from `due` what begins now, and counts it as under way. First what each host has waited
    /// for longest, then the second of each, and so on; of these what rests is first where it ends first.
    pub(super) fn begin(
        &mut self,
        due: Vec<Callback>,
        rules: &CallbackRules,
        now: Timestamp,
    ) -> Vec<Callback> {
        let mut under_way: BTreeSet<u64> = self.under_way().collect();
        let mut failing = self.failing_under_way();
        let mut begun = Vec::new();
        for callback in self.in_turn(due) {
            if under_way.len() >= rules.requests_max {
                break;
            }
            let host = self.0.entry(callback.host.clone()).or_default();
            if host.is_open(failing, rules, now) && under_way.insert(callback.seq) {
                failing += usize::from(host.failures > 0);
                host.under_way.insert(callback.seq);
                begun.push(callback);
            }
        }
        begun
    }

    fn in_turn(&self, due: Vec<Callback>) -> Vec<Callback> {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut queue = Vec::with_capacity(due.len());
        for callback in due {
            let host = self.0.get(&callback.host);
            if host.is_some_and(|host| host.under_way.contains(&callback.seq)) {
                continue;
            }
            let already = || host.map_or(0, |host| host.under_way.len());
            let place = places.entry(callback.host.clone()).or_insert_with(already);
            let rested = host.map_or(Timestamp(0), |host| host.rests_until);
            queue.push(((*place, rested, callback.seq), callback));
            *place += 1;
        }
        queue.sort_by_key(|(turn, _)| *turn);
        queue.into_iter().map(|(_, callback)| callback).collect()
    }

    fn under_way(&self) -> impl Iterator<Item = u64> {
        self.0.values().flat_map(|host| &host.under_way).copied()
    }

    fn failing_under_way(&self) -> usize {
        let failing = self.0.values().filter(|host| host.failures > 0);
        failing.map(|host| host.under_way.len()).sum()
    }

    /// Whether nothing can begin before something ends.
    pub(super) fn are_full(&self, rules: &CallbackRules) -> bool {
        self.under_way().count() >= rules.requests_max
    }

    /// Those to which nothing can begin now.
    pub(super) fn closed(&self, rules: &CallbackRules, now: Timestamp) -> BTreeSet<String> {
        let failing = self.failing_under_way();
        let hosts = self.0.iter();
        let closed = hosts.filter(|(_, host)| !host.is_open(failing, rules, now));
        closed.map(|(name, _)| name.clone()).collect()
    }

    /// The push of `seq` to `name` has ended. Whether that is the first failure since it answered last.
    pub(super) fn ended(
        &mut self,
        name: &str,
        seq: u64,
        said: Said,
        rules: &CallbackRules,
        (now, chance): (Timestamp, f64),
    ) -> bool {
        let Some(host) = self.0.get_mut(name) else {
            return false;
        };
        host.under_way.remove(&seq);
        match said {
            Said::Received | Said::Refused => {
                if host.under_way.is_empty() {
                    self.0.remove(name);
                } else {
                    host.failures = 0;
                    host.rests_until = Timestamp(0);
                }
                false
            }
            Said::Failed if now >= host.rests_until => {
                host.failures = host.failures.saturating_add(1);
                host.rests_until = now + host_rests(rules, host.failures, chance);
                host.failures == 1
            }
            Said::Failed => false,
            Said::Unsent => {
                if host.failures == 0 && host.under_way.is_empty() {
                    self.0.remove(name);
                }
                false
            }
        }
    }

    /// Lets `name` rest until `until`, for a reason of ours.
    pub(super) fn rest(&mut self, name: &str, until: Timestamp) {
        let host = self.0.entry(name.to_owned()).or_default();
        host.failures = host.failures.max(1);
        host.rests_until = host.rests_until.max(until);
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
    use crate::entry::{EntryId, Organization};

    fn rules() -> CallbackRules {
        CallbackRules {
            retry_after: [1, 10, 3_600].map(Duration::from_secs).to_vec(),
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
            organization: Organization("practice-a".to_owned()),
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

    fn ended(hosts: &mut Hosts, host: &str, seq: u64, said: Said, now: u64) -> bool {
        hosts.ended(host, seq, said, &rules(), (Timestamp(now), 0.5))
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
        assert!(hosts.are_full(&rules()));
        ended(&mut hosts, "b", 4, Said::Received, 0);
        assert_eq!(begun(&mut hosts, &due[..3], 0), [0; 0], "two of one host");
        assert_eq!(
            hosts.closed(&rules(), Timestamp(0)),
            ["a".to_owned()].into()
        );
        assert_eq!(begun(&mut hosts, &[("c", 6)], 0), [6]);
    }

    #[test]
    fn a_host_that_failed_rests_and_is_then_tried_once() {
        let mut hosts = Hosts::default();
        let due = [("a", 1), ("a", 2)];
        assert_eq!(begun(&mut hosts, &due, 0), [1, 2]);
        assert!(ended(&mut hosts, "a", 1, Said::Failed, 10));
        assert!(!ended(&mut hosts, "a", 2, Said::Failed, 20));
        assert_eq!(begun(&mut hosts, &due, 1_009), [0; 0]);
        assert_eq!(hosts.closed(&rules(), Timestamp(1_009)).len(), 1);
        let rested = Some(Timestamp(1_010));
        assert_eq!(hosts.next_rested(Timestamp(1_009)), rested);
        assert_eq!(begun(&mut hosts, &due, 1_010), [1]);
        ended(&mut hosts, "a", 1, Said::Received, 1_010);
        assert_eq!(begun(&mut hosts, &[("a", 2), ("a", 3)], 1_010), [2, 3]);
    }

    #[test]
    fn a_queue_of_fresh_events_lets_its_host_rest_longer_each_time() {
        let mut hosts = Hosts::default();
        let mut now = 0;
        for (seq, seconds) in [(1, 1), (2, 10), (3, 60), (4, 60)] {
            assert_eq!(begun(&mut hosts, &[("a", seq)], now), [seq]);
            ended(&mut hosts, "a", seq, Said::Failed, now);
            let rested = hosts.next_rested(Timestamp(now)).unwrap();
            assert_eq!(rested, Timestamp(now + seconds * 1_000));
            now = rested.0;
        }
        assert_eq!(begun(&mut hosts, &[("a", 5)], now), [5]);
        ended(&mut hosts, "a", 5, Said::Refused, now);
        assert_eq!(begun(&mut hosts, &[("a", 6)], now), [6], "it has answered");
    }

    #[test]
    fn what_never_left_says_nothing_of_its_host() {
        let mut hosts = Hosts::default();
        assert_eq!(begun(&mut hosts, &[("a", 1)], 0), [1]);
        assert!(!ended(&mut hosts, "a", 1, Said::Unsent, 0));
        assert_eq!(begun(&mut hosts, &[("a", 2)], 0), [2]);
        ended(&mut hosts, "a", 2, Said::Failed, 0);
        assert_eq!(begun(&mut hosts, &[("a", 1)], 1_000), [1]);
        ended(&mut hosts, "a", 1, Said::Unsent, 1_000);
        assert_eq!(begun(&mut hosts, &[("a", 1), ("a", 2)], 1_000), [1]);
    }

    #[test]
    fn an_event_that_moved_is_not_under_way_to_two_hosts() {
        let mut hosts = Hosts::default();
        assert_eq!(begun(&mut hosts, &[("a", 1)], 0), [1]);
        assert_eq!(begun(&mut hosts, &[("b", 1), ("b", 2)], 0), [2]);
        ended(&mut hosts, "a", 1, Said::Failed, 0);
        assert_eq!(begun(&mut hosts, &[("b", 1)], 0), [1]);
    }

    #[test]
    fn hosts_that_fail_have_half_of_what_there_is() {
        let mut hosts = Hosts::default();
        let failing = [("a", 1), ("b", 2), ("c", 3)];
        assert_eq!(begun(&mut hosts, &failing, 0), [1, 2, 3]);
        for (host, seq) in failing {
            ended(&mut hosts, host, seq, Said::Failed, 0);
        }
        assert_eq!(begun(&mut hosts, &failing, 1_000), [1, 2]);
        assert_eq!(hosts.closed(&rules(), Timestamp(1_000)).len(), 3);
        assert_eq!(begun(&mut hosts, &[("d", 4), ("d", 5)], 1_000), [4, 5]);
    }

    #[test]
    fn who_failed_once_comes_to_its_turn_however_many_hang() {
        let names: Vec<String> = (0..40).map(|index| format!("hangs-{index:02}")).collect();
        let hanging = names.iter().map(String::as_str).zip(1..);
        let due: Vec<(&str, u64)> = hanging.chain([("recovered", 99)]).collect();
        let mut hosts = Hosts::default();
        let mut now = 0;
        let mut tries = BTreeMap::<u64, u32>::new();
        // Every push takes a second, and as many are under way as may be.
        while tries.get(&99).copied() != Some(2) {
            for seq in begun(&mut hosts, &due, now) {
                *tries.entry(seq).or_default() += 1;
            }
            now += 1_000;
            for (host, seq) in &due {
                let is_well = *seq == 99 && tries.get(seq) == Some(&2);
                let said = if is_well {
                    Said::Received
                } else {
                    Said::Failed
                };
                let under_way = hosts.0.get(*host);
                if under_way.is_some_and(|host| host.under_way.contains(seq)) {
                    ended(&mut hosts, host, *seq, said, now);
                }
            }
            assert!(now < 60_000, "it was never tried again: {tries:?}");
        }
        assert_eq!(begun(&mut hosts, &[("recovered", 100)], now), [100]);
    }
}
