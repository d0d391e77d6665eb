//! What operators ask of the audit from the command line: whether it is whole, and who looked at a person.
//!
//! Neither needs a running gateway, and neither disturbs one.

mod words;

use std::collections::HashSet;
use std::fmt::Write as _;

use adapters::model::PatientCode;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use policies::access::Profile;
use policies::time::Timestamp;
use store::audit::{ExportError, Known, LeaveError, Seen, Verified, VerifyError};
use store::sealing::{Key, KeyError};

use super::{Deed, Draft, Entry, Outcome};
use crate::config::StoreFiles;
pub use words::Language;

/// Where days begin and end for whoever reads the list.
const ZONE: &str = "Europe/Rome";
/// Who the records of commands are of.
const COMMAND: &str = "argine";

/// Who asks for the list, of what time, and how it is to look.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// Why. Recorded.
    pub reason: String,
    /// Who. Recorded.
    pub author: String,
    /// The first day or instant of it; from the beginning if absent.
    pub from: Option<String>,
    /// The last day, or the instant before which it ends; to its end if absent.
    pub to: Option<String>,
    /// As JSON, or as a list in this language.
    pub format: Format,
}

/// How a list looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Text(Language),
    /// One JSON document.
    Json,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// What was asked for breaks a rule.
    #[error("{0}")]
    Usage(&'static str),
    /// The key file is not one.
    #[error("cannot read the key of the store")]
    Key(#[source] KeyError),
    /// The chain cannot be followed.
    #[error("cannot verify the audit")]
    Verify(#[source] VerifyError),
    /// The records cannot be read.
    #[error("cannot read the audit")]
    Export(#[source] ExportError),
    /// That somebody asks cannot be recorded, and then nobody is told.
    #[error("cannot record who asks for the list: nothing is shown")]
    Unrecorded(#[source] LeaveError),
}

/// What `argine audit verify` prints, and whether all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The lines.
    pub text: String,
    /// Whether no record is bad.
    pub is_good: bool,
}

/// Follows the whole chain of the store, which should have the head `known`.
///
/// # Errors
///
/// When it cannot be read at all.
pub fn verify(files: &StoreFiles, known: Option<&Known>) -> Result<Account, ReportError> {
    let key = Key::from_file(&files.key_file).map_err(ReportError::Key)?;
    let verified = store::audit::verify(&files.directory, &key, known);
    let verified = verified.map_err(ReportError::Verify)?;
    Ok(Account {
        text: told(&verified),
        is_good: verified.bad.is_none(),
    })
}

fn told(verified: &Verified) -> String {
    let at = |instant: Option<Timestamp>| {
        instant.map_or_else(|| "-".to_owned(), |instant| moment(instant).to_string())
    };
    let mut text = format!(
        "records   {}\nsegments  {}\nfirst     {}\nlast      {}\nhead      {} {}\n",
        verified.records,
        verified.segments,
        at(verified.first_at),
        at(verified.last_at),
        verified.head,
        verified.mac,
    );
    let mut line = |line: std::fmt::Arguments<'_>| {
        text.write_fmt(line).expect("a String takes everything");
    };
    if verified.unfinished_bytes > 0 {
        let bytes = verified.unfinished_bytes;
        line(format_args!(
            "unfinished  {bytes} bytes behind the last anchor: being written, or left by a crash\n"
        ));
    }
    for bad in verified.bad.iter().chain(&verified.also_bad) {
        line(format_args!(
            "BAD       segment {}, sequence {}, offset {}: {}\n",
            bad.segment, bad.sequence, bad.offset, bad.wrong
        ));
    }
    match verified.bad_places {
        0 => line(format_args!("good\n")),
        places => line(format_args!("bad       {places} places\n")),
    }
    text
}

/// The list of who looked at the person whose code is `code`, once it is recorded that it was asked for.
///
/// # Errors
///
/// When nobody can be told, or it cannot be recorded.
pub fn export(
    files: &StoreFiles,
    request: &ExportRequest,
    code: &str,
) -> Result<String, ReportError> {
    if request.reason.trim().is_empty() {
        return Err(ReportError::Usage("--reason: must say why"));
    }
    let code = PatientCode::new(code.trim()).map_err(|_| {
        ReportError::Usage("standard input: must hold a tax code, or an STP or ENI code, on a line")
    })?;
    let span = (
        edge(request.from.as_deref(), false, Timestamp(0))?,
        edge(request.to.as_deref(), true, Timestamp(u64::MAX))?,
    );
    let key = Key::from_file(&files.key_file).map_err(ReportError::Key)?;
    let mut draft = Draft::of(COMMAND, Profile::Operator, Some(&request.author));
    draft
        .person(code.as_str())
        .deed(Deed::Export)
        .reason(&request.reason)
        .outcome(Outcome::Shown);
    let now = Timestamp(u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0));
    store::audit::leave(&files.directory, &key, now, &draft.into_record())
        .map_err(ReportError::Unrecorded)?;

    let mut found = Vec::new();
    let each = |seen: Seen, entries: &HashSet<[u8; 16]>| {
        let entry = Entry::read(seen.sequence, seen.at, &seen.body.0);
        if seen.is_theirs || entry.entries.iter().any(|name| entries.contains(name)) {
            found.push(entry);
        }
    };
    let exported =
        store::audit::export(&files.directory, &key, code.as_str().as_bytes(), span, each)
            .map_err(ReportError::Export)?;
    Ok(match request.format {
        Format::Json => {
            let list = serde_json::json!({ "damaged": exported.damaged, "accesses": found });
            format!("{list:#}\n")
        }
        Format::Text(language) => words::list(&found, exported.damaged, language),
    })
}

/// An instant, or a day in Italy: its beginning, or its end.
fn edge(text: Option<&str>, is_end: bool, missing: Timestamp) -> Result<Timestamp, ReportError> {
    const RULE: ReportError =
        ReportError::Usage("--from and --to: must be days or instants, as 2026-09-21");
    let Some(text) = text else {
        return Ok(missing);
    };
    let instant = match text.parse::<Date>() {
        Ok(day) if text.len() == "2026-09-21".len() => {
            let day = if is_end { day.tomorrow() } else { Ok(day) };
            let zone = TimeZone::get(ZONE).map_err(|_| RULE)?;
            let begin = day.and_then(|day| day.to_zoned(zone)).map_err(|_| RULE)?;
            begin.timestamp()
        }
        _ => text.parse::<jiff::Timestamp>().map_err(|_| RULE)?,
    };
    Ok(Timestamp(
        u64::try_from(instant.as_millisecond()).unwrap_or(0),
    ))
}

fn moment(instant: Timestamp) -> jiff::Timestamp {
    let millis = i64::try_from(instant.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
}
