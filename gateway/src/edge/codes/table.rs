//! The rows.

use std::time::Duration;

use policies::failure::{Fault, Outcome};

use super::Repeat::{Later, Never, SameKey};
use super::{Code, Text};

const SECOND: Duration = Duration::from_secs(1);
pub(super) const SHORTLY: Duration = Duration::from_secs(5);
const MINUTE: Duration = Duration::from_secs(60);

codes! {
    TOKEN_MISSING = 403 "token-missing" Caller NotDone Never,
        "The request carries no token", "La richiesta non contiene il token",
        "Send the signed token of the organisation in Authorization: Bearer.",
        "Inviare il token firmato dell'organizzazione in Authorization: Bearer.";
    TOKEN_MALFORMED = 401 "token-malformed" Caller NotDone Never,
        "The token is not a signed token", "Il token non è un token firmato",
        "Send a JWS in compact form whose header names alg, kid or x5c, and typ JWT.",
        "Inviare un JWS in forma compatta la cui intestazione indica alg, kid o x5c, e typ JWT.";
    TOKEN_SIGNATURE = 401 "token-signature" Caller NotDone Never,
        "The token is not signed by a registered key",
        "Il token non è firmato con una chiave registrata",
        "Sign with the key and the algorithm that the organisation has registered.",
        "Firmare con la chiave e l'algoritmo registrati dall'organizzazione.";
    TOKEN_CLAIMS = 401 "token-claims" Caller NotDone Never,
        "A claim is absent or not of its form", "Un claim manca o non ha la forma prevista",
        "The error names it. Required: iss, aud, iat, exp, jti, organization, profile.",
        "L'errore lo indica. Obbligatori: iss, aud, iat, exp, jti, organization, profile.";
    TOKEN_CERTIFICATE = 401 "token-certificate" Caller NotDone Never,
        "The token and the TLS certificate are not of the same caller",
        "Il token e il certificato TLS non sono dello stesso chiamante",
        "Connect with a certificate registered beside the signing key.",
        "Collegarsi con un certificato registrato insieme alla chiave di firma.";
    TOKEN_ISSUER = 401 "token-issuer" Caller NotDone Never,
        "The token speaks of another organisation", "Il token riguarda un'altra organizzazione",
        "iss and organization must be the organisation that registered the key.",
        "iss e organization devono essere l'organizzazione che ha registrato la chiave.";
    TOKEN_AUDIENCE = 401 "token-audience" Caller NotDone Never,
        "The token is meant for another service", "Il token è destinato a un altro servizio",
        "aud must name this gateway.", "aud deve indicare questo gateway.";
    TOKEN_EXPIRED = 401 "token-expired" Caller NotDone Never,
        "The token has expired", "Il token è scaduto",
        "Sign a new token.", "Firmare un nuovo token.";
    TOKEN_NOT_YET_VALID = 401 "token-not-yet-valid" Caller NotDone Never,
        "The token is not valid yet", "Il token non è ancora valido",
        "Check the clock of the system that signs.",
        "Controllare l'orologio del sistema che firma.";
    TOKEN_LIFETIME = 401 "token-lifetime" Caller NotDone Never,
        "The token lives too long", "Il token dura troppo a lungo",
        "The time from iat to exp exceeds what this gateway allows.",
        "Il tempo tra iat ed exp supera quanto consentito da questo gateway.";
    TOKEN_PROFILE = 401 "token-profile" Caller NotDone Never,
        "The token claims a profile that is not registered",
        "Il token dichiara un profilo non registrato",
        "profile must be one of those registered for the organisation.",
        "profile deve essere tra quelli registrati per l'organizzazione.";
    CERTIFICATE_REFUSED = 401 "certificate-refused" Caller NotDone Never,
        "The certificate of this connection is not accepted any more",
        "Il certificato di questa connessione non è più accettato",
        "It has ended, was revoked, or its authority is trusted no more: connect with another.",
        "È scaduto, è stato revocato o la sua autorità non è più riconosciuta: collegarsi con un altro.";
    TOKEN_ROLE = 403 "token-role" Caller NotDone Never,
        "The role in the token is not served here", "Il ruolo indicato nel token non è servito",
        "subject_role must be APR, AAS, DRS, RSA, MRP, FAR or OAM.",
        "subject_role deve essere APR, AAS, DRS, RSA, MRP, FAR o OAM.";
    TOKEN_SIGNING_CERTIFICATE = 401 "token-signing-certificate" Caller NotDone Never,
        "The signing certificate does not hold", "Il certificato di firma non è valido",
        "The error says why: over, not begun, revoked, or of no authority that is trusted here.",
        "L'errore dice perché: scaduto, non ancora valido, revocato o di un'autorità non riconosciuta.";
    TOKEN_PAIR = 401 "token-pair" Caller NotDone Never,
        "The two tokens are not of one pair", "I due token non formano una coppia",
        "Sign both with one certificate, for one person.",
        "Firmarli entrambi con lo stesso certificato, per la stessa persona.";
    FSE_SIGNATURE_MISSING = 403 "fse-signature-missing" Caller NotDone Never,
        "The request carries one token of two", "La richiesta contiene un solo token dei due",
        "Send the second one, once, in FSE-JWT-Signature.",
        "Inviare il secondo, una sola volta, in FSE-JWT-Signature.";
    BODY_ALTERED = 401 "body-altered" Caller NotDone Never,
        "The body is not the one that was signed", "Il corpo non è quello firmato",
        "Sign the SHA-256 of the bytes that are sent, and send them as they are.",
        "Firmare lo SHA-256 dei byte inviati e inviarli come sono.";
    TOKEN_REPLAYED = 401 "token-replayed" Caller NotDone Never,
        "The token was presented before", "Il token è già stato presentato",
        "Sign a new token for each request. The one that carried it first may have been served: repeat \
         a write with its Idempotency-Key.",
        "Firmare un token nuovo per ogni richiesta. La prima che lo portava può essere stata servita: \
         ripetere una scrittura con la sua Idempotency-Key.";
    SIGN_AGAIN = 401 "sign-again" Caller NotDone Later(SECOND),
        "The token was signed before the gateway started",
        "Il token è stato firmato prima dell'avvio del gateway",
        "Sign a new token and repeat the request with it, a write with its Idempotency-Key.",
        "Firmare un token nuovo e ripetere la richiesta, una scrittura con la sua Idempotency-Key.";
    TOKENS_FULL = 503 "tokens-full" Gateway NotDone Later(SHORTLY),
        "Too many tokens are remembered", "Troppi token sono in memoria",
        "Nothing was stored. Sign a new token after Retry-After; tokens that live shorter are forgotten \
         sooner.",
        "Argine non ha conservato nulla. Firmare un token nuovo dopo Retry-After; i token di durata \
         minore si dimenticano prima.";
    CITIZEN_AUTHN_MISSING = 403 "citizen-authn-missing" Caller NotDone Never,
        "The token does not say which citizen authenticated",
        "Il token non indica quale cittadino si è autenticato",
        "A portal asks with the claim citizen_authn {subject, class_ref, instant}.",
        "Un portale chiede con il claim citizen_authn {subject, class_ref, instant}.";
    CITIZEN_AUTHN_INVALID = 403 "citizen-authn-invalid" Caller NotDone Never,
        "The authentication of the citizen cannot be used",
        "L'autenticazione del cittadino non è utilizzabile",
        "citizen_authn must name the citizen, how and when, neither in the future nor too long ago.",
        "citizen_authn deve indicare il cittadino, come e quando, né nel futuro né da troppo tempo.";
    PROFILE_NOT_ALLOWED = 403 "profile-not-allowed" Caller NotDone Never,
        "This profile may not do this", "Questo profilo non può eseguire l'operazione",
        "The rules of access do not allow it: errors says what it was and who may.",
        "Le regole di accesso non lo consentono: errors dice che cosa era e chi può.";
    PRESCRIBER_AUTHN_MISSING = 403 "prescriber-authn-missing" Caller NotDone Never,
        "The token does not say which prescriber authenticated",
        "Il token non indica quale medico si è autenticato",
        "A practice writes and looks up with the claim prescriber_authn {subject, class_ref, instant, \
         locality}.",
        "Per scrivere e per cercare serve il claim prescriber_authn {subject, class_ref, instant, \
         locality}.";
    PRESCRIBER_AUTHN_INVALID = 403 "prescriber-authn-invalid" Caller NotDone Never,
        "The authentication of the prescriber cannot be used",
        "L'autenticazione del medico non è utilizzabile",
        "prescriber_authn must name the prescriber, how, when (not in the future) and where.",
        "prescriber_authn deve indicare il medico, come, quando (non nel futuro) e dove.";
    PRESCRIBER_NOT_AUTHENTICATED = 403 "prescriber-not-authenticated" Caller NotDone Never,
        "The prescription is not of the authenticated prescriber",
        "La ricetta non è del medico autenticato",
        "The prescriber, or the substitute where there is one, must be the authenticated subject.",
        "Il medico titolare, o il sostituto se c'è, deve essere il soggetto autenticato.";
    SUBSTITUTION_NOT_REGISTERED = 403 "substitution-not-registered" Caller NotDone Never,
        "The organisation may not stand in for this doctor",
        "L'organizzazione non risulta poter sostituire questo medico",
        "errors says what named the doctor. The region decides for whom an organisation may stand in.",
        "errors dice che cosa indicava il medico. La regione stabilisce chi un'organizzazione può sostituire.";
    LOOKUP_DENIED = 403 "lookup-denied" Caller NotDone Never,
        "The SAC does not show this person to this caller",
        "Il SAC non consente a questo chiamante di vedere l'assistito",
        "The SAC's notices say why. What was known here is not shown either.",
        "I messaggi del SAC dicono perché. Non viene mostrato neppure quanto era già noto.";
    KEY_MISSING = 400 "idempotency-key-missing" Caller NotDone Never,
        "The request carries no Idempotency-Key", "La richiesta non contiene Idempotency-Key",
        "Send a new key with each new write, and the same key when repeating it.",
        "Inviare una chiave nuova per ogni nuova scrittura e la stessa chiave per ripeterla.";
    KEY_INVALID = 400 "idempotency-key-invalid" Caller NotDone Never,
        "The Idempotency-Key cannot be used", "Idempotency-Key non è utilizzabile",
        "Send it once: 1 to 128 visible ASCII characters.",
        "Inviarla una volta sola: da 1 a 128 caratteri ASCII visibili.";
    JSON_MALFORMED = 400 "json-malformed" Caller NotDone Never,
        "The body is not JSON", "Il corpo non è JSON",
        "The error says at which line and column reading stopped.",
        "L'errore indica a quale riga e colonna la lettura si è interrotta.";
    JSON_STRUCTURE = 400 "json-structure" Caller NotDone Never,
        "The body does not have the form of this request",
        "Il corpo non ha la forma di questa richiesta",
        "The error names the field and the rule.", "L'errore indica il campo e la regola.";
    BODY_INTERRUPTED = 400 "body-interrupted" Caller NotDone Never,
        "The body ended early", "Il corpo si è interrotto",
        "Send it again, whole.", "Inviarlo di nuovo, intero.";
    QUERY_INVALID = 400 "query-invalid" Caller NotDone Never,
        "A query parameter cannot be used", "Un parametro della query non è utilizzabile",
        "The error names the parameter and the rule.",
        "L'errore indica il parametro e la regola.";
    BAD_REQUEST = 400 "bad-request" Caller NotDone Never,
        "The request cannot be understood", "La richiesta non è comprensibile",
        "Compare it with the description of the API.",
        "Confrontarla con la descrizione dell'API.";
    NO_SUCH_PATH = 404 "no-such-path" Caller NotDone Never,
        "There is nothing at this address", "A questo indirizzo non c'è nulla",
        "Compare it with the description of the API.",
        "Confrontarlo con la descrizione dell'API.";
    NO_SUCH_PRESCRIPTION = 404 "no-such-prescription" Caller NotDone Never,
        "There is no such prescription of this organisation",
        "Non esiste una ricetta di questa organizzazione con questo id",
        "Use the id of the Location header. Other organisations' prescriptions are not shown.",
        "Usare l'id dell'intestazione Location. Le ricette di altri non sono visibili.";
    PERSON_NOT_FOUND = 404 "person-not-found" Caller NotDone Never,
        "The SAC knows no such person", "L'assistito non risulta al SAC",
        "Check the code with the person. A new entry may take some days to reach the SAC.",
        "Verificare il codice con la persona. Una nuova iscrizione può arrivare al SAC dopo giorni.";
    CARD_NOT_FOUND = 404 "card-not-found" Caller NotDone Never,
        "The SAC knows no such person or card", "La persona o la tessera non risulta al SAC",
        "Check both numbers on the card.", "Verificare entrambi i numeri sulla tessera.";
    REMINDER_NOT_AVAILABLE = 404 "reminder-not-available" Upstream NotDone Never,
        "The SAC sent no reminder for this prescription",
        "Il SAC non ha inviato il promemoria di questa ricetta",
        "The prescription is registered; print its reminder from the national portal.",
        "La ricetta è registrata; stampare il promemoria dal portale nazionale.";
    NO_SUCH_TOGGLE = 404 "no-such-toggle" Caller NotDone Never,
        "There is no such toggle", "Non esiste un toggle per questo valore",
        "Nothing was changed. The toggles in force are listed by GET /ops/v1/toggles.",
        "Nulla è cambiato. I toggle in vigore sono elencati da GET /ops/v1/toggles.";
    METHOD_NOT_ALLOWED = 405 "method-not-allowed" Caller NotDone Never,
        "This address does not know this method", "Questo indirizzo non conosce il metodo",
        "The header Allow names those it knows.", "L'intestazione Allow indica quelli ammessi.";
    BODY_TOO_SLOW = 408 "body-too-slow" Caller NotDone Later(SECOND),
        "The body arrived too slowly", "Il corpo è arrivato troppo lentamente",
        "Nothing was stored. Send it again.",
        "Argine non ha conservato nulla. Inviarlo di nuovo.";
    NOT_REGISTERED = 409 "not-registered" Caller NotDone Never,
        "The prescription is not registered", "La ricetta non è registrata",
        "It has no code yet and may not be printed. Follow its state.",
        "Non ha ancora un codice e non può essere stampata. Seguirne lo stato.";
    NOT_CANCELLABLE = 409 "not-cancellable" Caller NotDone Never,
        "The prescription cannot be cancelled any more", "La ricetta non è più annullabile",
        "Its state says why: it was refused, withdrawn, cancelled, is being cancelled, or was \
         written on a red form.",
        "Il suo stato dice perché: rifiutata, ritirata, annullata, in annullamento o scritta su \
         ricetta rossa.";
    CANCEL_FAILED = 409 "cancel-failed" Upstream Unknown Never,
        "The cancel came to nothing", "L'annullamento non è riuscito",
        "Nothing more is sent for it. The prescription may stand at the SAC: its state says so. Cancel \
         it again with a new key, or on the national portal.",
        "Non viene più inviato. La ricetta può essere ancora valida presso il SAC: lo dice il suo \
         stato. Annullarla di nuovo con una chiave nuova, o dal portale nazionale.";
    CANCEL_NEEDS_AUTHORIZATION = 409 "cancel-needs-authorization" Caller Unknown SameKey(SHORTLY),
        "The cancel waits for its prescriber to authenticate",
        "L'annullamento attende un nuovo accesso del medico",
        "The SAC does not accept this authentication. Authenticate again (SPID, CIE, CNS) and repeat \
         the cancel with the same key.",
        "Il SAC non accetta questo accesso. Rifare l'accesso (SPID, CIE, CNS) e ripetere \
         l'annullamento con la stessa chiave.";
    CONFLICT = 409 "conflict" Upstream Unknown Never,
        "What the SAC holds is not what was sent",
        "Ciò che risulta al SAC non è ciò che è stato inviato",
        "The reason says how. Its prescriber must look at it and decide which prescription is to stand.",
        "Il motivo dice come. Il medico deve esaminarla e decidere quale ricetta è valida.";
    PAPER_NOT_EXPECTED = 409 "paper-not-expected" Caller NotDone Never,
        "No red form is expected for this prescription",
        "Per questa ricetta non è attesa una ricetta rossa",
        "Its state says why: another number was confirmed, or it is cancelled or being cancelled.",
        "Il suo stato dice perché: è confermato un altro numero, o è annullata o in annullamento.";
    NOTHING_TO_ACKNOWLEDGE = 409 "nothing-to-acknowledge" Caller NotDone Never,
        "There is nothing to acknowledge", "Non c'è nulla di cui prendere atto",
        "What waits for an acknowledgement is listed by GET /v1/prescriptions?unacknowledged=true.",
        "Ciò che attende una presa d'atto è elencato da GET /v1/prescriptions?unacknowledged=true.";
    KEY_IN_FLIGHT = 409 "key-in-flight" Caller Unknown SameKey(SECOND),
        "A request with this key is under way", "È in corso una richiesta con questa chiave",
        "It is being stored, or is at the SAC. Repeat it with the same key.",
        "Argine la sta conservando, o è presso il SAC. Ripeterla con la stessa chiave.";
    BODY_TOO_LARGE = 413 "body-too-large" Caller NotDone Never,
        "The body is too large", "Il corpo è troppo grande",
        "The description of the API states the limit.",
        "La descrizione dell'API indica il limite.";
    MEDIA_TYPE = 415 "media-type" Caller NotDone Never,
        "The body is of another media type", "Il corpo è di un altro tipo",
        "Send application/json in UTF-8, without content encoding.",
        "Inviare application/json in UTF-8, senza content encoding.";
    CONTENT_REFUSED = 422 "content-refused" Caller NotDone Never,
        "The request breaks rules", "La richiesta non rispetta le regole",
        "Nothing was stored. Every broken rule is listed with its field.",
        "Argine non ha conservato nulla. Ogni regola violata è elencata con il suo campo.";
    KEY_REUSED = 422 "key-reused" Caller NotDone Never,
        "The key was used for another request", "La chiave è stata usata per un'altra richiesta",
        "Use a new key for a new request.", "Usare una chiave nuova per una nuova richiesta.";
    NUMBER_OURS = 422 "number-ours" Caller NotDone Never,
        "The NRE belongs to a lot of the gateway", "L'NRE appartiene a un lotto del gateway",
        "Leave nre out, or send one of the prescriber's own lots.",
        "Omettere nre o inviarne uno dei lotti del medico.";
    NUMBER_USED = 422 "number-used" Caller NotDone Never,
        "The NRE was used for another prescription",
        "L'NRE è già stato usato per un'altra ricetta",
        "An NRE is used once, for ever. Send another, or leave nre out.",
        "Un NRE si usa una volta sola. Inviarne un altro o omettere nre.";
    UPSTREAM_REJECTED = 422 "upstream-rejected" Caller Rejected Never,
        "The SAC refused the prescription", "Il SAC ha rifiutato la ricetta",
        "Its notices say why. Correct it and send it with a new key.",
        "I suoi messaggi dicono perché. Correggerla e inviarla con una chiave nuova.";
    CANCEL_REFUSED = 422 "cancel-refused" Caller Rejected Never,
        "The SAC refused to cancel the prescription", "Il SAC ha rifiutato l'annullamento",
        "The SAC has not cancelled the prescription: see its state and the notices.",
        "Il SAC non ha annullato la ricetta: vedere stato e messaggi.";
    RATE_LIMITED = 429 "rate-limited" Caller NotDone Later(MINUTE),
        "The organisation has made too many requests",
        "L'organizzazione ha superato la quota di richieste",
        "Wait for Retry-After.", "Attendere Retry-After.";
    LOOKUP_LIMITED = 429 "lookup-limited" Caller NotDone Later(MINUTE),
        "The caller asks the SAC for too many persons",
        "Il chiamante cerca troppi assistiti presso il SAC",
        "Wait for Retry-After. Persons who are known here are shown all the same.",
        "Attendere Retry-After. Gli assistiti già noti vengono mostrati comunque.";
    PROBING_SLOWED = 429 "probing-slowed" Caller NotDone Later(MINUTE),
        "The organisation has asked for too many persons who are unknown",
        "L'organizzazione ha cercato troppi assistiti sconosciuti",
        "Wait for Retry-After, and check the tax codes. Persons who are known here are shown all the \
         same.",
        "Attendere Retry-After e controllare i codici fiscali. Gli assistiti già noti vengono mostrati \
         comunque.";
    INTERNAL = 500 "internal" Gateway Unknown SameKey(SHORTLY),
        "The gateway failed", "Il gateway ha avuto un errore",
        "Report the trace_id. A write may be repeated with the same key.",
        "Segnalare il trace_id. Una scrittura si può ripetere con la stessa chiave.";
    UNREADABLE = 500 "unreadable" Gateway Unknown Never,
        "What is stored cannot be read", "Quanto conservato non è leggibile",
        "Report the trace_id. The entry is kept and needs a person.",
        "Segnalare il trace_id. I dati restano conservati e richiedono un intervento.";
    BUSY = 503 "busy" Gateway NotDone Later(SECOND),
        "The gateway is busy", "Il gateway è occupato",
        "Nothing was stored. Try again after Retry-After.",
        "Argine non ha conservato nulla. Riprovare dopo Retry-After.";
    TOO_SLOW = 503 "too-slow" Gateway NotDone Later(SHORTLY),
        "The answer took too long", "La risposta ha richiesto troppo tempo",
        "Nothing was changed. Try again after Retry-After.",
        "Nulla è cambiato. Riprovare dopo Retry-After.";
    STORE_FULL = 503 "store-full" Gateway NotDone Later(MINUTE),
        "No more prescriptions can wait", "Non possono attendere altre ricette",
        "Nothing was stored. Use the paper form if the patient cannot wait.",
        "Argine non ha conservato nulla. Se il paziente non può attendere, usare la ricetta rossa.";
    AUDIT_UNAVAILABLE = 503 "audit-unavailable" Gateway NotDone Later(SHORTLY),
        "Who asks cannot be recorded", "Non è possibile annotare chi accede",
        "Nothing is shown or changed that cannot be recorded. Try again after Retry-After.",
        "Nulla è mostrato o modificato senza annotarlo. Riprovare dopo Retry-After.";
    STORE_REFUSED = 503 "store-refused" Gateway NotDone Later(MINUTE),
        "The gateway cannot store", "Argine non può conservare la richiesta",
        "Nothing was stored. Use the paper form if the patient cannot wait.",
        "Argine non ha conservato nulla. Se il paziente non può attendere, usare la ricetta rossa.";
    STORE_UNREADABLE = 503 "store-unreadable" Gateway NotDone Later(SHORTLY),
        "The gateway cannot read its store", "Argine non può leggere quanto ha conservato",
        "Nothing is lost. Try again after Retry-After.",
        "Nulla è perso. Riprovare dopo Retry-After.";
    NUMBERS_EXHAUSTED = 503 "numbers-exhausted" Upstream NotDone Later(MINUTE),
        "No NRE is left", "Non ci sono più NRE",
        "Nothing was stored. Send an NRE of the prescriber's own lot, or use the paper form.",
        "Argine non ha conservato nulla. Inviare un NRE del medico o usare la ricetta rossa.";
    LANE_DISABLED = 503 "lane-disabled" Gateway NotDone Later(MINUTE),
        "Prescriptions are switched off here", "L'invio delle ricette è disattivato",
        "Nothing was stored. Use the paper form if the patient cannot wait.",
        "Argine non ha conservato nulla. Se il paziente non può attendere, usare la ricetta rossa.";
    LOOKUP_UNAVAILABLE = 503 "lookup-unavailable" Upstream NotDone Later(SHORTLY),
        "The SAC does not answer, and nothing is known that this caller may see",
        "Il SAC non risponde e non c'è nulla di noto che questo chiamante possa vedere",
        "Try again after Retry-After.", "Riprovare dopo Retry-After.";
    LOOKUP_CLOSED = 503 "lookup-closed" Gateway NotDone Later(MINUTE),
        "Look-ups are closed by the operator, and nothing is known that this caller may see",
        "Ricerca chiusa dal gestore, e non c'è nulla di noto che questo chiamante possa vedere",
        "Try again after Retry-After.", "Riprovare dopo Retry-After.";
    LOOKUP_DISABLED = 503 "lookup-disabled" Gateway NotDone Later(MINUTE),
        "Look-ups are switched off here", "La ricerca degli assistiti è disattivata",
        "Go on with what the person shows: health card and certificates.",
        "Proseguire con quanto esibisce la persona: tessera sanitaria e attestati.";
    PURGE_UNFINISHED = 503 "purge-unfinished" Gateway Unknown Later(SHORTLY),
        "Nobody knows whether everything was forgotten",
        "Non è certo che tutto sia stato cancellato",
        "Repeat it until it is answered with 204.",
        "Ripetere finché la risposta è 204.";
    STOPPING = 503 "stopping" Gateway NotDone Later(SHORTLY),
        "The gateway is restarting", "Il gateway si sta riavviando",
        "Nothing was stored. Try again after Retry-After.",
        "Argine non ha conservato nulla. Riprovare dopo Retry-After.";
    ISSUE_RED_RECIPE = 503 "issue-red-recipe" Upstream Unknown SameKey(MINUTE),
        "The prescription is not registered at the SAC: issue a red form",
        "La ricetta non risulta registrata dal SAC: compilare la ricetta rossa",
        "Write the red form now and hand it over; then enter its number in this prescription. Do not \
         write it again as a new electronic one.",
        "Compilare ora la ricetta rossa e consegnarla; poi inserirne il numero in questa ricetta. Non \
         riscriverla come nuova ricetta elettronica.";
    TOGGLE_UNCERTAIN = 503 "toggle-uncertain" Gateway Unknown Later(SHORTLY),
        "Nobody knows whether the toggle is in force",
        "Non è certo che il toggle sia in vigore",
        "Look at GET /ops/v1/toggles before anything else: it may be in force, now or after a restart.",
        "Guardare prima di tutto GET /ops/v1/toggles: può essere in vigore, ora o dopo un riavvio.";
    OUTCOME_UNKNOWN = 503 "outcome-unknown" Gateway Unknown SameKey(SHORTLY),
        "Nobody knows whether the request was stored",
        "Non è certo che Argine abbia conservato la richiesta",
        "Repeat it with the same key before anything else, paper included.",
        "Ripeterla con la stessa chiave prima di ogni altra cosa, anche della ricetta rossa.";
}
