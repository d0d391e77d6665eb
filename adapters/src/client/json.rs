//! JSON over HTTPS, with a token where one is asked for.

use super::{Broken, Client, Reply, cause, whole};

/// One request; a `GET` where it has no body.
pub(crate) struct JsonCall<'a> {
    pub(crate) url: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) body: Option<Vec<u8>>,
    /// Longest answer that is read.
    pub(crate) answer_max: usize,
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
        let request = request
            .header("Accept", "application/json")
            .header("Accept-Language", "en");
        let request = match call.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        let sent = request.send().await;
        let response = sent.map_err(|error| Broken {
            cause: cause(&error),
            // Who it is asked of says what repeating it does: nothing here depends on it.
            reached: !error.is_connect(),
        })?;
        whole(response, call.answer_max).await
    }
}
