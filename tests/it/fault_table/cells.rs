//! The cells of the table: what is done, where its prescription stands, what strikes, which policies.

use std::collections::BTreeSet;
use std::fmt;

use policies::delivery::{Fallback, Uncertain};

use super::moments::{Effect, Moment, Strike, strikes};

/// What the caller does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verb {
    Create,
    Cancel,
    Paper,
}

impl Verb {
    pub(super) const ALL: [Verb; 3] = [Verb::Create, Verb::Cancel, Verb::Paper];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Verb::Create => "create",
            Verb::Cancel => "cancel",
            Verb::Paper => "paper",
        }
    }
}

/// Where the prescription stands when it is cancelled or written on paper. What is struck is the
/// request that this races with: its `invio`, and once it is registered the annul.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    New,
    Queued,
    Sending,
    Uncertain,
    Registered,
    Withdrawn,
}

impl Standing {
    pub(super) const ALL: [Standing; 6] = [
        Standing::New,
        Standing::Queued,
        Standing::Sending,
        Standing::Uncertain,
        Standing::Registered,
        Standing::Withdrawn,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Standing::New => "new",
            Standing::Queued => "queued",
            Standing::Sending => "being sent",
            Standing::Uncertain => "uncertain",
            Standing::Registered => "registered",
            Standing::Withdrawn => "withdrawn",
        }
    }
}

/// One cell.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    pub(super) verb: Verb,
    pub(super) standing: Standing,
    pub(super) strike: Strike,
    pub(super) fallback: Fallback,
    pub(super) uncertain: Uncertain,
    pub(super) consent: bool,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}) | {} | {} | {} | {} | {}",
            self.verb.as_str(),
            self.standing.as_str(),
            self.strike.moment.as_str(),
            self.strike.name(),
            self.fallback.as_str(),
            self.uncertain.as_str(),
            if self.consent {
                "consent"
            } else {
                "no consent"
            },
        )
    }
}

impl Cell {
    /// Whether the process is killed in it.
    pub(super) fn is_killed(&self) -> bool {
        self.strike.moment == Moment::Killed
    }

    /// Whether the cell can come about.
    fn is_possible(&self) -> bool {
        let effect = self.strike.effect;
        let waits = self.fallback == Fallback::Hold;
        let is_unclear = matches!(effect, Effect::Nothing | Effect::Applied | Effect::Late);
        match self.standing {
            Standing::New => self.verb == Verb::Create,
            _ if self.verb == Verb::Create => false,
            // A red recipe is never queued, and never rests as uncertain.
            Standing::Queued => waits && effect == Effect::Unsent,
            Standing::Uncertain => waits && is_unclear,
            Standing::Withdrawn => !waits && (is_unclear || effect == Effect::Unsent),
            Standing::Sending => effect != Effect::Unsent,
            // Without consent nothing is sent of a paper form, so that nothing can be struck but the
            // process itself.
            Standing::Registered if self.verb == Verb::Paper && !self.consent => {
                effect == Effect::Unsent
            }
            Standing::Registered => true,
        }
    }

    /// What a spread of cells must not leave out.
    fn aspects(&self) -> BTreeSet<String> {
        let Cell {
            verb,
            standing,
            strike,
            ..
        } = self;
        let (verb, standing) = (verb.as_str(), standing.as_str());
        let moment = strike.moment.as_str();
        let fallback = self.fallback.as_str();
        let uncertain = self.uncertain.as_str();
        let consent = self.consent;
        BTreeSet::from([
            strike.name(),
            format!("{verb} {standing} {moment}"),
            format!("{verb} {fallback} {uncertain} {consent}"),
            format!("{verb} {standing} {fallback}"),
            format!("{moment} {fallback} {uncertain}"),
            format!("{moment} {consent}"),
            format!("{verb} {:?} {fallback} {consent}", strike.effect),
        ])
    }
}

/// Every cell that can come about.
pub(super) fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for strike in strikes() {
        for standing in Standing::ALL {
            for verb in Verb::ALL {
                for (fallback, uncertain, consent) in policies() {
                    cells.push(Cell {
                        verb,
                        standing,
                        strike: strike.clone(),
                        fallback,
                        uncertain,
                        consent,
                    });
                }
            }
        }
    }
    cells.retain(Cell::is_possible);
    cells
}

fn policies() -> Vec<(Fallback, Uncertain, bool)> {
    let mut policies = Vec::new();
    for fallback in Fallback::ALL {
        for uncertain in Uncertain::ALL {
            policies.extend([false, true].map(|consent| (fallback, uncertain, consent)));
        }
    }
    policies
}

/// Few cells that leave out no fault, no moment of any operation and no policy: the one that adds most
/// is taken, until none adds anything.
pub(super) fn spread(cells: &[Cell]) -> Vec<Cell> {
    let mut missing: BTreeSet<String> = cells.iter().flat_map(Cell::aspects).collect();
    let mut chosen = Vec::new();
    while !missing.is_empty() {
        let adds = |cell: &&Cell| cell.aspects().intersection(&missing).count();
        // Of several the first: the same table gives the same spread.
        let best = cells.iter().rev().max_by_key(adds);
        let best = best.expect("what is missing is an aspect of a cell");
        for aspect in best.aspects() {
            missing.remove(&aspect);
        }
        chosen.push(best.clone());
    }
    chosen
}
