//! The services that are compared: Notary's programs and ours, each on databases of its own.

use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use harness::{Backend, Database, Pair, Placement, Routes, Sandbox, Trust};
use serde_json::json;
use tokio::runtime::Builder;

use crate::{
    client::{Connections, Target},
    process::{cpu_of, memory_of, own_cpu},
};

/// More than any measurement holds.
const CONNECTIONS: usize = 12_000;

/// Whose programs stand on which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Notary 0.7 on MariaDB.
    Notary,
    /// Ours on the same MariaDB.
    MariaDb,
    Postgres,
    Sqlite,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Notary, Self::MariaDb, Self::Postgres, Self::Sqlite];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Notary => "notary",
            Self::MariaDb => "mariadb",
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
        }
    }

    pub(crate) fn pair(self) -> Pair {
        match self {
            Self::Notary => Pair::NOTARY,
            _ => Pair::COUNTERSIGN,
        }
    }
}

/// One service.
pub(crate) struct Stack {
    pub(crate) kind: Kind,
    pub(crate) trust: Trust,
    pub(crate) database: Option<Arc<Database>>,
}

/// Seconds of CPU that each process has used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    pub(crate) server: f64,
    pub(crate) signer: f64,
    pub(crate) database: f64,
    pub(crate) generator: f64,
}

impl Stack {
    /// Starts the services of `kinds`; those on MariaDB share one server of it.
    pub(crate) fn start_all(
        sandbox: &Sandbox,
        kinds: &[Kind],
        programs: Option<&PathBuf>,
    ) -> Result<Vec<Self>> {
        let mut mariadb: Option<Arc<Database>> = None;
        kinds
            .iter()
            .map(|&kind| {
                let database = match (kind, &mariadb) {
                    (Kind::Sqlite, _) => None,
                    (Kind::Postgres, _) => Database::start(Backend::Postgres)?.map(Arc::new),
                    (_, Some(first)) => Some(Arc::new(first.beside()?)),
                    (_, None) => {
                        mariadb = start_mariadb()?.map(Arc::new);
                        mariadb.clone()
                    }
                };
                let placement = Placement {
                    name: kind.name().to_owned(),
                    database: database.clone(),
                    programs: programs.cloned(),
                    // All load comes from one address here.
                    settings: json!({"server": {
                        "key_requests_per_minute": 0,
                        "max_connections": CONNECTIONS,
                        "max_connections_per_address": CONNECTIONS,
                    }}),
                };
                Ok(Self {
                    kind,
                    trust: Trust::place(sandbox, kind.pair(), placement)?,
                    database,
                })
            })
            .collect()
    }

    pub(crate) fn target(&self) -> Result<Target> {
        Target::new(self.trust.address(), self.trust.authority())
    }

    pub(crate) fn database(&self) -> Result<&Database> {
        self.database
            .as_deref()
            .context("it has no database server")
    }

    /// What the processes of this service and this program have used so far. A database server
    /// that several services share is the work of the one that is under load.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        let database = match &self.database {
            Some(database) => cpu_of(database.process()?)?,
            None => 0.0,
        };
        Ok(Cpu {
            server: cpu_of(self.trust.server()?.id())?,
            signer: cpu_of(self.trust.signer()?.id())?,
            database,
            generator: own_cpu()?,
        })
    }

    /// KiB in memory of server and signer together: now, and the sum of what each took at most.
    pub(crate) fn memory(&self) -> Result<[u32; 2]> {
        let server = memory_of(self.trust.server()?.id())?;
        let signer = memory_of(self.trust.signer()?.id())?;
        Ok([server[0] + signer[0], server[1] + signer[1]])
    }

    /// Starts both programs again; how long it took until the server answered its first request.
    pub(crate) fn restart(&mut self) -> Result<Duration> {
        self.trust.stop();
        let started = Instant::now();
        self.trust.start_at_once()?;
        self.first_answer()?;
        Ok(started.elapsed())
    }

    /// Starts both programs again if one of them ended by itself; says whether that was so.
    pub(crate) fn revive(&mut self) -> Result<bool> {
        let is_up = self.first_answer().is_ok() && self.memory().is_ok();
        if !is_up {
            self.restart()?;
            self.settle()?;
        }
        Ok(!is_up)
    }

    /// Waits until both programs have done what they do after a start, such as the walk that looks
    /// for what is to be renewed.
    pub(crate) fn settle(&self) -> Result<()> {
        const LOOK: Duration = Duration::from_millis(300);
        const IDLE: f64 = 0.015;
        let begun = Instant::now();
        let used = || self.cpu().map(|cpu| cpu.server + cpu.signer);
        let mut before = used()?;
        while begun.elapsed() < Duration::from_mins(2) {
            thread::sleep(LOOK);
            let now = used()?;
            if now - before < IDLE {
                break;
            }
            before = now;
        }
        Ok(())
    }

    /// Starts both programs again; they reach their databases by `routes`.
    pub(crate) fn reroute(&mut self, routes: Routes) -> Result<()> {
        self.trust.reroute(routes)?;
        self.first_answer()?;
        self.settle()
    }

    fn first_answer(&self) -> Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut client = self.target()?.client(Connections::New);
        runtime.block_on(async { client.get("/v2/").await?.ok() })?;
        Ok(())
    }

    /// How many signatures the signer was asked for: as our server counts them, or as Notary's
    /// signer logs them.
    pub(crate) fn signer_calls(&self) -> Result<u64> {
        const METRIC: &str = "notary_server_signer_request_duration_seconds_count";
        if self.kind == Kind::Notary {
            let log = fs::read_to_string(&self.trust.signer()?.log)?;
            return Ok(log.matches("Sign: Signed ").count().try_into()?);
        }
        let answer = self.trust.get("/metrics")?;
        ensure!(answer.status == 200, "{answer}");
        String::from_utf8(answer.body)?
            .lines()
            .filter(|line| line.starts_with(METRIC))
            .filter_map(|line| line.rsplit(' ').next())
            .map(|count| Ok(count.parse::<u64>()?))
            .sum()
    }
}

/// A MariaDB as it is without settings; those of the tests make do with a smaller log.
fn start_mariadb() -> Result<Option<Database>> {
    let mariadb = Database::start(Backend::MariaDb)?;
    if let Some(mariadb) = &mariadb {
        mariadb.restart_with(vec!["--innodb-log-file-size=96M".to_owned()])?;
    }
    Ok(mariadb)
}

impl std::ops::Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            server: self.server - earlier.server,
            signer: self.signer - earlier.signer,
            database: self.database - earlier.database,
            generator: self.generator - earlier.generator,
        }
    }
}
