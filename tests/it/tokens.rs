//! Attacks on tokens: each is refused with a clear code, and no token is in anything that the gateway
//! wrote.

#[cfg(test)]
mod forged;
#[cfg(test)]
mod fse;
#[cfg(test)]
mod once;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod x5c;

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use tests::world::World;
use tests::world::caller::{Caller, Reply, answer};
use tests::world::prescription::key;
use tests::world::wait::until;

/// A second turns in less.
const SECOND_WITHIN: Duration = Duration::from_secs(10);

/// What was presented, so that it can be searched for.
#[derive(Default)]
struct Presented(Vec<String>);

impl Presented {
    /// Reads the caller's prescriptions with this token.
    async fn read(&mut self, caller: &Caller, token: &str) -> Reply {
        self.send(caller.bare(Method::GET, "/v1/prescriptions"), token)
            .await
    }

    /// Sends `request` with this token.
    async fn send(&mut self, request: RequestBuilder, token: &str) -> Reply {
        self.0.push(token.to_owned());
        let reply = answer(request.bearer_auth(token)).await;
        reply.expect("a known certificate hears an answer")
    }

    /// Writes a prescription with a pair of tokens.
    async fn write_with(&mut self, caller: &Caller, pair: &[String; 2], body: &str) -> Reply {
        self.0.push(pair[1].clone());
        let request = caller
            .bare(Method::POST, "/v1/prescriptions")
            .header("FSE-JWT-Signature", &pair[1])
            .header("Idempotency-Key", key())
            .header("Content-Type", "application/json")
            .body(body.to_owned());
        self.send(request, &pair[0]).await
    }

    /// Asserts that no part of any token is in what the gateway printed or put on disk.
    fn are_nowhere(&self, world: &World) {
        world.holds_nowhere(&self.0);
    }
}

/// The refusal that was expected, which is the caller's doing and did nothing.
fn refused(reply: &Reply, status: u16, code: &str) {
    let seen = (reply.status, reply.code());
    assert_eq!(
        seen,
        (status, code.to_owned()),
        "{}",
        reply.text("/errors/0/detail")
    );
    assert!(reply.blames_the_caller(), "{code}");
}

/// Waits until what is signed now is not of the second in which the gateway began: of a token of that
/// second nobody can tell whether an earlier process has admitted it.
async fn signable(caller: &Caller) {
    until("a new token is admitted", SECOND_WITHIN, async || {
        let reply = caller.try_get("/v1/prescriptions").await.ok()?;
        (reply.status == 200).then_some(())
    })
    .await;
}

/// The same for a caller who signs pairs.
async fn signable_pair(presented: &mut Presented, caller: &Caller, sign: impl Fn() -> [String; 2]) {
    until("a new pair is admitted", SECOND_WITHIN, async || {
        let [auth, signature] = sign();
        presented.0.push(signature.clone());
        let request = caller
            .bare(Method::GET, "/v1/prescriptions")
            .header("FSE-JWT-Signature", signature);
        let reply = presented.send(request, &auth).await;
        (reply.status == 200).then_some(())
    })
    .await;
}
