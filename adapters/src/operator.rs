//! The gateway's own resources for operators, as a command line asks for them.
//!
//! # Failure
//!
//! What broke says whether the request may have reached the gateway: a toggle that may have been set is
//! looked for before it is set again.

use std::fmt;
use std::path::PathBuf;

use crate::client::{ANSWER_MAX, Broken, Cause, Client, ClientError, JsonCall, TlsFiles};

/// How a gateway is reached, and who its operator is to it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the gateway answers: `https://`, host and port.
    pub url: String,
    /// Whom we trust (PEM).
    pub trust_file: PathBuf,
    /// Our certificate (PEM).
    pub certificate_file: PathBuf,
    /// Its key (PEM).
    pub key_file: PathBuf,
}

/// A gateway, as its operator asks it.
pub struct Operator {
    client: Client,
    url: String,
}

impl fmt::Debug for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operator").finish_non_exhaustive()
    }
}

/// An answer, whatever it says.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// No answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// Nobody there, or the connection broke.
    #[error("the gateway cannot be reached")]
    Unreachable,
    /// It is not the gateway.
    #[error("whoever answers is not vouched for by trust_file")]
    NotVouchedFor,
    /// It does not let us in.
    #[error("the gateway does not accept certificate_file")]
    NotLetIn,
    /// The request may have been acted on.
    #[error("the answer was lost: look at the list before asking again")]
    Lost,
}

impl Operator {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Which of them does not serve, and why.
    pub fn open(settings: &Settings) -> Result<Operator, ClientError> {
        let client = Client::open(&TlsFiles {
            trust: &settings.trust_file,
            certificate: &settings.certificate_file,
            key: &settings.key_file,
        })?;
        let url = settings.url.trim_end_matches('/').to_owned();
        Ok(Operator { client, url })
    }

    /// Asks for `path` under `/ops/v1`; with a body, has something done.
    ///
    /// # Errors
    ///
    /// Why there is no answer.
    pub async fn ask(
        &self,
        path: &str,
        token: &str,
        body: Option<Vec<u8>>,
    ) -> Result<Answer, Unanswered> {
        let url = format!("{}/ops/v1{path}", self.url);
        let call = JsonCall {
            url: &url,
            token: Some(token),
            body,
            answer_max: ANSWER_MAX,
        };
        match self.client.json(call).await {
            Ok(reply) => Ok(Answer {
                status: reply.status,
                body: reply.body,
            }),
            Err(broken) => Err(unanswered(broken)),
        }
    }
}

fn unanswered(broken: Broken) -> Unanswered {
    match broken.cause {
        Cause::PeerCertificate => Unanswered::NotVouchedFor,
        Cause::OwnCertificate => Unanswered::NotLetIn,
        _ if broken.reached => Unanswered::Lost,
        Cause::Connection | Cause::Timeout | Cause::TooLarge => Unanswered::Unreachable,
    }
}
