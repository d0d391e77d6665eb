//! Where a backup may be made, and what one that was cut off leaves to the next.

use std::fs;
use std::os::unix::fs::symlink;

use store::backup::BackupError;

use super::{DATABASE, MANIFEST, Site, UNFINISHED, files};
use crate::world::{accept, entry};

async fn closed() -> Site {
    let site = Site::new();
    let store = site.open();
    accept(&store, entry("k")).await;
    store.close().await;
    site
}

#[tokio::test]
async fn a_directory_with_something_in_it_is_left_alone() {
    let site = closed().await;
    for name in ["photo.jpg", DATABASE, "keys", MANIFEST] {
        let to = site.path(name.split('.').next().unwrap());
        fs::create_dir(&to).unwrap();
        fs::write(to.join(name), "theirs").unwrap();
        let refused = site.make_at(&to).unwrap_err();
        assert!(refused.is_misuse());
        assert!(matches!(refused, BackupError::NotEmpty { .. }), "{refused}");
        assert!(refused.to_string().contains(name), "{refused}");
        assert_eq!(files(&to), [name]);
        assert_eq!(fs::read(to.join(name)).unwrap(), b"theirs");
    }
}

#[tokio::test]
async fn a_backup_is_never_made_inside_the_store() {
    let site = closed().await;
    let link = site.path("link");
    symlink(site.store(), &link).unwrap();
    for to in [site.store(), site.store().join("copy"), link.join("copy")] {
        let before = files(&site.store());
        let refused = site.make_at(&to).unwrap_err();
        assert!(matches!(refused, BackupError::Inside { .. }), "{refused}");
        assert_eq!(files(&site.store()), before);
    }
}

#[tokio::test]
async fn without_a_store_there_is_no_backup() {
    let site = Site::new();
    let refused = site.make_at(&site.copy()).unwrap_err();
    assert!(matches!(refused, BackupError::NoStore { .. }), "{refused}");
    assert!(!site.store().exists() && !site.copy().exists());
}

/// What a killed backup has left: its mark, and some of its files.
#[tokio::test]
async fn what_was_cut_off_is_cleared_away_by_the_next() {
    let site = closed().await;
    let to = site.copy();
    fs::create_dir_all(to.join("audit/node-a")).unwrap();
    for part in [UNFINISHED, DATABASE, "entries.db-journal", "audit/node-a/1"] {
        fs::write(to.join(part), "cut off").unwrap();
    }
    site.make();
    assert_eq!(files(&to), [DATABASE, "keys", MANIFEST]);
    site.burn();
    assert_eq!(site.restore().prescriptions, 1);
}

/// Somebody's file beside it is a reason to ask first.
#[tokio::test]
async fn what_is_not_of_a_backup_is_not_cleared_away() {
    let site = closed().await;
    fs::create_dir(site.copy()).unwrap();
    for part in [UNFINISHED, DATABASE, "photo.jpg"] {
        fs::write(site.copy().join(part), "here before").unwrap();
    }
    let refused = site.make_at(&site.copy()).unwrap_err();
    assert!(matches!(refused, BackupError::NotEmpty { .. }), "{refused}");
    assert_eq!(files(&site.copy()).len(), 3);
}

#[tokio::test]
async fn two_backups_are_not_made_in_one_place() {
    let site = closed().await;
    fs::create_dir(site.copy()).unwrap();
    let mark = fs::File::create(site.copy().join(UNFINISHED)).unwrap();
    mark.try_lock().unwrap();
    let refused = site.make_at(&site.copy()).unwrap_err();
    assert!(matches!(refused, BackupError::Busy { .. }), "{refused}");
    assert_eq!(files(&site.copy()), [UNFINISHED]);
}

/// Whichever page is hit, a damaged store is called damaged, or its copy is sound: indexes are made anew.
#[tokio::test]
async fn a_backup_that_fails_leaves_the_place_as_it_was() {
    const PAGE: usize = 4_096;
    let site = closed().await;
    let whole = fs::read(site.store().join(DATABASE)).unwrap();
    let mut refused = 0;
    for page in 0..whole.len() / PAGE {
        let mut damaged = whole.clone();
        damaged[page * PAGE..(page + 1) * PAGE].fill(0xff);
        fs::write(site.store().join(DATABASE), damaged).unwrap();
        let Err(failed) = site.make_at(&site.copy()) else {
            fs::remove_dir_all(site.copy()).unwrap();
            continue;
        };
        refused += 1;
        let is_told = matches!(failed, BackupError::Damaged { .. });
        assert!(is_told && !failed.is_misuse(), "page {page}: {failed}");
        assert!(!site.copy().exists(), "it was not there before");
        fs::create_dir(site.copy()).unwrap();
        site.make_at(&site.copy()).unwrap_err();
        assert!(files(&site.copy()).is_empty());
        fs::remove_dir(site.copy()).unwrap();
    }
    assert!(refused > 5, "only {refused} pages are read");
}

/// Whoever comes second changes nothing of the first: not its mark, and not what it has finished since.
#[tokio::test]
async fn the_mark_of_another_is_not_touched() {
    let site = closed().await;
    fs::create_dir(site.copy()).unwrap();
    let path = site.copy().join(UNFINISHED);
    fs::write(&path, "a manifest that is being written").unwrap();
    let mark = fs::File::open(&path).unwrap();
    mark.try_lock().unwrap();
    let refused = site.make_at(&site.copy()).unwrap_err();
    assert!(matches!(refused, BackupError::Busy { .. }), "{refused}");
    let held = fs::read_to_string(&path).unwrap();
    assert_eq!(held, "a manifest that is being written");
}

/// Whoever may write into the place of a backup does not reach the store through it.
#[tokio::test]
async fn a_mark_that_leads_elsewhere_is_not_followed() {
    let site = closed().await;
    let database = site.store().join(DATABASE);
    let before = fs::read(&database).unwrap();
    for plant in [
        |from: &std::path::Path, to: &std::path::Path| symlink(from, to),
        |from: &std::path::Path, to: &std::path::Path| fs::hard_link(from, to),
    ] {
        fs::create_dir(site.copy()).unwrap();
        plant(&database, &site.copy().join(UNFINISHED)).unwrap();
        let refused = site.make_at(&site.copy()).unwrap_err();
        assert!(refused.to_string().contains(UNFINISHED), "{refused}");
        assert!(fs::read(&database).unwrap() == before, "it was written");
        fs::remove_dir_all(site.copy()).unwrap();
    }
}
