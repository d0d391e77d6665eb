//! Changes on their way to the file: whoever waits for one is answered once.

use engine::ports::WriteError;
use tokio::sync::oneshot;

use super::super::change::Change;

/// The way back to who waits.
type Reply = oneshot::Sender<Result<usize, WriteError>>;

/// A change, and who waits for it.
pub(super) struct Job {
    pub(super) change: Change,
    reply: Option<Reply>,
    /// How many answers it concerned.
    pub(super) outcome: usize,
}

impl Job {
    pub(super) fn new(change: Change, reply: Option<Reply>) -> Job {
        Job {
            change,
            reply,
            outcome: 0,
        }
    }

    fn answer(self, ended: Result<(), WriteError>) {
        if let Some(reply) = self.reply {
            // The caller may have left.
            let _left = reply.send(ended.map(|()| self.outcome));
        }
    }
}

/// Answers all of `group` alike.
pub(super) fn answer(group: Vec<Job>, ended: Result<(), WriteError>) {
    for job in group {
        job.answer(ended);
    }
}
