//! What the demo tells on its way: a line a second, and a line for what has happened meanwhile.

use std::time::Duration;

use tests::world::World;

use crate::inbox::{Event, Inbox, Read};
use crate::log::Log;
use crate::lookups::notes::{Asked, Notes, Told};
use crate::morning::Morning;

/// Between two lines of the clock. Of each kind of news there is one line at most meanwhile.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// The story so far.
#[derive(Debug)]
pub(crate) struct Story {
    morning: Morning,
    next: Duration,
    lookups: usize,
    red_forms: usize,
    annulled: usize,
    conflicts: usize,
}

impl Story {
    /// Of this morning.
    pub(crate) fn of(morning: Morning) -> Story {
        Story {
            morning,
            next: Duration::ZERO,
            lookups: 0,
            red_forms: 0,
            annulled: 0,
            conflicts: 0,
        }
    }

    /// Goes on, once a second.
    pub(crate) fn tell(
        &mut self,
        world: &World,
        elapsed: Duration,
        (log, inboxes, notes): (&Log, &[Inbox], &Notes),
    ) {
        if elapsed < self.next {
            return;
        }
        self.next = elapsed + TELL_EVERY;
        let offered = log.all();
        println!(
            "{}  {:<16} offered {:>5}  accepted {:>5}  in the SAC's book {:>5}  {}",
            self.morning.clock(elapsed),
            self.morning.spell(elapsed).as_str(),
            offered.len(),
            offered.iter().filter(|one| one.accepted).count(),
            world.book().prescriptions.len(),
            self.lookups(notes),
        );
        let read = Read::all(inboxes);
        let red_forms = offered.iter().filter(|one| one.told_red_form()).count();
        let annulled = read.of(Event::is_annulled).len();
        let conflicts = read.of(Event::is_conflict).len();
        news(&mut self.red_forms, red_forms, "sent to write a red form");
        news(&mut self.annulled, annulled, "applied late, and annulled");
        let told = "applied late, and a conflict: the doctor was told";
        news(&mut self.conflicts, conflicts, told);
    }

    /// The look-ups that have ended since the last line.
    fn lookups(&mut self, notes: &Notes) -> String {
        let ended = notes.since(self.lookups);
        self.lookups += ended.len();
        let count = |is: fn(&Asked) -> bool| ended.iter().filter(|asked| is(asked)).count();
        format!(
            "look-ups {:>4}: fresh {:>4}  stale {:>4}  refused {:>3}",
            ended.len(),
            count(|asked| asked.shown().is_some_and(|shown| !shown.stale)),
            count(|asked| asked.shown().is_some_and(|shown| shown.stale)),
            count(|asked| asked.told == Told::Refused),
        )
    }
}

/// One line, if there is anything new.
fn news(told: &mut usize, now: usize, what: &str) {
    if now > *told {
        println!("  {:>5} {what}", now - *told);
        *told = now;
    }
}
