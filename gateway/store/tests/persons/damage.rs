//! Damage done by hand: a row is gone, a file is begun anew, and nothing is taken for another value.

use rusqlite::{Connection, params};

use super::*;

/// A shelf closed in order, with answers about `persons` persons.
async fn closed(persons: u32) -> tempfile::TempDir {
    let directory = world::scratch();
    let shelf = open(directory.path());
    fill(&shelf, 0..persons, "text").await;
    shelf.close().await;
    directory
}

fn edit(directory: &Path, sql: &str) {
    let conn = Connection::open(directory.join(DATABASE)).unwrap();
    assert!(conn.execute(sql, []).unwrap() > 0);
}

fn overwrite(directory: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = directory.join(DATABASE);
    let mut content = fs::read(&path).unwrap();
    change(&mut content);
    fs::write(path, content).unwrap();
}

/// It is empty, and works.
async fn is_begun_anew(directory: &Path) {
    let shelf = open(directory);
    assert!(get(&shelf, key(0, 0)).await.is_none());
    shelf.put(answer(key(0, 0), "new", START)).await.unwrap();
    assert_eq!(body(&shelf, key(0, 0)).await.unwrap(), "new");
    shelf.close().await;
    let shelf = open(directory);
    assert_eq!(body(&shelf, key(0, 0)).await.unwrap(), "new");
    shelf.close().await;
}

#[tokio::test]
async fn under_a_wrong_key_it_is_begun_anew() {
    let directory = closed(3).await;
    let trace = sealed(directory.path(), key(0, 0));
    let mut settings = settings(directory.path(), &TestClock::new());
    settings.keys = world::ring(2);
    let shelf = Persons::open(&settings).unwrap();
    assert!(get(&shelf, key(0, 0)).await.is_none());
    assert!(!is_on_disk(directory.path(), &trace), "it is deleted");
    shelf.close().await;
    is_begun_anew(directory.path()).await;
}

#[tokio::test]
async fn a_row_that_does_not_open_is_gone_and_the_others_stay() {
    let flips = [
        // Any byte of what was sealed.
        "UPDATE answers SET sealed = CAST(substr(sealed, 1, 40) || zeroblob(8) || substr(sealed, 49) \
         AS BLOB) WHERE id = 1",
        // Its age in clear.
        "UPDATE answers SET fetched_at = fetched_at + 3600000 WHERE id = 1",
        // The value of another row.
        "UPDATE answers SET sealed = (SELECT sealed FROM answers WHERE id = 2), \
         fetched_at = (SELECT fetched_at FROM answers WHERE id = 2) WHERE id = 1",
        "UPDATE answers SET sealed = x'' WHERE id = 1",
    ];
    for flip in flips {
        let directory = closed(3).await;
        edit(directory.path(), flip);
        let shelf = open(directory.path());
        assert!(get(&shelf, key(0, 0)).await.is_none(), "{flip}");
        for person in [1, 2] {
            assert!(get(&shelf, key(person, 0)).await.is_some(), "{flip}");
        }
        shelf.close().await;
        let conn = Connection::open(directory.path().join(DATABASE)).unwrap();
        let there: i64 = conn
            .query_row(
                "SELECT count(*) FROM answers WHERE person = ?1",
                params![key(0, 0).person],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(there, 0, "it is forgotten");
    }
}

/// A row put back from a later time would seem younger: the question of another is not its own.
#[tokio::test]
async fn a_row_does_not_open_under_another_key() {
    let directory = closed(2).await;
    edit(
        directory.path(),
        "UPDATE answers SET question = x'07070707070707070707070707070707' WHERE id = 1",
    );
    let shelf = open(directory.path());
    assert!(get(&shelf, key(0, 7)).await.is_none());
    assert!(get(&shelf, key(1, 0)).await.is_some());
    shelf.close().await;
}

type Damage = (&'static str, fn(&mut Vec<u8>));

#[tokio::test]
async fn a_damaged_file_is_begun_anew() {
    let damages: [Damage; 5] = [
        ("its first page", |content| content[..100].fill(0xff)),
        ("its name", |content| content[0] ^= 1),
        ("cut short", |content| content.truncate(8_192)),
        ("cut within the header", |content| content.truncate(50)),
        ("another file", |content| {
            *content = b"minutes of the last meeting\n".repeat(500);
        }),
    ];
    for (name, damage) in damages {
        eprintln!("{name}");
        let directory = closed(50).await;
        overwrite(directory.path(), damage);
        is_begun_anew(directory.path()).await;
    }
}

#[tokio::test]
async fn a_damaged_mark_or_another_release_begins_it_anew() {
    let edits = [
        "UPDATE meta SET mark = x'00'",
        "DELETE FROM meta",
        "UPDATE meta SET key_check = x'00'",
    ];
    for sql in edits {
        let directory = closed(3).await;
        edit(directory.path(), sql);
        is_begun_anew(directory.path()).await;
    }
    for pragma in ["user_version", "application_id"] {
        let directory = closed(3).await;
        let conn = Connection::open(directory.path().join(DATABASE)).unwrap();
        conn.pragma_update(None, pragma, 99).unwrap();
        drop(conn);
        is_begun_anew(directory.path()).await;
    }
}

/// Pages that nobody has looked at yet are damaged: it is begun anew when they are met.
#[tokio::test]
async fn damage_that_is_met_later_begins_it_anew_without_a_restart() {
    for writes_first in [false, true] {
        let directory = closed(2_000).await;
        overwrite(directory.path(), |content| {
            // Behind what every start reads.
            for page in content.chunks_exact_mut(4_096).skip(3) {
                page[..16].fill(0xff);
            }
        });
        let shelf = open(directory.path());
        if writes_first {
            shelf.put(answer(key(1, 0), "new", START)).await.unwrap();
        } else {
            assert!(get(&shelf, key(0, 0)).await.is_none());
        }
        assert_eq!(shelf.purge(key(5, 0).person).await, Ok(0));
        shelf.put(answer(key(2, 0), "new", START)).await.unwrap();
        assert_eq!(body(&shelf, key(2, 0)).await.unwrap(), "new");
        shelf.close().await;
    }
}

/// Nobody writes: the reader that met the damage has said so.
#[tokio::test]
async fn damage_that_only_a_reader_meets_begins_it_anew() {
    let directory = closed(2_000).await;
    overwrite(directory.path(), |content| {
        // Behind what every start reads.
        for page in content.chunks_exact_mut(4_096).skip(3) {
            page[..16].fill(0xff);
        }
    });
    let length = || fs::metadata(directory.path().join(DATABASE)).unwrap().len();
    let damaged = length();
    let shelf = open(directory.path());
    assert!(get(&shelf, key(0, 0)).await.is_none());
    shelf.close().await;
    assert!(length() < damaged / 4, "it is begun anew");
}

/// The file cannot be opened now: nothing is kept, nothing is found, and it passes by itself.
#[tokio::test]
async fn a_file_that_cannot_be_opened_is_tried_again() {
    let directory = world::scratch();
    let blocked = directory.path().join("state");
    fs::write(&blocked, "in the way").unwrap();
    let shelf = open(&blocked);
    assert!(shelf.get(key(1, 0)).await.is_err());
    let put = || shelf.put(answer(key(1, 0), "text", START));
    assert!(put().await.is_err());
    assert!(shelf.purge(key(1, 0).person).await.is_err());
    fs::remove_file(&blocked).unwrap();
    assert_eq!(shelf.purge(key(1, 0).person).await, Ok(0));
    put().await.unwrap();
    assert!(get(&shelf, key(1, 0)).await.is_some());
    shelf.close().await;
}
