//! The signer behind `PgBouncer` in transaction mode.

use anyhow::{Result, ensure};
use harness::{Fresh, PgBouncer};

use crate::{
    behaviour::{self, Stores, each_behaviour},
    support::{Server, store},
};

#[tokio::test(flavor = "multi_thread")]
async fn every_behaviour_holds_behind_a_pooler_that_is_told_of() -> Result<()> {
    let server = Server::postgres()?;
    let Server::Postgres(postgres) = &server else {
        unreachable!("it was just made");
    };
    let pooler = PgBouncer::start(postgres)?;
    let behind = |fresh: Fresh| {
        let mut fresh = pooler.before(postgres, &fresh);
        fresh.url.push_str("&binary_parameters=yes");
        fresh
    };
    let mut failed = Vec::new();
    macro_rules! run {
        ($behaviour:ident) => {
            let fresh = behind(server.notarys()?);
            let stores = Stores {
                one: store(&fresh).await?,
                other: store(&fresh).await?,
            };
            if tokio::spawn(behaviour::$behaviour(stores)).await.is_err() {
                failed.push(stringify!($behaviour));
            }
        };
    }
    each_behaviour!(run);
    ensure!(failed.is_empty(), "these failed: {failed:?}");
    Ok(())
}
