//! Where durable state lives.

use std::path::PathBuf;

use super::section::Section;
use crate::files::read_bounded;

/// Hexadecimal characters of the store's key.
const KEY_DIGITS: usize = 64;

/// The store's files and its limit.
#[derive(Debug, Clone)]
pub struct StoreFiles {
    /// The directory of the database.
    pub directory: PathBuf,
    /// The master key, under which the keys of what is in it are wrapped.
    pub key_file: PathBuf,
    /// Pending entries at most.
    pub entries_max: u64,
}

impl StoreFiles {
    pub(super) fn read(section: &mut Section<'_>) -> Option<StoreFiles> {
        let directory = section.path("directory");
        if directory
            .as_ref()
            .is_some_and(|path| path.exists() && !path.is_dir())
        {
            section.refuse("directory", "must be a directory, or not there yet");
        }
        let key_file = section.secret_file("key_file", |path| {
            let bytes = zeroize::Zeroizing::new(read_bounded(path, 1 << 10)?);
            let digits = bytes.trim_ascii();
            if digits.len() == KEY_DIGITS && digits.iter().all(u8::is_ascii_hexdigit) {
                Ok(())
            } else {
                Err(format!("must hold {KEY_DIGITS} hexadecimal characters"))
            }
        });
        let entries_max = section.integer("entries_max", 1..=100_000_000);
        Some(StoreFiles {
            directory: directory?,
            key_file: key_file?,
            entries_max,
        })
    }
}
