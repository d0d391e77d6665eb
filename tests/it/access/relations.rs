//! Every cell of the page, built for real and asked for.

use serde_json::{Value, json};
use tests::upstreams::sac::faults::{Fault, Rule};
use tests::upstreams::sac::operation::Operation;
use tests::upstreams::sac::registry::population;
use tests::world::World;
use tests::world::caller::Reply;
use tests::world::prescription::{DOCTOR, drug, key};

use super::page::{PROFILES, Page};
use super::{ANY, Desk, is_refused, known_to_others, world};

const SEARCH: &str = "/v1/assisted-persons/search";
const VERIFY: &str = "/v1/health-cards/verify";

/// Who may have the SAC asked about whom, and who breaks the glass.
#[tokio::test]
async fn persons_are_asked_about_as_the_page_says() {
    let (world, page) = (world().await, Page::read());
    let person = known_to_others();
    let card = world.sac().assisted(&person).expect("they are known").card;
    for profile in PROFILES {
        let none = Desk::of(&world, profile).of_listed_doctor();
        let oneself = Desk::of(&world, profile)
            .of_listed_doctor()
            .of_citizen(&person);
        let glass = json!({ "tax_code": person, "break_glass": { "reason": "emergency" } });
        let bodies = [
            ("search-person", SEARCH, json!({ "tax_code": person })),
            (
                "verify-card",
                VERIFY,
                json!({ "tax_code": person, "card_number": card }),
            ),
        ];
        for (action, path, body) in bodies {
            // A claim about a citizen makes nobody but a portal one.
            let own = if profile == "portal" {
                "oneself"
            } else {
                "none"
            };
            for (desk, relation) in [(&none, "none"), (&oneself, own)] {
                let reply = desk.ask("POST", path, Some(body.clone())).await;
                let may = page.allows(profile, action, relation);
                assert_eq!(
                    reply.status == 200,
                    may,
                    "{profile} {action} {relation}: {}",
                    reply.code()
                );
                assert_eq!(
                    is_refused(&reply, action),
                    !may,
                    "{profile} {action} {relation}"
                );
            }
        }
        let reply = oneself.ask("POST", SEARCH, Some(glass)).await;
        let may = page.allows(profile, "break-glass", "none");
        assert_eq!(
            reply.status == 200,
            may,
            "{profile} break-glass: {}",
            reply.code()
        );
        let action = match page.allows_some(profile, "search-person") {
            true => "break-glass",
            false => "search-person",
        };
        assert_eq!(is_refused(&reply, action), !may, "{profile} break-glass");
    }
}

/// Who is shown what is known while the SAC is away: nobody without a relation, and with one whoever the
/// page says.
#[tokio::test]
async fn what_is_known_is_shown_as_the_page_says() {
    let (world, page) = (world().await, Page::read());
    let (others, answered) = (known_to_others(), population::person(4));
    // Every view is known, and to others.
    world
        .caller("practice-a")
        .search_person(&others)
        .await
        .expect(200);
    world.pharmacy().search_person(&others).await.expect(200);
    world.booking().search_person(&others).await.expect(200);
    let elsewhere = Desk::of(&world, "portal").of_citizen(&others);
    elsewhere.search(&others).await.expect(200);
    for profile in PROFILES {
        let desk = Desk::of(&world, profile)
            .of_listed_doctor()
            .of_citizen(&answered);
        if page.allows_some(profile, "search-person") {
            desk.search(&answered).await.expect(200);
        }
    }
    world.faults(vec![Rule::on(Operation::Ricerca, Fault::Refuse)]);
    for profile in PROFILES {
        let shown = |relation: &str, reply: &Reply| {
            let may = page.allows(profile, "show-known", relation);
            let code = reply.code();
            assert_eq!(reply.status == 200, may, "{profile} {relation}: {code}");
            let is_hidden = code == "lookup-unavailable" && reply.status == 503;
            let never = is_refused(reply, "search-person") || is_refused(reply, "break-glass");
            assert!(may || is_hidden || never, "{profile} {relation}: {code}");
        };
        let stranger = Desk::of(&world, profile);
        shown("none", &stranger.search(&others).await);
        let glass = json!({ "tax_code": others, "break_glass": { "reason": "substitution" } });
        shown(
            "broken-glass",
            &stranger.ask("POST", SEARCH, Some(glass)).await,
        );
        let listed = match profile {
            "substitute" => Desk::of(&world, profile).standing_in(),
            _ => Desk::of(&world, profile).of_listed_doctor(),
        };
        shown("listed-doctor", &listed.search(&others).await);
        if profile == "portal" {
            // What a citizen was answered before was answered about themselves.
            shown(
                "oneself",
                &Desk::of(&world, profile)
                    .of_citizen(&others)
                    .search(&others)
                    .await,
            );
        } else {
            shown(
                "oneself",
                &stranger.of_citizen(&others).search(&others).await,
            );
            let desk = Desk::of(&world, profile).of_listed_doctor();
            shown("answered", &desk.search(&answered).await);
        }
    }
    // Only a substitute stands in for anybody.
    let pretender = Desk::of(&world, "practice")
        .standing_in()
        .search(&others)
        .await;
    assert_eq!(pretender.expect(503).code(), "lookup-unavailable");
}

/// A prescription of `doctor`, registered, of an organisation.
async fn registered(world: &World, organization: &str) -> String {
    let caller = world.caller(organization);
    caller.prescribe(&key(), &drug()).await.expect(201).id()
}

/// Whether a prescription was as if it were not there.
fn is_hidden(reply: &Reply) -> bool {
    reply.status == 404 && reply.code() == "no-such-prescription"
}

/// What each relation with a prescription lets do, for every profile.
#[tokio::test]
async fn prescriptions_are_used_as_the_page_says() {
    let (world, page) = (world().await, Page::read());
    let reads = [
        ("read-prescription", "GET", ""),
        ("read-events", "GET", "/events"),
        ("read-reminder", "GET", "/reminder"),
        ("acknowledge-prescription", "POST", "/acknowledge"),
        ("confirm-paper", "POST", "/paper"),
        ("cancel-prescription", "POST", "/cancel"),
    ];
    let others = registered(&world, "practice-b").await;
    for profile in PROFILES {
        for (action, method, end) in reads {
            // One of its own for each, because some of them end it.
            let ours = registered(&world, ANY).await;
            let body = || (method == "POST").then(|| body_of(action));
            let may = page.allows_some(profile, action);
            let prescriber = Desk::of(&world, profile).of_listed_doctor();
            let path = |id: &str| format!("/v1/prescriptions/{id}{end}");
            let none = prescriber.ask(method, &path(&others), body()).await;
            assert_eq!(is_refused(&none, action), !may, "{profile} {action} none");
            assert_eq!(
                is_hidden(&none),
                may,
                "{profile} {action} none: {}",
                none.code()
            );

            let colleague = Desk::of(&world, profile)
                .ask(method, &path(&ours), body())
                .await;
            assert_eq!(
                is_refused(&colleague, action),
                !may,
                "{profile} {action} colleague"
            );
            // Of a registered one its prescriber alone says that it was written on paper.
            let by_colleague =
                page.allows(profile, action, "same-organization") && action != "confirm-paper";
            assert_eq!(
                is_let_through(&colleague),
                by_colleague,
                "{profile} {action} same-organization: {}",
                colleague.code()
            );
            let prescriber = prescriber.ask(method, &path(&ours), body()).await;
            assert_eq!(is_refused(&prescriber, action), !may, "{profile} {action}");
            assert_eq!(
                is_let_through(&prescriber),
                may,
                "{profile} {action}: {}",
                prescriber.code()
            );
        }
    }
}

fn body_of(action: &str) -> Value {
    match action {
        "confirm-paper" => json!({ "number": "1300A4000000001" }),
        _ => json!({}),
    }
}

/// Whether it was neither the rules nor a missing relation that kept the caller from it.
fn is_let_through(reply: &Reply) -> bool {
    !matches!(reply.status, 401 | 403 | 404)
}

/// Who writes: a doctor, in their own name.
#[tokio::test]
async fn prescriptions_are_written_as_the_page_says() {
    let (world, page) = (world().await, Page::read());
    for profile in PROFILES {
        for relation in ["none", "prescriber"] {
            let desk = Desk::of(&world, profile);
            let desk = match relation {
                "prescriber" => desk.of_listed_doctor(),
                _ => desk,
            };
            assert_eq!(drug()["prescriber"]["code"], DOCTOR);
            let reply = desk.ask("POST", "/v1/prescriptions", Some(drug())).await;
            let may = page.allows(profile, "write-prescription", relation);
            assert_eq!(
                reply.status == 201,
                may,
                "{profile} {relation}: {}",
                reply.code()
            );
            let some = page.allows_some(profile, "write-prescription");
            assert_eq!(
                is_refused(&reply, "write-prescription"),
                !some,
                "{profile} {relation}"
            );
            let not_theirs = reply.code() == "prescriber-not-authenticated";
            assert_eq!(not_theirs, some && !may, "{profile} {relation}");
        }
    }
}

/// Who runs the gateway, and who watches it run: and nothing clinical for either.
#[tokio::test]
async fn the_gateway_is_run_as_the_page_says() {
    let (world, page) = (world().await, Page::read());
    let toggle = json!({
        "target": "sac.prescriptions.delivery.rate_per_second", "value": "77", "expires_in": "1h",
        "reason": "test", "author": "test", "dry_run": true,
    });
    let asked = [
        ("read-policies", "GET", "/ops/v1/policies", None),
        ("read-toggles", "GET", "/ops/v1/toggles", None),
        ("change-toggles", "POST", "/ops/v1/toggles", Some(toggle)),
        (
            "purge-person",
            "POST",
            "/ops/v1/persons/purge",
            Some(json!({ "tax_code": known_to_others() })),
        ),
        ("read-status", "GET", "/v1/status", None),
    ];
    for profile in PROFILES {
        for (action, method, path, body) in &asked {
            let desk = Desk::of(&world, profile);
            let reply = desk.ask(method, path, body.clone()).await;
            let may = page.allows(profile, action, "none");
            assert_eq!(
                matches!(reply.status, 200 | 204),
                may,
                "{profile} {action}: {}",
                reply.code()
            );
            assert_eq!(is_refused(&reply, action), !may, "{profile} {action}");
        }
    }
}
