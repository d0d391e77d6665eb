//! What one seed draws: which classes of fault are on, how likely each is, and the policy in force.
//!
//! Every class is off in some seeds: faults hide each other, and what needs a quiet upstream and a
//! dying process is found only where just those two come together.
//!
//! # Not here
//!
//! Jumps of the wall clock: the gateway's clock reads the wall once and no lease, gate or schedule
//! sees it again (`engine::clock`), so there is nothing to jump under the engine's port.

use std::time::Duration;

use policies::rules::{LotRules, WriteBehindRules};

use super::chance::Chance;
use policy::{edited, rules};

mod policy;

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

pub(crate) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Everything that one seed draws before it begins.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// How long faults go on.
    pub(crate) faults_for: Duration,
    pub(crate) callers: Callers,
    pub(crate) disk: Disk,
    pub(crate) upstream: Upstream,
    pub(crate) process: Process,
    /// The policy of each process in turn, round and round: edited between two of them.
    pub(crate) writes: Vec<WriteBehindRules>,
    pub(crate) lots: LotRules,
    /// Decimal places of a lot: two make a lot of a hundred numbers.
    pub(crate) lot_digits: u8,
}

/// What callers do.
#[derive(Debug, Clone)]
pub(crate) struct Callers {
    pub(crate) writes: u64,
    pub(crate) organizations: u64,
    pub(crate) doctors: u64,
    /// Sends its key again after an answer.
    pub(crate) repeats: f64,
    /// Of those that repeat: with another body.
    pub(crate) other_body: f64,
    /// Two requests with one key at once.
    pub(crate) at_once: f64,
    /// Goes away before the answer.
    pub(crate) leaves: f64,
    pub(crate) wait_max: f64,
    /// Writes what the upstream refuses for its content.
    pub(crate) refusable: f64,
    pub(crate) own_number: f64,
    /// Authenticates again before a write.
    pub(crate) authenticates: f64,
    /// Its patient waits at the desk, and will be given a paper form.
    pub(crate) at_the_desk: f64,
    pub(crate) consents: f64,
    /// Takes it back, sooner or later.
    pub(crate) cancels: f64,
    /// Writes the paper form that it was told to write.
    pub(crate) obeys: f64,
    /// Writes one without being told.
    pub(crate) writes_paper: f64,
    pub(crate) acknowledges: f64,
    /// Does something about a prescription that is not its own.
    pub(crate) meddles: f64,
    /// How long after its answer it does such a thing, at most.
    pub(crate) within: Duration,
}

/// What the disk does.
#[derive(Debug, Clone)]
pub(crate) struct Disk {
    pub(crate) write_max: Duration,
    /// How much of what was not synced is gone after a crash.
    pub(crate) unsynced_lost: f64,
    /// A write is refused (no space), while there is trouble.
    pub(crate) refuses: f64,
    /// A settlement is refused, while there is trouble: it is larger than a lease.
    pub(crate) refuses_settlements: f64,
    /// A commit whose fate is unknown, at any time; the process ends by itself.
    pub(crate) unknown: f64,
    /// A write that takes seconds.
    pub(crate) stalls: f64,
    /// A pending row that a crash damages.
    pub(crate) damages: f64,
    pub(crate) entries_max: usize,
}

/// What may happen to one call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Air {
    pub(crate) unreachable: f64,
    pub(crate) unavailable: f64,
    pub(crate) request_lost: f64,
    pub(crate) answer_lost: f64,
    /// Applied long after it was given up on.
    pub(crate) late: f64,
    pub(crate) slow: f64,
    pub(crate) hangs: f64,
    pub(crate) authority_refused: f64,
    pub(crate) certificate_refused: f64,
    /// Refused, and nobody is told why.
    pub(crate) refused: f64,
}

/// What the upstream does.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) writes: Air,
    pub(crate) annuls: Air,
    pub(crate) reads: Air,
    pub(crate) lots: Air,
    pub(crate) answers_in: Duration,
    pub(crate) late_max: Duration,
    /// Somebody dispenses what is in the book.
    pub(crate) dispensed: f64,
    /// Somebody cancels what is in the book.
    pub(crate) cancelled: f64,
    pub(crate) handled_within: Duration,
    /// Numbers that callers may bring and that hold another's prescription.
    pub(crate) foreign: u64,
    /// Outages and half-dead spells, how many.
    pub(crate) spells: u64,
    pub(crate) spell_max: Duration,
}

/// What happens to the process.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    /// Killed at an instant of the clock.
    pub(crate) kills: u64,
    /// Killed between two steps of a write: before it, before its sync, after its sync, after the
    /// upstream has applied it.
    pub(crate) kills_at_a_step: u64,
    pub(crate) stops: u64,
    /// Frozen as a whole, longer than a lease.
    pub(crate) freezes: u64,
    /// Disk troubles, how many.
    pub(crate) troubles: u64,
    pub(crate) down_max: Duration,
}

impl Options {
    pub(crate) fn draw(seed: u64) -> Options {
        let chance = Chance::new(seed, "options");
        let (writes, lots) = rules(&chance);
        let longest = writes.watch.horizon;
        let upstream = upstream(&chance, writes.calls.read_within, longest);
        let mut policies = vec![writes];
        if chance.hit(0.3) {
            for _ in 0..chance.between(1, 2) {
                let edited = edited(&chance, &policies[0]);
                policies.push(edited);
            }
        }
        Options {
            faults_for: chance.span(seconds(20), seconds(300)),
            callers: callers(&chance),
            disk: disk(&chance),
            upstream,
            process: process(&chance),
            writes: policies,
            lots,
            lot_digits: chance.between(2, 3) as u8,
        }
    }

    /// The policy that the process of this number runs under.
    pub(crate) fn policy(&self, instance: u64) -> &WriteBehindRules {
        &self.writes[(instance as usize).saturating_sub(1) % self.writes.len()]
    }

    /// The longest that any policy lets `span` be.
    pub(crate) fn longest(&self, span: impl Fn(&WriteBehindRules) -> Duration) -> Duration {
        self.writes.iter().map(span).max().unwrap_or_default()
    }
}

fn callers(chance: &Chance) -> Callers {
    Callers {
        writes: chance.between(4, 40),
        organizations: chance.between(1, 3),
        doctors: chance.between(1, 6),
        repeats: chance.swarm(0.7, 0.05, 0.6),
        other_body: chance.swarm(0.5, 0.05, 0.5),
        at_once: chance.swarm(0.5, 0.05, 0.4),
        leaves: chance.swarm(0.5, 0.05, 0.5),
        wait_max: chance.swarm(0.5, 0.1, 0.8),
        refusable: chance.swarm(0.5, 0.02, 0.3),
        own_number: chance.swarm(0.4, 0.02, 0.3),
        authenticates: chance.swarm(0.7, 0.05, 0.5),
        at_the_desk: chance.swarm(0.7, 0.1, 1.0),
        consents: chance.swarm(0.7, 0.2, 1.0),
        cancels: chance.swarm(0.6, 0.05, 0.6),
        obeys: chance.swarm(0.9, 0.5, 1.0),
        writes_paper: chance.swarm(0.4, 0.02, 0.4),
        acknowledges: chance.swarm(0.5, 0.1, 0.8),
        meddles: chance.swarm(0.2, 0.05, 0.2),
        within: chance.span(seconds(1), seconds(300)),
    }
}

fn disk(chance: &Chance) -> Disk {
    Disk {
        write_max: chance.span(millis(2), millis(60)),
        unsynced_lost: 0.8 + 0.2 * chance.share(),
        refuses: chance.swarm(0.5, 0.1, 1.0),
        refuses_settlements: chance.swarm(0.5, 0.5, 1.0),
        unknown: chance.swarm(0.2, 0.002, 0.02),
        stalls: chance.swarm(0.3, 0.005, 0.05),
        damages: chance.swarm(0.2, 0.1, 0.5),
        entries_max: if chance.hit(0.2) {
            chance.between(3, 30) as usize
        } else {
            10_000
        },
    }
}

fn air(chance: &Chance) -> Air {
    Air {
        unreachable: chance.swarm(0.4, 0.02, 0.4),
        unavailable: chance.swarm(0.3, 0.02, 0.3),
        request_lost: chance.swarm(0.5, 0.02, 0.3),
        answer_lost: chance.swarm(0.6, 0.02, 0.4),
        late: chance.swarm(0.5, 0.02, 0.3),
        slow: chance.swarm(0.5, 0.05, 0.4),
        hangs: chance.swarm(0.3, 0.02, 0.2),
        authority_refused: chance.swarm(0.3, 0.01, 0.1),
        certificate_refused: chance.swarm(0.1, 0.005, 0.03),
        refused: 0.0,
    }
}

fn upstream(chance: &Chance, read_within: Duration, horizon: Duration) -> Upstream {
    let reads = Air {
        late: 0.0,
        ..air(chance)
    };
    let annuls = Air {
        refused: chance.swarm(0.3, 0.05, 0.4),
        ..air(chance)
    };
    let lots = Air {
        authority_refused: 0.0,
        certificate_refused: 0.0,
        ..air(chance)
    };
    // What comes later than the horizon is beyond any promise.
    let late_max = horizon.mul_f64(0.9).min(if chance.hit(0.3) {
        hours(24)
    } else {
        seconds(600)
    });
    Upstream {
        writes: air(chance),
        annuls: if chance.hit(0.4) {
            Air::default()
        } else {
            annuls
        },
        reads: if chance.hit(0.4) {
            Air::default()
        } else {
            reads
        },
        lots: if chance.hit(0.6) {
            Air::default()
        } else {
            lots
        },
        // There and back within any deadline: what is slower than that is drawn apart.
        answers_in: chance.span(millis(10), read_within / 3),
        late_max: chance.span(seconds(5), late_max.max(seconds(10))),
        dispensed: chance.swarm(0.4, 0.02, 0.5),
        cancelled: chance.swarm(0.3, 0.02, 0.3),
        handled_within: chance.span(seconds(5), seconds(600)),
        foreign: if chance.hit(0.3) {
            chance.between(1, 4)
        } else {
            0
        },
        spells: if chance.hit(0.6) {
            chance.between(1, 4)
        } else {
            0
        },
        spell_max: chance.span(seconds(5), seconds(150)),
    }
}

fn process(chance: &Chance) -> Process {
    let often = |on: f64, most: u64| {
        let (drawn, count) = (chance.hit(on), chance.between(1, most));
        if drawn { count } else { 0 }
    };
    Process {
        kills: often(0.5, 4),
        kills_at_a_step: often(0.6, 6),
        stops: often(0.3, 2),
        freezes: often(0.3, 3),
        troubles: often(0.4, 3),
        down_max: chance.span(millis(50), seconds(60)),
    }
}
