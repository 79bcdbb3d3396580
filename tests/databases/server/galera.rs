//! A Galera cluster: several servers, each at a node of its own, on one set of tables.
//!
//! Locks hold on one node only. What two nodes write at the same time is decided when it is
//! committed, by the rows that both have written; rows that were only read do not count.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use database::Connected;
use harness::{Fresh, Galera};
use http::StatusCode;
use sqlx::Executor as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use trust::store::{Head, Page, StoreError, TrustStore};
use tuf::{File, Gun, MetadataFormat, Role};

use crate::{
    recorded::{app, get},
    support::{connect, open},
};

/// A cluster with Notary's tables, and a store at each node.
struct Cluster {
    galera: Galera,
    nodes: Vec<Fresh>,
    stores: Vec<Arc<dyn TrustStore>>,
}

const DATABASE: &str = "notary";

/// How long a follower waits for what was committed.
const PATIENCE: Duration = Duration::from_secs(30);

impl Cluster {
    async fn start() -> Result<Self> {
        let galera = Galera::start()?;
        let nodes: Vec<Fresh> = galera.create(DATABASE)?;
        galera.sql(
            0,
            DATABASE,
            include_str!("../../harness/schema/mysql/server.sql"),
        )?;
        let mut stores = Vec::new();
        for (number, fresh) in nodes.iter().enumerate() {
            // Waits until the node has the tables.
            galera.sql(number, DATABASE, "SELECT COUNT(*) FROM tuf_files")?;
            stores.push(open(fresh).await?);
        }
        Ok(Self {
            galera,
            nodes,
            stores,
        })
    }

    /// Waits until every node has what any of them has committed; then asks one.
    fn ask(&self, statement: &str) -> Result<String> {
        let mut answers = Vec::new();
        for node in 0..self.stores.len() {
            answers.push(self.galera.sql(node, DATABASE, statement)?);
        }
        ensure!(
            answers.windows(2).all(|pair| pair[0] == pair[1]),
            "the nodes differ: {answers:?}"
        );
        Ok(answers.swap_remove(0).trim().to_owned())
    }
}

fn gun(name: &str) -> Gun {
    Gun::parse(name).expect("a name")
}

/// Files of one version that differ from those of other publishers.
fn files(roles: &[Role], version: i64, publisher: usize) -> Vec<File> {
    let file = |role: &Role| {
        let bytes = format!(r#"{{"signed":{{"version":{version},"salt":"{role} {publisher}"}}}}"#);
        File::parse(MetadataFormat::NOTARY, role.clone(), bytes.into()).expect("a file")
    };
    roles.iter().map(file).collect()
}

fn first(publisher: usize) -> Vec<File> {
    let roles = [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp];
    files(&roles, 1, publisher)
}

fn next(version: i64, publisher: usize) -> Vec<File> {
    let roles = [Role::Targets, Role::Snapshot, Role::Timestamp];
    files(&roles, version, publisher)
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_write_at_the_same_time_leave_no_half_repository() -> Result<()> {
    let mut cluster = Cluster::start().await?;
    deletions_beside_updates(&cluster).await?;
    rival_updates(&cluster).await?;
    rival_first_publishes(&cluster).await?;
    skipped_ids(&cluster).await?;
    slow_transaction_elsewhere(&cluster).await?;
    without_quorum(&mut cluster).await
}

/// A node that has lost the others serves nothing: to its server the database is away until there
/// is a quorum again.
async fn without_quorum(cluster: &mut Cluster) -> Result<()> {
    let gun = gun("ex.com/quorum");
    let app = app(cluster.stores[0].clone());
    let health = CancellationToken::new();
    tokio::spawn(server::health::run(
        app.repositories.clone(),
        app.health.clone(),
        health.clone(),
    ));
    let current = "/v2/ex.com/quorum/_trust/tuf/timestamp.json";
    let now = daemon::clock::now();
    cluster.stores[0]
        .publish(&gun, None, &first(0), now)
        .await?;
    let health_is = async |wanted: StatusCode| -> Result<()> {
        let begun = Instant::now();
        while get(&app, "/_notary_server/health").await?.0 != wanted {
            ensure!(begun.elapsed() < PATIENCE, "health never was {wanted}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    health_is(StatusCode::OK).await?;

    cluster.galera.kill(1)?;
    cluster.galera.kill(2)?;
    let begun = Instant::now();
    let error = loop {
        match cluster.stores[0].head(&gun).await {
            Err(StoreError::Database(error)) => break error,
            // The node waits for the others before it gives them up.
            other => ensure!(begun.elapsed() < PATIENCE, "still {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(database::fault(&error), database::Fault::Away, "{error}");
    ensure!(cluster.stores[0].condition().borrow().failing.is_some());
    let (status, headers, _) = get(&app, current).await?;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    ensure!(headers.contains_key(http::header::RETRY_AFTER));
    health_is(StatusCode::SERVICE_UNAVAILABLE).await?;
    let base = Some(Head {
        sha256: [0; 32],
        version: 1,
        format: MetadataFormat::NOTARY,
    });
    let refused = cluster.stores[0]
        .publish(&gun, base.as_ref(), &next(2, 0), now)
        .await;
    ensure!(
        matches!(&refused, Err(StoreError::Database(error))
            if database::fault(error) == database::Fault::Away),
        "{refused:?}"
    );

    cluster.galera.go_on_alone(0)?;
    health_is(StatusCode::OK).await?;
    let head = cluster.stores[0].head(&gun).await?;
    assert_eq!(head.map(|head| head.version), Some(1));
    health.cancel();
    Ok(())
}

/// A follower at one node waits for a transaction on another one, whose locks it cannot see.
async fn slow_transaction_elsewhere(cluster: &Cluster) -> Result<()> {
    let Connected::MySql(there) = connect(&cluster.nodes[1]).await? else {
        unreachable!("Galera is MariaDB");
    };
    let (here, gun) = (&cluster.stores[0], gun("ex.com/slow"));
    let mut last: i32 = cluster.ask("SELECT MAX(id) FROM changefeed")?.parse()?;
    let mut slow = there.begin_with("BEGIN").await?;
    let insert = "INSERT INTO changefeed (gun, version, sha256) VALUES ('ex.com/slow', 9, '')";
    slow.executor().execute(insert).await?;
    let mut slow = Some(slow);
    let mut seen = Vec::new();
    // The second id is higher than that of the slow one, whatever the remainders of the nodes are.
    for version in 1..=2 {
        let base = here.head(&gun).await?;
        let now = daemon::clock::now();
        here.publish(&gun, base.as_ref(), &next(version, 0), now)
            .await?;
    }
    let begun = Instant::now();
    while seen.len() < 3 {
        ensure!(begun.elapsed() < PATIENCE, "only {seen:?}");
        if begun.elapsed() > Duration::from_secs(2)
            && let Some(slow) = slow.take()
        {
            slow.commit().await?;
        }
        let page = Page::After { id: last, limit: 9 };
        for change in here.changes(None, page).await? {
            last = i32::try_from(change.id)?;
            seen.push(change.version);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 9]);
    Ok(())
}

/// Ids that belong to nodes which write nothing do not stop the feed, at whichever node it is read.
async fn skipped_ids(cluster: &Cluster) -> Result<()> {
    let newest: i64 = cluster.ask("SELECT MAX(id) FROM changefeed")?.parse()?;
    let gun = gun("ex.com/feed");
    for version in 1..=5 {
        let base = cluster.stores[0].head(&gun).await?;
        let now = daemon::clock::now();
        cluster.stores[0]
            .publish(&gun, base.as_ref(), &next(version, 0), now)
            .await?;
    }
    let page = Page::After {
        id: i32::try_from(newest)?,
        limit: 9,
    };
    for store in &cluster.stores {
        let begun = Instant::now();
        loop {
            let changes = store.changes(None, page).await?;
            let versions: Vec<i64> = changes.iter().map(|change| change.version).collect();
            assert_eq!(versions, (1..).take(versions.len()).collect::<Vec<_>>());
            if versions.len() == 5 {
                break;
            }
            ensure!(begun.elapsed() < PATIENCE, "only {versions:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

/// A deletion through one node and an update through another: either comes first, and both hold.
async fn deletions_beside_updates(cluster: &Cluster) -> Result<()> {
    const ROUNDS: usize = 60;
    let now = fixtures::clock();
    let mut published = 0;
    for round in 0..ROUNDS {
        let gun = gun(&format!("ex.com/deleted/{round}"));
        let (here, there) = (&cluster.stores[round % 3], &cluster.stores[(round + 1) % 3]);
        here.publish(&gun, None, &first(0), now).await?;
        cluster.ask("SELECT COUNT(*) FROM tuf_files")?;
        let base = there.head(&gun).await?;
        let update = next(2, 0);
        let (updated, deleted) = tokio::join!(
            there.publish(&gun, base.as_ref(), &update, now),
            here.delete(&gun, now)
        );
        ensure!(deleted?, "there was something to delete");
        match updated {
            Ok(()) => published += 1,
            Err(StoreError::Moved) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let left = cluster.ask("SELECT COUNT(*) FROM tuf_files")?;
    assert_eq!(left, "0", "{published} of {ROUNDS} updates came first");
    Ok(())
}

/// Updates of one version through all nodes: exactly one is stored.
async fn rival_updates(cluster: &Cluster) -> Result<()> {
    const ROUNDS: i64 = 30;
    let (now, gun) = (fixtures::clock(), gun("ex.com/rivals"));
    cluster.stores[0]
        .publish(&gun, None, &first(0), now)
        .await?;
    for version in 2..2 + ROUNDS {
        cluster.ask("SELECT COUNT(*) FROM tuf_files")?;
        let base = cluster.stores[0].head(&gun).await?;
        let won = at_once(cluster, |number, store| {
            let (gun, base) = (gun.clone(), base.clone());
            // Each renews the timestamp alone, but one, so that no other row is written twice.
            let files = match number {
                0 => next(version, number),
                _ => files(&[Role::Timestamp], version, number),
            };
            async move { store.publish(&gun, base.as_ref(), &files, now).await }
        })
        .await?;
        assert_eq!(won, 1, "of those who wrote version {version}");
    }
    let rows = cluster.ask("SELECT COUNT(*) FROM changefeed WHERE gun = 'ex.com/rivals'")?;
    assert_eq!(rows, (ROUNDS + 1).to_string());
    Ok(())
}

/// A new repository through all nodes: exactly one is stored.
async fn rival_first_publishes(cluster: &Cluster) -> Result<()> {
    for round in 0..20 {
        let gun = gun(&format!("ex.com/new/{round}"));
        let won = at_once(cluster, |number, store| {
            let gun = gun.clone();
            async move {
                store
                    .publish(&gun, None, &first(number), fixtures::clock())
                    .await
            }
        })
        .await?;
        assert_eq!(won, 1);
    }
    let mixed = cluster.ask(
        "SELECT COUNT(*) FROM (SELECT gun FROM tuf_files WHERE gun LIKE 'ex.com/new/%' \
         GROUP BY gun HAVING COUNT(*) <> 4) odd",
    )?;
    assert_eq!(mixed, "0");
    Ok(())
}

/// Does something through every node at once; says how many were successful, and fails unless the
/// others lost a race.
async fn at_once<F>(
    cluster: &Cluster,
    act: impl Fn(usize, Arc<dyn TrustStore>) -> F,
) -> Result<usize>
where
    F: Future<Output = Result<(), StoreError>> + Send + 'static,
{
    let mut acts = JoinSet::new();
    for (number, store) in cluster.stores.iter().enumerate() {
        acts.spawn(act(number, store.clone()));
    }
    let mut won = 0;
    for outcome in acts.join_all().await {
        match outcome {
            Ok(()) => won += 1,
            Err(StoreError::Moved | StoreError::VersionExists(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(won)
}
