//! How each prescription ended, against the upstream's book.

use policies::delivery::Fallback;
use policies::failure::Code;
use policies::family::{Role, awaits_paper};
use policies::state::State;

use crate::payload::Payload;
use crate::rows::{Row, Rows};
use crate::upstream::{Book, Closed, Held};
use crate::world::World;

/// The prescription stands where the book says it should, and no double is unraised.
pub(super) fn truly(world: &World, rows: &Rows, place: usize, row: &Row) {
    let book = world.far.book();
    let end = End {
        rows,
        place,
        row,
        effects: effects(&book, row),
    };
    let is_true = end.is_true(world, &book);
    let (state, reason) = (row.state.as_str(), row.reason);
    let effects = end.effects;
    world.journal.hold(
        is_true,
        format_args!("entry {place} ended {state} {reason:?}; in the book: {effects}"),
    );
    let on_paper = usize::from(end.is_on_paper());
    world.journal.hold(
        effects + on_paper <= 1 || is_raised(rows, row),
        format_args!(
            "entry {place} ended {state} {reason:?}, {effects} in the book and {on_paper} on \
             paper, and nobody was told"
        ),
    );
}

/// How many prescriptions of its key may be acted on, or were.
pub(super) fn effects(book: &Book, row: &Row) -> usize {
    let theirs = Payload::read(&row.new.payload);
    let records = book.records.values();
    records
        .filter(|record| record.is_of(&theirs) && record.has_effect())
        .count()
}

/// Whether its caller can read that a person must decide about it.
pub(super) fn is_raised(rows: &Rows, row: &Row) -> bool {
    let mut events = rows.events.iter();
    events.any(|event| event.entry == row.new.id && event.state == State::Conflict)
}

struct End<'a> {
    rows: &'a Rows,
    place: usize,
    row: &'a Row,
    effects: usize,
}

impl End<'_> {
    /// A paper form was confirmed, or its caller was told to write one.
    fn is_on_paper(&self) -> bool {
        let row = self.row;
        let is_told = row.state == State::Withdrawn
            && row.new.terms.fallback == Fallback::RedRecipe
            && row.reason != Some(Code::CancelRequested);
        is_told || row.state == State::RedRecipe
    }

    /// Whether its caller did this about it, and it took effect.
    fn has(&self, role: Role) -> bool {
        self.rows
            .entries
            .iter()
            .any(|row| row.parent == Some(self.place) && row.role() == role)
    }

    fn is_true(&self, world: &World, book: &Book) -> bool {
        let (row, raised) = (self.row, is_raised(self.rows, self.row));
        let record = book.records.get(&row.number);
        let theirs = Payload::read(&row.new.payload);
        let record = record.filter(|record| record.is_of(&theirs));
        let held = record.map(|record| record.held);
        let has_passed = row.new.terms.deadline < world.journal.now();
        match row.state {
            State::Registered => matches!(
                held,
                Some(Held::Live | Held::Taken | Held::Closed(Closed::Elsewhere))
            ),
            State::Rejected => {
                self.effects == 0 && (theirs.refusable || book.is_foreign(&row.number))
            }
            State::Withdrawn => {
                let at_once = row.new.terms.fallback == Fallback::RedRecipe;
                let is_due = awaits_paper(row.state, row.reason, row.new.terms.fallback);
                (at_once || self.has(Role::Cancel)) && (self.effects == 0 || raised) && {
                    !is_due || row.paper_due.is_some() || row.reason == Some(Code::Annulled)
                }
            }
            State::RedRecipe => self.has(Role::Paper) && (self.effects == 0 || raised),
            State::Cancelled => {
                self.has(Role::Cancel)
                    && (self.effects == 0 || raised)
                    && matches!(held, Some(Held::Closed(_)))
            }
            State::Parked => match row.reason {
                Some(Code::Unreadable) => row.damaged || self.has(Role::Cancel),
                Some(Code::DeadlinePassed) => has_passed || self.has(Role::Cancel),
                // What was late of it is undone, and it still waits for a person.
                Some(Code::Annulled) => self.effects == 0,
                Some(Code::ClosedUpstream) => matches!(held, Some(Held::Closed(_))),
                Some(_) => self.has(Role::Cancel) && raised,
                None => false,
            },
            State::Conflict => match row.reason {
                Some(Code::NumberTaken) => book.is_foreign(&row.number),
                Some(Code::PaperIssued) => self.has(Role::Paper),
                Some(Code::LateCommit | Code::Dispensed | Code::PossibleDouble) => true,
                Some(Code::Unreadable) => true,
                // Its cancel came to nothing.
                Some(_) => self.has(Role::Cancel),
                None => false,
            },
            State::Accepted
            | State::Sending
            | State::Uncertain
            | State::Verifying
            | State::Cancelling
            | State::NeedsAuthorization => false,
        }
    }
}
