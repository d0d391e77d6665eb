//! What time does to toggles, and to the law that is leant on.

use std::time::Duration;

use policies::time::Timestamp;
use policies::toggle::{Due, WARN_BEFORE};

use super::{Keeper, instant};
use crate::generations::GATES_TRIED_WITHIN;
use crate::generations::kept::{End, Ended, Held};

/// How often it is looked whether the lane of an overdue toggle is back, and whether what could not
/// be put on disk now can.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

impl Keeper {
    /// Looks which toggles are over, or soon will be, and whether the law still holds.
    pub(super) fn look(&mut self) {
        let now = self.parts.clock.now();
        let (mut over, mut overdue) = (Vec::new(), Vec::new());
        for Held {
            toggle, is_overdue, ..
        } in self.generations.toggles()
        {
            let target = toggle.target.clone();
            let looked_at = self.looked_at.insert(target.clone(), now);
            let is_untried = *is_overdue && now.since(self.begun_at) < GATES_TRIED_WITHIN;
            let is_down = is_untried || (self.parts.is_down)(toggle.lane());
            match toggle.due(looked_at.unwrap_or(toggle.set_at), now, is_down) {
                Due::Keep => {}
                Due::Warn => tracing::warn!(
                    toggle.target = target,
                    toggle.expires_at = %instant(toggle.expires_at),
                    "a toggle ends soon"
                ),
                Due::Expire => over.push(target),
                Due::Overdue => overdue.push(target),
            }
        }
        for target in &overdue {
            if self.generations.note_overdue(target, true) {
                tracing::error!(
                    toggle.target = target,
                    "a toggle is over and kept, because its lane is down"
                );
            }
        }
        if !over.is_empty() {
            self.expire(over, now);
        }
        self.alarm_of_law(now);
        self.look_by = now + self.next_look();
        self.show();
    }

    /// Ends toggles: all together, or else each whose end leaves a good policy, modes before others.
    /// The rest is tried again with the next look.
    fn expire(&mut self, mut over: Vec<String>, now: Timestamp) {
        if self.end(&over, now).is_ok() {
            return;
        }
        let is_of_mode = |target: &String| {
            let held = self.generations.held(target);
            held.is_some_and(|held| held.toggle.is_of_mode())
        };
        over.sort_by_key(|target| !is_of_mode(target));
        for target in over {
            let ended = self.end(std::slice::from_ref(&target), now);
            if let Err(problems) = ended
                && self.generations.note_overdue(&target, true)
            {
                tracing::error!(
                    toggle.target = target,
                    ?problems,
                    "a toggle is over and kept, because the policy is bad without it"
                );
            }
        }
    }

    fn end(&mut self, over: &[String], now: Timestamp) -> Result<(), Vec<String>> {
        let candidate = self.generations.without(over, now)?;
        let held = self.generations.toggles();
        let held = held.filter(|held| over.contains(&held.toggle.target));
        let held = held.cloned();
        let ended = held.map(|held| Ended::by_itself(held, End::Expired, now));
        let ended = ended.collect();
        tracing::warn!(targets = ?over, "toggles ended");
        self.looked_at.retain(|target, _| !over.contains(target));
        self.put_in_force(candidate, ended);
        self.generations.owed.toggles.extend(over.iter().cloned());
        Ok(())
    }

    /// Tells people once of a law that ended while it was leant on.
    fn alarm_of_law(&mut self, now: Timestamp) {
        let ended = self.generations.law_that_ended(now);
        if ended != self.alarmed {
            if let Some(problem) = &ended {
                tracing::error!(problem, "the policy in force leans on a law that has ended");
            }
            self.alarmed = ended;
        }
    }

    /// How long nothing can be due.
    pub(super) fn next_look(&self) -> Duration {
        let now = self.parts.clock.now();
        let mut next = LOOK_AGAIN;
        for Held { toggle, .. } in self.generations.toggles() {
            for at in [toggle.expires_at, toggle.expires_at - WARN_BEFORE] {
                if at > now {
                    next = next.min(at.since(now));
                }
            }
        }
        next
    }
}
