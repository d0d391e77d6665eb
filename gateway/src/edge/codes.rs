//! Every error code of the edge, in one table (`codes/table.rs`, `codes/beside.rs`).
//!
//! A code is a promise: callers' software branches on it, so that it never changes its meaning.
//! [`markdown`] prints the table for the documentation.

use std::fmt::Write as _;
use std::time::Duration;

use policies::failure::{Fault, Outcome};

use Repeat::{Later, Never, SameKey};
pub use beside::*;
pub use table::*;

/// A sentence in the two languages of those who read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// English.
    pub en: &'static str,
    /// Italian.
    pub it: &'static str,
}

/// What repeating the request would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// It would fail again.
    Never,
    /// It may succeed after `Retry-After`.
    Later(Duration),
    /// It may have happened: repeat it with the same `Idempotency-Key` after `Retry-After`.
    SameKey(Duration),
}

impl Repeat {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Never => "no",
            Later(_) => "later",
            SameKey(_) => "same-key",
        }
    }

    /// The same, once `after` has passed.
    pub fn past(self, after: Duration) -> Repeat {
        match self {
            Never => Never,
            Later(_) => Later(after),
            SameKey(_) => SameKey(after),
        }
    }

    /// The default of `Retry-After`.
    pub fn after(self) -> Option<Duration> {
        match self {
            Never => None,
            Later(after) | SameKey(after) => Some(after),
        }
    }
}

/// One row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    /// The stable word.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Whose doing it is.
    pub fault: Fault,
    /// What may have happened.
    pub outcome: Outcome,
    /// What repeating it would do.
    pub repeat: Repeat,
    /// What happened.
    pub title: Text,
    /// What to do about it.
    pub detail: Text,
}

/// Declares the table: a constant for each row, and all of them in order.
macro_rules! codes {
    ($($name:ident = $status:literal $code:literal $fault:ident $outcome:ident $repeat:expr,
        $en:literal, $it:literal, $detail_en:literal, $detail_it:literal;)*) => {
        $(
            #[doc = $en]
            pub static $name: Code = Code {
                code: $code,
                status: $status,
                fault: Fault::$fault,
                outcome: Outcome::$outcome,
                repeat: $repeat,
                title: Text { en: $en, it: $it },
                detail: Text { en: $detail_en, it: $detail_it },
            };
        )*
        /// Every code of this part, in the order of the documentation.
        pub(super) static ROWS: &[&Code] = &[$(&$name),*];
    };
}

mod beside;
mod table;

/// Every code, in the order of the documentation.
pub fn all() -> impl Iterator<Item = &'static Code> {
    table::ROWS.iter().chain(beside::ROWS).copied()
}

/// The table for the documentation, as Markdown.
pub fn markdown() -> String {
    let mut table = String::from(
        "| status | code | fault | outcome | retry | title | what the caller does |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for row in all() {
        writeln!(
            table,
            "| {} | `{}` | {} | {} | {} | {} | {} |",
            row.status,
            row.code,
            row.fault.as_str(),
            row.outcome.as_str(),
            row.repeat.as_str(),
            row.title.en,
            row.detail.en
        )
        .expect("writing to a String cannot fail");
    }
    table
}

#[cfg(test)]
mod tests;
