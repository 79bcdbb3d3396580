//! No statement of the store looks at every row of a table.

use anyhow::{Result, ensure};
use database::{Connected, Dialect};
use sqlx::{AssertSqlSafe, Executor as _, MySql, Postgres, Row as _, SqlSafeStr as _};
use trust::store::statements;

use crate::support::{Server, connect, on_both};

on_both!(every_statement_finds_its_rows_by_an_index);

/// Enough rows that looking at all of them is dearer than an index: planners know.
const GUNS: u32 = 2000;

async fn every_statement_finds_its_rows_by_an_index(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let data = server.pick("decode('7b7d', 'hex')", "x'7b7d'");
    let rows: Vec<String> = (0..GUNS)
        .map(|gun| format!("('gun{gun:05}', 'timestamp', 1, {data}, '{gun:064x}')"))
        .collect();
    let changes: Vec<String> = (0..GUNS)
        .map(|gun| format!("('gun{gun:05}', 1, '{gun:064x}')"))
        .collect();
    server.run(
        &fresh,
        &format!(
            "INSERT INTO tuf_files (gun, role, version, data, sha256) VALUES {};
             INSERT INTO changefeed (gun, version, sha256) VALUES {}; {}",
            rows.join(","),
            changes.join(","),
            server.pick("ANALYZE", "ANALYZE TABLE tuf_files, changefeed")
        ),
    )?;
    match connect(&fresh).await? {
        Connected::Postgres(pool) => postgres_plans(&pool).await,
        Connected::MySql(pool) => mysql_plans(&pool).await,
        Connected::Sqlite(_) => unreachable!("no harness makes one"),
    }
}

/// With values in the place of parameters, as a planner meets them.
fn with_values(statement: &str) -> String {
    let mut parts = statement.split('?');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let before = filled.trim_end();
        let value = if before.ends_with("LIMIT") {
            "10"
        } else if ["updated_at =", "THEN", "ELSE"]
            .iter()
            .any(|end| before.ends_with(end))
        {
            "TIMESTAMP '2026-01-01 00:00:00'"
        } else if [
            "version >=",
            "version <",
            "version =",
            "id >",
            "id <",
            "id <=",
        ]
        .iter()
        .any(|end| before.ends_with(end))
        {
            "1"
        } else {
            "'gun01000'"
        };
        filled.push_str(value);
        filled.push_str(part);
    }
    filled
}

fn reads() -> impl Iterator<Item = &'static str> {
    let whole = [statements::ALL_FILES, statements::ALL_CHANGES];
    statements::ALL
        .into_iter()
        .filter(move |statement| !statement.starts_with("INSERT") && !whole.contains(statement))
}

fn exact<DB: Dialect>(statement: &'static str) -> String {
    // The dialect numbers what it is given; values are filled in first, so nothing is left to
    // number.
    let leaked: &'static str = Box::leak(with_values(statement).into_boxed_str());
    DB::sql(leaked).into_sql_str().as_str().to_owned()
}

async fn postgres_plans(pool: &database::Pool<Postgres>) -> Result<()> {
    for statement in reads() {
        let explain = format!("EXPLAIN {}", exact::<Postgres>(statement));
        let plan: Vec<String> = pool
            .fetch_all(AssertSqlSafe(explain))
            .await?
            .iter()
            .map(|row| row.get(0))
            .collect();
        let scans = plan.iter().any(|step| step.contains("Seq Scan on"));
        ensure!(!scans, "{statement}\n{plan:#?}");
    }
    Ok(())
}

async fn mysql_plans(pool: &database::Pool<MySql>) -> Result<()> {
    for statement in reads() {
        let explain = format!("EXPLAIN {}", exact::<MySql>(statement));
        for row in pool.fetch_all(AssertSqlSafe(explain)).await? {
            let table: Option<String> = row.try_get("table")?;
            let kind: Option<String> = row.try_get("type")?;
            let (table, kind) = (table.unwrap_or_default(), kind.unwrap_or_default());
            // What another part of the statement has found is read as a whole; tables never are.
            let is_found = table.starts_with("<derived") || table.starts_with("<union");
            let scans = kind == "ALL" && !is_found;
            ensure!(!scans, "{statement}\n{table}: {kind}");
        }
    }
    Ok(())
}
