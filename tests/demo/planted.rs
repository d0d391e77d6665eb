//! Whether anybody of the morning can be read in what the gateway keeps on disk.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use ::tests::upstreams::sac::book::Book;
use ::tests::upstreams::sac::registry::population;
use ::tests::world::prescription::{DOCTOR, PATIENT};

/// How long a tax code is, and a longer number is not looked for whole.
const CODE: usize = 16;
/// How long an NRE is.
const NRE: usize = 15;

/// Counts the files of a store in which a person of the registry, a patient, a doctor or a number of the book
/// stands in clear, whatever its case; none if there was no file to read.
pub(crate) fn files_in_clear(store: &Path, persons: usize, book: &Book) -> Option<usize> {
    let persons = (0..persons).map(population::person);
    let held = book.prescriptions.iter();
    let named = held.flat_map(|held| [held.patient.clone(), held.doctor.clone(), held.nre.clone()]);
    let ours = [PATIENT, DOCTOR].map(str::to_owned);
    let words: HashSet<Vec<u8>> = persons
        .chain(named)
        .chain(ours)
        .map(String::into_bytes)
        .collect();
    let files = files(store);
    let is_in_clear = |file: &&PathBuf| holds_any(&fs::read(file).unwrap_or_default(), &words);
    (!files.is_empty()).then(|| files.iter().filter(is_in_clear).count())
}

fn holds_any(bytes: &[u8], words: &HashSet<Vec<u8>>) -> bool {
    let upper = bytes.to_ascii_uppercase();
    // All that is looked for is letters and digits: between other bytes nothing needs to be.
    let runs = upper.split(|byte| !byte.is_ascii_alphanumeric());
    let mut runs = runs.filter(|run| run.len() >= NRE);
    runs.any(|run| {
        let held = |length: usize| run.windows(length).any(|part| words.contains(part));
        held(CODE) || held(NRE)
    })
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(directory).into_iter().flatten().flatten();
    listed
        .map(|entry| entry.path())
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn one_code_in_one_file_is_counted() {
    let store = tempfile::tempdir().expect("a directory can be made");
    let book = Book::default();
    assert_eq!(files_in_clear(store.path(), 100, &book), None);
    let write = |name: &str, text: &str| fs::write(store.path().join(name), text);
    write("sealed", "\u{0}\u{1}nothing").expect("it can be written");
    assert_eq!(files_in_clear(store.path(), 100, &book), Some(0));
    let leak = format!("\u{1}x{}y\u{2}", population::person(99).to_lowercase());
    write("leak", &leak).expect("it can be written");
    assert_eq!(files_in_clear(store.path(), 100, &book), Some(1));
}
