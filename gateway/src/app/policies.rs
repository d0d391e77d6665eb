//! The policy of the process: begun before the lanes, and kept in force in them.

use std::sync::Arc;
use std::time::Duration;

use engine::ports::{Clock, OperatorStates};
use engine::stop::StopSwitch;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use policies::time::Timestamp;
use store::audit::Audit;

use super::in_force::InForce;
use super::kept::Kept as OnDisk;
use super::lanes::watched;
use super::{Fatal, ServeError};
use crate::audit::{Deed, Draft, Outcome};
use crate::config::Config;
use crate::generations::Generations;
use crate::generations::desk::Desk;
use crate::generations::keeper::{Parts, open};
use crate::generations::kept::Kept;
use crate::policy::Policy;
use crate::rules::{Composed, Composer, Files, RulesError};

/// How long what is being decided may take to be decided to its end.
const END_WITHIN: Duration = Duration::from_secs(5);

/// What the process was told of policies.
pub(super) type Told = Result<(Files, Composed), RulesError>;

/// Refuses a bad policy at once where nothing can be remembered of a better one: there is no store
/// yet, and none is made for it.
pub(super) fn refuse_at_once(told: &Told, config: &Config) -> Result<(), RulesError> {
    match told {
        Err(error) if !config.store.directory.exists() => Err(error.clone()),
        _ => Ok(()),
    }
}

/// The generation to begin with: what the process was told, or the last good policy.
pub(super) async fn begin(
    told: Told,
    config: &Config,
    store: &dyn OperatorStates,
    clock: &Arc<dyn Clock>,
) -> Result<Generations, ServeError> {
    let mut kept = Kept::read(store).await.map_err(ServeError::Unreadable)?;
    if config.policies_directory.is_none() {
        // Nobody has lost the files: the settings do not ask for any.
        kept.last_good = None;
    }
    let found = told.map(|(files, _)| files).map_err(|error| error.problems);
    let composer = Composer::new(Some(config.listen.answer_within));
    let generations = Generations::begin(composer, found, kept, clock.now())?;
    let problems = generations.problems();
    if !problems.is_empty() {
        tracing::error!(
            ?problems,
            "a bad policy was refused: serving with the last good one"
        );
    }
    Ok(generations)
}

/// Who keeps the generations, running.
pub(super) struct Policies {
    /// The way to it.
    pub(super) desk: Desk,
    switch: StopSwitch,
    task: JoinHandle<()>,
}

impl Policies {
    /// Goes on from `generations`, in what was opened under them.
    pub(super) fn start(
        runtime: &Runtime,
        generations: Generations,
        config: &Config,
        on_disk: &OnDisk,
        clock: &Arc<dyn Clock>,
        in_force: &Arc<InForce>,
        alarm: &watch::Sender<Option<Fatal>>,
    ) -> Policies {
        let (switch, stop) = StopSwitch::new();
        let (adopting, asked) = (Arc::clone(in_force), Arc::clone(in_force));
        let (audit, now) = (Arc::clone(&on_disk.audit), Arc::clone(clock));
        let parts = Parts {
            store: Arc::clone(&on_disk.entries) as _,
            clock: Arc::clone(clock),
            adopt: Box::new(move |policy| {
                adopting.adopt(policy);
                note(&audit, now.now(), policy);
            }),
            is_down: Box::new(move |lane| asked.is_down(lane)),
            stop,
        };
        let (keeper, desk) = open(generations, config.policies_directory.clone(), parts);
        Policies {
            desk,
            switch,
            task: runtime.spawn(watched(keeper.run(), alarm.clone())),
        }
    }

    /// Nothing new is decided.
    pub(super) fn drain(&self) {
        self.switch.drain();
    }

    /// Waits until what is being decided has been.
    pub(super) async fn join(mut self) {
        self.switch.drain();
        if tokio::time::timeout(END_WITHIN, &mut self.task)
            .await
            .is_err()
        {
            tracing::warn!("a change of the policy was cut short");
            self.task.abort();
            // Aborted or not, it has ended then.
            drop(self.task.await);
        }
    }
}

/// Leaves a record of a policy that was put in force, whoever asked for it: files change without a caller.
fn note(audit: &Audit, now: Timestamp, policy: &Policy) {
    let digest: String = policy
        .files
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut draft = Draft::new();
    draft
        .deed(Deed::Policy)
        .target(&format!("generation {}", policy.number))
        .value(&format!("files {digest}"))
        .outcome(Outcome::Done);
    if audit.note(now, draft.into_record()).is_err() {
        tracing::error!("a policy that was put in force is not in the audit");
    }
}
