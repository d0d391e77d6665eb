//! Crowds by seed: nobody unrelated is ever shown anything, and nobody waits for ever.

use std::time::Duration;

use engine::lookup::{Asker, Looked};
use policies::failure::Code;

use super::rig::source::Turn;
use super::rig::{Rig, doctor, key, stranger, tag};

const SEEDS: u64 = 60;
const ASKED: u64 = 60;

/// A small generator: the same seed, the same crowd.
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn millis(&mut self, max: u64) -> Duration {
        Duration::from_millis(self.below(max))
    }

    fn turn(&mut self) -> Turn {
        let span = self.millis(6_000);
        match self.below(10) {
            0 => Turn::Rejects(span),
            1 => Turn::Absent(span),
            2 => Turn::Fails(span, Code::UpstreamReset),
            3 => Turn::Fails(span, Code::UpstreamGarbage),
            4 => Turn::Panics(span),
            5 => Turn::ExpiredAuthority(span),
            6 => Turn::Fine,
            _ => Turn::Slow(span),
        }
    }

    fn asker(&mut self) -> Asker {
        let caller = self.below(6);
        match self.below(3) {
            0 => doctor(caller, self.below(3)),
            _ => stranger(caller),
        }
    }
}

/// Whether the source would have shown `person` to `asker`, or has.
fn may_see(rig: &Rig, person: u64, asker: &Asker) -> bool {
    let book = rig.source.book();
    asker.tags.contains(&tag(2, person)) || book.answered.contains(&(person, asker.caller))
}

async fn crowd(seed: u64) {
    let mut chance = Chance(seed * 2_654_435_761 + 1);
    let rig = Rig::start_under(|rules| {
        rules.freshness.fresh_for = Duration::from_secs(2);
        rules.freshness.stale_for = Duration::from_secs(20);
        rules.freshness.negative_for = Duration::from_secs(1);
    });
    let mut asking = Vec::new();
    for _ in 0..ASKED {
        let (person, asker, turn) = (chance.below(3), chance.asker(), chance.turn());
        rig.source.next(&[turn]);
        if let Some(shown) = rig.hit(person, &asker) {
            assert!(may_see(&rig, person, &asker), "seed {seed}");
            assert!(shown.age < Duration::from_secs(2), "seed {seed}");
        }
        let one = rig.asking(person, asker.clone());
        match chance.below(8) {
            0 => one.abort(),
            1 => drop(rig.reader.purge(key(person).person).await),
            _ => asking.push((person, asker, rig.now(), one)),
        }
        let pause = chance.millis(900);
        rig.pass(pause).await;
    }
    for (person, asker, asked_at, one) in asking {
        let result = tokio::time::timeout(Duration::from_secs(60), one).await;
        let result = result.unwrap_or_else(|_| panic!("seed {seed}: it waits for ever"));
        if let Ok(Looked::Known(known)) = result.expect("it was not aborted") {
            assert!(
                may_see(&rig, person, &asker),
                "seed {seed}: shown to a stranger"
            );
            let about = format!("{{\"person\":{person},");
            assert!(known.body.starts_with(about.as_bytes()), "seed {seed}");
            let bound = Duration::from_secs(20 + 6);
            assert!(asked_at.since(known.fetched_at) < bound, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_shown_what_is_not_theirs_and_nobody_waits_for_ever() {
    for seed in 1..=SEEDS {
        crowd(seed).await;
    }
}
