//! One call from its bytes to its answer: faults, admission, rules, book.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::admission::{Admitted, FrontEnd};
use super::book::Ledger;
use super::damage;
use super::faults::{Drawn, Fault, Faults};
use super::operation::Operation;
use super::registry::{self, Registry};
use super::rules::Case;
use super::settings::{Live, Settings};
use super::wire;
use super::{invio, lotto, reads};
use crate::upstreams::http::server::{Delivery, Ending, Greeting, Handler};
use crate::upstreams::http::{Request, Response};

/// Everything that changes while the simulator runs, behind one lock.
#[derive(Debug)]
pub(super) struct State {
    /// The book.
    pub(super) ledger: Ledger,
    /// The faults in force.
    pub(super) faults: Faults,
    /// The assisted persons, and who looked them up.
    pub(super) registry: Registry,
    /// The settings in force.
    pub(super) live: Arc<Live>,
    /// Every target that was asked for, once.
    pub(super) targets: BTreeSet<String>,
    in_flight: u32,
}

/// The simulator behind its listeners.
#[derive(Debug)]
pub(super) struct Service {
    front_end: FrontEnd,
    rome: TimeZone,
    state: Mutex<State>,
}

impl Service {
    /// A service with an empty book.
    ///
    /// # Panics
    ///
    /// When the time zone of Rome is unknown, though it is compiled in.
    pub(super) fn new(front_end: FrontEnd, settings: &Settings) -> Service {
        Service {
            front_end,
            rome: TimeZone::get("Europe/Rome").expect("the time zones are compiled in"),
            state: Mutex::new(State {
                ledger: Ledger::default(),
                faults: Faults::new(settings.seed),
                registry: Registry::of(settings.population),
                live: Arc::new(settings.live.clone()),
                targets: BTreeSet::new(),
                in_flight: 0,
            }),
        }
    }

    /// The region that may call.
    pub(super) fn region(&self) -> &str {
        &self.front_end.region.code
    }

    /// The state, to look at or to change.
    ///
    /// # Panics
    ///
    /// When a thread panicked while it held it.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the rules do not panic")
    }

    fn now(&self) -> Zoned {
        Timestamp::now().to_zoned(self.rome.clone())
    }

    fn call(self: Arc<Self>, operation: Operation, request: &Request) -> Delivery {
        let Some((drawn, slot)) = Service::begin(&self, operation) else {
            return Delivery::of(Ending::Answer(Response::new(503, "text/html", "")));
        };
        let mut delivery = match drawn.fault {
            None => {
                let answer = self.process(operation, request, Manner::default());
                self.state().ledger.calls(operation).answered += 1;
                Delivery::of(Ending::Answer(answer))
            }
            Some((fault, applied)) => Service::harm(self, operation, request, &fault, applied),
        };
        delivery.delay = drawn.delay;
        delivery.held = Some(Box::new(slot));
        delivery
    }

    /// Counts the call and draws its fate; none when there is no capacity for it.
    fn begin(self: &Arc<Self>, operation: Operation) -> Option<(Drawn, Slot)> {
        let mut state = self.state();
        state.ledger.calls(operation).received += 1;
        let in_second = state.ledger.count_in_second(Timestamp::now());
        let over = state.live.capacity.is_some_and(|capacity| {
            capacity.per_second.is_some_and(|most| in_second > most)
                || capacity
                    .concurrent
                    .is_some_and(|most| state.in_flight >= most)
        });
        if over {
            state.ledger.calls(operation).over_capacity += 1;
            return None;
        }
        state.in_flight += 1;
        Some((state.faults.draw(operation), Slot(Arc::clone(self))))
    }

    fn harm(
        self: Arc<Self>,
        operation: Operation,
        request: &Request,
        fault: &Fault,
        applied: bool,
    ) -> Delivery {
        let dispensed_first = *fault == Fault::DispensedFirst;
        let manner = Manner {
            dispensed_first,
            is_harmed: true,
        };
        let honest = applied.then(|| self.process(operation, request, manner));
        let ending = {
            let mut state = self.state();
            let calls = state.ledger.calls(operation);
            calls.faulted += 1;
            calls.answered += u64::from(dispensed_first);
            damage::ending(fault, operation, honest, &mut state.faults)
        };
        let mut delivery = Delivery::of(ending);
        if let Fault::LateCommit { after_ms, .. } = fault {
            let after = Duration::from_millis(*after_ms);
            delivery.afterwards = self.late_commit(operation, request, after);
        }
        delivery
    }

    /// The call as it is let in now and applied later; none if it is not let in.
    fn late_commit(
        self: Arc<Self>,
        operation: Operation,
        request: &Request,
        after: Duration,
    ) -> Option<BoxFuture<'static, ()>> {
        let admitted = self.admit(operation, request).ok()?;
        let later = async move {
            tokio::time::sleep(after).await;
            let manner = Manner {
                is_harmed: true,
                ..Manner::default()
            };
            self.apply(operation, &admitted, manner);
        };
        Some(later.boxed())
    }

    fn process(&self, operation: Operation, request: &Request, manner: Manner) -> Response {
        match self.admit(operation, request) {
            Ok(admitted) => self.apply(operation, &admitted, manner),
            Err(response) => response,
        }
    }

    fn admit(&self, operation: Operation, request: &Request) -> Result<Admitted, Response> {
        self.front_end
            .admit(operation, request, Timestamp::now())
            .map_err(|turned| {
                self.state().ledger.note_refusal(operation, turned.reason);
                turned.response
            })
    }

    fn apply(&self, operation: Operation, admitted: &Admitted, manner: Manner) -> Response {
        let now = self.now();
        let mut state = self.state();
        let live = Arc::clone(&state.live);
        let State {
            ledger, registry, ..
        } = &mut *state;
        ledger.note_asked(operation, admitted.message.get("nre"));
        if manner.dispensed_first {
            ledger.dispense(admitted.message.get("nre"));
        }
        let case = Case {
            region: self.region(),
            live: &live,
            asserted: &admitted.asserted,
            message: &admitted.message,
            patient: admitted.patient.as_deref(),
            now: &now,
        };
        match operation {
            Operation::Invio => invio::apply(case, ledger),
            Operation::Visualizza => reads::visualizza(case, ledger),
            Operation::Annulla => reads::annulla(case, ledger),
            Operation::Interroga => reads::interroga(case, ledger),
            Operation::Lotto => lotto::apply(self.region(), &live, &admitted.message, ledger),
            Operation::Ricerca | Operation::Tessera => {
                registry::apply(operation, case, registry, manner.is_harmed)
            }
        }
    }
}

impl Handler for Service {
    fn handle(self: Arc<Self>, request: Request) -> BoxFuture<'static, Delivery> {
        async move {
            let answer =
                |status| Delivery::of(Ending::Answer(Response::new(status, "text/html", "")));
            self.state().targets.insert(request.target.clone());
            match (Operation::at(request.path()), request.method.as_str()) {
                (None, _) => answer(404),
                (Some(operation), "GET") if request.query().eq_ignore_ascii_case("wsdl") => {
                    Delivery::of(Ending::Answer(wsdl(operation)))
                }
                (Some(operation), "POST") => self.call(operation, &request),
                (Some(_), _) => answer(405),
            }
        }
        .boxed()
    }

    fn greet(&self) -> Greeting {
        match self.state().faults.draw_connection() {
            Some(Fault::HandshakeReset) => Greeting::Reset,
            Some(Fault::CertificateRefused) => Greeting::Distrust,
            _ => Greeting::Serve,
        }
    }
}

/// What is special about a call.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    /// Someone dispenses the prescription first.
    dispensed_first: bool,
    /// The caller does not get the answer as it is.
    is_harmed: bool,
}

/// A place among the calls that are being served.
struct Slot(Arc<Service>);

impl Drop for Slot {
    fn drop(&mut self) {
        // After a panic in the rules there is nothing left to count, and a second one would abort.
        if let Ok(mut state) = self.0.state.lock() {
            state.in_flight -= 1;
        }
    }
}

/// Enough of a description for a probe that asks whether the service is there.
fn wsdl(operation: Operation) -> Response {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<wsdl:definitions \
         xmlns:wsdl=\"http://schemas.xmlsoap.org/wsdl/\" targetNamespace=\"{}\"/>\n",
        operation
            .action()
            .rsplit_once('/')
            .map_or("", |(namespace, _)| namespace)
    );
    Response::new(200, wire::TEXT_XML, text)
}
