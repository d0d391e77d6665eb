//! What is pushed to callers, as the description declares it: the receiver's side of `X-ReplyTo`.

use serde_json::{Value, json};
use utoipa::ToSchema;

/// An event as it is pushed to `X-ReplyTo`.
#[derive(ToSchema)]
#[schema(as = PushedEvent)]
#[expect(dead_code, reason = "it describes what the adapter writes")]
pub(super) struct PushedEvent {
    /// The name of this push: the same at every repetition, in the header `Idempotency-Key` too.
    #[schema(format = "uuid", max_length = 36)]
    id: String,
    /// Its place in the order of events.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_991_i64, format = Int64)]
    seq: u64,
    /// When.
    #[schema(format = DateTime, max_length = 40)]
    at: String,
    /// Whose.
    #[schema(format = "uuid", max_length = 36)]
    prescription_id: String,
    /// The state it reached.
    #[schema(max_length = 32)]
    state: String,
    /// Why, where there is a reason to give.
    #[schema(max_length = 32, nullable = false)]
    reason: Option<String>,
}

/// The callback of every request that takes `X-ReplyTo`.
pub(super) fn declared() -> Value {
    let header = |name: &str, description: &str, length_max: u32| {
        json!({
            "name": name, "in": "header", "required": true, "description": description,
            "schema": {"type": "string", "maxLength": length_max},
        })
    };
    json!({
        "event": {
            "{$request.header.X-ReplyTo}": {
                "post": {
                    "operationId": "receiveEvent",
                    "tags": ["events"],
                    "summary": "Receive an event",
                    "description": "Pushed until it is answered with 2xx, at least once, those of one \
                        prescription in order: registered, rejected, withdrawn, red-recipe, cancelled, \
                        needs-authorization, parked, conflict. Signed by the gateway (ID_AUTH_REST_02, \
                        INTEGRITY_REST_01, certificate in `x5c`) for the receiver's host as `aud`. \
                        Redirects are not followed.",
                    "parameters": [
                        header("X-Correlation-ID", "The prescription's id.", 36),
                        header("Idempotency-Key", "The name of this push.", 36),
                        header("Digest", "`SHA-256=` and the digest of the body.", 64),
                        header("Agid-JWT-Signature", "The token that signs digest and type.", 16_384),
                    ],
                    "requestBody": {
                        "required": true,
                        "content": {"application/json": {
                            "schema": {"$ref": "#/components/schemas/PushedEvent"},
                        }},
                    },
                    "responses": {
                        "200": {
                            "description": "Received.",
                            "content": {"application/json": {"schema": {
                                "type": "object",
                                "properties": {"result": {"type": "string", "enum": ["ACK"]}},
                            }}},
                        },
                    },
                },
            },
        },
    })
}
