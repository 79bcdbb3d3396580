//! Faults between the programs, one after the other, while several owners publish through two
//! servers: every publish that was acknowledged stays, every refusal is one that a client may
//! repeat, and publishing goes on by itself when the fault is mended.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use fixtures::{Part, Publisher};
use harness::{
    Answer, Condition, Entrance, Network, Pair, Routes, Sandbox, Trust,
    process::{eventually, soak},
};
use serde_json::{Value, json};

use crate::crashes::is_whole;

on_every_database![every_acknowledged_publish_survives_every_fault];

/// How many owners publish at the same time, each into a repository of their own.
const OWNERS: usize = 3;

/// How long every owner may have to wait for the next acknowledgement once a fault is mended.
const RECOVERY: Duration = Duration::from_secs(30);

/// How long a client waits for an answer.
const CLIENT_SECONDS: &str = "20";

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
enum Fault {
    KillServer,
    KillSigner,
    KillDatabase,
    SuspendServer,
    SuspendSigner,
    DatabaseVanishes,
    SignerVanishes,
    DatabaseHangsUp,
    SignerHangsUp,
    DatabaseIsCutOff,
    SignerIsCutOff,
    DatabaseIsFar,
    SignerIsFar,
    ClientsHangUp,
}

const FAULTS: [Fault; 14] = [
    Fault::KillServer,
    Fault::DatabaseHangsUp,
    Fault::SignerHangsUp,
    Fault::KillSigner,
    Fault::ClientsHangUp,
    Fault::DatabaseVanishes,
    Fault::SuspendServer,
    Fault::SignerVanishes,
    Fault::KillDatabase,
    Fault::DatabaseIsFar,
    Fault::SuspendSigner,
    Fault::DatabaseIsCutOff,
    Fault::SignerIsFar,
    Fault::SignerIsCutOff,
];

/// Two servers with a signer each on one database. The first reaches its signer and the database
/// over networks that break.
struct Service {
    first: Trust,
    second: Trust,
    database: Network,
    signer: Network,
}

impl Service {
    fn start(sandbox: &Sandbox, pair: Pair) -> Result<Self> {
        // Else a server that is cut off from the database alone goes on showing what it remembers.
        let strict = json!({"caching": {"serve_without_database_for": 0}});
        let mut first = Trust::start_set(sandbox, pair, strict)?;
        let database = Network::to(first.database()?.address())?;
        let signer = Network::to(first.signer_address())?;
        first.reroute(Routes {
            database: Some(database.address()),
            signer: Some(signer.address()),
            ..Routes::default()
        })?;
        let second = first.beside(sandbox, pair)?;
        Ok(Self {
            first,
            second,
            database,
            signer,
        })
    }

    /// Lets `fault` happen and mends it.
    fn suffer(&mut self, fault: Fault, entrances: &[Entrance]) -> Result<()> {
        const SHORT: Duration = Duration::from_millis(1500);
        const LONG: Duration = Duration::from_secs(3);
        let during = |network: &Network, condition, time| {
            network.set(condition);
            thread::sleep(time);
            network.set(Condition::Works);
        };
        match fault {
            Fault::KillServer => {
                self.first.kill_server()?;
                self.first.start_server()?;
            }
            Fault::KillSigner => {
                self.first.kill_signer()?;
                thread::sleep(SHORT);
                self.first.start_signer()?;
            }
            Fault::KillDatabase => {
                self.first.database()?.kill()?;
                thread::sleep(SHORT);
                self.first.database()?.resume()?;
            }
            Fault::SuspendServer => {
                self.first.server()?.suspend();
                thread::sleep(SHORT);
                self.first.server()?.wake();
            }
            Fault::SuspendSigner => {
                self.first.signer()?.suspend();
                thread::sleep(SHORT);
                self.first.signer()?.wake();
            }
            Fault::DatabaseVanishes => during(&self.database, Condition::Swallows, LONG),
            Fault::SignerVanishes => {
                // The connections that were there stay silent for ever; new ones work.
                during(&self.signer, Condition::Swallows, LONG);
            }
            Fault::DatabaseHangsUp => self.database.hang_up(),
            Fault::SignerHangsUp => self.signer.hang_up(),
            Fault::DatabaseIsCutOff => during(&self.database, Condition::Cuts, SHORT),
            Fault::SignerIsCutOff => during(&self.signer, Condition::Cuts, SHORT),
            Fault::DatabaseIsFar => {
                let far = Condition::Delays(Duration::from_millis(10));
                during(&self.database, far, LONG);
            }
            Fault::SignerIsFar => {
                let far = Condition::Delays(Duration::from_millis(50));
                during(&self.signer, far, LONG);
            }
            Fault::ClientsHangUp => hang_up_often(&entrances[0])?,
        }
        Ok(())
    }
}

/// Publishes that their client gives up at ever later moments, of a repository that no owner uses.
fn hang_up_often(entrance: &Entrance) -> Result<()> {
    const STEP: u64 = 4;
    const TIMES: u64 = 25;
    let mut owner = Owner::new("example.com/impatient", std::slice::from_ref(entrance));
    let mut parts = owner.first_parts()?;
    for moment in 1..=TIMES {
        let patience = format!("0.{:03}", moment * STEP);
        // Whether it was stored is not known; the next version begins with what is current.
        let answer = entrance.publish_within(&owner.gun, &parts, &patience);
        if let Ok(answer) = &answer {
            ensure!(matches!(answer.status, 200 | 400 | 503), "{answer}");
        }
        if owner.current(entrance)?.is_some() {
            parts = owner.publisher.next(&["targets"]);
        }
    }
    Ok(())
}

/// Publishes one version after the other into one repository.
struct Owner {
    gun: String,
    publisher: Publisher,
    entrances: Vec<Entrance>,
    turn: usize,
}

impl Owner {
    fn new(gun: &str, entrances: &[Entrance]) -> Self {
        Self {
            gun: gun.to_owned(),
            publisher: Publisher::new(gun),
            entrances: entrances.to_vec(),
            turn: 0,
        }
    }

    /// The first version, for which the server makes the keys of snapshot and timestamp.
    fn first_parts(&mut self) -> Result<Vec<Part>> {
        for role in ["timestamp", "snapshot"] {
            let path = format!("/v2/{}/_trust/tuf/{role}.key", self.gun);
            let key = self.entrances[0].get(&path)?.ok()?;
            self.publisher = self.publisher.clone().with_server_key_document(role, &key);
        }
        Ok(self.publisher.first_publish())
    }

    /// Publishes until it is over; says how often the servers acknowledged.
    fn work(mut self, acknowledged: &AtomicU64, over: &AtomicBool) -> Result<Acknowledged> {
        let mut parts = self.first_parts()?;
        let mut version = 1;
        while !over.load(Ordering::Relaxed) {
            if self.publish(&parts, over)? {
                acknowledged.fetch_add(1, Ordering::Relaxed);
                self.check_reads(version)?;
                version += 1;
                let target = format!("v{version}");
                self.publisher
                    .add_target("targets", &target, target.as_bytes());
                parts = self.publisher.next(&["targets"]);
            }
        }
        Ok(Acknowledged {
            gun: self.gun,
            version: version - 1,
        })
    }

    /// Sends the same bytes again and again, to one server after the other, until one says that
    /// they are stored; false if it is over before.
    fn publish(&mut self, parts: &[Part], over: &AtomicBool) -> Result<bool> {
        while !over.load(Ordering::Relaxed) {
            self.turn += 1;
            let entrance = &self.entrances[self.turn % self.entrances.len()];
            match entrance.publish_within(&self.gun, parts, CLIENT_SECONDS) {
                Ok(answer) if answer.status == 200 => return Ok(true),
                Ok(answer) if answer.status == 503 => expect_retry_after(&answer)?,
                Ok(answer) => bail!("a publish into {} was answered {answer}", self.gun),
                // The server is away: that is one of the faults.
                Err(_) => {}
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(false)
    }

    /// Every server shows what any of them has acknowledged, or says that it cannot.
    fn check_reads(&self, version: u64) -> Result<()> {
        for entrance in &self.entrances {
            if let Some(found) = self.current(entrance)? {
                ensure!(
                    found >= version,
                    "version {version} of {} was acknowledged, version {found} is shown",
                    self.gun
                );
            }
        }
        Ok(())
    }

    /// The version of the targets that a server shows; nothing if it cannot be reached or cannot
    /// say.
    fn current(&self, entrance: &Entrance) -> Result<Option<u64>> {
        let path = format!("/v2/{}/_trust/tuf/targets.json", self.gun);
        let answer = entrance.ask(&path, |curl| {
            curl.args(["--max-time", CLIENT_SECONDS]);
        });
        match answer {
            Ok(answer) if answer.status == 200 => {
                let targets: Value = answer.json()?;
                targets["signed"]["version"]
                    .as_u64()
                    .context("targets without a version")
                    .map(Some)
            }
            Ok(answer) if answer.status == 503 => {
                expect_retry_after(&answer)?;
                Ok(None)
            }
            Ok(answer) if answer.status == 404 && self.turn == 0 => Ok(None),
            Ok(answer) => bail!("a read of {} was answered {answer}", self.gun),
            Err(_) => Ok(None),
        }
    }
}

/// A refusal that may be repeated says when.
fn expect_retry_after(answer: &Answer) -> Result<()> {
    ensure!(
        answer.header("retry-after").is_some(),
        "503 without Retry-After: {answer}"
    );
    Ok(())
}

/// The last version of a repository that was acknowledged.
struct Acknowledged {
    gun: String,
    version: u64,
}

impl Acknowledged {
    /// Checks that the version is there, and with it all that its timestamps vouch for.
    fn is_all_there(&self, trust: &Trust) -> Result<()> {
        let read = |role: &str| -> Result<u64> {
            let file = trust.metadata(&self.gun, &format!("{role}.json"))?;
            let file: Value = serde_json::from_slice(&file)?;
            file["signed"]["version"].as_u64().context("no version")
        };
        let (targets, timestamps) = (read("targets")?, read("timestamp")?);
        ensure!(
            targets >= self.version && timestamps >= self.version,
            "version {} of {} was acknowledged, targets {targets} with timestamp {timestamps} is left",
            self.version,
            self.gun
        );
        (1..=timestamps).try_for_each(|version| is_whole(trust, &self.gun, version))
    }
}

fn every_acknowledged_publish_survives_every_fault(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    let mut service = Service::start(sandbox, pair)?;
    let entrances = [service.first.entrance(), service.second.entrance()];
    let counts: [AtomicU64; OWNERS] = Default::default();
    let over = AtomicBool::new(false);
    let failure = Mutex::new(None);

    let acknowledged = thread::scope(|scope| -> Result<Vec<Acknowledged>> {
        let owners: Vec<_> = counts
            .iter()
            .enumerate()
            .map(|(number, count)| {
                let owner = Owner::new(&format!("example.com/app{number}"), &entrances);
                let (over, failure) = (&over, &failure);
                scope.spawn(move || {
                    let outcome = owner.work(count, over);
                    if let Err(error) = &outcome {
                        *failure.lock().expect("no owner panics") = Some(format!("{error:#}"));
                    }
                    outcome
                })
            })
            .collect();
        let suffered = suffer_all(&mut service, &entrances, &counts, &failure);
        over.store(true, Ordering::Relaxed);
        let owners: Result<Vec<_>> = owners
            .into_iter()
            .map(|owner| owner.join().map_err(|_| anyhow!("an owner panicked"))?)
            .collect();
        suffered.and(owners)
    })?;

    for trust in [&service.first, &service.second] {
        acknowledged
            .iter()
            .try_for_each(|last| last.is_all_there(trust))?;
    }
    eventually("no transaction is left open", RECOVERY, || {
        Ok(service
            .first
            .database()?
            .open_transactions()?
            .trim()
            .is_empty())
    })
}

/// Lets every fault happen once, and then more of them for as long as a soak is to take.
fn suffer_all(
    service: &mut Service,
    entrances: &[Entrance],
    counts: &[AtomicU64],
    failure: &Mutex<Option<String>>,
) -> Result<()> {
    let deadline = Instant::now() + soak();
    let mut happened: BTreeMap<String, u32> = BTreeMap::new();
    // Stepping by 5 through 14 faults meets all of them, in another order each round.
    let order = FAULTS
        .into_iter()
        .chain((0..).map(|n| FAULTS[(n * 5 + n / FAULTS.len()) % FAULTS.len()]));
    for (number, fault) in order.enumerate() {
        if number >= FAULTS.len() && Instant::now() > deadline {
            break;
        }
        until_each_has_more(counts, failure).with_context(|| format!("before {fault:?}"))?;
        service.suffer(fault, entrances)?;
        until_each_has_more(counts, failure).with_context(|| format!("after {fault:?}"))?;
        *happened.entry(format!("{fault:?}")).or_default() += 1;
    }
    let total: u64 = counts
        .iter()
        .map(|count| count.load(Ordering::Relaxed))
        .sum();
    println!("{total} publishes were acknowledged beside these faults: {happened:?}");
    Ok(())
}

/// Waits until every owner has got another acknowledgement.
fn until_each_has_more(counts: &[AtomicU64], failure: &Mutex<Option<String>>) -> Result<()> {
    let now = || counts.iter().map(|count| count.load(Ordering::Relaxed));
    let before: Vec<u64> = now().collect();
    eventually("every owner publishes", RECOVERY, || {
        if let Some(failure) = failure.lock().expect("no owner panics").take() {
            bail!("{failure}");
        }
        Ok(now().zip(&before).all(|(now, before)| now > *before))
    })
}
