//! What the SAC said to the prescriber, as it is passed on.

use std::fmt;

use adapters::sac::Notice;
use serde::Serialize;
use utoipa::ToSchema;

/// One thing that the SAC said.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Notice)]
pub(crate) struct NoticeBody {
    /// `error`, `warning` or `communication`.
    #[schema(value_type = String, max_length = 16)]
    pub(crate) kind: &'static str,
    /// The SAC's code.
    #[schema(max_length = 16, example = "1036")]
    pub(crate) code: String,
    /// The SAC's words.
    #[schema(max_length = 2000)]
    pub(crate) text: String,
    /// The row it speaks of, from one; zero is the whole prescription.
    #[schema(minimum = 0, maximum = 1000, format = Int32)]
    pub(crate) row: u32,
}

impl NoticeBody {
    /// What the SAC said as a `kind` of notice.
    pub(crate) fn of(notice: Notice, kind: &'static str) -> NoticeBody {
        NoticeBody {
            kind,
            code: notice.code,
            text: notice.text,
            row: notice.row,
        }
    }
}

/// The SAC's words may name a person or a number.
impl fmt::Debug for NoticeBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
