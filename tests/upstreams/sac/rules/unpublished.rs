//! Rules whose code is not public.
//!
//! The list of codes ("Controlli sui campi della ricetta dematerializzata") could not be read, so
//! these numbers and texts are made up, all of them from 1900 on. A caller that decides by one of
//! them decides by something that does not exist: only `tipoErrore` means anything here.

use crate::upstreams::sac::wire::Notice;

/// A rule without a public code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Made up.
    pub code: &'static str,
    text: &'static str,
}

impl Rule {
    /// The notice that this rule is broken in `row`.
    pub fn notice(self, row: usize) -> Notice {
        Notice::blocking(self.code, self.text, row)
    }

    /// The same, naming the field.
    pub fn about(self, field: &str, row: usize) -> Notice {
        Notice::blocking(self.code, &format!("{}: {field}", self.text), row)
    }
}

macro_rules! rules {
    ($($name:ident = $code:literal, $text:literal, $about:literal;)*) => {
        $(
            #[doc = $about]
            pub const $name: Rule = Rule { code: $code, text: $text };
        )*

        /// Every rule, for a test that no code is used twice.
        pub const ALL: &[Rule] = &[$($name),*];
    };
}

rules! {
    NUMBER_FORM = "1901", "NRE formalmente errato", "§5.1: fifteen characters of one form.";
    NUMBER_LOT = "1902", "NRE non appartenente a un lotto assegnato", "§4.1: numbers come from lots.";
    NUMBER_DOCTOR = "1903", "NRE di un lotto associato ad altro medico", "§4.1: a lot may be bound.";
    VALUE = "1904", "Valore non ammesso", "§4.2.1: the values of each field.";
    RESIDENCE = "1905", "provAssistito e aslAssistito vanno compilati insieme", "§4.2.1: both or none.";
    COMPILED_AT = "1906", "dataCompilazione non valida", "§4.2.1: format; nothing is written in the future.";
    PATIENT_KIND = "1907", "Codice assistito non coerente con il tipo ricetta", "§4.2.1, codiceAss.";
    FOREIGN_BLOCK = "1908", "Dati del soggetto assicurato estero mancanti o errati", "§4.2.1, foreign block.";
    SASN = "1909", "Dati SASN obbligatori", "§4.2.1: mandatory for SASN.";
    SERVICES_MAX = "1921", "Piu' di 8 prestazioni", "§4.2.1 (N.SEDUTE): at most eight services.";
    SERVICE_CODE = "1922", "Codice prestazione obbligatorio", "§4.2.1: mandatory for services.";
    DRUG_CODE = "1923", "Indicare AIC o gruppo di equivalenza", "§4.2.1: one of the two names the drug.";
    DESCRIPTION = "1924", "Descrizione obbligatoria", "§4.2.1: what the dispenser reads.";
    QUANTITY = "1925", "Quantita' non valida", "§4.2.1: at least one; one for a cycle.";
    NOT_REPLACEABLE = "1926", "Clausola di non sostituibilita' incompleta", "§4.2.1: needs AIC and a reason.";
    SESSIONS = "1927", "Numero di sedute non ammesso", "§4.2.1 (N.SEDUTE): cycles only, within bounds.";
    OTHER_KIND = "1928", "Campo non ammesso per il tipo di prescrizione", "§4.2.1: fields of one kind only.";
    PNGLA = "1929", "Classe di priorita' e tipo di accesso obbligatori", "§4.2.1: services of the plan.";
    CATALOGUE = "1930", "Codice catalogo mancante o non corrispondente", "§4.2.1 (***).";
    PERIOD = "1931", "Indicare NRE o intervallo di date", "§4.2.4: one of the two criteria.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_code_is_used_twice() {
        let codes: BTreeSet<_> = ALL.iter().map(|rule| rule.code).collect();
        assert_eq!(codes.len(), ALL.len());
    }
}
