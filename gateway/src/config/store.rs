//! Where durable state lives.

use std::path::PathBuf;

use super::section::Section;
use crate::files::read_bounded;

/// Hexadecimal characters of the store's key.
const KEY_DIGITS: usize = 64;
/// Longest name of a node, as `store::audit` has room for.
const NODE_BYTES_MAX: usize = 64;

/// The store's files and its limit.
#[derive(Debug, Clone)]
pub struct StoreFiles {
    /// The directory of the database.
    pub directory: PathBuf,
    /// The master key, under which the keys of what is in it are wrapped.
    pub key_file: PathBuf,
    /// Pending entries at most.
    pub entries_max: u64,
    /// The name of this gateway, in what it stores and in the audit.
    pub node: String,
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
        let node = section.text("node");
        let is_named = (1..=NODE_BYTES_MAX).contains(&node.len())
            && node.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte)
            });
        if !is_named {
            section.refuse(
                "node",
                "must be 1 to 64 lower-case letters, digits, hyphens and dots",
            );
        }
        Some(StoreFiles {
            node,
            directory: directory?,
            key_file: key_file?,
            entries_max,
        })
    }
}
