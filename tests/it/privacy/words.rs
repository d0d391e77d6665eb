//! The planted words, and a search that finds them however they were written down.
//!
//! A word is looked for in any case, percent-encoded (whole, or where a URL must), in hexadecimal digits, as
//! a list of bytes (what `Debug` makes of them), and in base64 of both alphabets, wherever in the encoded text
//! it may begin.
//!
//! # Limits
//!
//! No word has fewer than [`WORD_MIN`] characters: a shorter one turns up in sealed bytes by chance.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The shortest word.
const WORD_MIN: usize = 7;
/// The shortest part of a word in base64: it loses up to three characters at either end.
const BASE64_MIN: usize = 6;
/// As many characters of a token as nothing else has by chance.
const TOKEN_PART: usize = 24;
/// By how much of its beginning a pattern is found.
const HEAD: usize = 4;
/// Spreads beginnings over the table of bits (Knuth, multiplicative hashing).
const SPREAD: u32 = 0x9e37_79b1;
const BITS: usize = 1 << 20;
const SHIFT: u32 = 12;
/// The longest pattern.
pub(super) const PATTERN_MAX: usize = 512;
/// What is shown around a leak.
const AROUND: usize = 100;

/// What was planted so far.
#[derive(Debug, Default)]
pub(super) struct Words(BTreeSet<String>);

impl Words {
    /// Plants a word.
    pub(super) fn plant(&mut self, word: &str) {
        assert!(word.len() >= WORD_MIN, "{word:?} is too short to be found");
        self.0.insert(word.to_owned());
    }

    /// Plants a token: every part of what it claims and of its signature.
    pub(super) fn plant_token(&mut self, token: &str) {
        let parts: Vec<&str> = token.split('.').collect();
        assert_eq!(parts.len(), 3, "a token has three parts");
        for part in &parts[1..] {
            for from in (0..part.len().saturating_sub(TOKEN_PART)).step_by(TOKEN_PART) {
                self.plant(&part[from..from + TOKEN_PART]);
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// What a word is looked for as.
#[derive(Debug)]
struct Pattern {
    bytes: Vec<u8>,
    word: String,
    form: &'static str,
}

/// Patterns by how they begin.
#[derive(Debug)]
struct Table {
    /// Whether anything may begin so: most places are passed over by one look.
    bits: Vec<bool>,
    heads: HashMap<[u8; HEAD], Vec<Pattern>>,
}

impl Table {
    fn of(patterns: Vec<Pattern>) -> Table {
        let mut table = Table {
            bits: vec![false; BITS],
            heads: HashMap::new(),
        };
        for pattern in patterns {
            assert!(
                pattern.bytes.len() <= PATTERN_MAX,
                "{pattern:?} is too long"
            );
            let head = head(&pattern.bytes);
            table.bits[bit(head)] = true;
            table.heads.entry(head).or_default().push(pattern);
        }
        table
    }

    /// Where any of them stands. A loop by hand: it is the whole cost of the search, unoptimised.
    fn found<'a>(&'a self, bytes: &[u8]) -> Vec<(usize, &'a Pattern)> {
        let mut found = Vec::new();
        let mut key = 0_u32;
        let mut next = 0;
        while next < bytes.len() {
            key = key >> 8 | u32::from(bytes[next]) << 24;
            next += 1;
            if next < HEAD || !self.bits[(key.wrapping_mul(SPREAD) >> SHIFT) as usize] {
                continue;
            }
            let at = next - HEAD;
            let patterns = self.heads.get(&key.to_le_bytes()).into_iter().flatten();
            let is_here = |pattern: &&Pattern| bytes[at..].starts_with(&pattern.bytes);
            found.extend(patterns.filter(is_here).map(|pattern| (at, pattern)));
        }
        found
    }
}

fn head(bytes: &[u8]) -> [u8; HEAD] {
    [bytes[0], bytes[1], bytes[2], bytes[3]]
}

fn bit(head: [u8; HEAD]) -> usize {
    (u32::from_le_bytes(head).wrapping_mul(SPREAD) >> SHIFT) as usize
}

/// Everything that is looked for.
#[derive(Debug)]
pub(super) struct Search {
    /// In upper case, in what was put into upper case.
    folded: Table,
    /// As it stands.
    exact: Table,
}

impl Search {
    /// For these words in every form.
    pub(super) fn of(words: &Words) -> Search {
        let (mut folded, mut exact) = (Vec::new(), Vec::new());
        for word in &words.0 {
            let pattern = |bytes: Vec<u8>, form| Pattern {
                bytes,
                word: word.clone(),
                form,
            };
            for (form, text) in readable(word) {
                folded.push(pattern(text.to_uppercase().into_bytes(), form));
            }
            for text in [word.clone(), word.to_lowercase(), word.to_uppercase()] {
                for part in base64(text.as_bytes()) {
                    exact.push(pattern(part.into_bytes(), "base64"));
                }
                let list = format!("{:?}", text.as_bytes());
                exact.push(pattern(list[1..list.len() - 1].into(), "bytes"));
                let list = list.replace(' ', "");
                exact.push(pattern(list[1..list.len() - 1].into(), "bytes"));
                folded.push(pattern(hex(&text, "").into_bytes(), "hex"));
                folded.push(pattern(hex(&text, "%").into_bytes(), "percent"));
            }
        }
        Search {
            folded: Table::of(folded),
            exact: Table::of(exact),
        }
    }

    /// The words in `bytes`, each once in each form, with what stands around it.
    pub(super) fn leaks(&self, bytes: &[u8]) -> Vec<String> {
        let upper = bytes.to_ascii_uppercase();
        let mut seen = BTreeSet::new();
        let found = [self.folded.found(&upper), self.exact.found(bytes)];
        found
            .into_iter()
            .flatten()
            .filter(|(_, pattern)| seen.insert((&pattern.word, pattern.form)))
            .map(|(at, pattern)| {
                let until = (at + pattern.bytes.len() + AROUND).min(bytes.len());
                let around = String::from_utf8_lossy(&bytes[at.saturating_sub(AROUND)..until]);
                format!("{:?} ({}): …{around}…", pattern.word, pattern.form)
            })
            .collect()
    }
}

/// The forms in which case does not matter.
fn readable(word: &str) -> Vec<(&'static str, String)> {
    let mut forms = vec![("clear", word.to_owned())];
    let escaped = |space: &str| {
        let escape = |c: char| match c {
            ' ' => space.to_owned(),
            c if c.is_ascii_alphanumeric() || "-._~".contains(c) => c.to_string(),
            c => hex(&c.to_string(), "%"),
        };
        word.chars().map(escape).collect::<String>()
    };
    for text in [escaped("%20"), escaped("+")] {
        if text != word {
            forms.push(("percent", text));
        }
    }
    forms
}

fn hex(text: &str, before: &str) -> String {
    text.bytes().fold(String::new(), |mut hex, byte| {
        write!(hex, "{before}{byte:02X}").expect("a string takes all");
        hex
    })
}

/// What every base64 text has in it that encodes these bytes at some place: the characters that do not
/// depend on what stands before and behind.
fn base64(bytes: &[u8]) -> Vec<String> {
    let mut parts = BTreeSet::new();
    for before in 0..3 {
        let padded = [&[0; 2][..before], bytes].concat();
        let from = (before * 8).div_ceil(6);
        let until = padded.len() * 8 / 6;
        for text in [
            STANDARD_NO_PAD.encode(&padded),
            URL_SAFE_NO_PAD.encode(&padded),
        ] {
            let part = text[from..until].to_owned();
            assert!(
                part.len() >= BASE64_MIN,
                "{part:?} may stand there by chance"
            );
            parts.insert(part);
        }
    }
    parts.into_iter().collect()
}

#[test]
fn a_word_is_found_in_every_form() {
    let mut words = Words::default();
    words.plant("Via dei Pioppi, 1");
    words.plant("RSSMRA80A01H501U");
    words.plant_token(&format!(
        "{}.{}.{}",
        "h".repeat(30),
        "c".repeat(60),
        "s".repeat(60)
    ));
    let search = Search::of(&words);
    let forms = [
        ("clear", "xxVIA dei PIOPPI, 1".to_owned()),
        ("clear", "rssmra80a01h501u".to_owned()),
        ("clear", "c".repeat(24)),
        ("percent", "?q=via%20dei%20pioppi%2c%201".to_owned()),
        ("percent", "via+dei+pioppi%2C+1".to_owned()),
        ("percent", hex("RSSMRA80A01H501U", "%")),
        ("hex", hex("rssmra80a01h501u", "").to_lowercase()),
        ("bytes", format!("{:?}", "RSSMRA80A01H501U".as_bytes())),
        ("base64", URL_SAFE_NO_PAD.encode("RSSMRA80A01H501U")),
        (
            "base64",
            STANDARD_NO_PAD.encode("{\"sub\":\"rssmra80a01h501u\"}"),
        ),
        (
            "base64",
            STANDARD_NO_PAD.encode("{\"sub\": \"RSSMRA80A01H501U\"}"),
        ),
        (
            "base64",
            STANDARD_NO_PAD.encode("{\"sub\" : \"RSSMRA80A01H501U\"}"),
        ),
    ];
    for (form, text) in forms {
        let bytes = [&[0xff, 0x00], text.as_bytes(), &[0xfe]].concat();
        let leaks = search.leaks(&bytes);
        let is_of_form = |leak: &&String| leak.contains(&format!("({form})"));
        assert_eq!(
            leaks.iter().filter(is_of_form).count(),
            1,
            "{text}: {leaks:?}"
        );
    }
    for innocent in ["", "a", "via dei pioppi 1", "RSSMRA80A01H501", "sss.ccc"] {
        assert_eq!(search.leaks(innocent.as_bytes()), [""; 0]);
    }
}
