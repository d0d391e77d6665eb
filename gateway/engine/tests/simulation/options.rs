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

use policies::gate::Mode;
use policies::rules::{
    AdmissionKind, CallRules, DeliveryRules, GateRules, LotRules, WriteBehindRules,
};

use super::chance::Chance;

pub(crate) const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
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
    pub(crate) writes: WriteBehindRules,
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
}

/// What the upstream does.
#[derive(Debug, Clone)]
pub(crate) struct Upstream {
    pub(crate) writes: Air,
    pub(crate) reads: Air,
    pub(crate) lots: Air,
    pub(crate) answers_in: Duration,
    pub(crate) late_max: Duration,
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
        Options {
            faults_for: chance.span(seconds(20), seconds(400)),
            callers: callers(&chance),
            disk: disk(&chance),
            upstream: upstream(&chance, writes.calls.read_within),
            process: process(&chance),
            writes,
            lots,
            lot_digits: chance.between(2, 3) as u8,
        }
    }
}

fn callers(chance: &Chance) -> Callers {
    Callers {
        writes: chance.between(5, 60),
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
    }
}

fn upstream(chance: &Chance, read_within: Duration) -> Upstream {
    let reads = Air {
        late: 0.0,
        ..air(chance)
    };
    let lots = Air {
        authority_refused: 0.0,
        certificate_refused: 0.0,
        ..air(chance)
    };
    Upstream {
        writes: air(chance),
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
        late_max: chance.span(seconds(5), seconds(600)),
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

fn rules(chance: &Chance) -> (WriteBehindRules, LotRules) {
    let calls_max = chance.between(2, 12);
    let calls = CallRules {
        calls_max: calls_max as usize,
        calls_min: chance.between(1, calls_max) as usize,
        admission: if chance.hit(0.7) {
            AdmissionKind::Adaptive
        } else {
            AdmissionKind::Fixed
        },
        live_reserve: 1,
        queue_max: chance.between(4, 64) as usize,
        write_within: chance.span(seconds(2), seconds(10)),
        read_within: chance.span(seconds(1), seconds(5)),
    };
    // As the policy demands: no lease ends in mid-call.
    let attempt_longest = calls.write_within + calls.read_within * 3;
    let delivery = DeliveryRules {
        rate_per_second: chance.between(2, 100) as u32,
        lease_for: attempt_longest + chance.span(seconds(1), seconds(30)),
        resend_after: vec![seconds(2), seconds(5), chance.span(seconds(5), seconds(60))],
        verify_after: vec![seconds(1), chance.span(seconds(2), seconds(60))],
        jitter_share: 0.2,
        retry_share: chance.swarm(0.8, 0.02, 0.5),
        retry_floor_per_second: chance.between(1, 10) as u32,
    };
    let gate = GateRules {
        failures_in_row: chance.between(2, 6) as u32,
        failure_share: 0.5,
        slow_share: 0.8,
        slow_after: calls.write_within.mul_f64(0.9),
        window: seconds(10),
        calls_min: chance.between(5, 20) as u32,
        open_for: seconds(2),
        open_for_max: chance.span(seconds(4), seconds(60)),
        ramp: if chance.hit(0.8) {
            chance.span(millis(100), seconds(60))
        } else {
            Duration::ZERO
        },
    };
    let writes = WriteBehindRules {
        mode: Mode::Auto,
        answer_within: chance.span(millis(500), seconds(8)),
        entry_deadline: if chance.hit(0.2) {
            chance.span(seconds(30), seconds(600))
        } else {
            seconds(72 * 3600)
        },
        checks_off: Vec::new(),
        calls,
        delivery,
        gate,
    };
    let lots = LotRules {
        mode: Mode::Auto,
        kind: 3,
        low_water: chance.between(20, 80),
        block: chance.between(3, 20),
        request_within: seconds(10),
        retry_after: vec![seconds(2), seconds(10)],
    };
    (writes, lots)
}
