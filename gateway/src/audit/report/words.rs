//! The list for people: the words of records in the language of whoever reads them.

use jiff::Timestamp;

use super::{Entry, ZONE};

/// The language of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Italian, as the law speaks.
    Italian,
    /// English.
    English,
}

impl Language {
    /// The language of this tag: `it` or `en`.
    pub fn parse(tag: &str) -> Option<Language> {
        match tag {
            "it" => Some(Language::Italian),
            "en" => Some(Language::English),
            _ => None,
        }
    }

    fn pick(self, words: (&'static str, &'static str)) -> &'static str {
        match self {
            Language::Italian => words.0,
            Language::English => words.1,
        }
    }
}

/// Each word of a record that people read: Italian, then English.
const WORDS: &[(&str, (&str, &str))] = &[
    (
        "search-person",
        ("ricerca dell'assistito", "looked the person up"),
    ),
    (
        "verify-card",
        ("verifica della tessera", "verified the card"),
    ),
    (
        "break-glass",
        (
            "ricerca senza relazione, motivata",
            "looked the person up without a relation",
        ),
    ),
    (
        "write-prescription",
        ("invio di una ricetta", "wrote a prescription"),
    ),
    (
        "read-prescription",
        ("consultazione di ricette", "read prescriptions"),
    ),
    ("read-events", ("consultazione degli eventi", "read events")),
    (
        "read-reminder",
        ("consultazione del promemoria", "read the reminder"),
    ),
    (
        "cancel-prescription",
        ("annullamento di una ricetta", "cancelled a prescription"),
    ),
    (
        "confirm-paper",
        ("conferma della ricetta rossa", "confirmed the red form"),
    ),
    (
        "acknowledge-prescription",
        ("presa visione dell'esito", "took note of the outcome"),
    ),
    (
        "purge-person",
        (
            "cancellazione dei dati in memoria",
            "had what was known forgotten",
        ),
    ),
    (
        "export-audit",
        ("elenco degli accessi", "asked for this list"),
    ),
    ("asked", ("richiesto", "asked for")),
    ("done", ("eseguito", "done")),
    ("shown", ("mostrato", "shown")),
    ("shown-fresh", ("mostrato", "shown")),
    (
        "shown-stale",
        ("mostrato, non aggiornato", "shown, not up to date"),
    ),
    ("absent", ("nessun dato", "nothing found")),
    ("refused", ("rifiutato", "refused")),
    ("dry-run", ("solo provato", "only tried out")),
    ("unknown", ("esito ignoto", "outcome unknown")),
    ("emergency", ("emergenza", "emergency")),
    (
        "substitution",
        ("sostituzione del medico", "substitution of the doctor"),
    ),
    (
        "continuity-of-care",
        ("continuità assistenziale", "out-of-hours service"),
    ),
    ("practice", ("studio medico", "practice")),
    ("substitute", ("medico sostituto", "substitute")),
    ("pharmacy", ("farmacia", "pharmacy")),
    ("booking", ("centro prenotazioni", "booking centre")),
    ("portal", ("portale del cittadino", "citizens' portal")),
    ("call-centre", ("call centre", "call centre")),
    (
        "operator",
        ("operatore del gateway", "operator of the gateway"),
    ),
    ("none", ("nessuna relazione", "no relation")),
    ("listed-doctor", ("medico di famiglia", "listed doctor")),
    ("answered", ("ricerca recente", "looked up before")),
    ("broken-glass", ("accesso motivato", "stated reason")),
    ("oneself", ("l'interessato", "the person")),
    (
        "same-organization",
        ("stessa struttura", "same organisation"),
    ),
    ("prescriber", ("medico prescrittore", "prescriber")),
];

fn said(word: &str, language: Language) -> &str {
    let known = WORDS.iter().find(|(known, _)| *known == word);
    known.map_or(word, |(_, words)| language.pick(*words))
}

/// `found` as lines, oldest first.
pub(super) fn list(found: &[Entry], damaged: u64, language: Language) -> String {
    let mut lines = vec![language
        .pick((
            "data e ora | struttura | profilo | utente | operazione | motivo o relazione | esito",
            "instant | organisation | profile | user | action | reason or relation | outcome",
        ))
        .to_owned()];
    lines.extend(found.iter().map(|entry| line(entry, language)));
    if found.is_empty() {
        let none = ("Nessun accesso registrato.", "No access is recorded.");
        lines.push(language.pick(none).to_owned());
    }
    if damaged > 0 {
        let gaps = (
            "ATTENZIONE: il registro è danneggiato, l'elenco può essere incompleto.",
            "WARNING: the audit is damaged, and the list may have gaps.",
        );
        lines.push(language.pick(gaps).to_owned());
    }
    lines.join("\n") + "\n"
}

fn line(entry: &Entry, language: Language) -> String {
    let why = match (entry.reason.as_str(), entry.relation.as_str()) {
        ("", "") => "-",
        ("", relation) => said(relation, language),
        (reason, _) => said(reason, language),
    };
    let user = match (entry.user.as_str(), entry.author.as_str()) {
        ("", "") => "-",
        ("", author) => author,
        (user, _) => user,
    };
    [
        local(&entry.at).as_str(),
        &entry.organization,
        said(&entry.profile, language),
        user,
        said(&entry.action, language),
        why,
        said(&entry.outcome, language),
    ]
    .join(" | ")
}

/// The instant as a clock in Italy showed it.
fn local(at: &str) -> String {
    let zoned = at.parse::<Timestamp>().and_then(|at| at.in_tz(ZONE));
    zoned.map_or_else(
        |_| at.to_owned(),
        |zoned| zoned.strftime("%d/%m/%Y %H:%M:%S").to_string(),
    )
}
