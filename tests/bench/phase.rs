//! One stretch of load: every connection sends its next request as soon as its last is answered.

use std::io;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;

use crate::cores::{self, Cores, Processes};

/// What one phase measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Operations that were answered.
    pub(crate) operations: u64,
    /// From the first to the last answer.
    pub(crate) elapsed: Duration,
    /// Processor time of the server's processes, user and system.
    pub(crate) cpu: Duration,
    /// Share of the generator's core that nobody used; `None` where there is no generator.
    pub(crate) generator_idle: Option<f64>,
}

impl Sample {
    /// Operations per second.
    pub(crate) fn per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }

    /// The share of one core that the server used.
    pub(crate) fn busy(&self) -> f64 {
        self.cpu.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// Microseconds of processor time per operation.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.operations as f64
    }
}

/// One client of a server.
pub(crate) trait Connection {
    /// Sends one operation and waits until the server has confirmed it as durable. Whether it counts.
    async fn operate(&mut self) -> io::Result<bool>;
}

/// A server under measurement, and everybody who talks to it.
pub(crate) struct Served<C> {
    /// Its clients.
    pub(crate) connections: Vec<C>,
    /// Its processes.
    pub(crate) processes: Processes,
    /// Who runs where.
    pub(crate) cores: Cores,
}

impl<C: Connection> Served<C> {
    /// Loads the server for `span`.
    pub(crate) async fn phase(&mut self, span: Duration) -> io::Result<Sample> {
        let core = cores::times(self.cores.generator)?;
        let cpu = self.processes.cpu()?;
        let began = Instant::now();
        let end = began + span;
        let loops = self
            .connections
            .iter_mut()
            .map(|connection| drive(connection, end));
        let operations = try_join_all(loops).await?.into_iter().sum();
        let elapsed = began.elapsed();
        Ok(Sample {
            operations,
            elapsed,
            cpu: self.processes.cpu()?.saturating_sub(cpu),
            generator_idle: Some(cores::times(self.cores.generator)?.idle_since(&core)),
        })
    }
}

async fn drive(connection: &mut impl Connection, end: Instant) -> io::Result<u64> {
    let mut operations = 0;
    while Instant::now() < end {
        operations += u64::from(connection.operate().await?);
    }
    Ok(operations)
}

/// Both sides of a comparison, a round each in turn; who begins alternates.
pub(crate) async fn interleaved(
    rounds: u32,
    span: Duration,
    mut ours: impl AsyncFnMut(Duration) -> io::Result<Sample>,
    mut peer: impl AsyncFnMut(Duration) -> io::Result<Sample>,
) -> io::Result<(Vec<Sample>, Vec<Sample>)> {
    let (mut our_samples, mut peer_samples) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        if round % 2 == 0 {
            our_samples.push(ours(span).await?);
            peer_samples.push(peer(span).await?);
        } else {
            peer_samples.push(peer(span).await?);
            our_samples.push(ours(span).await?);
        }
    }
    Ok((our_samples, peer_samples))
}
