//! The pharmacy: it dispenses what patients bring, and a few that should not be there any more.

use std::time::{Duration, Instant};

use tests::upstreams::sac::book::Prescription;
use tests::world::World;

use crate::log::{Log, Offered};
use crate::morning::Spell;

/// How many late commits are dispensed before the gateway looks for them.
const LATE_MAX: usize = 3;
/// How often the pharmacy looks for them: often enough to come between two looks of the gateway.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// statoProcesso of a prescription that nobody has touched.
const LIVE: u8 = 3;
/// Of one that a pharmacy holds.
const IN_CHARGE: u8 = 5;
/// Of one that the patient has had.
const DISPENSED: u8 = 8;

/// What the pharmacy remembers.
#[derive(Debug, Default)]
pub(crate) struct Pharmacy {
    late: usize,
    looked_at: Option<Instant>,
}

impl Pharmacy {
    /// Serves whoever came since the last time.
    pub(crate) fn serve(&mut self, world: &World, log: &Log) {
        for number in log.at_the_pharmacy() {
            dispense(world, &number);
        }
        let is_early = |at: Instant| at.elapsed() < LOOK_EVERY;
        if self.late < LATE_MAX && !self.looked_at.is_some_and(is_early) {
            self.looked_at = Some(Instant::now());
            self.serve_late(world, &log.all());
        }
    }

    /// The patient has a red form, the SAC has the prescription nevertheless, and someone dispenses it.
    fn serve_late(&mut self, world: &World, log: &[Offered]) {
        let given_up: Vec<&Offered> = log.iter().filter(|one| is_aimed_at(one)).collect();
        if given_up.is_empty() {
            return;
        }
        let book = world.book();
        let is_late = |one: &&Prescription| {
            one.state == LIVE && given_up.iter().any(|offered| offered.words == one.words)
        };
        let late = book.prescriptions.iter().filter(is_late);
        for one in late.take(LATE_MAX - self.late) {
            self.late += usize::from(dispense(world, &one.nre));
        }
    }
}

/// Given up in the spell of late commits. With consent it would be annulled, were it not dispensed first.
fn is_aimed_at(offered: &Offered) -> bool {
    offered.spell == Spell::LateCommits && offered.consent && offered.told_red_form()
}

/// Whether it could be dispensed: it may have been annulled a moment ago.
fn dispense(world: &World, number: &str) -> bool {
    let sac = world.sac();
    let moved = sac.move_to(number, IN_CHARGE);
    moved.and_then(|()| sac.move_to(number, DISPENSED)).is_ok()
}
