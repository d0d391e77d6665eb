//! How a lane is told to stop: first to begin nothing new, then to let go of what is in flight.

use tokio::sync::watch;

/// How far a shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Draining,
    Forced,
}

/// The side that decides.
#[derive(Debug)]
pub struct StopSwitch(watch::Sender<Phase>);

/// The side that obeys.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<Phase>);

impl StopSwitch {
    /// A switch that has not been used, and what obeys it.
    pub fn new() -> (StopSwitch, Stop) {
        let (sender, receiver) = watch::channel(Phase::Running);
        (StopSwitch(sender), Stop(receiver))
    }

    /// Nothing new begins; what is in flight goes on.
    pub fn drain(&self) {
        self.0.send_replace(Phase::Draining);
    }

    /// What is in flight is cut short and written down as it stands.
    pub fn force(&self) {
        self.0.send_replace(Phase::Forced);
    }
}

impl Stop {
    /// Whether nothing new may begin.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    /// Ends when nothing new may begin.
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Ends when what is in flight must be let go of.
    pub async fn forced(&self) {
        self.reached(Phase::Forced).await;
    }

    /// A switch that is gone can give no order any more: it counts as forced.
    async fn reached(&self, phase: Phase) {
        let mut receiver = self.0.clone();
        drop(receiver.wait_for(|now| *now >= phase).await);
    }
}
