//! What an error of SQLite means for those who wait, and for the process.
//!
//! # Invariants
//!
//! 1. *Refused* is said only where surely nothing is on disk, *unknown* wherever it may be.
//! 2. Whatever could make a later write meet a disk that no longer is what SQLite believes it to be
//!    stops this process from writing: a failed sync is never tried again, because the kernel has
//!    already forgotten what it could not write.

use engine::ports::WriteError;
use rusqlite::ffi::ErrorCode;

/// How far a transaction had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// `COMMIT` had not been tried: no commit mark can be in the log.
    Statements,
    /// `COMMIT` failed.
    Commit,
}

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What everyone in the group is told.
    pub(super) answer: WriteError,
    /// Whether this process must not write again.
    pub(super) poisons: bool,
}

impl Verdict {
    /// Decides what follows from `error` at `stage`.
    pub(super) fn of(stage: Stage, error: &rusqlite::Error) -> Verdict {
        match stage {
            Stage::Statements => Verdict {
                answer: WriteError::Refused,
                poisons: is_fatal(error),
            },
            Stage::Commit if surely_undone(error.sqlite_error_code()) => Verdict {
                answer: WriteError::Refused,
                poisons: false,
            },
            Stage::Commit => Verdict {
                answer: WriteError::Unknown,
                poisons: true,
            },
        }
    }
}

/// Whether an error outside of `COMMIT` (in a statement, or while the log is folded into the
/// database) speaks of a disk or a file that is no longer to be trusted.
pub(super) fn is_fatal(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::InternalMalfunction
        )
    )
}

/// Whether a `COMMIT` that failed with `code` has surely left nothing behind.
///
/// `SQLITE_FULL` has. With a write-ahead log a commit is the last frame that `COMMIT` writes, and
/// only then the sync; SQLite reports `SQLITE_FULL` from a *write* that found no space (an `ENOSPC`
/// of the sync is `SQLITE_IOERR_FSYNC`), so the commit frame is not whole, its checksum cannot
/// match, and no recovery takes it for a commit. ("Response To Errors Within A Transaction" lists
/// `SQLITE_FULL` among the errors after which the transaction is rolled back, by SQLite or by the
/// `ROLLBACK` that it recommends and the writer sends.) Frames of it that lie behind the end of the
/// log are overwritten by the next transaction.
///
/// `SQLITE_BUSY` and a broken constraint are found before the first frame is written.
fn surely_undone(code: Option<ErrorCode>) -> bool {
    matches!(
        code,
        Some(ErrorCode::DiskFull | ErrorCode::DatabaseBusy | ErrorCode::ConstraintViolation)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn verdict(stage: Stage, code: i32) -> (WriteError, bool) {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        let verdict = Verdict::of(stage, &error);
        (verdict.answer, verdict.poisons)
    }

    #[test]
    fn nothing_is_on_disk_before_a_commit_was_tried() {
        let weather = [
            ffi::SQLITE_FULL,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_READONLY_DBMOVED,
            ffi::SQLITE_BUSY,
            ffi::SQLITE_CONSTRAINT_UNIQUE,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_TOOBIG,
            ffi::SQLITE_CANTOPEN,
        ];
        for code in weather {
            assert_eq!(
                verdict(Stage::Statements, code),
                (WriteError::Refused, false),
                "{code}"
            );
        }
        let poison = [
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_READ,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
        ];
        for code in poison {
            assert_eq!(
                verdict(Stage::Statements, code),
                (WriteError::Refused, true),
                "{code}"
            );
        }
    }

    #[test]
    fn an_io_error_at_commit_is_unknown_and_poisons() {
        let unknown = [
            ffi::SQLITE_IOERR,
            ffi::SQLITE_IOERR_FSYNC,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_IOERR_SHMSIZE,
            ffi::SQLITE_IOERR_DIR_FSYNC,
            ffi::SQLITE_NOMEM,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_ERROR,
        ];
        for code in unknown {
            assert_eq!(
                verdict(Stage::Commit, code),
                (WriteError::Unknown, true),
                "{code}"
            );
        }
    }

    #[test]
    fn a_full_disk_at_commit_is_refused_and_does_not_poison() {
        assert_eq!(
            verdict(Stage::Commit, ffi::SQLITE_FULL),
            (WriteError::Refused, false)
        );
    }

    #[test]
    fn an_error_that_is_not_of_sqlite_is_judged_by_its_stage() {
        let error = rusqlite::Error::InvalidQuery;
        assert!(!Verdict::of(Stage::Statements, &error).poisons);
        assert_eq!(
            Verdict::of(Stage::Commit, &error).answer,
            WriteError::Unknown
        );
    }
}
