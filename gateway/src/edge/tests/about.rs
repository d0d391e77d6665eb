//! What is done about a prescription: what is said of it when it is on disk already.

use actix_web::http::Method;
use actix_web::test::TestRequest;
use engine::entry::EntryId;
use policies::failure::{Code, Opaque};
use policies::state::State;
use serde_json::json;

use super::kit::{Kit, claims};
use super::store::entry;

const PAPER: &str = r#"{"number":"150220123456789"}"#;

fn about(kit: &Kit, id: EntryId, what: &str) -> TestRequest {
    let request = kit.request(Method::POST, &format!("/v1/prescriptions/{id}/{what}"));
    let request = request.insert_header(("idempotency-key", "k"));
    let request = request.insert_header(("content-type", "application/json"));
    request.set_payload(if what == "paper" { PAPER } else { "{}" })
}

/// The cancel, the paper or the note is on disk, and its prescription cannot be read just now: nobody
/// hears that nothing was done.
#[actix_web::test]
async fn what_was_done_is_never_told_as_not_done() {
    for what in ["cancel", "paper", "acknowledge"] {
        let kit = Kit::new();
        let id = kit.shelf.put("a", entry(1, State::Registered));
        *kit.shelf.recalled.lock().unwrap() = Some(entry(2, State::Registered));
        *kit.shelf.hides_entries.lock().unwrap() = true;
        let heard = kit.ask_one(about(&kit, id, what)).await;
        assert_eq!(heard.code(), "outcome-unknown", "{what}");
        let told = heard.json();
        assert_eq!(
            (&told["outcome"], &told["retry"]),
            (&json!("unknown"), &json!("same-key"))
        );
    }
}

/// A cancel that has come to nothing, or waits for its prescriber, is not told as one that goes on.
#[actix_web::test]
async fn a_cancel_that_waits_for_nobody_is_not_accepted() {
    let cases = [
        (State::Parked, State::Conflict, "cancel-failed"),
        (
            State::NeedsAuthorization,
            State::Cancelling,
            "cancel-needs-authorization",
        ),
    ];
    for (cancel, parent, code) in cases {
        let kit = Kit::new();
        let mut stands = entry(1, parent);
        stands.reason = Some(Code::AuthorityRefused);
        let id = kit.shelf.put("a", stands);
        *kit.shelf.recalled.lock().unwrap() = Some(entry(2, cancel));
        let heard = kit.ask_one(about(&kit, id, "cancel")).await;
        assert_eq!((heard.status.as_u16(), heard.code().as_str()), (409, code));
        let told = heard.json();
        assert_eq!(told["state"], parent.as_str());
        assert_eq!(told["reason"], "authority-refused");
        assert_eq!(heard.header("location"), format!("/v1/prescriptions/{id}"));
    }
}

/// A write carries its prescriber, whatever it is.
#[actix_web::test]
async fn everything_done_about_a_prescription_needs_a_prescriber() {
    for what in ["cancel", "paper", "acknowledge"] {
        let mut nobody = claims("a", "practice");
        nobody.as_object_mut().unwrap().remove("prescriber_authn");
        let kit = Kit::claiming(&nobody);
        let id = kit.shelf.put("a", entry(1, State::Registered));
        let heard = kit.ask_one(about(&kit, id, what)).await;
        assert_eq!(heard.code(), "prescriber-authn-missing", "{what}");
    }
}

/// A cancel is sent, and so its prescriber authenticated where the prescription is from; of one that
/// is on disk already its caller hears all the same.
#[actix_web::test]
async fn a_cancel_is_made_in_the_region_of_its_prescription() {
    let elsewhere = || {
        let mut claims = claims("a", "practice");
        claims["prescriber_authn"]["locality"] = json!("010201");
        Kit::claiming(&claims)
    };
    let kit = elsewhere();
    let id = kit.shelf.put("a", entry(1, State::Registered));
    let heard = kit.ask_one(about(&kit, id, "cancel")).await;
    assert_eq!(heard.code(), "prescriber-authn-invalid");
    assert_eq!(heard.json()["errors"][0]["rule"], "locality-region");

    let kit = elsewhere();
    let id = kit.shelf.put("a", entry(1, State::Cancelled));
    *kit.shelf.recalled.lock().unwrap() = Some(entry(2, State::Registered));
    let heard = kit.ask_one(about(&kit, id, "cancel")).await;
    assert_eq!(heard.status.as_u16(), 200);

    // Without a number nothing was ever sent, and nothing says where it is from.
    let kit = elsewhere();
    let mut unsent = entry(1, State::Withdrawn);
    unsent.number = Opaque::default();
    let id = kit.shelf.put("a", unsent);
    let heard = kit.ask_one(about(&kit, id, "cancel")).await;
    assert_eq!(heard.code(), "stopping");
}

/// Who is told no must be told what to do.
#[actix_web::test]
async fn an_authentication_that_is_too_old_is_to_be_renewed() {
    let mut old = claims("a", "practice");
    let long_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(24 * 30);
    old["prescriber_authn"]["instant"] = json!(long_ago.to_string());
    let kit = Kit::claiming(&old);
    let heard = kit.ask_one(kit.write(super::DRUG)).await;
    assert_eq!(heard.code(), "prescriber-authn-invalid");
    assert!(
        heard.json()["detail"]
            .as_str()
            .unwrap()
            .contains("rifare l'accesso")
    );
}
