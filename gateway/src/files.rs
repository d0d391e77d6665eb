//! Reading files that an operator names, and following them.

pub(crate) mod follow;

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The directory that a file is in, as its path says, and the one that this is in: it may be a link
/// that is put to another.
pub(crate) fn directories_of(path: &Path) -> impl Iterator<Item = &Path> {
    path.ancestors()
        .skip(1)
        .take(2)
        .filter(|directory| !directory.as_os_str().is_empty())
}

/// Reads a whole file of at most `bytes_max`; the error is a rule.
pub(crate) fn read_bounded(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| format!("must be readable: {error}"))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("must be readable: {error}"))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
        return Err(format!("must be at most {bytes_max} bytes long"));
    }
    Ok(bytes)
}

/// Reads a TOML file of at most `bytes_max`; the error is a rule, with its line and nothing of what
/// stands there.
pub(crate) fn read_table(path: &Path, bytes_max: u64) -> Result<toml::Table, String> {
    let text = String::from_utf8(read_bounded(path, bytes_max)?)
        .map_err(|_| "must be UTF-8 text".to_owned())?;
    parse_table(&text)
}

/// Reads a TOML text; the error is as that of [`read_table`].
pub(crate) fn parse_table(text: &str) -> Result<toml::Table, String> {
    text.parse::<toml::Table>().map_err(|error| {
        let line = error
            .span()
            .map(|span| text[..span.start].matches('\n').count() + 1);
        match line {
            Some(line) => format!("must be TOML: line {line}: {}", error.message()),
            None => format!("must be TOML: {}", error.message()),
        }
    })
}
