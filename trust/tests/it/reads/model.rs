//! Several servers on one database, and one of Notary's that knows nothing of ours: readers see
//! nothing older than they may, and nothing goes back. Shared with the tests that have PostgreSQL
//! and MariaDB at hand.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use access::{Caller, Policy};
use async_trait::async_trait;
use database::{Dialect, Pool, Retries, Transaction};
use fixtures::Publisher;
use serde_json::{Value, json};
use sqlx::{Encode, Executor, Type};
use tokio::task::JoinSet;
use trust::{
    Repositories,
    cache::{MetadataCache, SIGHT},
    deletion,
    events::Requester,
    keys::{self, Occasion},
    memory::MemoryLimits,
    publish::{self, Authority},
    reading,
    renewal::{self, Horizon},
    repository,
    signer::LocalSigner,
    store::{TrustStore, statements},
};
use tuf::{Gun, Limits, Role, Update, Uploaded};

use super::observed::{Dice, Observed};

const SERVERS: usize = 3;
const GUNS: usize = 2;
const CLIENTS: usize = 16;

/// The longest pause of a store, in milliseconds.
const DELAY: u64 = 4;

/// What a server of Notary 0.7 writes, and how: each transaction by itself, the line of the feed
/// after the timestamp, and no look at what is current.
#[async_trait]
pub(crate) trait Go: Send + Sync {
    /// Stores files, and a line of the feed for the timestamp.
    async fn store(&self, gun: &Gun, files: &[(Role, i32, Vec<u8>)], dice: &Dice);

    /// Removes a repository.
    async fn delete(&self, gun: &Gun, dice: &Dice);
}

#[async_trait]
impl<DB> Go for Pool<DB>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    async fn store(&self, gun: &Gun, files: &[(Role, i32, Vec<u8>)], dice: &Dice) {
        let mut retries = Retries::default();
        while let Err(error) = try_store(self, gun, files, dice).await {
            assert!(retries.again(&error).await, "{error}");
        }
    }

    async fn delete(&self, gun: &Gun, dice: &Dice) {
        let mut retries = Retries::default();
        while let Err(error) = try_delete(self, gun, dice).await {
            assert!(retries.again(&error).await, "{error}");
        }
    }
}

async fn try_store<DB>(
    pool: &Pool<DB>,
    gun: &Gun,
    files: &[(Role, i32, Vec<u8>)],
    dice: &Dice,
) -> Result<(), sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> &'q [u8]: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let now = DB::Time::from(fixtures::clock());
    let mut transaction = pool.begin_with("BEGIN").await?;
    for (role, version, bytes) in files {
        let sum = hex::encode(sha256(bytes));
        sqlx::query(DB::sql(statements::ADD_FILES[0]))
            .bind(now)
            .bind(now)
            .bind(gun.as_str())
            .bind(role.as_str())
            .bind(i64::from(*version))
            .bind(sum.as_str())
            .bind(&bytes[..])
            .execute(transaction.executor())
            .await?;
        if *role == Role::Timestamp {
            add_change(&mut transaction, gun, *version, &sum, "update").await?;
            dice.pause(DELAY).await;
        }
    }
    transaction.commit().await
}

async fn try_delete<DB>(pool: &Pool<DB>, gun: &Gun, dice: &Dice) -> Result<(), sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    let mut transaction = pool.begin_with("BEGIN").await?;
    sqlx::query(DB::sql("DELETE FROM tuf_files WHERE gun = ?"))
        .bind(gun.as_str())
        .execute(transaction.executor())
        .await?;
    add_change(&mut transaction, gun, 0, "", "deletion").await?;
    dice.pause(DELAY).await;
    transaction.commit().await
}

async fn add_change<DB>(
    transaction: &mut Transaction<DB>,
    gun: &Gun,
    version: i32,
    sha256: &str,
    category: &str,
) -> Result<(), sqlx::Error>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> &'q str: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
{
    sqlx::query(DB::sql(statements::ADD_CHANGE))
        .bind(DB::Time::from(fixtures::clock()))
        .bind(gun.as_str())
        .bind(i64::from(version))
        .bind(sha256)
        .bind(category)
        .execute(transaction.executor())
        .await?;
    Ok(())
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    tuf::Checksums::of(bytes).sha256
}

/// What a repository was, from one write to the next.
struct State {
    /// Its timestamp; `None` without trust data.
    timestamp: Option<[u8; 32]>,
    /// Its targets.
    targets: Option<[u8; 32]>,
    /// Which server wrote it; `None`: the one of Notary.
    writer: Option<usize>,
    /// When that was acknowledged.
    done: Instant,
}

/// What a client was told of what is current.
struct Answer {
    asked: Instant,
    server: usize,
    timestamp: Option<[u8; 32]>,
}

/// A file that a client got by its checksum.
struct Named {
    asked: Instant,
    server: usize,
    targets: [u8; 32],
}

/// Everything that happened to one GUN.
#[derive(Default)]
struct History {
    states: Vec<State>,
    clients: Vec<Vec<Answer>>,
    named: Vec<Named>,
}

/// How old what a reader sees may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// For writes of other servers. Those of the same server show at once.
    pub(crate) foreign: Duration,
}

struct Stage {
    servers: Vec<Repositories>,
    go: Arc<dyn Go>,
    /// Remembers nothing, so it tells what is stored.
    truth: Repositories,
    guns: Vec<Gun>,
    histories: Vec<Mutex<History>>,
    end: Instant,
}

fn repositories(
    store: Arc<dyn TrustStore>,
    signer: &Arc<LocalSigner>,
    cache: MetadataCache,
) -> Repositories {
    let memory = MemoryLimits::new(1 << 20);
    Repositories::new(
        store,
        Arc::clone(signer) as _,
        cache,
        memory,
        fixtures::clock,
    )
}

/// Lets servers, clients and writers at one database for a while, and looks at what they saw.
pub(crate) async fn nobody_reads_what_is_older_than_allowed(
    store: impl Fn() -> Arc<dyn TrustStore>,
    go: Arc<dyn Go>,
    adjust: impl Fn(Repositories) -> Repositories,
    bound: Bound,
    time: Duration,
) {
    let signer = Arc::<LocalSigner>::default();
    let seed = u64::try_from(daemon::clock::now().unix_timestamp()).unwrap();
    println!("seed {seed}");
    let server = |n: usize| {
        let slow = Observed::slow(store(), seed + n as u64, DELAY);
        adjust(repositories(slow, &signer, MetadataCache::new(1 << 20)))
    };
    let stage = Arc::new(Stage {
        servers: (0..SERVERS).map(server).collect(),
        go,
        truth: repositories(store(), &signer, MetadataCache::new(0)),
        guns: (0..GUNS)
            .map(|n| Gun::parse(&format!("gun{n}")).unwrap())
            .collect(),
        histories: (0..GUNS).map(|_| Mutex::default()).collect(),
        end: Instant::now() + time,
    });
    let mut tasks = JoinSet::new();
    for gun in 0..GUNS {
        tasks.spawn(write(
            Arc::clone(&stage),
            gun,
            Dice::new(seed + 1000 + gun as u64),
        ));
    }
    for client in 0..CLIENTS {
        let dice = Dice::new(seed + 2000 + client as u64);
        tasks.spawn(read(Arc::clone(&stage), client, dice));
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    for history in &stage.histories {
        history.lock().unwrap().check(bound);
    }
}

/// Changes one GUN again and again, through each server and beside them.
async fn write(stage: Arc<Stage>, gun: usize, dice: Dice) {
    let (name, history) = (&stage.guns[gun], &stage.histories[gun]);
    let mut publisher = publisher(&stage, name).await;
    let mut files: Option<Vec<(Role, i32, Vec<u8>)>> = None;
    let mut is_there = false;
    while Instant::now() < stage.end {
        let by = usize::try_from(dice.below(SERVERS as u64)).unwrap();
        let server = &stage.servers[by];
        let mut writer = Some(by);
        match (is_there, dice.below(100), &files) {
            (false, 0..40, Some(last)) => {
                writer = None;
                stage.go.store(name, last, &dice).await;
                is_there = true;
            }
            (false, ..) => {
                add_target(&mut publisher, &dice);
                publish(server, name, &publisher.first_publish()).await;
                is_there = true;
            }
            (true, 0..50, _) => {
                add_target(&mut publisher, &dice);
                publish(server, name, &publisher.next(&["targets"])).await;
            }
            (true, 50..65, _) => renew(server, name).await,
            (true, 65..85, Some(last)) => {
                writer = None;
                stage.go.store(name, &last[last.len() - 1..], &dice).await;
            }
            (true, 85..93, _) => {
                writer = None;
                stage.go.delete(name, &dice).await;
                is_there = false;
            }
            (true, ..) => {
                let now = fixtures::clock();
                deletion::delete(server, name, &Requester::PROGRAM, now)
                    .await
                    .unwrap();
                is_there = false;
            }
        }
        let done = Instant::now();
        if is_there {
            files = Some(read_files(&stage.truth, name, &dice).await);
        }
        note(
            history,
            is_there.then_some(files.as_deref()).flatten(),
            writer,
            done,
        );
        dice.pause(2 * DELAY).await;
    }
}

/// Writes down what is stored now. The last of `files` is the timestamp that would follow.
fn note(
    history: &Mutex<History>,
    files: Option<&[(Role, i32, Vec<u8>)]>,
    writer: Option<usize>,
    done: Instant,
) {
    history.lock().unwrap().states.push(State {
        timestamp: files.map(|files| sha256(&files[3].2)),
        targets: files.map(|files| sha256(&files[1].2)),
        writer,
        done,
    });
}

/// Root, targets, snapshot and timestamp, and a timestamp that may follow.
async fn read_files(truth: &Repositories, gun: &Gun, dice: &Dice) -> Vec<(Role, i32, Vec<u8>)> {
    let mut files = Vec::new();
    for role in [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp] {
        let found = reading::current(truth, gun, &role, fixtures::clock()).await;
        let bytes = found.unwrap().expect("it was just written").bytes.to_vec();
        let content: Value = serde_json::from_slice(&bytes).unwrap();
        let version = content["signed"]["version"].as_i64().unwrap();
        files.push((role, i32::try_from(version).unwrap(), bytes));
    }
    let (_, version, bytes) = &files[3];
    let version = version + 1;
    let mut next: Value = serde_json::from_slice(bytes).unwrap();
    next["signed"]["version"] = json!(version);
    let (minute, second) = (dice.below(60), dice.below(60));
    next["signed"]["expires"] = json!(format!(
        "2036-11-{:02}T10:{minute:02}:{second:02}Z",
        1 + dice.below(28)
    ));
    let bytes = serde_json::to_vec(&next).unwrap();
    files.push((Role::Timestamp, version, bytes));
    files
}

async fn publisher(stage: &Stage, gun: &Gun) -> Publisher {
    let mut publisher = Publisher::new(gun.as_str());
    for role in [Role::Timestamp, Role::Snapshot] {
        let requester = &Requester::PROGRAM;
        let key = keys::create(&stage.truth, gun, &role, requester, Occasion::First).await;
        let document = key.unwrap().document();
        publisher = publisher.with_server_key_document(role.as_str(), document.as_ref());
    }
    publisher
}

fn add_target(publisher: &mut Publisher, dice: &Dice) {
    let content = format!("{} {}", dice.below(1 << 30), dice.below(1 << 30));
    publisher.add_target("targets", "latest", content.as_bytes());
}

async fn publish(server: &Repositories, gun: &Gun, parts: &[(String, Vec<u8>)]) {
    let mut update = Update::default();
    for (role, bytes) in parts {
        let (role, bytes) = (Role::parse(role).unwrap(), bytes.clone().into());
        update.insert(Uploaded::read(role, bytes, &Limits::default()).unwrap());
    }
    let authority = Arc::new(Authority::new(Caller::anonymous(), Arc::new(Policy::Open)));
    let (requester, now) = (Requester::PROGRAM, fixtures::clock());
    publish::publish(server, gun, &requester, &authority, update, now)
        .await
        .unwrap();
}

async fn renew(server: &Repositories, gun: &Gun) {
    let now = fixtures::clock();
    let horizon = Horizon {
        timestamp: now + time::Duration::days(20 * 365),
        snapshot: now,
    };
    renewal::renew(server, gun, horizon, now).await.unwrap();
}

/// Reads again and again: what is current, and now and then a file by its checksum.
async fn read(stage: Arc<Stage>, client: usize, dice: Dice) {
    for history in &stage.histories {
        history
            .lock()
            .unwrap()
            .clients
            .resize_with(CLIENTS, Vec::new);
    }
    while Instant::now() < stage.end {
        let gun = usize::try_from(dice.below(GUNS as u64)).unwrap();
        let server = usize::try_from(dice.below(SERVERS as u64)).unwrap();
        let (name, history) = (&stage.guns[gun], &stage.histories[gun]);
        let repositories = &stage.servers[server];
        let asked = Instant::now();
        if dice.below(4) == 0 {
            let targets = {
                let history = history.lock().unwrap();
                let back = usize::try_from(dice.below(6)).unwrap();
                history
                    .states
                    .iter()
                    .rev()
                    .nth(back)
                    .and_then(|state| state.targets)
            };
            if let Some(targets) = targets {
                let found =
                    repository::by_supplied_checksum(repositories, name, &Role::Targets, &targets);
                if found.await.unwrap().is_some() {
                    let named = Named {
                        asked,
                        server,
                        targets,
                    };
                    history.lock().unwrap().named.push(named);
                }
            }
        } else {
            let role = Role::Timestamp;
            let found = reading::current(repositories, name, &role, fixtures::clock());
            let found = found.await.unwrap();
            let timestamp = found.map(|file| sha256(&file.bytes));
            let answer = Answer {
                asked,
                server,
                timestamp,
            };
            history.lock().unwrap().clients[client].push(answer);
        }
        tokio::task::yield_now().await;
    }
}

impl History {
    fn check(&self, bound: Bound) {
        for client in &self.clients {
            let mut seen = [None; SERVERS];
            for answer in client {
                // What goes back at one server goes back for all who read there.
                let place = if bound.foreign.is_zero() {
                    0
                } else {
                    answer.server
                };
                let oldest = self
                    .oldest(answer.server, answer.asked, bound)
                    .max(seen[place]);
                let found = (oldest.unwrap_or(0)..self.states.len())
                    .find(|at| self.states[*at].timestamp == answer.timestamp);
                // Before the first write there was nothing.
                let is_start = oldest.is_none() && answer.timestamp.is_none();
                assert!(
                    is_start || found.is_some(),
                    "server {} told of a state before number {oldest:?}: {:?}",
                    answer.server,
                    self.states
                        .iter()
                        .rposition(|state| state.timestamp == answer.timestamp)
                );
                if !is_start {
                    seen[place] = found;
                }
            }
        }
        for named in &self.named {
            let oldest = self.oldest(named.server, named.asked, Bound { foreign: SIGHT });
            let mut states = oldest.unwrap_or(0)..self.states.len();
            assert!(
                states.any(|at| self.holds(at, &named.targets)),
                "server {} told of a file that was deleted before number {oldest:?}",
                named.server
            );
        }
    }

    /// The oldest state that `server` may tell of to one who asked then.
    fn oldest(&self, server: usize, asked: Instant, bound: Bound) -> Option<usize> {
        self.states.iter().rposition(|state| {
            let is_own = state.writer == Some(server);
            let patience = if is_own {
                Duration::ZERO
            } else {
                bound.foreign
            };
            state.done + patience <= asked
        })
    }

    /// Whether a file was stored in the state `at`: it came since the last deletion.
    fn holds(&self, at: usize, targets: &[u8; 32]) -> bool {
        let states = self.states[..=at].iter().rev();
        states
            .take_while(|state| state.targets.is_some())
            .any(|state| state.targets.as_ref() == Some(targets))
    }
}
