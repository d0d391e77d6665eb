//! Every way in which the SAC, PDND and a receiver can fail, met by requests that are full of planted words.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tests::upstreams::callbacks::Manner;
use tests::upstreams::pdnd;
use tests::upstreams::sac::faults::{Delay, Fault, Rule};
use tests::world::caller::answer;
use tests::world::prescription::{PATIENT, TEST_DOCTOR, drug};
use tests::world::wait::until;

use super::scene::{CARD, LISTED, Scene, planted};

const SOON: Duration = Duration::from_secs(20);
/// Longer than a caller waits.
const SLOW_MS: u64 = 1_200;

/// Every fault of the simulator.
fn every_fault() -> Vec<Fault> {
    let faults = vec![
        Fault::Refuse,
        Fault::HandshakeReset,
        Fault::CertificateRefused,
        Fault::Hang,
        Fault::HangHalfway,
        Fault::Trickle { every_ms: 100 },
        Fault::Slow {
            delay: Delay::Fixed { ms: SLOW_MS },
        },
        Fault::Status { status: 500 },
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::LostAnswer,
        Fault::LateCommit {
            after_ms: 100,
            hang: false,
        },
        Fault::DispensedFirst,
        Fault::Truncated,
        Fault::Garbage,
        Fault::Empty,
        Fault::MaintenancePage,
        Fault::WrongNamespace,
        Fault::TrailingDocument,
        Fault::Oversized { bytes: 1 << 20 },
        Fault::OtherNumber,
        Fault::AuthenticationFault,
        Fault::PolicyFault,
        Fault::SchemaFault,
    ];
    let mut places: Vec<_> = faults.iter().map(place).collect();
    places.dedup();
    assert_eq!(places, (0..faults.len()).collect::<Vec<_>>());
    faults
}

/// Its place in the list, so that one that the simulator learns is not forgotten.
fn place(fault: &Fault) -> usize {
    match fault {
        Fault::Refuse => 0,
        Fault::HandshakeReset => 1,
        Fault::CertificateRefused => 2,
        Fault::Hang => 3,
        Fault::HangHalfway => 4,
        Fault::Trickle { .. } => 5,
        Fault::Slow { .. } => 6,
        Fault::Status { .. } => 7,
        Fault::ResetBefore => 8,
        Fault::ResetAfter => 9,
        Fault::LostAnswer => 10,
        Fault::LateCommit { .. } => 11,
        Fault::DispensedFirst => 12,
        Fault::Truncated => 13,
        Fault::Garbage => 14,
        Fault::Empty => 15,
        Fault::MaintenancePage => 16,
        Fault::WrongNamespace => 17,
        Fault::TrailingDocument => 18,
        Fault::Oversized { .. } => 19,
        Fault::OtherNumber => 20,
        Fault::AuthenticationFault => 21,
        Fault::PolicyFault => 22,
        Fault::SchemaFault => 23,
    }
}

/// Each of them, met by a prescription, an annulment, a look-up and a card at a time.
pub(super) async fn meet_every_fault(scene: &mut Scene) {
    for fault in every_fault() {
        let id = scene.registered().await.id();
        let is_seen = place(&fault) > place(&Fault::CertificateRefused);
        let received = |scene: &Scene| {
            let calls = scene.world.book().calls;
            calls.values().map(|calls| calls.received).sum::<u64>()
        };
        let before = received(scene);
        scene.world.faults(vec![Rule::everywhere(fault.clone())]);
        let caller = scene.practice();
        let stranger = scene.world.caller("practice-b").with_doctor(TEST_DOCTOR);
        let pharmacy = scene.world.pharmacy();
        let keys = [scene.key(), scene.key()];
        let body = planted(drug());
        let replies = futures_util::future::join4(
            caller.prescribe(&keys[0], &body),
            caller.about_under(&keys[1], &id, "cancel", None),
            stranger.search_person(LISTED),
            pharmacy.verify_card(LISTED, CARD),
        )
        .await;
        for reply in [replies.0, replies.1, replies.2, replies.3] {
            if reply.status >= 400 {
                scene.answered(&format!("{fault:?}"), &reply);
            }
        }
        if is_seen {
            until(&format!("{fault:?} is met"), SOON, async || {
                (received(scene) > before).then_some(())
            })
            .await;
        }
        scene.world.recover();
        until(
            &format!("the SAC is trusted after {fault:?}"),
            SOON,
            async || {
                // Whose authority the SAC refused has to authenticate again.
                let reply = scene
                    .practice()
                    .prescribe(&tests::world::prescription::key(), &drug())
                    .await;
                (reply.status == 201).then_some(())
            },
        )
        .await;
    }
    refused_by_the_sac(scene).await;
}

/// What the SAC refuses in words of its own, which may hold what was sent; and a person it will not show.
async fn refused_by_the_sac(scene: &mut Scene) {
    let mut rejected = planted(drug());
    rejected["prescriber"]["health_unit"] = json!("999");
    let key = scene.key();
    let reply = scene
        .practice()
        .prescribe(&key, &rejected)
        .await
        .expect(422);
    scene.answered("what the SAC refuses", &reply);
    let stranger = scene.world.caller("any-a").with_doctor(TEST_DOCTOR);
    let reply = until("the registry is trusted again", SOON, async || {
        let reply = stranger.search_person(LISTED).await;
        (reply.status == 403).then_some(reply)
    })
    .await;
    scene.answered("a stranger", &reply);
}

/// A receiver that fails in every way, while it is pushed to at an address that names somebody.
pub(super) async fn push_in_vain(scene: &mut Scene) {
    let elsewhere = format!("{}/{PATIENT}", scene.receiver.origin());
    let manners = [
        Manner::Answers(500),
        Manner::Answers(404),
        Manner::Redirects(elsewhere),
        Manner::Hangs,
    ];
    for manner in manners {
        scene.receiver.behaves(manner);
        let before = scene.receiver.book().read.len();
        scene.registered().await;
        until("a push fails", SOON, async || {
            (scene.receiver.book().read.len() > before).then_some(())
        })
        .await;
    }
    scene.receiver.set_open(false);
    let id = scene.registered().await.id();
    scene.world.logged(&["a callback was not received"]).await;
    scene.receiver.set_open(true);
    scene.receiver.behaves(Manner::Takes);
    until("what was held back is pushed", SOON, async || {
        let told = scene.receiver.book().states_of(&id);
        (!told.is_empty()).then_some(())
    })
    .await;
}

/// PDND away, mad and hanging, asked about keys whose ids name somebody.
pub(super) async fn doubt_vouchers(scene: &mut Scene) {
    let faults = [
        pdnd::Fault::Refuse,
        pdnd::Fault::Garbage,
        pdnd::Fault::Status(500),
    ];
    for fault in faults {
        scene.pdnd.set_fault(Some(fault));
        let claims = json!({ "iss": pdnd::ISSUER, "aud": pdnd::AUDIENCE, "sub": PATIENT });
        let voucher = scene.pdnd.sign("another", &claims);
        scene.words.plant_token(&voucher);
        let caller = scene.world.caller("practice-b");
        let request = caller
            .bare(Method::GET, "/v1/prescriptions")
            .bearer_auth(voucher);
        let reply = answer(request).await.expect("the gateway answers");
        assert!(reply.status >= 400);
        scene.answered("a voucher that nobody knows", &reply);
    }
    scene.pdnd.set_fault(None);
}
