//! The power is cut at a random moment, again and again: what was acknowledged is there afterwards.
//!
//! A process writes to a disk ([`tests::world::power`]) and acknowledges on a pipe, which no cut
//! takes. After the cut the store is opened on what the disk had taken, and held against the
//! acknowledgements. The control writes the same rows with plain SQLite: where its commits are not
//! synced, the rig must find rows missing, or it finds nothing anywhere.
//!
//! `ARGINE_POWER_CUTS` sets the number of cuts of each kind.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use store::sqlite::Sqlite;
use tests::world::power::{Cut, Disk};
use tests::world::wait::{passed, until};

use acknowledged::Acknowledged;
use found::Found;
use process::Process;

mod acknowledged;
mod control;
mod found;
mod process;
mod writer;

/// Cuts of each kind; twice as many of the store itself.
const CUTS: u32 = 4;
/// Processes of a store that die one after the other on one disk.
const LIVES: u32 = 8;
/// Of so many processes, one is cut while it still starts. Now and then it is the first on its disk.
const CUT_STARTING_EVERY: u32 = 5;
/// How long a process takes to start, roughly.
const START: Duration = Duration::from_millis(80);
/// How long it writes, at most.
const LIFE_MAX: Duration = Duration::from_millis(300);
/// How long until its first acknowledgement, at most.
const WRITES_WITHIN: Duration = Duration::from_secs(20);

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The store of the product.
    Store,
    /// The same, on a database that an operator had set to sync nothing.
    StoreAfterOperator,
    /// Plain SQLite with this `synchronous`.
    Control(&'static str),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Store => write!(f, "store"),
            Kind::StoreAfterOperator => write!(f, "store, its file set to OFF by an operator"),
            Kind::Control(synchronous) => write!(f, "control, synchronous={synchronous}"),
        }
    }
}

/// What came of the cuts of one kind.
#[derive(Debug, Default)]
struct Figures {
    cuts: u32,
    acknowledged: usize,
    lost: usize,
    /// Cuts that lost something.
    losing: u32,
}

impl Figures {
    fn add(&mut self, acknowledged: usize, lost: usize) {
        self.cuts += 1;
        self.acknowledged += acknowledged;
        self.lost += lost;
        self.losing += u32::from(lost > 0);
    }

    /// All but those cut while they started have acknowledged something.
    fn show_something(&self) -> bool {
        self.acknowledged >= self.cuts as usize / 2
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} cuts, {} acknowledged, {} lost ({} cuts lost some)",
            self.cuts, self.acknowledged, self.lost, self.losing
        )
    }
}

/// How often the power is cut: as often as was asked for, or else `otherwise`.
fn cuts(otherwise: u32) -> u32 {
    let set = std::env::var("ARGINE_POWER_CUTS").ok();
    set.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Cuts the power of `kind`; `None`, and says why, where that cannot be done here.
async fn cut(kind: Kind, cuts: u32) -> Option<Figures> {
    let lives = match kind {
        Kind::Control(_) => 1,
        Kind::Store | Kind::StoreAfterOperator => LIVES,
    };
    let mut figures = Figures::default();
    while figures.cuts < cuts {
        let disk = match Disk::make() {
            Ok(disk) => disk,
            Err(reason) if figures.cuts == 0 => {
                println!("skipped ({kind}): no power can be cut here: {reason}");
                return None;
            }
            Err(reason) => panic!("there was a disk before, now there is none: {reason}"),
        };
        let lives = lives.min(cuts - figures.cuts);
        wear_out(kind, &disk, lives, &mut figures).await;
    }
    println!("power cut, {kind}: {figures}");
    Some(figures)
}

/// Lets `lives` processes write to one disk and cuts the power of each.
async fn wear_out(kind: Kind, disk: &Disk, lives: u32, figures: &mut Figures) {
    let place = Place::on(disk);
    if kind == Kind::StoreAfterOperator {
        place.set_to_off().await;
    }
    let mut told = Acknowledged::default();
    for life in 1..=lives {
        let process = Process::start(kind, &place);
        if (figures.cuts + 1).is_multiple_of(CUT_STARTING_EVERY) {
            passed(START.mul_f64(rand::random())).await;
        } else {
            until("the process acknowledges", WRITES_WITHIN, async || {
                (process.heard() > 0).then_some(())
            })
            .await;
            passed(LIFE_MAX.mul_f64(rand::random())).await;
        }
        let (cut, lines) = process.cut(kind, disk);
        let before = told.len();
        told.add(lines);
        let copy = place.after(&cut);
        let lost = match kind {
            Kind::Store | Kind::StoreAfterOperator => {
                Found::open(&copy).await.examined(&told, life).await
            }
            Kind::Control(_) => control::lost(&copy.directory, &told),
        };
        figures.add(told.len() - before, lost);
    }
}

/// Where a store lies, and its key.
#[derive(Debug)]
struct Place {
    directory: PathBuf,
    key: PathBuf,
}

impl Place {
    const STORE: &str = "store";

    fn on(disk: &Disk) -> Place {
        let key = disk.outside().join("store.key");
        std::fs::write(&key, "5e".repeat(32)).expect("a key can be written");
        Place {
            directory: disk.path().join(Place::STORE),
            key,
        }
    }

    /// The same place, as the cut left it.
    fn after(&self, cut: &Cut) -> Place {
        Place {
            directory: cut.path().join(Place::STORE),
            key: self.key.clone(),
        }
    }

    fn open(&self) -> Sqlite {
        writer::open(&self.directory, &self.key)
    }

    /// What an operator may try: the store is made, and its database told to sync nothing.
    async fn set_to_off(&self) {
        self.open().close().await;
        let database = database(&self.directory);
        let conn = Connection::open(database).expect("an operator can open the database");
        conn.pragma_update(None, "synchronous", "OFF")
            .expect("an operator can set a pragma");
        let set: i64 = conn
            .pragma_query_value(None, "synchronous", |row| row.get(0))
            .expect("a pragma can be read");
        assert_eq!(set, 0, "the operator's own connection syncs nothing");
    }
}

fn database(directory: &Path) -> PathBuf {
    directory.join("entries.db")
}

/// Fault 12: nothing that the store acknowledged is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_12_a_power_cut_loses_nothing_acknowledged() {
    let Some(figures) = cut(Kind::Store, cuts(2 * CUTS)).await else {
        return;
    };
    assert!(figures.show_something(), "{figures}");
    assert_eq!(figures.lost, 0, "{figures}");
}

/// How a commit is synced is the store's own doing: nothing in its file can turn it off.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_12_an_operator_cannot_turn_syncing_off() {
    let Some(figures) = cut(Kind::StoreAfterOperator, cuts(CUTS)).await else {
        return;
    };
    assert!(figures.show_something(), "{figures}");
    assert_eq!(figures.lost, 0, "{figures}");
}

/// The rig tells right from wrong: only the pragma differs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_12_the_rig_sees_what_is_not_synced() {
    let Some(full) = cut(Kind::Control("FULL"), cuts(CUTS)).await else {
        return;
    };
    assert_eq!(full.lost, 0, "{full}");
    // It syncs when it folds its log: how much it loses is reported only.
    cut(Kind::Control("NORMAL"), cuts(CUTS)).await;
    let off = cut(Kind::Control("OFF"), cuts(CUTS)).await;
    let off = off.expect("a disk could be had before");
    assert!(off.lost > 0, "{off}");
}
