//! The table of audit chains on databases across a network: optional, made by `migrate`, and used
//! as on SQLite.

#[path = "../../../trust/tests/it/store/chains.rs"]
mod behaviour;

use anyhow::Result;
use harness::database::USER;
use trust::store::{self, chains};

use crate::support::{Server, connect, on_both, open};

on_both!(
    the_table_is_made_beside_notarys_and_moves_chains_on,
    without_rights_to_make_the_table_everything_else_works,
);

async fn the_table_is_made_beside_notarys_and_moves_chains_on(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let connected = connect(&fresh).await?;
    let steps = chains::plan(&connected).await?.steps;
    assert_eq!(steps[0].what, "create the table countersign_audit_chains");
    assert!(!steps[0].is_required);
    for _ in 0..2 {
        chains::migrate(&connected).await?;
        assert!(chains::plan(&connected).await?.is_complete());
    }
    assert!(store::plan(&connected).await?.is_complete());
    behaviour::a_chain_is_moved_on_only_from_the_line_that_is_known(&connected).await;
    Ok(())
}

async fn without_rights_to_make_the_table_everything_else_works(server: Server) -> Result<()> {
    let fresh = server.empty()?;
    let schema = server.pick(
        include_str!("../../harness/schema/postgres/server.sql"),
        include_str!("../../harness/schema/mysql/server.sql"),
    );
    server.rule(&fresh, schema)?;
    server.rule(
        &fresh,
        &server.pick(
            format!(
                "ALTER DATABASE {0} OWNER TO postgres;
                 GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {USER};
                 GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {USER};",
                fresh.name
            ),
            format!(
                "REVOKE ALL ON {0}.* FROM '{USER}'@'127.0.0.1';
                 GRANT SELECT, INSERT, UPDATE, DELETE ON {0}.* TO '{USER}'@'127.0.0.1';",
                fresh.name
            ),
        ),
    )?;
    let connected = connect(&fresh).await?;
    assert!(chains::migrate(&connected).await.is_err());
    assert!(chains::open(&connected).all().await.is_err());
    assert!(store::migrate(&connected).await?.is_complete());
    open(&fresh).await?.check().await?;
    Ok(())
}
