//! The rules over the rows of a prescription.

use super::Case;
use super::unpublished::{self, Rule};
use crate::upstreams::sac::schema::Fields;
use crate::upstreams::sac::wire::Notice;

/// The most services in one prescription.
pub const SERVICES_MAX: u32 = 8;

/// Services given in cycles, with the least and most sessions: those that the specification names.
pub const CYCLES: [(&str, u32, u32); 2] = [("93.11.8", 1, 10), ("93.15", 1, 4)];

/// Codes of the nomenclature with the only catalogue code that goes with them: the test
/// environment's own.
const CATALOGUE: [(&str, &str); 1] = [("99.97.2", "A099972")];

/// Fields that only one kind of prescription may fill.
const DRUGS_ONLY: [&str; 6] = [
    "codGruppoEquival",
    "descrGruppoEquival",
    "nonSost",
    "motivazNote",
    "codMotivazione",
    "notaProd",
];
const SERVICES_ONLY: [&str; 3] = ["descrTestoLiberoNote", "codCatalogoPrescr", "tipoAccesso"];

pub(super) fn examine(case: Case<'_>, notices: &mut Vec<Notice>) {
    let services = case.get("tipoPrescrizione") == "P";
    for (at, row) in case.message.rows().iter().enumerate() {
        let mut check = Check {
            row,
            number: at + 1,
            notices,
        };
        check.common();
        if services {
            check.service(case);
        } else {
            check.drug();
        }
    }
    let total: u32 = case
        .message
        .rows()
        .iter()
        .map(|row| number(row.get("quantita")))
        .sum();
    if services && total > SERVICES_MAX {
        notices.push(unpublished::SERVICES_MAX.notice(0));
    }
}

struct Check<'a> {
    row: &'a Fields,
    number: usize,
    notices: &'a mut Vec<Notice>,
}

impl Check<'_> {
    fn get(&self, name: &str) -> &str {
        self.row.get(name)
    }

    fn refuse(&mut self, rule: Rule) {
        self.notices.push(rule.notice(self.number));
    }

    fn refuse_field(&mut self, rule: Rule, field: &str) {
        self.notices.push(rule.about(field, self.number));
    }

    fn common(&mut self) {
        if number(self.get("quantita")) == 0 {
            self.refuse(unpublished::QUANTITY);
        }
        // Values of earlier versions are no longer taken.
        if !self.get("testoLibero").is_empty() {
            self.refuse_field(unpublished::VALUE, "testoLibero");
        }
        let values: [(&str, &[&str]); 3] = [
            ("nonSost", &["", "1"]),
            ("tipoAccesso", &["", "0", "1"]),
            ("prescrizione1", &["", "TV;"]),
        ];
        for (field, allowed) in values {
            if !allowed.contains(&self.get(field)) {
                self.refuse_field(unpublished::VALUE, field);
            }
        }
    }

    fn drug(&mut self) {
        self.leave_empty(&SERVICES_ONLY);
        if self.get("codProdPrest").is_empty() && self.get("codGruppoEquival").is_empty() {
            self.refuse(unpublished::DRUG_CODE);
        }
        if self.get("descrProdPrest").is_empty() && self.get("descrGruppoEquival").is_empty() {
            self.refuse(unpublished::DESCRIPTION);
        }
        let complete =
            !self.get("codProdPrest").is_empty() && !self.get("codMotivazione").is_empty();
        if self.get("nonSost") == "1" && !complete {
            self.refuse(unpublished::NOT_REPLACEABLE);
        }
        if self.row.has("numsedute") {
            self.refuse(unpublished::SESSIONS);
        }
    }

    fn service(&mut self, case: Case<'_>) {
        self.leave_empty(&DRUGS_ONLY);
        let code = self.get("codProdPrest").to_owned();
        if code.is_empty() {
            self.refuse(unpublished::SERVICE_CODE);
        }
        if self.get("descrProdPrest").is_empty() {
            self.refuse(unpublished::DESCRIPTION);
        }
        self.sessions(&code);
        if case.live.pngla.contains(&code)
            && (case.get("classePriorita").is_empty() || self.get("tipoAccesso").is_empty())
        {
            self.refuse(unpublished::PNGLA);
        }
        let given = self.get("codCatalogoPrescr");
        let pair = CATALOGUE.iter().find(|(service, _)| *service == code);
        let mismatch = pair.is_some_and(|(_, catalogue)| *catalogue != given) && !given.is_empty();
        if mismatch || (case.live.catalogue && given.is_empty()) {
            self.refuse(unpublished::CATALOGUE);
        }
    }

    /// Cycles: quantity one, sessions within bounds. Anything else: no sessions at all.
    fn sessions(&mut self, code: &str) {
        let given = self
            .row
            .has("numsedute")
            .then(|| number(self.get("numsedute")));
        match CYCLES.iter().find(|(service, ..)| *service == code) {
            Some((_, least, most)) => {
                if number(self.get("quantita")) != 1 {
                    self.refuse(unpublished::QUANTITY);
                }
                if given.is_some_and(|given| !(*least..=*most).contains(&given)) {
                    self.refuse(unpublished::SESSIONS);
                }
            }
            None if given.is_some() => self.refuse(unpublished::SESSIONS),
            None => {}
        }
    }

    fn leave_empty(&mut self, fields: &[&str]) {
        for field in fields {
            if !self.get(field).is_empty() {
                self.refuse_field(unpublished::OTHER_KIND, field);
            }
        }
    }
}

/// The schema has seen to it that these are one digit.
fn number(text: &str) -> u32 {
    text.parse().unwrap_or(0)
}
