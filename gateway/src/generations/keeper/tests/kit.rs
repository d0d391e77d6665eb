//! A keeper without a gateway: a store in memory, lanes that only listen, and a clock that is moved.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use engine::ports::{OperatorState, ReadError, WriteError};
use engine::stop::StopSwitch;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use policies::failure::Opaque;
use policies::gate::Mode;

use super::super::*;
use super::NOW;
use crate::generations::kept::Kept;
use crate::rules::{Composer, Files};

/// A store in memory, which can be told to refuse.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) states: Mutex<BTreeMap<String, Opaque>>,
    pub(super) writes: AtomicUsize,
    pub(super) refuses: AtomicBool,
    pub(super) hangs: AtomicBool,
}

impl OperatorStates for Memory {
    fn put_operator_state(
        &self,
        name: String,
        value: Option<Opaque>,
    ) -> BoxFuture<'_, Result<(), WriteError>> {
        async move {
            if self.refuses.load(Ordering::Relaxed) {
                return Err(WriteError::Refused);
            }
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            self.writes.fetch_add(1, Ordering::Relaxed);
            let mut states = self.states.lock().unwrap();
            match value {
                Some(value) => states.insert(name, value),
                None => states.remove(&name),
            };
            Ok(())
        }
        .boxed()
    }

    fn operator_states(&self) -> BoxFuture<'_, Result<Vec<OperatorState>, ReadError>> {
        let states = self.states.lock().unwrap();
        let states = states.iter().map(|(name, value)| OperatorState {
            name: name.clone(),
            value: value.clone(),
        });
        let states = states.collect();
        async { Ok(states) }.boxed()
    }
}

/// What the lanes would know: the policies that were put in force, the time, and who is down.
#[derive(Default)]
pub(super) struct Lanes {
    pub(super) adopted: Mutex<Vec<Arc<Policy>>>,
    pub(super) passed: Mutex<Duration>,
    pub(super) are_down: AtomicBool,
}

impl Clock for Lanes {
    fn now(&self) -> Timestamp {
        NOW + *self.passed.lock().unwrap()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        std::future::pending().boxed()
    }
}

pub(super) struct World {
    pub(super) store: Arc<Memory>,
    pub(super) lanes: Arc<Lanes>,
    pub(super) keeper: Keeper,
    pub(super) desk: Desk,
}

impl World {
    pub(super) fn new() -> World {
        World::over(Arc::default(), Arc::default(), &Files::default())
    }

    pub(super) fn over(store: Arc<Memory>, lanes: Arc<Lanes>, files: &Files) -> World {
        let (keeper, desk) = World::keeper(&store, &lanes, files);
        World {
            store,
            lanes,
            keeper,
            desk,
        }
    }

    pub(super) fn keeper(store: &Arc<Memory>, lanes: &Arc<Lanes>, files: &Files) -> (Keeper, Desk) {
        let kept = Kept::read(store.as_ref()).now_or_never().unwrap().unwrap();
        let found = Ok(files.clone());
        let composer = Composer::new(Some(Duration::from_secs(30)));
        let generations = Generations::begin(composer, found, kept, lanes.now()).unwrap();
        let (_switch, stop) = StopSwitch::new();
        let (adopting, asked) = (Arc::clone(lanes), Arc::clone(lanes));
        let adopt: Adopt = Box::new(move |policy| {
            adopting.adopted.lock().unwrap().push(Arc::clone(policy));
        });
        let parts = Parts {
            store: Arc::clone(store) as _,
            clock: Arc::clone(lanes) as _,
            adopt,
            is_down: Box::new(move |_| asked.are_down.load(Ordering::Relaxed)),
            stop,
        };
        open(generations, None, parts)
    }

    /// The same process, started again.
    pub(super) fn restarted(self, files: &Files) -> World {
        World::over(self.store, self.lanes, files)
    }

    /// The same process, killed after its debts to the disk were paid.
    pub(super) async fn paid(mut self) -> World {
        self.keeper.pay().await;
        self
    }

    pub(super) async fn set(&mut self, wish: Wish) -> Answer {
        self.keeper.set(wish).await
    }

    pub(super) fn pass(&self, span: Duration) {
        *self.lanes.passed.lock().unwrap() += span;
    }

    pub(super) fn mode(&self) -> Mode {
        self.keeper.generations.rules().prescriptions.mode
    }

    pub(super) fn adopted(&self) -> usize {
        self.lanes.adopted.lock().unwrap().len()
    }
}

pub(super) fn wish(target: &str, value: &str) -> Wish {
    Wish {
        organization: "operator-a".to_owned(),
        target: target.to_owned(),
        value: value.to_owned(),
        reason: "announced maintenance".to_owned(),
        author: "shift leader".to_owned(),
        lasts: Duration::from_secs(3600),
        dry_run: false,
    }
}

pub(super) fn withdrawal(target: &str) -> Withdrawal {
    Withdrawal {
        target: target.to_owned(),
        dry_run: false,
        by: By {
            organization: "operator-a".to_owned(),
            author: "shift leader".to_owned(),
            reason: "over".to_owned(),
        },
    }
}
