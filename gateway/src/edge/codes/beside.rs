//! The rows of what is proved beside a caller's own token: vouchers, evidence, signatures of requests.

use policies::failure::{Fault, Outcome};

use super::Repeat::{Later, Never};
use super::table::SHORTLY;
use super::{Code, Text};

codes! {
    VOUCHER_NOT_ACCEPTED = 401 "voucher-not-accepted" Caller NotDone Never,
        "Vouchers of PDND are not accepted here", "Qui i voucher PDND non sono accettati",
        "Sign a token with the key that the organisation has registered.",
        "Firmare un token con la chiave che l'organizzazione ha comunicato.";
    VOUCHER_CLIENT = 401 "voucher-client" Caller NotDone Never,
        "The voucher is of a client that is not registered here",
        "Il voucher è di un client che qui non risulta",
        "client_id must be the one that the organisation has registered.",
        "client_id deve essere quello comunicato dall'organizzazione.";
    VOUCHER_PURPOSE = 403 "voucher-purpose" Caller NotDone Never,
        "The voucher is for a purpose that is not registered here",
        "Il voucher è per una finalità che qui non risulta",
        "purposeId must be one of those that the organisation has registered.",
        "purposeId deve essere tra quelli comunicati dall'organizzazione.";
    VOUCHER_STATEMENT = 401 "voucher-statement" Caller NotDone Never,
        "Nothing says what the caller acts as", "Nulla indica il profilo di chi chiama",
        "Under a voucher, Agid-JWT-TrackingEvidence (or, without it, Agid-JWT-Signature) must carry the \
         claim profile, and prescriber_authn where a prescriber acts.",
        "Con un voucher, Agid-JWT-TrackingEvidence (o, se manca, Agid-JWT-Signature) deve contenere il \
         claim profile, e prescriber_authn quando agisce un medico.";
    PDND_KEY_UNKNOWN = 401 "pdnd-key-unknown" Caller NotDone Later(SHORTLY),
        "PDND holds no such key of this client", "PDND non ha questa chiave per questo client",
        "kid must name a key of the client of the voucher. One that was registered a moment ago is asked \
         for again after Retry-After.",
        "kid deve indicare una chiave del client del voucher. Una chiave appena caricata viene chiesta \
         di nuovo dopo Retry-After.";
    TRACKING_MISSING = 403 "tracking-missing" Caller NotDone Never,
        "The request does not say who asked", "La richiesta non indica chi l'ha fatta",
        "Send Agid-JWT-TrackingEvidence (AUDIT_REST_01), signed by the organisation.",
        "Inviare Agid-JWT-TrackingEvidence (AUDIT_REST_01), firmato dall'organizzazione.";
    TRACKING_INVALID = 401 "tracking-invalid" Caller NotDone Never,
        "The evidence of who asked cannot be used",
        "L'evidenza di chi ha fatto la richiesta non è utilizzabile",
        "The error names the rule. Required: iss, aud, iat, exp, jti, userID, userLocation, LoA.",
        "L'errore indica la regola. Obbligatori: iss, aud, iat, exp, jti, userID, userLocation, LoA.";
    INTEGRITY_MISSING = 403 "integrity-missing" Caller NotDone Never,
        "The request is not signed", "La richiesta non è firmata",
        "Send Digest and Agid-JWT-Signature (INTEGRITY_REST_01), which this organisation has agreed to.",
        "Inviare Digest e Agid-JWT-Signature (INTEGRITY_REST_01), come concordato per questa \
         organizzazione.";
    INTEGRITY_SIGNATURE = 401 "integrity-signature" Caller NotDone Never,
        "The signature of the request cannot be used",
        "La firma della richiesta non è utilizzabile",
        "The error names the rule. Required: aud, iat, exp, signed_headers.",
        "L'errore indica la regola. Obbligatori: aud, iat, exp, signed_headers.";
    INTEGRITY_DIGEST = 400 "integrity-digest" Caller NotDone Never,
        "The body is not the one that was signed", "Il corpo non è quello firmato",
        "Digest must be SHA-256= and the digest of the body as it is sent, in base64.",
        "Digest deve essere SHA-256= e il digest del corpo così come inviato, in base64.";
    INTEGRITY_HEADER = 400 "integrity-header" Caller NotDone Never,
        "A header is not the one that was signed", "Un header non è quello firmato",
        "The error names the header. Something between the caller and here may change it.",
        "L'errore indica l'header. Qualcosa tra il chiamante e qui potrebbe modificarlo.";
    PDND_UNAVAILABLE = 503 "pdnd-unavailable" Upstream NotDone Later(SHORTLY),
        "PDND does not answer, and the key of this request was not known before",
        "PDND non risponde e la chiave di questa richiesta non era già nota",
        "Repeat after Retry-After. Requests under keys that are known are served meanwhile.",
        "Ripetere dopo Retry-After. Nel frattempo le richieste con chiavi già note sono servite.";
}
