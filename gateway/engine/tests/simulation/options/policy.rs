//! The policy in force under a seed, and what an operator makes of it in mid-flight.

use std::time::Duration;

use policies::delivery::Uncertain;
use policies::gate::Mode;
use policies::rules::{
    AdmissionKind, AuthnAgeRules, CallRules, DeliveryRules, FallbackRules, GateRules, LotRules,
    WatchRules, WriteBehindRules,
};

use super::{hours, millis, seconds};
use crate::chance::Chance;

pub(super) fn rules(chance: &Chance) -> (WriteBehindRules, LotRules) {
    let calls_max = chance.between(2, 12) as usize;
    let calls = CallRules {
        calls_max,
        calls_min: chance.between(1, calls_max as u64) as usize,
        admission: if chance.hit(0.7) {
            AdmissionKind::Adaptive
        } else {
            AdmissionKind::Fixed
        },
        live_reserve: 1,
        // As long as it is the longer of the two, nobody waits for the calls of others.
        queue_max: calls_max + chance.between(2, 60) as usize,
        write_within: chance.span(seconds(2), seconds(10)),
        read_within: chance.span(seconds(1), seconds(5)),
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
    let watch = watch(chance, &calls);
    let authn_age_max = AuthnAgeRules {
        send: hours(72),
        annul: hours(168),
        read: hours(168),
    };
    let writes = WriteBehindRules {
        mode: Mode::Auto,
        answer_within: chance.span(millis(500), seconds(8)),
        entry_deadline: entry_deadline(chance),
        uncertain: uncertain(chance),
        checks_off: Vec::new(),
        fallback: fallback(chance),
        watch,
        authn_age_max,
        delivery: delivery(chance, &calls),
        calls,
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

fn entry_deadline(chance: &Chance) -> Duration {
    if chance.hit(0.2) {
        chance.span(seconds(30), seconds(600))
    } else {
        hours(72)
    }
}

fn uncertain(chance: &Chance) -> Uncertain {
    if chance.hit(0.35) {
        Uncertain::AnnulAndResend
    } else {
        Uncertain::Verify
    }
}

/// As the policy demands: no lease ends in mid-call.
fn delivery(chance: &Chance, calls: &CallRules) -> DeliveryRules {
    DeliveryRules {
        rate_per_second: chance.between(2, 100) as u32,
        lease_for: calls.attempt_longest() + chance.span(seconds(1), seconds(30)),
        resend_after: vec![seconds(2), seconds(5), chance.span(seconds(5), seconds(60))],
        verify_after: vec![seconds(1), chance.span(seconds(2), seconds(60))],
        jitter_share: 0.2,
        retry_share: chance.swarm(0.8, 0.02, 0.5),
        retry_floor_per_second: chance.between(1, 10) as u32,
    }
}

fn fallback(chance: &Chance) -> FallbackRules {
    let word = |at_once| if at_once { "red-recipe" } else { "hold" }.to_owned();
    FallbackRules {
        patient_waiting: word(chance.hit(0.8)),
        otherwise: word(chance.hit(0.1)),
        allowed: vec![word(true), word(false)],
        paper_within: chance.span(seconds(20), hours(2)),
        legal_basis: None,
    }
}

/// In some seeds as in production; in others so short that much is decided while faults go on, and
/// in others without a look before the end of the day.
fn watch(chance: &Chance, calls: &CallRules) -> WatchRules {
    let spans = |all: &[u64]| all.iter().copied().map(seconds).collect();
    match chance.between(0, 3) {
        0 => WatchRules {
            look_after: spans(&[60, 300, 1_800, 7_200, 86_400]),
            look_after_recovery: seconds(1_800),
            horizon: hours(48),
        },
        1 => WatchRules {
            look_after: vec![hours(6)],
            look_after_recovery: hours(6),
            horizon: chance.span(hours(7), hours(48)),
        },
        // Never shorter than a call and its lease.
        _ => WatchRules {
            look_after: vec![seconds(2), chance.span(seconds(3), seconds(30))],
            look_after_recovery: chance.span(seconds(1), seconds(30)),
            horizon: calls.write_within + chance.span(seconds(31), seconds(900)),
        },
    }
}

/// What an operator may change: never what a caller was told.
pub(super) fn edited(chance: &Chance, before: &WriteBehindRules) -> WriteBehindRules {
    let (other, _) = rules(chance);
    WriteBehindRules {
        // The process and its witness are dimensioned by it.
        calls: before.calls.clone(),
        delivery: DeliveryRules {
            rate_per_second: other.delivery.rate_per_second,
            resend_after: other.delivery.resend_after,
            verify_after: other.delivery.verify_after,
            ..before.delivery.clone()
        },
        watch: before.watch.clone(),
        ..other
    }
}
