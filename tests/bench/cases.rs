//! What is compared with what, in the order of the report. Gates and goals are the project's budgets.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::alone::Alone;
use crate::bare::Bare;
use crate::cores::Cores;
use crate::lookups::Lookups;
use crate::ours::Ours;
use crate::phase::{Sample, interleaved};
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::report::{Case, Row, Unit};

const POSTGRES: &str = "PostgreSQL single-row commits";
const REDIS: &str = "Redis XADD, appendfsync always";
const SQLITE: &str = "raw SQLite group commit";

const ACCEPT_POSTGRES: Case = Case {
    name: "durable accept over HTTP",
    unit: Unit::PerSecond,
    peer: POSTGRES,
    gate: Some(1.2),
    goal: Some(2.0),
};
const ACCEPT_REDIS: Case = Case {
    peer: REDIS,
    gate: Some(0.8),
    goal: Some(1.2),
    ..ACCEPT_POSTGRES
};
const STORE_SQLITE: Case = Case {
    name: "store alone",
    unit: Unit::PerSecond,
    peer: SQLITE,
    gate: None,
    goal: None,
};
const CPU_POSTGRES: Case = Case {
    name: "CPU per durable accept",
    unit: Unit::Cpu,
    peer: POSTGRES,
    gate: None,
    goal: None,
};
const CPU_SQLITE: Case = Case {
    peer: SQLITE,
    ..CPU_POSTGRES
};
const CPU_STORE: Case = Case {
    name: "CPU per append of the store",
    ..CPU_SQLITE
};
const LOOKUP: Case = Case {
    name: "cached lookup, plain",
    unit: Unit::Cpu,
    peer: "bare actix + moka handler",
    gate: Some(1.3),
    goal: None,
};
const LOOKUP_TLS: Case = Case {
    name: "cached lookup, TLS keep-alive",
    peer: "the bare handler over TLS",
    gate: Some(1.2),
    ..LOOKUP
};
const SETTLE: Case = Case {
    name: "accept and settle, sustained",
    unit: Unit::PerSecond,
    peer: "durable accept over HTTP",
    gate: None,
    goal: Some(0.5),
};

/// Who looks up at a time. What an operation costs is measured, not how many there can be: more would
/// only wear out the generator.
const LOOKUP_CLIENTS: usize = 8;

/// How long, how often, with how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Rounds of every pair.
    pub(crate) rounds: u32,
    /// One side's turn.
    pub(crate) phase: Duration,
    /// Before the first round; not counted.
    pub(crate) warm_up: Duration,
    /// Clients of a server, and appenders of a store.
    pub(crate) clients: usize,
    /// Persons who are looked up, in turn.
    pub(crate) persons: usize,
    /// Whether look-ups are all that is measured.
    pub(crate) lookups_only: bool,
}

/// One run over every case.
pub(crate) struct Run<'a> {
    /// How long and how often.
    pub(crate) plan: Plan,
    /// Who runs where.
    pub(crate) cores: Cores,
    /// Where everybody keeps what is durable, on one disk.
    pub(crate) directory: &'a Path,
}

impl Run<'_> {
    /// Measures every row, and how many bytes each stored.
    pub(crate) async fn rows(&self) -> io::Result<(Vec<Row>, Option<usize>)> {
        let mut ours =
            Ours::accepting(&self.fresh("accepting")?, self.plan.clients, self.cores).await?;
        ours.served.phase(self.plan.warm_up).await?;
        let row_bytes = ours.row_bytes()?;
        let mut rows = Vec::new();
        let mut cpu_rows = Vec::new();
        tell(POSTGRES);
        match Postgres::start(self.directory, self.plan.clients, row_bytes, self.cores).await {
            Ok(postgres) => {
                let (our, peer) = self.beside_postgres(&mut ours, postgres).await?;
                rows.push(ACCEPT_POSTGRES.row(&our, &peer));
                cpu_rows.push(CPU_POSTGRES.row(&our, &peer));
            }
            Err(reason) => {
                rows.push(ACCEPT_POSTGRES.skipped(&reason.to_string()));
                cpu_rows.push(CPU_POSTGRES.skipped(&reason.to_string()));
            }
        }
        tell(REDIS);
        match Redis::start(self.directory, self.plan.clients, row_bytes, self.cores).await {
            Ok(redis) => {
                let (our, peer) = self.beside_redis(&mut ours, redis).await?;
                rows.push(ACCEPT_REDIS.row(&our, &peer));
            }
            Err(reason) => rows.push(ACCEPT_REDIS.skipped(&reason.to_string())),
        }
        tell(SQLITE);
        let (store, sqlite) = self.alone(Alone::Store, row_bytes).await?;
        rows.push(STORE_SQLITE.row(&store, &sqlite));
        rows.append(&mut cpu_rows);
        let plan = self.plan;
        let beside = async |span| self.alone_once(Alone::Sqlite, row_bytes, span).await;
        let accept = async |span| ours.served.phase(span).await;
        let (our, sqlite_beside) = interleaved(plan.rounds, plan.phase, accept, beside).await?;
        rows.push(CPU_SQLITE.row(&our, &sqlite_beside));
        rows.push(CPU_STORE.row(&store, &sqlite));
        tell(SETTLE.name);
        rows.push(self.settle(&mut ours).await?);
        drop(ours);
        rows.extend(self.lookups().await?);
        Ok((rows, Some(row_bytes)))
    }

    /// What a lookup costs that is answered from memory, with all that the gateway does for it.
    pub(crate) async fn lookups(&self) -> io::Result<[Row; 2]> {
        tell(LOOKUP.peer);
        let mut lookups =
            Lookups::start(&self.fresh("lookups")?, self.plan.persons, self.cores).await?;
        let over_tls = self.lookups_beside(&lookups, true).await?;
        lookups.serve_plain().await?;
        let plain = self.lookups_beside(&lookups, false).await?;
        Ok([
            LOOKUP.row(&plain.0, &plain.1),
            LOOKUP_TLS.row(&over_tls.0, &over_tls.1),
        ])
    }

    async fn lookups_beside(
        &self,
        lookups: &Lookups,
        is_tls: bool,
    ) -> io::Result<(Vec<Sample>, Vec<Sample>)> {
        let plan = self.plan;
        let certs = is_tls.then(|| lookups.certs());
        let bare = Bare::start(self.directory, &lookups.known, certs, self.cores).await?;
        let clients = plan.clients.min(LOOKUP_CLIENTS);
        let mut ours = lookups.ours(clients).await?;
        let mut peer = lookups.beside(&bare, is_tls, clients).await?;
        ours.phase(plan.warm_up).await?;
        peer.phase(plan.warm_up).await?;
        let look_up = async |span| ours.phase(span).await;
        let answer = async |span| peer.phase(span).await;
        let samples = interleaved(plan.rounds, plan.phase, look_up, answer).await?;
        bare.stop().await?;
        Ok(samples)
    }

    async fn beside_postgres(
        &self,
        ours: &mut Ours,
        mut postgres: Postgres,
    ) -> io::Result<(Vec<Sample>, Vec<Sample>)> {
        let plan = self.plan;
        postgres.served.phase(plan.warm_up).await?;
        let accept = async |span| ours.served.phase(span).await;
        let commit = async |span| postgres.served.phase(span).await;
        let samples = interleaved(plan.rounds, plan.phase, accept, commit).await?;
        postgres.stop().await?;
        Ok(samples)
    }

    async fn beside_redis(
        &self,
        ours: &mut Ours,
        mut redis: Redis,
    ) -> io::Result<(Vec<Sample>, Vec<Sample>)> {
        let plan = self.plan;
        redis.served.phase(plan.warm_up).await?;
        let accept = async |span| ours.served.phase(span).await;
        let add = async |span| redis.served.phase(span).await;
        let samples = interleaved(plan.rounds, plan.phase, accept, add).await?;
        redis.stop().await?;
        Ok(samples)
    }

    async fn alone(&self, who: Alone, row_bytes: usize) -> io::Result<(Vec<Sample>, Vec<Sample>)> {
        let plan = self.plan;
        let store = async |span| self.alone_once(who, row_bytes, span).await;
        let sqlite = async |span| self.alone_once(Alone::Sqlite, row_bytes, span).await;
        interleaved(plan.rounds, plan.phase, store, sqlite).await
    }

    async fn alone_once(&self, who: Alone, row_bytes: usize, span: Duration) -> io::Result<Sample> {
        let appenders = (self.plan.clients, row_bytes);
        who.phase(self.directory, appenders, self.cores, span).await
    }

    async fn settle(&self, accepting: &mut Ours) -> io::Result<Row> {
        let plan = self.plan;
        let mut settling =
            Ours::settling(&self.fresh("settling")?, plan.clients, self.cores).await?;
        settling.served.phase(plan.warm_up).await?;
        let settle = async |span| settling.served.phase(span).await;
        let accept = async |span| accepting.served.phase(span).await;
        let (our, peer) = interleaved(plan.rounds, plan.phase, settle, accept).await?;
        Ok(SETTLE.row(&our, &peer))
    }

    fn fresh(&self, name: &str) -> io::Result<std::path::PathBuf> {
        let directory = self.directory.join(name);
        fs::create_dir(&directory)?;
        Ok(directory)
    }
}

fn tell(what: &str) {
    println!("measuring beside {what}");
}
