//! The control port: faults, settings and the book, as JSON over plain HTTP on loopback.
//!
//! | request | does |
//! |---|---|
//! | `GET /faults`, `PUT /faults`, `DELETE /faults` | shows, replaces, lifts every rule |
//! | `GET /settings`, `PUT /settings` | shows, changes the keys given |
//! | `GET /book` | everything the simulator knows |
//! | `POST /book/{nre}/state` `{"state": 8}` | moves a prescription, if §7 has that transition |
//! | `POST /lots` `{"kind": 3, "doctor": null}` | gives a lot as if it had been asked for |
//! | `GET /registry/look-ups` | everybody who looked an assisted person up |
//! | `POST /registry/move` `{"tax_code": …, "doctor": …}` | puts a person on another doctor's list |
//! | `POST /registry/replace-card` `{"tax_code": …}` | gives a person a new card |
//! | `POST /registry/remove` `{"tax_code": …}` | takes a person out |

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Inner;
use super::book::Moved;
use super::faults::{Faults, Rule};
use super::settings::Live;
use crate::upstreams::http::server::{Delivery, Ending, Handler};
use crate::upstreams::http::{Request, Response};

/// The control port of one simulator.
pub struct Control(pub(super) Arc<Inner>);

impl Handler for Control {
    fn handle(self: Arc<Self>, request: Request) -> BoxFuture<'static, Delivery> {
        async move {
            // Opening and closing listeners blocks for a moment, which a worker must not.
            let answer = tokio::task::spawn_blocking(move || self.answer(&request)).await;
            let answer = answer.unwrap_or_else(|_| problem(500, "the simulator panicked"));
            Delivery::of(Ending::Answer(answer))
        }
        .boxed()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewState {
    state: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewLot {
    kind: u8,
    #[serde(default)]
    doctor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPerson {
    tax_code: String,
    #[serde(default)]
    doctor: String,
}

impl Control {
    fn answer(&self, request: &Request) -> Response {
        let path: Vec<&str> = request.path().trim_matches('/').split('/').collect();
        match (request.method.as_str(), path.as_slice()) {
            ("GET", ["faults"]) => ok(&self.0.service.state().faults.rules()),
            ("PUT", ["faults"]) => self.put_faults(&request.body),
            ("DELETE", ["faults"]) => {
                self.0.set_faults(Vec::new());
                ok(&json!([]))
            }
            ("GET", ["settings"]) => ok(&*self.0.service.state().live),
            ("PUT", ["settings"]) => self.put_settings(&request.body),
            ("GET", ["book"]) => ok(&self.0.service.state().ledger.view()),
            ("POST", ["book", nre, "state"]) => self.post_state(nre, &request.body),
            ("POST", ["lots"]) => self.post_lot(&request.body),
            ("GET", ["registry", "look-ups"]) => ok(&self.0.service.state().registry.look_ups()),
            ("POST", ["registry", change]) => self.post_registry(change, &request.body),
            _ => problem(404, "no such thing to control"),
        }
    }

    fn put_faults(&self, body: &[u8]) -> Response {
        match serde_json::from_slice::<Vec<Rule>>(body) {
            Err(error) => problem(422, &error.to_string()),
            Ok(rules) => match Faults::problem(&rules) {
                Some(why) => problem(422, why),
                None => {
                    self.0.set_faults(rules);
                    ok(&self.0.service.state().faults.rules())
                }
            },
        }
    }

    fn put_settings(&self, body: &[u8]) -> Response {
        let mut state = self.0.service.state();
        match merged(&state.live, body) {
            Err(error) => problem(422, &error.to_string()),
            Ok(live) => {
                state.live = Arc::new(live);
                ok(&*state.live)
            }
        }
    }

    fn post_state(&self, nre: &str, body: &[u8]) -> Response {
        let wanted = match serde_json::from_slice::<NewState>(body) {
            Err(error) => return problem(422, &error.to_string()),
            Ok(wanted) => wanted.state,
        };
        match self.0.service.state().ledger.move_to(nre, wanted) {
            Ok(()) => ok(&json!({ "state": wanted })),
            Err(Moved::Unknown) => problem(404, "no prescription has this number"),
            Err(Moved::Refused { from, to }) => {
                problem(409, &format!("no transition from {from} to {to}"))
            }
        }
    }

    fn post_registry(&self, change: &str, body: &[u8]) -> Response {
        let of = match serde_json::from_slice::<OfPerson>(body) {
            Err(error) => return problem(422, &error.to_string()),
            Ok(of) => of,
        };
        let registry = &mut self.0.service.state().registry;
        let done = match change {
            "move" => registry
                .move_to_doctor(&of.tax_code, &of.doctor)
                .then_some(json!({})),
            "replace-card" => registry
                .replace_card(&of.tax_code)
                .map(|number| json!({ "card": number })),
            "remove" => registry.remove(&of.tax_code).then_some(json!({})),
            _ => return problem(404, "no such thing to control"),
        };
        done.map_or_else(
            || problem(404, "nobody is registered under this code"),
            |done| ok(&done),
        )
    }

    fn post_lot(&self, body: &[u8]) -> Response {
        match serde_json::from_slice::<NewLot>(body) {
            Err(error) => problem(422, &error.to_string()),
            Ok(NewLot { kind: 8.., .. }) => problem(422, "kind is from 0 to 7"),
            Ok(NewLot { kind, doctor }) => match self.0.give_lot(kind, doctor.as_deref()) {
                Some(lot) => ok(&lot),
                None => problem(409, "no lots of this kind are left"),
            },
        }
    }
}

/// The present settings with the given keys in place of theirs.
fn merged(present: &Live, body: &[u8]) -> Result<Live, serde_json::Error> {
    let mut whole = serde_json::to_value(present)?;
    let given: serde_json::Map<String, Value> = serde_json::from_slice(body)?;
    if let Some(whole) = whole.as_object_mut() {
        whole.extend(given);
    }
    serde_json::from_value(whole)
}

fn ok(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => Response::new(200, "application/json", body),
        Err(error) => problem(500, &error.to_string()),
    }
}

fn problem(status: u16, detail: &str) -> Response {
    let body = json!({ "status": status, "detail": detail }).to_string();
    Response::new(status, "application/problem+json", body)
}
