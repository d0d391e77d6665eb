//! The reminder (promemoria) as a PDF made by hand: one page, one font, the numbers in text.

use super::book::Prescription;

/// A PDF that opens in a reader and holds the number and the authentication code as plain text.
pub(super) fn pdf(prescription: &Prescription) -> Vec<u8> {
    let lines = [
        "SERVIZIO SANITARIO NAZIONALE".to_owned(),
        "RICETTA ELETTRONICA - PROMEMORIA PER L'ASSISTITO".to_owned(),
        format!("NRE {}", prescription.nre),
        format!(
            "CODICE AUTENTICAZIONE {}",
            prescription.codice_autenticazione
        ),
        format!("DATA {}", prescription.compiled_at),
    ];
    let mut page = String::from("BT /F1 10 Tf 14 TL 40 380 Td");
    for line in &lines {
        page.push_str(&format!(" ({}) Tj T*", escape(line)));
    }
    page.push_str(" ET");
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 421] /Contents 4 0 R /Resources << /Font \
         << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{page}\nendstream", page.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    assemble(&objects)
}

fn assemble(objects: &[String]) -> Vec<u8> {
    let mut file = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    for (at, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        file.push_str(&format!("{} 0 obj\n{object}\nendobj\n", at + 1));
    }
    let table_at = file.len();
    let count = objects.len() + 1;
    // Entries are twenty bytes each, the end of line included.
    file.push_str(&format!("xref\n0 {count}\n0000000000 65535 f \n"));
    for offset in offsets {
        file.push_str(&format!("{offset:010} 00000 n \n"));
    }
    file.push_str(&format!(
        "trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{table_at}\n%%EOF\n"
    ));
    file.into_bytes()
}

/// Within the parentheses of a PDF string; all our texts are ASCII.
fn escape(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('(', r"\(")
        .replace(')', r"\)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_of_the_table_points_at_its_object() {
        let prescription = Prescription {
            nre: "1300A4019294833".to_owned(),
            doctor: String::new(),
            substitute: String::new(),
            patient: String::new(),
            kind: "F".to_owned(),
            state: 3,
            codice_autenticazione: "300920261644168700000050622782".to_owned(),
            inserted_at: String::new(),
            compiled_at: "2026-09-30 16:44:16".to_owned(),
            content: String::new(),
            words: String::new(),
        };
        let file = String::from_utf8(pdf(&prescription)).unwrap();
        assert!(file.contains("(NRE 1300A4019294833) Tj"));
        let table_at: usize = file
            .rsplit("startxref\n")
            .next()
            .unwrap()
            .lines()
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let table: Vec<&str> = file[table_at..].lines().collect();
        assert_eq!(table[0], "xref");
        for number in 1..=5 {
            let offset: usize = table[2 + number][..10].parse().unwrap();
            assert!(
                file[offset..].starts_with(&format!("{number} 0 obj")),
                "{number}"
            );
        }
        let length: usize = file
            .split("/Length ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        let stream = file.split("stream\n").nth(1).unwrap();
        assert_eq!(&stream[length..length + 4], "\nend");
    }
}
