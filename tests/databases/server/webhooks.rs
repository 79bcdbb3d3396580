//! Webhooks on PostgreSQL and MariaDB: their behaviours.

use anyhow::Result;
use database::Connected;

use crate::{
    support::{Server, connect},
    webhooks_behaviour::{self as behaviour, each_behaviour},
};

macro_rules! on_postgres {
    ($behaviour:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $behaviour() -> anyhow::Result<()> {
            super::play(super::Server::postgres()?, async |connected| {
                super::behaviour::$behaviour(connected).await;
            })
            .await
        }
    };
}

macro_rules! on_mariadb {
    ($behaviour:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $behaviour() -> anyhow::Result<()> {
            super::play(super::Server::mariadb()?, async |connected| {
                super::behaviour::$behaviour(connected).await;
            })
            .await
        }
    };
}

mod postgres {
    use super::each_behaviour;

    each_behaviour!(on_postgres);
}

mod mariadb {
    use super::each_behaviour;

    each_behaviour!(on_mariadb);
}

/// Plays a behaviour on a database as Notary's migrations leave it.
async fn play(server: Server, behaviour: impl AsyncFnOnce(Connected)) -> Result<()> {
    let fresh = server.notarys()?;
    behaviour(connect(&fresh).await?).await;
    Ok(())
}
