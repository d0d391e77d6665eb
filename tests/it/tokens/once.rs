//! Tokens that may be presented once, also across a restart.

use tests::world::World;

use super::{Presented, refused, signable};

/// A second presentation is refused, whatever became of the first, and a new token is not.
#[tokio::test]
async fn a_one_time_token_is_admitted_once() {
    let world = World::start().await;
    let (once, many) = (world.caller("practice-once"), world.caller("practice-a"));
    signable(&once).await;
    let mut presented = Presented::default();
    let token = once.signed();
    presented.read(&once, &token).await.expect(200);
    for _ in 0..3 {
        let reply = presented.read(&once, &token).await;
        refused(&reply, 401, "token-replayed");
        assert_eq!(reply.text("/errors/0/parameter"), "jti");
    }
    presented.read(&once, &once.signed()).await.expect(200);
    let again = many.signed();
    for _ in 0..3 {
        presented.read(&many, &again).await.expect(200);
    }
    presented.are_nowhere(&world);
}

/// Of many presentations at the same time, on many connections, one is admitted.
#[tokio::test]
async fn of_a_crowd_with_one_token_one_is_admitted() {
    const CROWD: usize = 16;
    let world = World::start().await;
    let once = world.caller("practice-once");
    signable(&once).await;
    for _ in 0..4 {
        let token = once.signed();
        let asked = (0..CROWD).map(|_| {
            let (once, token) = (once.clone(), token.clone());
            tokio::spawn(async move { Presented::default().read(&once, &token).await })
        });
        let mut admitted = 0;
        for reply in asked.collect::<Vec<_>>() {
            let reply = reply.await.unwrap();
            if reply.status == 200 {
                admitted += 1;
            } else {
                refused(&reply, 401, "token-replayed");
            }
        }
        assert_eq!(admitted, 1);
    }
}

/// A new process knows nothing of what the one before it has admitted: what was signed before it began
/// is signed again, and what may be presented many times goes on.
#[tokio::test]
async fn after_a_restart_what_was_signed_before_is_signed_again() {
    let mut world = World::start().await;
    let (once, many) = (world.caller("practice-once"), world.caller("practice-a"));
    signable(&once).await;
    let mut presented = Presented::default();
    let (admitted, held_back, often) = (once.signed(), once.signed(), many.signed());
    presented.read(&once, &admitted).await.expect(200);
    presented.read(&many, &often).await.expect(200);
    world.kill().await;
    world.restart().await.expect("the gateway starts again");
    for token in [&admitted, &held_back] {
        let reply = presented.read(&once, token).await;
        refused(&reply, 401, "sign-again");
        assert_eq!(reply.text("/retry"), "later");
        assert_eq!(reply.header("retry-after"), "1");
    }
    presented.read(&many, &often).await.expect(200);
    signable(&once).await;
    presented.read(&once, &once.signed()).await.expect(200);
    presented.are_nowhere(&world);
}
