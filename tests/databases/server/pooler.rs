//! `PgBouncer` in transaction mode: a session is another one after each transaction.

use anyhow::{Result, ensure};
use database::{Fault, fault};
use harness::{Fresh, PgBouncer, Postgres};
use trust::store::StoreError;
use tuf::Gun;

use crate::{
    behaviour::{self, each_behaviour},
    support::{Server, open},
};

/// `fresh` behind `pooler`, with the switch that lib/pq has for it.
fn behind(pooler: &PgBouncer, postgres: &Postgres, fresh: &Fresh) -> Fresh {
    let mut fresh = pooler.before(postgres, fresh);
    fresh.url.push_str("&binary_parameters=yes");
    fresh
}

#[tokio::test(flavor = "multi_thread")]
async fn every_behaviour_holds_behind_a_pooler_that_is_told_of() -> Result<()> {
    let server = Server::postgres()?;
    let Server::Postgres(postgres) = &server else {
        unreachable!("it was just made");
    };
    let pooler = PgBouncer::start(postgres)?;
    let mut failed = Vec::new();
    macro_rules! run {
        ($behaviour:ident) => {
            let fresh = behind(&pooler, postgres, &server.notarys()?);
            // Programs that share the two sessions there are.
            let (store, other) = (open(&fresh).await?, open(&fresh).await?);
            let other = tokio::spawn(async move {
                let gun = Gun::parse("ex.com/other")?;
                for _ in 0..50 {
                    other.head(&gun).await?;
                }
                anyhow::Ok(())
            });
            if tokio::spawn(behaviour::$behaviour(store)).await.is_err() {
                failed.push(stringify!($behaviour));
            }
            other.await??;
        };
    }
    each_behaviour!(run);
    ensure!(failed.is_empty(), "these failed: {failed:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_nobody_told_of_is_named_with_its_cure() -> Result<()> {
    let server = Server::postgres()?;
    let Server::Postgres(postgres) = &server else {
        unreachable!("it was just made");
    };
    let pooler = PgBouncer::start(postgres)?;
    let fresh = pooler.before(postgres, &server.notarys()?);
    let gun = Gun::parse("ex.com/a")?;
    // Which session a statement meets is chance: the first may find nothing wrong.
    for _ in 0..20 {
        let (one, other) = match (open(&fresh).await, open(&fresh).await) {
            (Ok(one), Ok(other)) => (one, other),
            (Err(error), _) | (_, Err(error)) => {
                ensure!(
                    format!("{error:#}").contains("binary_parameters"),
                    "{error:#}"
                );
                return Ok(());
            }
        };
        for store in [&one, &other, &one] {
            if let Err(StoreError::Database(error)) = store.head(&gun).await {
                assert_eq!(fault(&error), Fault::Pooled, "{error}");
                ensure!(Fault::Pooled.cure().contains("binary_parameters=yes"));
                return Ok(());
            }
        }
    }
    anyhow::bail!("every session was its own")
}
