//! The inventory on PostgreSQL and MariaDB: its behaviours, and that every statement finds its rows
//! by an index.

use anyhow::{Result, ensure};
use database::{Connected, Dialect, Pool};
use inventory::statements;
use sqlx::{AssertSqlSafe, Executor as _, MySql, Postgres, Row as _, SqlSafeStr as _};

use crate::{
    inventory_behaviour::{self as behaviour, each_behaviour},
    support::{Server, connect},
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

    #[tokio::test(flavor = "multi_thread")]
    async fn every_statement_finds_its_rows_by_an_index() -> anyhow::Result<()> {
        super::check_plans(super::Server::postgres()?).await
    }
}

mod mariadb {
    use super::each_behaviour;

    each_behaviour!(on_mariadb);

    #[tokio::test(flavor = "multi_thread")]
    async fn every_statement_finds_its_rows_by_an_index() -> anyhow::Result<()> {
        super::check_plans(super::Server::mariadb()?).await
    }
}

/// Plays a behaviour on a database as Notary's migrations leave it.
async fn play(server: Server, behaviour: impl AsyncFnOnce(Connected)) -> Result<()> {
    let fresh = server.notarys()?;
    behaviour(connect(&fresh).await?).await;
    Ok(())
}

/// Looks at the plans with so many rows that looking at all of them is dearer than an index.
async fn check_plans(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let connected = connect(&fresh).await?;
    behaviour::ten_thousand_repositories_are_read_in_pages(connected.clone()).await;
    let tables = ["overview", "roles", "tags", "signers"].map(|name| format!("countersign_{name}"));
    let (overview, roles, tags, signers) = (&tables[0], &tables[1], &tables[2], &tables[3]);
    let empty = server.pick("''::bytea", "X''");
    server.run(
        &fresh,
        &format!(
            "INSERT INTO {roles} SELECT gun, role, 1, length, 1 FROM {tags}; \
             INSERT INTO {signers} SELECT gun, role, name_sum, {empty}, {empty}, 0 FROM {tags}; {}",
            server.pick(
                // Statements in one text are one transaction, in which nothing is vacuumed.
                String::new(),
                format!("ANALYZE TABLE {overview}, {roles}, {tags}, {signers}")
            )
        ),
    )?;
    if let Connected::Postgres(pool) = &connected {
        // As autovacuum does, which also tells that counting need not look at the rows.
        pool.execute("VACUUM ANALYZE").await?;
    }
    match &connected {
        Connected::Postgres(pool) => check_postgres(pool).await,
        Connected::MySql(pool) => check_mysql(pool).await,
        Connected::Sqlite(_) => unreachable!("no harness makes one"),
    }
}

/// With values in the place of parameters, as a planner meets them.
fn explain<DB: Dialect>(statement: &str, bytes: impl Fn(&str) -> String) -> String {
    let mut parts = statement.split('?');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let before = filled.trim_end().to_owned();
        let is_number = [
            "LIMIT",
            "expires <",
            "expires >",
            "expires =",
            "expires >=",
            "owner =",
            "health =",
            "expiry <=",
            "expiry >",
            "expiry =",
            "expiry >=",
            "published_at <",
            "published_at =",
            "published_at <=",
        ]
        .iter()
        .any(|end| before.ends_with(end));
        filled.push_str(&match before.as_str() {
            before if before.ends_with("gun <") => bytes("ex.com/6"),
            before if before.ends_with("gun >") => bytes("ex.com/5/00500"),
            _ if is_number => "7".to_owned(),
            _ => bytes("ex.com/5/00505"),
        });
        filled.push_str(part);
    }
    let leaked: &'static str = Box::leak(filled.into_boxed_str());
    format!("EXPLAIN {}", DB::sql(leaked).into_sql_str().as_str())
}

/// Of one row there is nothing to find by an index.
fn reads() -> impl Iterator<Item = &'static str> {
    statements::READS
        .into_iter()
        .filter(|statement| *statement != statements::POSITION)
}

async fn check_postgres(pool: &Pool<Postgres>) -> Result<()> {
    let bytes = |text: &str| format!("convert_to('{text}', 'UTF8')");
    for statement in reads() {
        let explain = AssertSqlSafe(explain::<Postgres>(statement, bytes));
        let plan: Vec<String> = pool
            .fetch_all(explain)
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect();
        let scans = plan.iter().any(|step| step.contains("Seq Scan on"));
        ensure!(!scans, "{statement}\n{plan:#?}");
    }
    Ok(())
}

async fn check_mysql(pool: &Pool<MySql>) -> Result<()> {
    let bytes = |text: &str| format!("BINARY '{text}'");
    for statement in reads() {
        let explain = AssertSqlSafe(explain::<MySql>(statement, bytes));
        for row in pool.fetch_all(explain).await? {
            let table: Option<String> = row.try_get("table")?;
            let kind: Option<String> = row.try_get("type")?;
            let (table, kind) = (table.unwrap_or_default(), kind.unwrap_or_default());
            let scans = (kind == "ALL" || kind == "index") && !table.starts_with("<derived");
            ensure!(!scans, "{statement}\n{table}: {kind}");
        }
    }
    Ok(())
}
