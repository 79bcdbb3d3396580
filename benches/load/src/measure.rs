//! Rounds of measurements, and what they come to.

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::{drive::Outcome, stack::Cpu};

/// One round of one case on one service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Round {
    /// Operations a second.
    pub(crate) rate: f64,
    /// Microseconds that half, 95 % and 99 % of the operations took at most.
    pub(crate) p50: u32,
    pub(crate) p95: u32,
    pub(crate) p99: u32,
    /// Publishes that others won against, for each accepted.
    pub(crate) lost: f64,
    /// Microseconds of CPU for each operation.
    pub(crate) server: f64,
    pub(crate) signer: f64,
    pub(crate) database: f64,
    pub(crate) generator: f64,
    /// Of how many cores this program used, on average.
    pub(crate) generator_cores: f64,
}

/// All rounds of one case on one service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) stack: String,
    pub(crate) scenario: String,
    pub(crate) clients: usize,
    pub(crate) rounds: Vec<Round>,
    /// How often the programs ended by themselves; those rounds do not count.
    #[serde(default)]
    pub(crate) crashes: u32,
    /// Why there are no more.
    pub(crate) failure: Option<String>,
}

impl Round {
    pub(crate) fn of(outcome: &Outcome) -> Self {
        let count = f64::from(u32::try_from(outcome.took.len()).unwrap_or(u32::MAX));
        let Cpu {
            server,
            signer,
            database,
            generator,
        } = outcome.cpu;
        let each = |seconds: f64| seconds * 1e6 / count;
        Self {
            rate: count / outcome.seconds,
            p50: percentile(&outcome.took, 50),
            p95: percentile(&outcome.took, 95),
            p99: percentile(&outcome.took, 99),
            lost: f64::from(outcome.lost) / count,
            server: each(server),
            signer: each(signer),
            database: each(database),
            generator: each(generator),
            generator_cores: generator / outcome.seconds,
        }
    }

    /// Microseconds of CPU of server, signer and database for each operation.
    pub(crate) fn cpu(&self) -> f64 {
        self.server + self.signer + self.database
    }
}

impl Measured {
    /// The median of each figure over all rounds.
    pub(crate) fn median(&self) -> Result<Round> {
        let of = |figure: &dyn Fn(&Round) -> f64| -> Result<f64> {
            let mut figures: Vec<f64> = self.rounds.iter().map(figure).collect();
            figures.sort_by(f64::total_cmp);
            let middle = figures.get(figures.len() / 2);
            middle.copied().context("there is no round")
        };
        let whole = |figure: &dyn Fn(&Round) -> u32| -> Result<u32> {
            let mut figures: Vec<u32> = self.rounds.iter().map(figure).collect();
            figures.sort_unstable();
            let middle = figures.get(figures.len() / 2);
            middle.copied().context("there is no round")
        };
        Ok(Round {
            rate: of(&|round| round.rate)?,
            p50: whole(&|round| round.p50)?,
            p95: whole(&|round| round.p95)?,
            p99: whole(&|round| round.p99)?,
            lost: of(&|round| round.lost)?,
            server: of(&|round| round.server)?,
            signer: of(&|round| round.signer)?,
            database: of(&|round| round.database)?,
            generator: of(&|round| round.generator)?,
            generator_cores: of(&|round| round.generator_cores)?,
        })
    }
}

/// The value that `percent` of `sorted` do not exceed.
pub(crate) fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or_default()
}
