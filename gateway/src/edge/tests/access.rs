//! Every operation of the API goes through the access rules: one that forgot would be found here.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use policies::access::{Action, Profile, Table};
use serde_json::Value;

use super::kit::{A, Heard, Kit};
use crate::access::compiled_in;

/// Each operation by its id in the description, and the action that it is.
const OPERATIONS: &[(&str, Action)] = &[
    ("acknowledge", Action::AcknowledgePrescription),
    ("cancelPrescription", Action::CancelPrescription),
    ("confirmPaper", Action::ConfirmPaper),
    ("events", Action::ReadEvents),
    ("keys", Action::ReadKeys),
    ("policies", Action::ReadPolicies),
    ("prescription", Action::ReadPrescription),
    ("prescriptionEvents", Action::ReadEvents),
    ("prescriptions", Action::ReadPrescription),
    ("purgePerson", Action::PurgePerson),
    ("reminder", Action::ReadReminder),
    ("rotateKeys", Action::RotateKeys),
    ("searchAssistedPerson", Action::SearchPerson),
    ("searchPrescriptions", Action::ReadPrescription),
    ("setToggle", Action::ChangeToggles),
    ("toggles", Action::ReadToggles),
    ("verifyHealthCard", Action::VerifyCard),
    ("withdrawToggle", Action::ChangeToggles),
    ("writePrescription", Action::WritePrescription),
];

/// Every operation of the description that takes a token: its id, its method, where it is.
fn operations() -> Vec<(String, Method, String)> {
    let document: Value = serde_json::from_str(&super::super::openapi::text()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            // Only a certificate is needed where this is said.
            if !operation["security"].is_null() {
                continue;
            }
            let is_of_operators = !operation["servers"].is_null();
            let base = if is_of_operators { "/ops/v1" } else { "/v1" };
            let path = path.replace("{id}", "01890000-0000-7000-8000-000000000000");
            let id = operation["operationId"].as_str().unwrap().to_owned();
            let method: Method = method.to_uppercase().parse().unwrap();
            found.push((id, method, format!("{base}{path}")));
        }
    }
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found
}

/// Asks for everything with nothing in it.
async fn ask_everything(kit: &Kit) -> Vec<(String, Heard)> {
    let requests = operations().into_iter().map(|(id, method, uri)| {
        let request = kit.request(method.clone(), &uri);
        let request = match method {
            Method::POST => request
                .insert_header(("content-type", "application/json"))
                .set_payload("{}"),
            _ => request,
        };
        (id, request)
    });
    let (ids, requests): (Vec<String>, Vec<TestRequest>) = requests.unzip();
    let requests = requests.into_iter().map(|request| (A, request)).collect();
    let heard = kit.ask_as(requests).await;
    ids.into_iter().zip(heard).collect()
}

#[actix_web::test]
async fn where_nobody_may_do_anything_every_operation_says_so() {
    let mut kit = Kit::new();
    kit.access = Table::denied();
    let mut actions = Vec::new();
    for (id, heard) in ask_everything(&kit).await {
        assert_eq!(
            (heard.status.as_u16(), heard.code().as_str()),
            (403, "profile-not-allowed"),
            "{id}"
        );
        let detail = heard.json()["errors"][0]["detail"].clone();
        let detail = detail.as_str().unwrap();
        let action = detail.strip_suffix(" is allowed to nobody").expect(detail);
        actions.push((id, Action::parse(action).unwrap()));
    }
    let expected = OPERATIONS
        .iter()
        .map(|(id, action)| ((*id).to_owned(), *action));
    assert_eq!(actions, expected.collect::<Vec<_>>());
}

/// Each profile is refused exactly what the rules let it do in no relation, before anything else of the
/// request is looked at.
#[actix_web::test]
async fn every_profile_is_let_through_to_what_the_rules_allow() {
    let access = compiled_in();
    for profile in Profile::ALL {
        let kit = Kit::acting(profile.as_str());
        for ((id, heard), (_, action)) in ask_everything(&kit).await.iter().zip(OPERATIONS) {
            let code = heard.code();
            let is_refused = code == "profile-not-allowed";
            let may = access.allows_some(profile, *action);
            assert_eq!(!is_refused, may, "{} {id}: {code}", profile.as_str());
        }
    }
}
