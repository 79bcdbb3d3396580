//! Power cuts: what was acknowledged is there afterwards, and nothing is there by halves.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread::{self, Scope, ScopedJoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use harness::{Collaborator, Pair, Sandbox, Trust};
use serde_json::Value;

/// How often a program is killed in one scenario.
const KILLS: u64 = 5;

/// How many publishes are acknowledged between two kills.
const PUBLISHES: usize = 6;

on_our_pair![
    a_killed_server_loses_nothing_it_acknowledged,
    a_killed_signer_loses_nothing_the_server_acknowledged,
    killing_both_at_once_loses_nothing_that_was_acknowledged,
    reads_go_on_while_the_signer_is_away,
];

on_every_database![
    a_killed_server_loses_nothing_it_acknowledged,
    a_killed_signer_loses_nothing_the_server_acknowledged,
    a_killed_database_loses_nothing_that_was_acknowledged,
];

fn a_killed_server_loses_nothing_it_acknowledged(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    survives(sandbox, pair, Trust::kill_server, Trust::start_server)
}

fn a_killed_signer_loses_nothing_the_server_acknowledged(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    survives(sandbox, pair, Trust::kill_signer, Trust::start_signer)
}

#[test]
fn a_killed_signer_keeps_the_keys_that_a_go_server_uses() -> Result<()> {
    let (kill, start) = (Trust::kill_signer, Trust::start_signer);
    harness::play(|sandbox| survives(sandbox, Pair::OUR_SIGNER, kill, start))
}

fn killing_both_at_once_loses_nothing_that_was_acknowledged(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    let kill = |trust: &mut Trust| trust.kill_server().and_then(|()| trust.kill_signer());
    let start = |trust: &mut Trust| trust.start_signer().and_then(|()| trust.start_server());
    survives(sandbox, pair, kill, start)
}

/// Both programs go on running, and find their database again by themselves.
fn a_killed_database_loses_nothing_that_was_acknowledged(
    sandbox: &Sandbox,
    pair: Pair,
) -> Result<()> {
    let kill = |trust: &mut Trust| trust.database()?.kill();
    let start = |trust: &mut Trust| trust.database()?.resume();
    survives(sandbox, pair, kill, start)
}

fn reads_go_on_while_the_signer_is_away(sandbox: &Sandbox, pair: Pair) -> Result<()> {
    const GUN: &str = "example.com/app";
    let mut trust = Trust::start(sandbox, pair)?;
    let owner = Collaborator::new(sandbox, "owner", &trust)?;
    owner.does(&["init", GUN])?;
    owner.publishes(GUN, "v1")?;

    trust.kill_signer()?;

    Collaborator::new(sandbox, "reader", &trust)?.sees(GUN, &["v1:targets"])?;
    let refused = owner.notary(&["add", GUN, "v2", &owner.file("v2")?, "--publish"])?;
    ensure!(!refused.is_success(), "nobody was there to sign: {refused}");
    trust.start_signer()?;
    until_published(&owner, GUN)?;
    Collaborator::new(sandbox, "other", &trust)?.sees(GUN, &["v1:targets", "v2:targets"])
}

#[test]
fn a_full_disk_refuses_publishes_until_there_is_room_and_loses_nothing() -> Result<()> {
    harness::play(|sandbox| {
        const GUN: &str = "example.com/app";
        const REFUSED: usize = 6;
        const AFTERWARDS: usize = 20;
        let mut trust = Trust::start(sandbox, Pair::COUNTERSIGN)?;
        let disk = trust.restart_server_on_small_disk(700)?;
        let owner = Collaborator::new(sandbox, "owner", &trust)?;
        owner.does(&["init", GUN, "--publish"])?;
        let file = owner.file("content")?;
        let mut acknowledged = Vec::new();
        let refused = loop {
            let target = format!("v{:04}", acknowledged.len());
            let said = owner.notary(&["add", GUN, &target, &file, "--publish"])?;
            if !said.is_success() {
                break said;
            }
            acknowledged.push(format!("{target}:targets"));
            ensure!(acknowledged.len() < 1000, "the disk never filled up");
        };

        refused.fails_saying("unable to reach trust server at this time: 50")?;
        for _ in 0..REFUSED {
            let again = owner.notary(&["publish", GUN])?;
            again.fails_saying("unable to reach trust server at this time: 50")?;
        }
        Collaborator::new(sandbox, "reader", &trust)?.sees(GUN, &acknowledged)?;
        (1..=acknowledged.len()).try_for_each(|version| is_whole(&trust, GUN, version as u64))?;
        disk.make_room()?;
        owner.does(&["publish", GUN])?;
        acknowledged.push(format!("v{:04}:targets", acknowledged.len()));
        // Not one connection to the database was left in the middle of something.
        for _ in 0..AFTERWARDS {
            owner.does(&["witness", GUN, "targets", "--publish"])?;
        }
        Collaborator::new(sandbox, "late", &trust)?.sees(GUN, &acknowledged)
    })
}

/// Publishes what is staged as soon as the server has found its signer again.
fn until_published(owner: &Collaborator, gun: &str) -> Result<()> {
    const TRIES: usize = 60;
    for _ in 0..TRIES {
        if owner.notary(&["publish", gun])?.is_success() {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(250));
    }
    owner.does(&["publish", gun]).map(drop)
}

/// Kills and starts programs while two owners publish, then reads back all that was acknowledged.
fn survives(
    sandbox: &Sandbox,
    pair: Pair,
    kill: impl Fn(&mut Trust) -> Result<()>,
    start: impl Fn(&mut Trust) -> Result<()>,
) -> Result<()> {
    let mut trust = Trust::start(sandbox, pair)?;
    let (acknowledged, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let streams = thread::scope(|scope| -> Result<Vec<Stream>> {
        let owners: Vec<_> = ["example.com/one", "example.com/two"]
            .map(|gun| Stream::start(scope, sandbox, &trust, gun, &acknowledged, &over))
            .into_iter()
            .collect::<Result<_>>()?;
        let killed = (0..KILLS).try_for_each(|round| {
            until_more(&acknowledged, &owners)?;
            // Each time at another moment of a publish, which takes some tens of milliseconds.
            thread::sleep(Duration::from_millis(round * 13));
            kill(&mut trust)?;
            start(&mut trust)
        });
        let last = killed.and_then(|()| until_more(&acknowledged, &owners));
        over.store(true, Ordering::Relaxed);
        let streams = owners
            .into_iter()
            .map(|owner| owner.join().map_err(|_| anyhow!("an owner panicked"))?);
        let streams = streams.collect::<Result<Vec<_>>>();
        last.and(streams)
    })?;
    streams
        .iter()
        .try_for_each(|stream| stream.is_all_there(sandbox, &trust))
}

/// Waits until the owners have published some more.
fn until_more(
    acknowledged: &AtomicUsize,
    owners: &[ScopedJoinHandle<'_, Result<Stream>>],
) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(90);
    let goal = acknowledged.load(Ordering::Relaxed) + PUBLISHES;
    let deadline = std::time::Instant::now() + PATIENCE;
    while acknowledged.load(Ordering::Relaxed) < goal {
        ensure!(
            std::time::Instant::now() < deadline,
            "nothing was published for {PATIENCE:?}"
        );
        ensure!(
            owners.iter().all(|owner| !owner.is_finished()),
            "an owner gave up"
        );
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// What one owner published, and got an acknowledgement for.
struct Stream {
    gun: String,
    /// How often the server said yes.
    publishes: u64,
    /// What it said yes to.
    targets: Vec<String>,
}

impl Stream {
    /// Publishes target after target until it is over.
    fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        sandbox: &Sandbox,
        trust: &Trust,
        gun: &'static str,
        acknowledged: &'scope AtomicUsize,
        over: &'scope AtomicBool,
    ) -> Result<ScopedJoinHandle<'scope, Result<Self>>> {
        let owner = Collaborator::new(sandbox, gun, trust)?;
        owner.does(&["init", gun, "--publish"])?;
        // The server signs the snapshots: every publish then needs the signer twice.
        owner.does(&["key", "rotate", gun, "snapshot", "--server-managed"])?;
        let file = owner.file("content")?;
        Ok(scope.spawn(move || {
            let mut stream = Self {
                gun: gun.to_owned(),
                publishes: 0,
                targets: Vec::new(),
            };
            let mut staged = Vec::new();
            while !over.load(Ordering::Relaxed) {
                let target = format!("v{:04}", stream.targets.len() + staged.len());
                owner.does(&["add", gun, &target, &file])?;
                staged.push(target);
                // While a program is away the publish fails, and the next one carries everything
                // staged.
                if owner.notary(&["publish", gun])?.is_success() {
                    stream.targets.append(&mut staged);
                    stream.publishes += 1;
                    acknowledged.fetch_add(1, Ordering::Relaxed);
                }
            }
            owner.does(&["reset", gun, "--all"])?;
            Ok(stream)
        }))
    }

    fn is_all_there(&self, sandbox: &Sandbox, trust: &Trust) -> Result<()> {
        let reader = Collaborator::new(sandbox, &format!("reader-{}", self.gun), trust)?;
        let listed = reader.does(&["list", &self.gun])?;
        for target in &self.targets {
            ensure!(
                listed.lines().any(|line| line.starts_with(target.as_str())),
                "{target} was lost:\n{listed}"
            );
        }
        let current = read_version(trust, &self.gun, "timestamp.json")?.context("no timestamp")?;
        let last = current["signed"]["version"]
            .as_u64()
            .context("no version")?;
        ensure!(
            last > self.publishes,
            "{last} versions of {} publishes",
            self.publishes
        );
        (1..=last).try_for_each(|version| is_whole(trust, &self.gun, version))
    }
}

/// Checks that all that one version of the timestamp vouches for can be read.
pub(crate) fn is_whole(trust: &Trust, gun: &str, version: u64) -> Result<()> {
    let timestamp = read_version(trust, gun, &format!("{version}.timestamp.json"))?
        .with_context(|| format!("timestamp {version} is missing"))?;
    for (snapshot, hash) in vouched(&timestamp)? {
        let snapshot = read_version(trust, gun, &format!("{snapshot}.{hash}.json"))?
            .with_context(|| format!("the snapshot of timestamp {version} is missing"))?;
        for (role, hash) in vouched(&snapshot)? {
            let file = read_version(trust, gun, &format!("{role}.{hash}.json"))?;
            ensure!(file.is_some(), "{role} of timestamp {version} is missing");
        }
    }
    Ok(())
}

/// The roles that a snapshot or timestamp lists, with their checksums.
fn vouched(metadata: &Value) -> Result<BTreeMap<String, String>> {
    let listed = metadata["signed"]["meta"].as_object().context("no meta")?;
    let checksum = |entry: &Value| -> Result<String> {
        let sha256 = entry["hashes"]["sha256"].as_str().context("no sha256")?;
        Ok(hex::encode(STANDARD.decode(sha256)?))
    };
    listed
        .iter()
        .map(|(role, entry)| Ok((role.clone(), checksum(entry)?)))
        .collect()
}

fn read_version(trust: &Trust, gun: &str, file: &str) -> Result<Option<Value>> {
    let bytes = trust.read(&format!("/v2/{gun}/_trust/tuf/{file}"))?;
    Ok(bytes
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()?)
}
