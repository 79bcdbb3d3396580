//! How the database goes about each statement.

use database::Dialect;
use signer::keystore::sql::statements;
use sqlx::{AssertSqlSafe, Row, SqlSafeStr, Sqlite};

use crate::support::TestSigner;

async fn plan(signer: &TestSigner, statement: &'static str) -> String {
    let spelled = Sqlite::sql(statement).into_sql_str();
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", spelled.as_str()));
    let mut query = sqlx::query(explain);
    for _ in 0..statement.matches('?').count() {
        query = query.bind(1_i64);
    }
    let rows = query.fetch_all(&signer.pool).await.unwrap();
    rows.iter()
        .map(|row| row.get::<String, _>("detail"))
        .collect::<Vec<_>>()
        .join("; ")
}

#[tokio::test]
async fn no_statement_looks_at_every_row_or_sorts() {
    let signer = TestSigner::start().await;
    for statement in statements::ALL {
        let plan = plan(&signer, statement).await;
        assert!(!plan.contains("SCAN"), "{statement}: {plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
    }
    let pending = plan(&signer, statements::PENDING).await;
    assert!(pending.contains("idx_private_keys_pending"), "{pending}");
}

#[tokio::test]
async fn every_alias_in_use_is_found_once() {
    let signer = TestSigner::recorded().await;
    let aliases = signer.keys.store().aliases().await.unwrap();
    assert_eq!(aliases, ["Pass-Alias.v2", "timestamp_1", "timestamp_2"]);
    let deletion = "UPDATE private_keys SET deleted_at = created_at \
                    WHERE passphrase_alias = 'timestamp_2'";
    signer.execute(deletion).await;
    assert_eq!(signer.keys.store().aliases().await.unwrap().len(), 2);
}
