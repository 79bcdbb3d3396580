//! Clients at work: as many as asked for, on as many threads as there are cores, until the time is
//! over or one of them has nothing left to send.

use std::{
    collections::VecDeque,
    num::NonZero,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use bytes::Bytes;
use fixtures::{Publisher, multipart};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Barrier,
    task::JoinSet,
};

use crate::{
    client::{Client, Connections, Target},
    owner::{Expected, Owner, Rival, path_of, version_of},
    stack::{Cpu, Stack},
};

/// What one client does again and again.
pub(crate) enum Work {
    /// Asks for these and compares the answers.
    Fetch(Vec<Expected>),
    /// Asks for these, one list after the other and each once.
    Walk(VecDeque<Vec<Expected>>),
    /// Asks for what does not exist: these paths in turn.
    Miss { paths: Vec<String>, turn: usize },
    /// Asks for a page with so many entries.
    Feed { path: String, count: String },
    /// Publishes the next version.
    Update(Box<Owner>),
    /// Publishes the next version of what others publish too.
    Race(Rival),
    /// Makes the next repository.
    Create(VecDeque<Publisher>),
}

/// What a step took.
struct Step {
    took: Duration,
    lost: u32,
}

/// What all clients did.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) seconds: f64,
    /// Microseconds of each operation, sorted.
    pub(crate) took: Vec<u32>,
    /// Publishes that others won against.
    pub(crate) lost: u32,
    pub(crate) cpu: Cpu,
}

/// Has each of `works` done by a client of its own, for about `time`.
pub(crate) fn drive(
    stack: &Stack,
    works: Vec<Work>,
    connections: Connections,
    time: Duration,
) -> Result<(Vec<Work>, Outcome)> {
    let target = stack.target()?;
    let is_over = Arc::new(AtomicBool::new(false));
    let barrier = Arc::new(Barrier::new(works.len() + 1));
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let mut shares: Vec<Vec<Work>> = (0..cores.min(works.len())).map(|_| Vec::new()).collect();
    let threads = shares.len();
    for (number, work) in works.into_iter().enumerate() {
        shares[number % threads].push(work);
    }
    let workers: Vec<_> = shares
        .into_iter()
        .map(|share| {
            let (target, is_over, barrier) = (target.clone(), is_over.clone(), barrier.clone());
            thread::spawn(move || {
                runtime()?.block_on(share_of(share, &target, connections, &is_over, &barrier))
            })
        })
        .collect();
    runtime()?.block_on(barrier.wait());
    let (before, started) = (stack.cpu()?, Instant::now());
    while started.elapsed() < time && !is_over.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(2));
    }
    is_over.store(true, Ordering::Relaxed);
    let mut outcome = Outcome::default();
    let mut works = Vec::new();
    for worker in workers {
        let done = worker.join().map_err(|_| anyhow!("a client panicked"))??;
        for Done { work, took, lost } in done {
            works.push(work);
            outcome.took.extend(took);
            outcome.lost += lost;
        }
    }
    outcome.seconds = started.elapsed().as_secs_f64();
    outcome.cpu = stack.cpu()? - before;
    outcome.took.sort_unstable();
    ensure!(!outcome.took.is_empty(), "not one operation was done");
    Ok((works, outcome))
}

/// What one client did, and what it has left.
struct Done {
    work: Work,
    took: Vec<u32>,
    lost: u32,
}

pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// The clients of one thread.
async fn share_of(
    share: Vec<Work>,
    target: &Target,
    connections: Connections,
    is_over: &Arc<AtomicBool>,
    barrier: &Arc<Barrier>,
) -> Result<Vec<Done>> {
    let mut clients = JoinSet::new();
    for work in share {
        let mut client = target.client(connections);
        let (is_over, barrier) = (is_over.clone(), barrier.clone());
        clients.spawn(async move {
            let greeting = client.get("/v2/").await;
            barrier.wait().await;
            greeting?.ok()?;
            let done = repeat(&mut client, work, &is_over).await;
            is_over.store(true, Ordering::Relaxed);
            done
        });
    }
    let mut done = Vec::new();
    while let Some(client) = clients.join_next().await {
        done.push(client.context("a client panicked")??);
    }
    Ok(done)
}

async fn repeat(client: &mut Client, mut work: Work, is_over: &AtomicBool) -> Result<Done> {
    let (mut took, mut lost) = (Vec::new(), 0);
    while !is_over.load(Ordering::Relaxed) {
        let Some(step) = work.step(client).await? else {
            break;
        };
        took.push(u32::try_from(step.took.as_micros()).unwrap_or(u32::MAX));
        lost += step.lost;
    }
    Ok(Done { work, took, lost })
}

impl Work {
    /// Does one operation; nothing if there is nothing left to do.
    async fn step(&mut self, client: &mut Client) -> Result<Option<Step>> {
        let started = Instant::now();
        let mut lost = 0;
        match self {
            Self::Fetch(expected) => fetch(client, expected).await?,
            Self::Walk(left) => {
                let Some(expected) = left.pop_front() else {
                    return Ok(None);
                };
                fetch(client, &expected).await?;
            }
            Self::Miss { paths, turn } => {
                *turn += 1;
                let answer = client.get(&paths[*turn % paths.len()]).await?;
                ensure!(answer.status == 404, "{} instead of 404", answer.status);
            }
            Self::Feed { path, count } => {
                let page = client.get(path).await?.ok()?;
                let holds = page
                    .windows(count.len())
                    .any(|part| part == count.as_bytes());
                ensure!(holds, "the page of the changefeed lacks {count}");
            }
            Self::Update(owner) => {
                let Some(body) = owner.next() else {
                    return Ok(None);
                };
                client.publish(owner.gun(), body).await?.ok()?;
            }
            Self::Race(rival) => {
                let Some(losses) = race(client, rival).await? else {
                    return Ok(None);
                };
                lost = losses;
            }
            Self::Create(ready) => {
                let Some(publisher) = ready.pop_front() else {
                    return Ok(None);
                };
                let took = create(client, publisher).await?;
                return Ok(Some(Step { took, lost }));
            }
        }
        Ok(Some(Step {
            took: started.elapsed(),
            lost,
        }))
    }
}

async fn fetch(client: &mut Client, expected: &[Expected]) -> Result<()> {
    for (path, bytes) in expected {
        let found = client.get(path).await?.ok()?;
        ensure!(found == bytes, "{path} has other bytes");
    }
    Ok(())
}

/// Reads, sends what follows, and begins again as long as others win; how often they did.
async fn race(client: &mut Client, rival: &Rival) -> Result<Option<u32>> {
    const MOST: u32 = 2000;
    let current = path_of(&rival.gun, "targets.json");
    for lost in 0..MOST {
        let file = client.get(&current).await?.ok()?;
        let Some(body) = rival.upload(version_of(&file)? + 1) else {
            return Ok(None);
        };
        let answer = client.publish(&rival.gun, body).await?;
        match answer.status {
            200 => return Ok(Some(lost)),
            400 | 500 | 503 => {}
            status => anyhow::bail!("{status} in a race"),
        }
    }
    anyhow::bail!("a writer lost {MOST} times in a row")
}

/// Makes a repository; the time of the requests alone, without that of signing its root.
async fn create(client: &mut Client, mut publisher: Publisher) -> Result<Duration> {
    let started = Instant::now();
    let gun = publisher.gun().to_owned();
    let mut keys: Vec<(&str, Bytes)> = Vec::new();
    for role in ["timestamp", "snapshot"] {
        let path = path_of(&gun, &format!("{role}.key"));
        keys.push((role, client.get(&path).await?.ok()?));
    }
    let asked = started.elapsed();
    for (role, key) in keys {
        publisher = publisher.with_server_key_document(role, &key);
    }
    let (_, body) = multipart(&publisher.first_publish());
    let started = Instant::now();
    client.publish(&gun, body.into()).await?.ok()?;
    Ok(asked + started.elapsed())
}
