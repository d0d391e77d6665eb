//! How a caller writes a prescription, what it does about it then, and what it is still to take note of.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Caller, Reply, answer, heard};
use crate::world::prescription::key;

impl Caller {
    /// As [`Caller::try_prescribe`], by a caller that waits no longer than `seconds`.
    ///
    /// # Errors
    ///
    /// Whatever became of the connection.
    pub async fn try_prescribe_within(
        &self,
        key: &str,
        body: &Value,
        seconds: u32,
    ) -> reqwest::Result<Reply> {
        self.send(key, body, Some(seconds)).await
    }

    pub(super) async fn send(
        &self,
        key: &str,
        body: &Value,
        seconds: Option<u32>,
    ) -> reqwest::Result<Reply> {
        let write = (self.organization.clone(), key.to_owned());
        self.record.sent(&write);
        let request = self
            .request(Method::POST, "/v1/prescriptions")
            .header("Idempotency-Key", key)
            .header("Content-Type", "application/json")
            .body(body.to_string());
        let request = match seconds {
            Some(seconds) => request.header("Prefer", format!("wait={seconds}")),
            None => request,
        };
        let reply = answer(request).await;
        self.record.heard(&write, heard(&reply));
        reply
    }

    /// Does `what` (`cancel`, `paper`, `acknowledge`) about a prescription under a fresh key.
    pub async fn about(&self, id: &str, what: &str, body: Option<&Value>) -> Reply {
        self.about_under(&key(), id, what, body).await
    }

    /// As [`Caller::about`], under `key`.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn about_under(
        &self,
        key: &str,
        id: &str,
        what: &str,
        body: Option<&Value>,
    ) -> Reply {
        let reply = self.try_about_under(key, id, what, body).await;
        reply.expect("the gateway answers what is done about a prescription")
    }

    /// As [`Caller::about_under`], where the gateway may die in between.
    ///
    /// # Errors
    ///
    /// Whatever became of the connection.
    pub async fn try_about_under(
        &self,
        key: &str,
        id: &str,
        what: &str,
        body: Option<&Value>,
    ) -> reqwest::Result<Reply> {
        let request = self
            .request(Method::POST, &format!("/v1/prescriptions/{id}/{what}"))
            .header("Idempotency-Key", key);
        let request = match body {
            Some(body) => request
                .header("Content-Type", "application/json")
                .body(body.to_string()),
            None => request,
        };
        answer(request).await
    }

    /// Confirms the number of a red form.
    pub async fn paper(&self, id: &str, number: &str) -> Reply {
        self.about(id, "paper", Some(&json!({ "number": number })))
            .await
    }

    /// The ids of what its prescriber must know and has not acknowledged.
    pub async fn unacknowledged(&self) -> Vec<String> {
        let reply = self.get("/v1/prescriptions?unacknowledged=true").await;
        let items = reply.expect(200).at("/items");
        let items = items.as_array().cloned().unwrap_or_default();
        let id = |item: &Value| item["id"].as_str().unwrap_or_default().to_owned();
        items.iter().map(id).collect()
    }
}
