//! A backup that is not what was made, or not for here, is refused by name; nothing is touched.

use std::fs;
use std::path::Path;

use store::backup::RestoreError;
use store::sqlite::OpenError;

use super::{DATABASE, MANIFEST, STAGING, Site, files, with_numbers};
use crate::world::{accept, entry};

/// A backup with every kind of file, its store gone.
async fn burnt() -> Site {
    let site = Site::new();
    let store = site.open();
    with_numbers(&store).await;
    accept(&store, entry("k")).await;
    store.close().await;
    site.lay_beside();
    site.make();
    site.burn();
    site
}

/// Refuses, names `file`, and leaves at most a guard that says nothing.
fn refuses(site: &Site, file: &str) -> RestoreError {
    let refused = site.try_restore(1).expect_err(file);
    assert!(refused.to_string().contains(file), "{file}: {refused}");
    if site.store().exists() {
        assert_eq!(files(&site.store()), ["entries.guard"], "{refused}");
        assert!(!site.store().join(STAGING).exists());
    }
    refused
}

fn flip(file: &Path, at: usize) {
    let mut bytes = fs::read(file).unwrap();
    bytes[at] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[tokio::test]
async fn fault_60_a_byte_that_changed_is_found_and_its_file_named() {
    let site = burnt().await;
    for name in files(&site.copy()) {
        let path = site.copy().join(&name);
        let whole = fs::read(&path).unwrap();
        let step = (whole.len() / 40).max(1);
        for at in (0..whole.len()).step_by(step) {
            flip(&path, at);
            let refused = site.try_restore(1).expect_err(&name);
            let is_named = refused.to_string().contains(&name);
            // In a manifest the byte may be one of its format, or of the name of its key.
            let is_manifest = name == MANIFEST
                && matches!(refused, RestoreError::OtherKey | RestoreError::Newer { .. });
            assert!(is_named || is_manifest, "{name} at {at}: {refused}");
            fs::write(&path, &whole).unwrap();
        }
    }
    site.restore();
}

#[tokio::test]
async fn fault_60_what_is_cut_longer_missing_or_too_many_is_refused() {
    let site = burnt().await;
    for name in files(&site.copy()) {
        let path = site.copy().join(&name);
        let whole = fs::read(&path).unwrap();
        let longer = [whole.clone(), vec![0]].concat();
        for other in [&whole[..whole.len() - 1], &longer, b""] {
            fs::write(&path, other).unwrap();
            refuses(&site, &name);
        }
        fs::remove_file(&path).unwrap();
        let refused = refuses(&site, &name);
        let is_told_apart = match name.as_str() {
            MANIFEST => matches!(refused, RestoreError::NoBackup { .. }),
            _ => matches!(refused, RestoreError::Missing { .. }),
        };
        assert!(is_told_apart, "{refused}");
        fs::write(&path, whole).unwrap();
    }
    for extra in ["entries.db-wal", "audit/000003", "note.txt"] {
        fs::write(site.copy().join(extra), "extra").unwrap();
        let refused = refuses(&site, extra);
        assert!(matches!(refused, RestoreError::Extra { .. }), "{refused}");
        fs::remove_file(site.copy().join(extra)).unwrap();
    }
    site.restore();
}

/// A file and its digest changed together: only who has the key can do that.
#[tokio::test]
async fn fault_60_a_digest_that_was_made_to_fit_is_refused() {
    let site = burnt().await;
    let manifest = site.copy().join(MANIFEST);
    let text = fs::read_to_string(&manifest).unwrap();
    for (part, other) in [
        ("\"size_bytes\": 300000", "\"size_bytes\": 300001"),
        ("\"instance\": 1", "\"instance\": 2"),
        ("\"path\": \"keys\"", "\"path\": \"../keys\""),
        ("{\n  \"format\"", "{\n\n  \"format\""),
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
        fs::write(&manifest, text.replace(part, other)).unwrap();
        let refused = refuses(&site, MANIFEST);
        let is_changed = matches!(refused, RestoreError::ManifestChanged { .. });
        assert!(is_changed, "{part}: {refused}");
    }
}

#[tokio::test]
async fn fault_60_a_backup_of_another_key_or_a_later_release_is_refused() {
    let site = burnt().await;
    let refused = site.try_restore(2).unwrap_err();
    assert!(matches!(refused, RestoreError::OtherKey) && refused.is_misuse());
    let manifest = site.copy().join(MANIFEST);
    let text = fs::read_to_string(&manifest).unwrap();
    let later = text.replace("\"format\": 1", "\"format\": 2, \"more\": true");
    fs::write(&manifest, later).unwrap();
    let refused = site.try_restore(1).unwrap_err();
    assert!(
        matches!(refused, RestoreError::Newer { found: 2, known: 1 }),
        "{refused}"
    );
    assert!(!site.store().exists());
}

#[tokio::test]
async fn fault_60_a_store_is_never_written_over() {
    let site = burnt().await;
    for name in [
        DATABASE,
        "entries.db-wal",
        "keys",
        "persons.db",
        "audit/000001",
    ] {
        let path = site.store().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "theirs").unwrap();
        let refused = site.try_restore(1).unwrap_err();
        let is_told = matches!(refused, RestoreError::StoreThere { .. });
        assert!(is_told && refused.is_misuse(), "{name}: {refused}");
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        site.burn();
    }
    // A guard with a word in it is that of a store that was here.
    fs::create_dir(site.store()).unwrap();
    fs::write(
        site.store().join("entries.guard"),
        "argine store 1 open  \n",
    )
    .unwrap();
    let refused = site.try_restore(1).unwrap_err();
    assert!(
        matches!(refused, RestoreError::StoreThere { .. }),
        "{refused}"
    );
}

#[tokio::test]
async fn fault_60_a_store_in_use_is_not_restored_into() {
    let site = burnt().await;
    let store = site.open();
    let refused = site.try_restore(1).unwrap_err();
    let in_use = matches!(refused, RestoreError::Store(OpenError::InUse { .. }));
    assert!(in_use && refused.is_misuse(), "{refused}");
    store.close().await;
}
