//! What is remembered is served as if it had been read at that moment, and costs next to nothing,
//! where ids of the changefeed appear out of order.

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use database::Connected;
use trust::{
    Repositories,
    cache::MetadataCache,
    follower::{MOMENT, Mode, Rules},
    memory::MemoryLimits,
    reading,
    signer::LocalSigner,
    store::SqlStore,
};
use tuf::{Gun, Role};

use crate::{
    model::{Bound, nobody_reads_what_is_older_than_allowed},
    observed::Observed,
    support::{Server, connect, on_both, open},
};

on_both!(
    nobody_reads_what_is_older_than_the_request,
    nobody_reads_what_is_older_than_a_moment_where_a_server_takes_itself_for_the_only_one,
    a_repository_that_is_not_there_costs_one_question,
);

const TIME: Duration = Duration::from_secs(8);

async fn nobody_reads_what_is_older_than_the_request(server: Server) -> Result<()> {
    let foreign = Duration::ZERO;
    play_model(&server, Mode::Shared, Bound { foreign }).await
}

async fn nobody_reads_what_is_older_than_a_moment_where_a_server_takes_itself_for_the_only_one(
    server: Server,
) -> Result<()> {
    let foreign = MOMENT;
    play_model(&server, Mode::Sole, Bound { foreign }).await
}

async fn play_model(server: &Server, mode: Mode, bound: Bound) -> Result<()> {
    let fresh = server.notarys()?;
    let follow = |repositories: Repositories| {
        repositories.following_by(Rules {
            mode,
            ..Rules::default()
        })
    };
    match connect(&fresh).await? {
        Connected::Postgres(pool) => {
            let store = || Arc::new(SqlStore::new(pool.clone())) as _;
            let go = Arc::new(pool.clone());
            nobody_reads_what_is_older_than_allowed(store, go, follow, bound, TIME).await;
        }
        Connected::MySql(pool) => {
            let store = || Arc::new(SqlStore::new(pool.clone())) as _;
            let go = Arc::new(pool.clone());
            nobody_reads_what_is_older_than_allowed(store, go, follow, bound, TIME).await;
        }
        Connected::Sqlite(_) => unreachable!("no harness makes one"),
    }
    Ok(())
}

async fn a_repository_that_is_not_there_costs_one_question(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let store = Observed::new(open(&fresh).await?);
    let repositories = Repositories::new(
        Arc::clone(&store) as _,
        Arc::new(LocalSigner::default()),
        MetadataCache::new(1 << 20),
        MemoryLimits::new(1 << 20),
        daemon::clock::now,
    );
    let gun = Gun::parse("ex.com/absent")?;
    let read = async || {
        let now = daemon::clock::now();
        reading::current(&repositories, &gun, &Role::Timestamp, now).await
    };
    // The first asks for itself, the second finds the end of the feed, which voids the first.
    for _ in 0..3 {
        ensure!(read().await?.is_none());
    }
    store.take();
    ensure!(read().await?.is_none());
    let asked = store.take();
    ensure!(asked.get("changes_from") == Some(&1), "{asked:?}");
    ensure!(
        asked.get("head").copied().unwrap_or_default() <= 1,
        "{asked:?}"
    );
    Ok(())
}
