//! What each operation costs in statements, round trips, commits, connections, calls of the signer
//! and allocations: counts that do not depend on the machine, so that a change that makes an
//! operation dearer fails here.
//!
//! Each operation runs several times, and the cheapest time counts: what the programs do by
//! themselves at the same moment, such as checks of health, can only add to it.

use std::{fmt, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use fixtures::Publisher;
use harness::{
    Backend, Callgrind, Database, Pair, Placement, Routes, Sandbox, Talk, Trust, Wiretap,
    pair::find_built, play_on,
};

/// The most that one operation may cost: of both programs together, over direct connections.
#[derive(Clone, Copy, Debug)]
struct Limit {
    operation: Operation,
    statements: u64,
    /// Without pings.
    round_trips: u64,
    /// On a machine so slow that a connection was idle between two operations, there may be one.
    pings: u64,
    commits: u64,
    connections: u64,
    signer_calls: u64,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// The first publish of a repository, and the two keys that it needs from the server.
    NewRepository,
    /// One of these keys.
    CreateKey,
    /// A publish of a new targets file, on top of one that this server took.
    Update,
    /// `timestamp.json`, and snapshot, targets and root by checksum, all seen before.
    WarmPull,
    /// `timestamp.json`, seen before.
    WarmTimestamp,
    /// `root.json` of a repository that does not exist, asked for before.
    Absence,
    /// A page of the changefeed.
    Changefeed,
}

/// Both programs ours, on MariaDB.
const ON_MARIADB: [Limit; 7] = [
    limit(Operation::NewRepository, [26, 26, 6, 5, 0, 1]),
    limit(Operation::CreateKey, [8, 8, 2, 1, 0, 0]),
    limit(Operation::Update, [5, 5, 2, 1, 0, 1]),
    limit(Operation::WarmPull, [1, 1, 1, 0, 0, 0]),
    limit(Operation::WarmTimestamp, [1, 1, 1, 0, 0, 0]),
    limit(Operation::Absence, [1, 1, 1, 0, 0, 0]),
    limit(Operation::Changefeed, [2, 2, 2, 0, 0, 0]),
];

/// Both programs ours, on PostgreSQL.
const ON_POSTGRES: [Limit; 7] = [
    limit(Operation::NewRepository, [26, 26, 6, 5, 0, 1]),
    limit(Operation::CreateKey, [8, 8, 2, 1, 0, 0]),
    limit(Operation::Update, [5, 5, 2, 1, 0, 1]),
    limit(Operation::WarmPull, [1, 1, 1, 0, 0, 0]),
    limit(Operation::WarmTimestamp, [1, 1, 1, 0, 0, 0]),
    limit(Operation::Absence, [1, 1, 1, 0, 0, 0]),
    limit(Operation::Changefeed, [2, 2, 2, 0, 0, 0]),
];

/// Our server with Go's signer, on MariaDB: what the Go signer says to its database counts too.
const WITH_GO_SIGNER: [Limit; 1] = [limit(Operation::Update, [11, 13, 2, 3, 0, 2])];

/// Statements, round trips, pings, commits, new connections and calls of the signer.
const fn limit(operation: Operation, most: [u64; 6]) -> Limit {
    let [
        statements,
        round_trips,
        pings,
        commits,
        connections,
        signer_calls,
    ] = most;
    Limit {
        operation,
        statements,
        round_trips,
        pings,
        commits,
        connections,
        signer_calls,
    }
}

#[test]
fn no_operation_costs_more_than_its_counts_on_mariadb() -> Result<()> {
    within(Backend::MariaDb, Pair::COUNTERSIGN, &ON_MARIADB)
}

#[test]
fn no_operation_costs_more_than_its_counts_on_postgres() -> Result<()> {
    within(Backend::Postgres, Pair::COUNTERSIGN, &ON_POSTGRES)
}

#[test]
fn an_update_costs_no_more_than_its_counts_with_a_go_signer() -> Result<()> {
    within(Backend::MariaDb, Pair::OUR_SERVER, &WITH_GO_SIGNER)
}

/// The most allocations of both programs for one operation, connections included, which curl makes
/// for each request: a tenth above what was counted on a machine so busy that what the programs do
/// by themselves came on top. A new repository derives a key from a passphrase, which takes
/// valgrind too long; `benches/instructions` counts it.
const ALLOCATIONS: [(Operation, u64); 2] =
    [(Operation::WarmPull, 2_200), (Operation::Update, 2_300)];

#[test]
fn no_operation_allocates_more_than_its_limit() -> Result<()> {
    const TIMES: usize = 4;
    play_on(Backend::Own, |sandbox| {
        let programs = find_built("notary-server")?;
        let programs = programs.parent().context("it is in a folder")?;
        let callgrind = Callgrind::wrap(&sandbox.path().join("callgrind"), programs)?;
        let placement = Placement {
            name: "trust".to_owned(),
            database: Database::start(Backend::MariaDb)?.map(Arc::new),
            programs: Some(callgrind.programs().to_owned()),
            ..Placement::default()
        };
        let trust = Trust::place(sandbox, Pair::COUNTERSIGN, placement)?;
        let processes = [trust.server()?.id(), trust.signer()?.id()];
        let mut user = User::publish(&trust)?;
        let mut exceeded = Vec::new();
        for (operation, most) in ALLOCATIONS {
            user.prepare(&trust, operation)?(&trust)?;
            let runs: Vec<Run> = (0..TIMES)
                .map(|_| user.prepare(&trust, operation))
                .collect::<Result<_>>()?;
            for process in processes {
                callgrind.begin(process)?;
            }
            for run in runs {
                run(&trust)?;
            }
            let mut allocations = 0;
            for process in processes {
                allocations += callgrind.end(process)?.allocations;
            }
            let each = allocations / u64::try_from(TIMES)?;
            println!("{operation:?}: {each} allocations");
            if each > most {
                exceeded.push(format!(
                    "{operation:?}: {each} allocations instead of {most}"
                ));
            }
        }
        ensure!(exceeded.is_empty(), "{exceeded:?}");
        Ok(())
    })
}

/// Runs the operation of every limit, and names all that are exceeded.
fn within(backend: Backend, pair: Pair, limits: &[Limit]) -> Result<()> {
    play_on(backend, |sandbox| {
        let mut counted = Counted::start(sandbox, pair)?;
        let mut exceeded = Vec::new();
        for limit in limits {
            let cost = counted.cost_of(limit.operation)?;
            println!("{:?}: {cost}", limit.operation);
            if cost.exceeds(limit) {
                exceeded.push(format!("{limit:?}, but {cost}:\n{}", cost.said.join("\n")));
            }
        }
        ensure!(exceeded.is_empty(), "{}", exceeded.join("\n\n"));
        Ok(())
    })
}

/// A service whose conversations with its databases are counted.
struct Counted {
    trust: Trust,
    server: Wiretap,
    signer: Wiretap,
    user: User,
}

/// Who runs the operations.
struct User {
    publisher: Publisher,
    made: usize,
}

/// What one operation took.
#[derive(Clone, Debug)]
struct Cost {
    server: Talk,
    signer: Talk,
    signer_calls: u64,
    said: Vec<String>,
}

impl Counted {
    /// How often an operation runs before it is counted, and how often it is counted.
    const WARMING: usize = 2;
    const TIMES: usize = 5;

    fn start(sandbox: &Sandbox, pair: Pair) -> Result<Self> {
        let mut trust = Trust::start(sandbox, pair)?;
        let server = Wiretap::before(trust.database()?)?;
        let signer = Wiretap::before(trust.database()?)?;
        trust.reroute(Routes {
            database: Some(server.address()),
            signers_database: Some(signer.address()),
            signer: None,
        })?;
        Ok(Self {
            user: User::publish(&trust)?,
            trust,
            server,
            signer,
        })
    }

    /// The cheapest of several times.
    fn cost_of(&mut self, operation: Operation) -> Result<Cost> {
        let mut costs = Vec::new();
        for time in 0..Self::WARMING + Self::TIMES {
            let cost = self.count(operation)?;
            if time >= Self::WARMING {
                costs.push(cost);
            }
        }
        costs
            .into_iter()
            .min_by_key(|cost| (cost.statements(), cost.round_trips(), cost.pings()))
            .context("it ran several times")
    }

    fn count(&mut self, operation: Operation) -> Result<Cost> {
        let run = self.user.prepare(&self.trust, operation)?;
        let calls = self.signer_calls(operation)?;
        let taps = [&self.server, &self.signer];
        for tap in taps {
            drop(tap.take_statements());
        }
        let [server, signer] = taps.map(Wiretap::talk);
        run(&self.trust)?;
        let [server, signer] = [self.server.talk() - server, self.signer.talk() - signer];
        let said = [("server", &self.server), ("signer", &self.signer)]
            .into_iter()
            .flat_map(|(who, tap)| {
                let statements = tap.take_statements().into_iter();
                statements.map(move |statement| format!("  {who}: {statement}"))
            })
            .collect();
        Ok(Cost {
            server,
            signer,
            signer_calls: self.signer_calls(operation)? - calls,
            said,
        })
    }

    /// How often the server has called its signer for signatures, as its metrics say; operations
    /// that sign nothing are not asked about.
    fn signer_calls(&self, operation: Operation) -> Result<u64> {
        const METRIC: &str = "notary_server_signer_request_duration_seconds_count";
        if !matches!(operation, Operation::Update | Operation::NewRepository) {
            return Ok(0);
        }
        let page = String::from_utf8(self.trust.get("/metrics")?.ok()?)?;
        page.lines()
            .filter(|line| line.starts_with(METRIC))
            .filter_map(|line| line.rsplit(' ').next())
            .map(|count| Ok(count.parse::<u64>()?))
            .sum()
    }
}

impl User {
    const GUN: &str = "example.com/app";

    fn publish(trust: &Trust) -> Result<Self> {
        let mut publisher = repository(trust, Self::GUN)?;
        let first = publisher.first_publish();
        trust.publish(Self::GUN, &first)?.ok()?;
        Ok(Self { publisher, made: 0 })
    }

    /// Everything that an operation needs and that is not part of it.
    fn prepare(&mut self, trust: &Trust, operation: Operation) -> Result<Run> {
        self.made += 1;
        let gun = format!("example.com/new/{}", self.made);
        Ok(match operation {
            Operation::NewRepository => Box::new(move |trust| {
                let parts = repository(trust, &gun)?.first_publish();
                trust.publish(&gun, &parts)?.ok().map(drop)
            }),
            Operation::CreateKey => {
                Box::new(move |trust| trust.metadata(&gun, "timestamp.key").map(drop))
            }
            Operation::Update => {
                let name = format!("v{}", self.made);
                self.publisher.add_target("targets", &name, name.as_bytes());
                let parts = self.publisher.next(&["targets"]);
                Box::new(move |trust| trust.publish(Self::GUN, &parts)?.ok().map(drop))
            }
            Operation::WarmPull => {
                let snapshot = trust.metadata(Self::GUN, "snapshot.json")?;
                let files = [
                    "timestamp.json".to_owned(),
                    by_checksum("snapshot", &snapshot),
                ]
                .into_iter()
                .chain(listed(trust, &snapshot)?)
                .collect::<Vec<_>>();
                Box::new(move |trust| {
                    for file in &files {
                        trust.metadata(Self::GUN, file)?;
                    }
                    Ok(())
                })
            }
            Operation::WarmTimestamp => {
                Box::new(|trust| trust.metadata(Self::GUN, "timestamp.json").map(drop))
            }
            Operation::Absence => Box::new(|trust| {
                let answer = trust.get("/v2/example.com/unsigned/_trust/tuf/root.json")?;
                ensure!(answer.status == 404, "{answer}");
                Ok(())
            }),
            Operation::Changefeed => Box::new(|trust| {
                let page = trust.get("/v2/_trust/changefeed?change_id=0&records=10")?;
                page.ok().map(drop)
            }),
        })
    }
}

/// Targets and root, as the snapshot lists them.
fn listed(trust: &Trust, snapshot: &[u8]) -> Result<Vec<String>> {
    ["targets", "root"]
        .into_iter()
        .map(|role| {
            let file = trust.metadata(User::GUN, &format!("{role}.json"))?;
            ensure!(
                fixtures::lists(snapshot, role, &file),
                "another {role} is listed"
            );
            Ok(by_checksum(role, &file))
        })
        .collect()
}

/// An operation that is ready to run.
type Run = Box<dyn FnOnce(&Trust) -> Result<()>>;

impl Cost {
    fn statements(&self) -> u64 {
        self.server.statements + self.signer.statements
    }

    fn round_trips(&self) -> u64 {
        self.server.round_trips + self.signer.round_trips - self.pings()
    }

    fn pings(&self) -> u64 {
        self.server.pings + self.signer.pings
    }

    fn commits(&self) -> u64 {
        self.server.commits + self.signer.commits
    }

    fn connections(&self) -> u64 {
        self.server.connections + self.signer.connections
    }

    fn exceeds(&self, limit: &Limit) -> bool {
        self.statements() > limit.statements
            || self.round_trips() > limit.round_trips
            || self.pings() > limit.pings
            || self.commits() > limit.commits
            || self.signer_calls > limit.signer_calls
            || self.connections() > limit.connections
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} statements, {} round trips, {} pings, {} commits, {} connections, {} calls of the \
             signer",
            self.statements(),
            self.round_trips(),
            self.pings(),
            self.commits(),
            self.connections(),
            self.signer_calls
        )
    }
}

/// A repository whose snapshot and timestamp the server signs, ready to be published.
pub(crate) fn repository(trust: &Trust, gun: &str) -> Result<Publisher> {
    let mut publisher = Publisher::new(gun);
    for role in ["timestamp", "snapshot"] {
        let key = trust.metadata(gun, &format!("{role}.key"))?;
        publisher = publisher.with_server_key_document(role, &key);
    }
    Ok(publisher)
}

fn by_checksum(role: &str, file: &[u8]) -> String {
    let sum = ring::digest::digest(&ring::digest::SHA256, file);
    format!("{role}.{}.json", hex::encode(sum))
}
