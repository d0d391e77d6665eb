//! JSON over HTTPS, with a token.

use super::{Broken, Client, Reply, cause, whole};

/// One request; a `GET` where it has no body.
pub(crate) struct JsonCall<'a> {
    pub(crate) url: &'a str,
    pub(crate) token: &'a str,
    pub(crate) body: Option<Vec<u8>>,
}

impl Client {
    /// Makes `call` and reads the answer to its end.
    pub(crate) async fn json(&self, call: JsonCall<'_>) -> Result<Reply, Broken> {
        let request = match call.body {
            None => self.http.get(call.url),
            Some(body) => self
                .http
                .post(call.url)
                .header("Content-Type", "application/json")
                .body(body),
        };
        let sent = request
            .header("Accept", "application/json")
            .header("Accept-Language", "en")
            .bearer_auth(call.token)
            .send()
            .await;
        let response = sent.map_err(|error| Broken {
            cause: cause(&error),
            // Who it is asked of says what repeating it does: nothing here depends on it.
            reached: !error.is_connect(),
        })?;
        whole(response).await
    }
}
