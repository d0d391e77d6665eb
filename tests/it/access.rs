//! Who may do what, asked of the real gateway: every profile, every action, every relation that can be
//! had, answered as `docs/access.md` says; and rules that change while it serves.

mod check;
mod forged;
mod page;
mod relations;
mod texts;

use serde_json::{Value, json};
use tests::upstreams::sac::registry::population;
use tests::world::caller::{Caller, Reply};
use tests::world::prescription::{DOCTOR, TEST_DOCTOR};
use tests::world::{Setup, World};

/// The organisation that is registered for every profile.
const ANY: &str = "any-a";

/// A person on the list of the doctor who is at every desk, known to others only.
fn known_to_others() -> String {
    population::person(2)
}

/// A world in which [`ANY`] may act as whatever it says.
async fn world() -> World {
    World::with(Setup::default().accredited(&[ANY])).await
}

/// A desk of [`ANY`]: what it acts as, who is at it, and what else its token says.
struct Desk {
    caller: Caller,
    claims: Vec<(&'static str, Value)>,
}

impl Desk {
    /// Whoever needs a doctor at the desk has this one, who has no relation to anybody.
    fn of(world: &World, profile: &str) -> Desk {
        let caller = world.caller(ANY);
        let mut caller = match profile {
            "practice" | "substitute" => caller.with_doctor(TEST_DOCTOR),
            _ => caller.acting_as(profile),
        };
        profile.clone_into(&mut caller.profile);
        let desk = Desk {
            caller,
            claims: Vec::new(),
        };
        // Without these claims they are told so, before anything of the rules.
        match profile {
            "portal" => desk.of_citizen(&population::person(5)),
            "substitute" => desk.standing_in_for(TEST_DOCTOR),
            _ => desk,
        }
    }

    /// The same with the doctor at it on whose list the test's persons are.
    fn of_listed_doctor(mut self) -> Desk {
        if self.caller.prescriber.is_some() {
            self.caller = self.caller.with_doctor(DOCTOR);
        }
        self
    }

    /// The same of a doctor who stands in for that one.
    fn standing_in(self) -> Desk {
        self.standing_in_for(DOCTOR)
    }

    fn standing_in_for(mut self, doctor: &str) -> Desk {
        self.claims.retain(|(name, _)| *name != "substitutes_for");
        self.claims.push(("substitutes_for", json!(doctor)));
        self
    }

    /// The same for a citizen who has authenticated.
    fn of_citizen(mut self, tax_code: &str) -> Desk {
        let instant = jiff::Timestamp::now().to_string();
        let claim = json!({ "subject": tax_code, "class_ref": "SpidL2", "instant": instant });
        self.claims.retain(|(name, _)| *name != "citizen_authn");
        self.claims.push(("citizen_authn", claim));
        self
    }

    async fn search(&self, tax_code: &str) -> Reply {
        let body = json!({ "tax_code": tax_code });
        self.ask("POST", "/v1/assisted-persons/search", Some(body))
            .await
    }

    async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        let mut token = self.caller.token();
        for (name, value) in &self.claims {
            token = token.with(name, value.clone());
        }
        self.caller.ask_with(&token, method, path, body).await
    }
}

/// Whether the answer is that the rules do not allow `action`, in the form of every refusal.
fn is_refused(reply: &Reply, action: &str) -> bool {
    let is_refused = reply.status == 403 && reply.code() == "profile-not-allowed";
    if is_refused {
        assert!(reply.blames_the_caller());
        let detail = reply.text("/errors/0/detail");
        assert!(
            detail.starts_with(&format!("{action} is allowed to ")),
            "{detail}"
        );
    }
    is_refused
}
