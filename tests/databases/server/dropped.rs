//! Requests whose callers hang up: whatever was under way is taken back, and no request after them
//! notices.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use database::{Backend, DatabaseUrl, PoolLimits};
use fixtures::hang_up;
use harness::Fresh;
use trust::store::{self, Storage, StoreError, TrustStore};
use tuf::{File, Gun, MetadataFormat, Role};

use crate::{
    behaviour::publish,
    recorded::{app, get},
    support::{Server, on_both},
};

on_both!(
    what_a_caller_hung_up_on_is_taken_back_by_the_database,
    a_lock_that_is_waited_for_in_vain_leaves_nothing_behind,
    a_database_that_became_read_only_goes_on_being_read,
);

fn files(version: i64) -> Vec<File> {
    [Role::Root, Role::Targets, Role::Timestamp]
        .map(|role| {
            let bytes = format!(r#"{{"signed":{{"version":{version},"salt":"{role}"}}}}"#);
            File::parse(MetadataFormat::NOTARY, role, bytes.into()).expect("a file")
        })
        .into()
}

/// A store with so few connections that every one of them is used again at once.
async fn store(fresh: &Fresh) -> Result<Arc<dyn TrustStore>> {
    let backend = Backend::from_name(fresh.backend).expect("the harness names it as Notary does");
    let storage = Storage {
        url: DatabaseUrl::parse(backend, &fresh.url)?,
        limits: PoolLimits {
            connections: 2,
            wait: Duration::from_secs(2),
        },
    };
    Ok(store::open(&storage, database::OpenMode::MayCreate).await?)
}

/// How many transactions other sessions have open, apart from those that run a statement.
fn open_transactions(server: &Server, fresh: &Fresh) -> Result<String> {
    let count = server.pick(
        "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
        "SELECT COUNT(*) FROM information_schema.innodb_trx",
    );
    Ok(server.rule(fresh, count)?.trim().to_owned())
}

/// Checks that nothing is left open, as soon as the database has noticed that a connection is gone.
async fn nothing_is_open(server: &Server, fresh: &Fresh) -> Result<()> {
    let start = Instant::now();
    loop {
        let open = open_transactions(server, fresh)?;
        if open.ends_with('0') {
            return Ok(());
        }
        ensure!(
            start.elapsed() < Duration::from_secs(5),
            "still open: {open}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn what_a_caller_hung_up_on_is_taken_back_by_the_database(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let store = store(&fresh).await?;
    let now = fixtures::clock();
    let gun = Gun::parse("ex.com/a")?;
    for left in 0.. {
        let published = hang_up(publish(&*store, &gun, &files(1), now), left).await;
        let deleted = hang_up(store.delete(&gun, now), left).await;
        nothing_is_open(&server, &fresh).await?;
        if published.is_some() && deleted.is_some() {
            break;
        }
    }
    Ok(())
}

/// One writer that holds its lock for long: the others are refused, and later nothing of that is
/// left.
async fn a_lock_that_is_waited_for_in_vain_leaves_nothing_behind(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let server = Arc::new(server);
    let store = store(&fresh).await?;
    let now = fixtures::clock();
    let gun = Gun::parse("ex.com/a")?;
    publish(&*store, &gun, &files(1), now).await?;
    let lock = server.pick(
        "BEGIN; SELECT pg_advisory_xact_lock(7165362116443993600); SELECT pg_sleep(10)",
        "BEGIN; SELECT id FROM tuf_files FOR UPDATE; SELECT SLEEP(10)",
    );
    let holder = {
        let (fresh, lock) = (fresh.clone(), lock.to_owned());
        let server = Arc::clone(&server);
        tokio::task::spawn_blocking(move || server.rule(&fresh, &lock).map(drop))
    };
    tokio::time::sleep(Duration::from_secs(3)).await;
    let attempts: Vec<_> = (2..6)
        .map(|version| {
            let (store, gun) = (Arc::clone(&store), gun.clone());
            tokio::spawn(async move { publish(&*store, &gun, &files(version), now).await })
        })
        .collect();
    for attempt in attempts {
        let Err(StoreError::Database(error)) = attempt.await? else {
            anyhow::bail!("it was published although another holds the lock");
        };
        assert_eq!(database::fault(&error), database::Fault::Busy, "{error}");
    }
    holder.await??;
    for version in 2..12 {
        publish(&*store, &gun, &files(version), now).await?;
    }
    nothing_is_open(&server, &fresh).await
}

async fn a_database_that_became_read_only_goes_on_being_read(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let store = store(&fresh).await?;
    let app = app(Arc::clone(&store));
    let now = fixtures::clock();
    let gun = Gun::parse("ex.com/a")?;
    publish(&*store, &gun, &files(1), now).await?;
    let health = tokio_util::sync::CancellationToken::new();
    tokio::spawn(server::health::run(
        app.repositories.clone(),
        app.health.clone(),
        health.clone(),
    ));
    let switch = |on: bool| {
        let value = if on { "ON" } else { "OFF" };
        let switch = server.pick(
            format!(
                "ALTER SYSTEM SET default_transaction_read_only = {value}; \
                 SELECT pg_reload_conf()"
            ),
            format!("SET GLOBAL read_only = {value}"),
        );
        // As separate statements: neither may be in a transaction.
        switch
            .split("; ")
            .try_for_each(|statement| server.rule(&fresh, statement).map(drop))
    };

    switch(true)?;
    let start = Instant::now();
    let error = loop {
        match store.delete(&gun, now).await {
            Err(StoreError::Database(error)) => break error,
            // PostgreSQL reads its settings when it gets to it.
            other => ensure!(start.elapsed() < Duration::from_secs(5), "{other:?}"),
        }
        let _ = publish(&*store, &gun, &files(1), now).await;
    };
    assert_eq!(
        database::fault(&error),
        database::Fault::ReadOnly,
        "{error}"
    );
    ensure!(store.condition().borrow().is_read_only);
    store.check().await?;
    let (status, _, body) = eventually(&app, "read-only").await?;
    assert_eq!(status, http::StatusCode::OK);
    assert_eq!(body, r#"{"writes":"read-only"}"#);
    store.head(&gun).await?;

    switch(false)?;
    let start = Instant::now();
    while store.condition().borrow().is_read_only {
        // Without a write, what looks after health finds out.
        store.check().await?;
        ensure!(
            start.elapsed() < Duration::from_secs(5),
            "it stays read-only"
        );
    }
    let (_, _, body) = eventually(&app, "{}").await?;
    assert_eq!(body, "{}");
    publish(&*store, &gun, &files(7), now).await?;
    health.cancel();
    Ok(())
}

/// What health says as soon as it has these words, which takes no longer than a moment.
async fn eventually(
    app: &server::App,
    words: &str,
) -> Result<(http::StatusCode, http::HeaderMap, String)> {
    let start = Instant::now();
    loop {
        let (status, headers, body) = get(app, "/_notary_server/health").await?;
        let body = String::from_utf8_lossy(&body).into_owned();
        if body.contains(words) || start.elapsed() > Duration::from_secs(2) {
            return Ok((status, headers, body));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
