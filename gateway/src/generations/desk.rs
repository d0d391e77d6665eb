//! The way to whoever keeps the generations, and what is said on it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use engine::live::Live;
use engine::ports::WriteError;
use policies::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::kept::By;
use super::{Found, Unsound, View};
use crate::rules::Change;

/// What an operator wants in force.
#[derive(Clone)]
pub struct Wish {
    /// Who asks.
    pub organization: String,
    /// The key, dotted, with its upstream before it.
    pub target: String,
    /// The value, as it is typed.
    pub value: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub author: String,
    /// For how long.
    pub lasts: Duration,
    /// Only what it would change is asked for.
    pub dry_run: bool,
}

/// A toggle that an operator takes back.
#[derive(Clone)]
pub struct Withdrawal {
    /// The key of the toggle.
    pub target: String,
    /// Who takes it back, and why.
    pub by: By,
    /// Only what it would change is asked for.
    pub dry_run: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The generation that is in force now.
    pub number: u64,
    /// What changed of the policy, or would.
    pub changes: Vec<Change>,
    /// When the toggle ends.
    pub expires_at: Option<Timestamp>,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It breaks rules.
    Unsound(Vec<Unsound>),
    /// There is no such toggle.
    NoSuchToggle,
    /// It cannot be put on disk.
    Store(WriteError),
    /// Too many changes wait.
    Busy,
    /// The gateway is ending.
    Stopping,
}

pub(super) type Answer = Result<Done, Refusal>;

/// Something to decide about.
pub(super) enum Command {
    Found(Found),
    Set(Wish, oneshot::Sender<Answer>),
    Withdraw(Withdrawal, oneshot::Sender<Answer>),
}

impl Command {
    /// Nothing of it is done.
    pub(super) fn refuse(self) {
        if let Command::Set(_, reply) | Command::Withdraw(_, reply) = self {
            drop(reply.send(Err(Refusal::Stopping)));
        }
    }
}

/// The way to whoever keeps the generations.
#[derive(Clone)]
pub struct Desk {
    pub(super) commands: mpsc::Sender<Command>,
    pub(super) view: Live<View>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// What is in force, and what is wrong with what is not.
    pub fn view(&self) -> Arc<View> {
        self.view.load()
    }

    /// Puts a toggle in force, or says what it would change.
    ///
    /// # Errors
    ///
    /// Why nothing was changed; after an unknown write it may be in force after a restart.
    pub async fn set(&self, wish: Wish) -> Result<Done, Refusal> {
        self.ask(|reply| Command::Set(wish, reply)).await
    }

    /// Takes a toggle back.
    ///
    /// # Errors
    ///
    /// As [`Desk::set`].
    pub async fn withdraw(&self, withdrawal: Withdrawal) -> Result<Done, Refusal> {
        self.ask(|reply| Command::Withdraw(withdrawal, reply)).await
    }

    async fn ask(&self, command: impl FnOnce(oneshot::Sender<Answer>) -> Command) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.commands
            .try_send(command(reply))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Refusal::Busy,
                mpsc::error::TrySendError::Closed(_) => Refusal::Stopping,
            })?;
        // Whoever was to answer is gone, in the middle of it for all that is known.
        answer
            .await
            .unwrap_or(Err(Refusal::Store(WriteError::Unknown)))
    }
}
