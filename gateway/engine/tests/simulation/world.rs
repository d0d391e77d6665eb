//! One seed's world: what happens to the process and to the upstream, and when.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use engine::lane::write_behind::Door;
use tokio::task::JoinSet;

use super::asks::Asks;
use super::callers;
use super::chance::Chance;
use super::disk::Disk;
use super::journal::Journal;
use super::kill::Kill;
use super::logins::Logins;
use super::options::{Options, millis, seconds};
use super::oracle;
use super::process::Process;
use super::upstream::{Far, Spell};
use super::witness::Ledger;

/// Faults off, everything must be settled within this: the longest late commit, the longest lease,
/// the longest open gate, several of the longest waits, and every entry at the slowest rate.
const DRAINED_WITHIN: Duration = seconds(1_800);

/// Everything that outlives a process.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) options: Options,
    pub(crate) journal: Arc<Journal>,
    pub(crate) disk: Arc<Disk>,
    pub(crate) far: Arc<Far>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) asks: Asks,
    pub(crate) logins: Logins,
    kill: Arc<Kill>,
    door: Mutex<Option<(Door, u64)>>,
}

/// What is done to the process or the upstream at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Blow {
    Kill,
    KillAfter(u64),
    Stop,
    Freeze(u64),
    Trouble(bool),
    Outage,
    Refusing,
    WritesHang,
    ReadsHang,
    SpellOver,
}

/// How one seed ended.
pub(crate) struct Ending {
    pub(crate) digest: u64,
    pub(crate) events: u64,
    pub(crate) entries: u64,
    pub(crate) lies: Vec<String>,
}

impl World {
    /// Lives through `seed`; `told` prints every event.
    pub(crate) async fn live(seed: u64, told: bool) -> Ending {
        let options = Options::draw(seed);
        let journal = Arc::new(Journal::new(told));
        let kill = Arc::new(Kill::new(Arc::clone(&journal)));
        let ledger = Arc::new(Ledger::default());
        let disk = Disk::new(
            seed,
            &options,
            Arc::clone(&ledger),
            Arc::clone(&journal),
            Arc::clone(&kill),
        );
        let far = Far::new(seed, &options, Arc::clone(&journal), Arc::clone(&kill));
        let world = Arc::new(World {
            seed,
            options,
            disk: Arc::new(disk),
            far: Arc::new(far),
            ledger,
            asks: Asks::new(Arc::clone(&journal)),
            logins: Logins::default(),
            journal,
            kill,
            door: Mutex::default(),
        });
        world.run().await;
        let entries = world.disk.look(|rows| rows.entries.len() as u64);
        let (digest, events, lies) = world.journal.close();
        Ending {
            digest,
            events,
            entries,
            lies,
        }
    }

    /// The way in, while there is a process, and which process it is.
    pub(crate) fn door(&self) -> Option<(Door, u64)> {
        let door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        door.clone()
    }

    fn set_door(&self, door: Option<(Door, u64)>) {
        *self.door.lock().unwrap_or_else(PoisonError::into_inner) = door;
    }

    async fn run(self: &Arc<Self>) {
        let chance = Chance::new(self.seed, "world");
        let mut life = Life {
            world: Arc::clone(self),
            chance: Chance::new(self.seed, "life"),
            process: None,
            instance: 0,
            restarts: 0,
        };
        life.begin().await;
        let mut callers = JoinSet::new();
        callers::arrive(self, &mut callers);
        for (at, blow) in self.blows(&chance) {
            life.until(at).await;
            life.suffer(blow).await;
        }
        life.until(self.options.faults_for.as_millis() as u64).await;
        self.far.spell(Spell::Fair);
        self.disk.be_fair();
        self.kill.after(None);
        life.until_all(&mut callers).await;
        oracle::drains(self, &mut life, DRAINED_WITHIN).await;
        oracle::judge(self);
        life.end().await;
    }

    /// Everything that will be done, by the time it is done.
    fn blows(&self, chance: &Chance) -> Vec<(u64, Blow)> {
        let process = &self.options.process;
        let end = self.options.faults_for.as_millis() as u64;
        let mut blows = Vec::new();
        let mut at_random = |count: u64, blow: &dyn Fn() -> Blow| {
            for _ in 0..count {
                blows.push((chance.between(0, end), blow()));
            }
        };
        at_random(process.kills, &|| Blow::Kill);
        at_random(process.kills_at_a_step, &|| {
            Blow::KillAfter(chance.between(1, 40))
        });
        at_random(process.stops, &|| Blow::Stop);
        let lease = self.options.writes[0].delivery.lease_for.as_millis() as u64;
        at_random(process.freezes, &|| {
            Blow::Freeze(chance.between(1_000, 2 * lease))
        });
        let longest = self.options.upstream.spell_max.as_millis() as u64;
        let mut lasting = |count: u64, begins: &dyn Fn() -> Blow, ends: Blow| {
            for _ in 0..count {
                let at = chance.between(0, end);
                blows.push((at, begins()));
                blows.push((at + chance.between(500, longest), ends));
            }
        };
        lasting(
            process.troubles,
            &|| Blow::Trouble(true),
            Blow::Trouble(false),
        );
        let spells = [
            Blow::Outage,
            Blow::Refusing,
            Blow::WritesHang,
            Blow::ReadsHang,
        ];
        let spell = || spells[chance.between(0, 3) as usize];
        lasting(self.options.upstream.spells, &spell, Blow::SpellOver);
        blows.retain(|(at, _)| *at < end);
        blows.sort();
        blows
    }
}

/// The process, through all its deaths.
pub(crate) struct Life {
    world: Arc<World>,
    chance: Chance,
    process: Option<Process>,
    instance: u64,
    /// While it had nothing to do.
    restarts: u32,
}

impl Life {
    async fn begin(&mut self) {
        self.instance += 1;
        self.world.kill.done();
        let process = Process::start(&self.world, self.instance).await;
        self.world
            .journal
            .note(format_args!("process {} runs", self.instance));
        let door = (process.door.clone(), self.instance);
        self.world.set_door(Some(door));
        self.process = Some(process);
    }

    /// Lives on for a while.
    pub(crate) async fn rest(&mut self, span: Duration) {
        let at = self.world.journal.now() + span;
        self.until(at.0 - 1_000_000).await;
    }

    /// Nothing happens for this long; but now and then the process is started anew meanwhile.
    pub(crate) async fn leap(&mut self, span: Duration, restarts_max: u32) {
        if self.restarts < restarts_max && self.chance.hit(0.1) {
            self.restarts += 1;
            self.die().await;
            return;
        }
        tokio::time::advance(span).await;
        self.rest(millis(1)).await;
    }

    /// Lives on until this many milliseconds after the beginning; dies meanwhile if it must.
    async fn until(&mut self, at: u64) {
        let now = self.world.journal.now().0 - 1_000_000;
        let rest = tokio::time::sleep(millis(at.saturating_sub(now)));
        tokio::pin!(rest);
        loop {
            tokio::select! {
                biased;
                () = self.world.kill.due() => {}
                () = &mut rest => return,
            }
            self.die().await;
        }
    }

    async fn until_all(&mut self, callers: &mut JoinSet<()>) {
        loop {
            tokio::select! {
                biased;
                () = self.world.kill.due() => {}
                ended = callers.join_next() => match ended {
                    None => return,
                    Some(_) => continue,
                },
            }
            self.die().await;
        }
    }

    async fn suffer(&mut self, blow: Blow) {
        self.world.journal.note(format_args!("{blow:?}"));
        let far = &self.world.far;
        match blow {
            Blow::Kill => self.die().await,
            Blow::KillAfter(steps) => self.world.kill.after(Some(steps)),
            Blow::Stop => self.stop().await,
            Blow::Freeze(span) => tokio::time::advance(millis(span)).await,
            Blow::Trouble(trouble) => self.world.disk.trouble(trouble),
            Blow::Outage => far.spell(Spell::Outage),
            Blow::Refusing => far.spell(Spell::Refusing),
            Blow::WritesHang => far.spell(Spell::WritesHang),
            Blow::ReadsHang => far.spell(Spell::ReadsHang),
            Blow::SpellOver => far.spell(Spell::Usual),
        }
    }

    async fn die(&mut self) {
        self.world.set_door(None);
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
        self.come_back().await;
    }

    async fn stop(&mut self) {
        self.world.set_door(None);
        let grace = self.chance.span(millis(100), seconds(40));
        if let Some(mut process) = self.process.take() {
            let world = Arc::clone(&self.world);
            let is_in_order = tokio::select! {
                biased;
                () = world.kill.due() => false,
                in_order = process.stop(grace) => in_order,
            };
            process.kill().await;
            world.journal.hold(
                !is_in_order || world.disk.is_wanting() || !world.disk.is_any_leased(),
                format_args!("an orderly stop left an entry leased"),
            );
        }
        self.come_back().await;
    }

    async fn come_back(&mut self) {
        self.world.kill.done();
        self.world.disk.crash();
        let down_max = self.world.options.process.down_max;
        tokio::time::sleep(self.chance.span(millis(10), down_max)).await;
        self.begin().await;
    }

    async fn end(&mut self) {
        self.world.set_door(None);
        if let Some(process) = self.process.take() {
            process.kill().await;
        }
    }
}
