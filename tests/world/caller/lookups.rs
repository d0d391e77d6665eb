//! How a caller looks persons and their cards up, and how an operator has one forgotten.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Caller, Reply, answer};

impl Caller {
    /// The same caller acting as another of its profiles, with nobody authenticated at the desk.
    #[must_use]
    pub fn acting_as(mut self, profile: &str) -> Caller {
        self.profile = profile.to_owned();
        self.without_prescriber()
    }

    /// Looks a person up.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn search_person(&self, tax_code: &str) -> Reply {
        let reply = self.try_search_person(tax_code).await;
        reply.expect("the gateway answers a look-up")
    }

    /// As [`Caller::search_person`], where the gateway may die in between.
    ///
    /// # Errors
    ///
    /// Whatever became of the connection.
    pub async fn try_search_person(&self, tax_code: &str) -> reqwest::Result<Reply> {
        answer(self.person_search(&json!({ "tax_code": tax_code }))).await
    }

    /// Looks a person up without a relation, for `reason`.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn break_glass(&self, tax_code: &str, reason: &str) -> Reply {
        let query = json!({ "tax_code": tax_code, "break_glass": { "reason": reason } });
        let reply = answer(self.person_search(&query)).await;
        reply.expect("the gateway answers a look-up")
    }

    /// A look-up that has not been sent, for tests that bend or drop it.
    pub fn person_search(&self, query: &Value) -> reqwest::RequestBuilder {
        self.json("/v1/assisted-persons/search", query)
    }

    /// Verifies a health card.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn verify_card(&self, tax_code: &str, card_number: &str) -> Reply {
        let query = json!({ "tax_code": tax_code, "card_number": card_number });
        let reply = answer(self.json("/v1/health-cards/verify", &query)).await;
        reply.expect("the gateway answers a look-up")
    }

    /// Has everything forgotten that is known of a person.
    ///
    /// # Panics
    ///
    /// When no answer comes.
    pub async fn purge_person(&self, tax_code: &str) -> Reply {
        let query = json!({ "tax_code": tax_code });
        let reply = answer(self.json("/ops/v1/persons/purge", &query)).await;
        reply.expect("the gateway answers an operator")
    }

    fn json(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.request(Method::POST, path)
            .header("Content-Type", "application/json")
            .body(body.to_string())
    }
}
