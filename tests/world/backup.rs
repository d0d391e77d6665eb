//! What operators do at night, and after a fire.

use std::fs;
use std::path::Path;
use std::process::ExitStatus;

use policies::state::{State, Tally};

use super::wait::until;
use super::{SETTLED_WITHIN, World, account, gateway, strace};

impl World {
    /// Runs `argine backup` into the directory `to` to its end.
    pub async fn backup(&self, to: &Path) -> gateway::Ended {
        self.command(&["backup", "--to", text(to), "--config"])
            .await
    }

    /// Runs `argine restore` from the directory `from` to its end.
    pub async fn restore(&self, from: &Path) -> gateway::Ended {
        self.command(&["restore", "--from", text(from), "--config"])
            .await
    }

    async fn command(&self, arguments: &[&str]) -> gateway::Ended {
        gateway::run(arguments, &self.config, &self.output_file()).await
    }

    /// Runs `argine backup` into `to` with `fault` waiting for it; none, with a printed reason, where that
    /// is not possible.
    pub async fn backup_under(&self, to: &Path, fault: &str) -> Option<ExitStatus> {
        self.command_under(&["backup", "--to", text(to), "--config"], fault)
            .await
    }

    /// Runs `argine restore` from `from` with `fault` waiting for it; none, with a printed reason, where
    /// that is not possible.
    pub async fn restore_under(&self, from: &Path, fault: &str) -> Option<ExitStatus> {
        self.command_under(&["restore", "--from", text(from), "--config"], fault)
            .await
    }

    async fn command_under(&self, arguments: &[&str], fault: &str) -> Option<ExitStatus> {
        if let Err(reason) = strace::permitted() {
            println!("skipped: {reason}");
            return None;
        }
        let log = self.directory.path().join("command.log");
        let files = (self.config.as_path(), &*self.output_file());
        Some(strace::run(arguments, files, fault, &log).await)
    }

    /// The store burns: it is not where it was any more.
    ///
    /// # Panics
    ///
    /// When it was not there.
    pub fn burn(&self) {
        fs::remove_dir_all(&self.store).expect("there is a store to burn");
    }

    /// Waits until nothing moves in a store that was restored, and draws up its equation. What callers
    /// were told after the copy was made is not in it.
    ///
    /// # Panics
    ///
    /// When it does not hold, or something happened twice at the SAC.
    pub async fn settled_after_restore(&self) -> Tally {
        until("every entry is settled", SETTLED_WITHIN, async || {
            let mut states = self.entries().into_values();
            (!states.any(State::is_pending)).then_some(())
        })
        .await;
        assert_eq!(account::integrity(&self.store), "ok");
        let mut tally = Tally::default();
        for state in self.entries().into_values() {
            tally.stored += 1;
            tally.add(state, 1);
        }
        assert!(tally.balances(), "the equation does not hold: {tally:?}");
        account::book_is_sound(&self.book());
        tally
    }
}

fn text(path: &Path) -> &str {
    path.to_str()
        .expect("a test's directories have plain names")
}
