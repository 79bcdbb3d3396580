//! Every behaviour of a store, on tables that Notary made and on tables of our own.

use anyhow::{Result, ensure};

use crate::{
    behaviour::{self, each_behaviour},
    support::{Server, connect, on_both, open},
};

on_both!(
    every_behaviour_holds_on_notarys_tables,
    every_behaviour_holds_on_new_tables,
    a_plain_url_leads_to_the_same_database,
    what_others_left_out_of_rows_is_made_up_for,
);

async fn every_behaviour_holds_on_notarys_tables(server: Server) -> Result<()> {
    Box::pin(every_behaviour(&server, false)).await
}

async fn every_behaviour_holds_on_new_tables(server: Server) -> Result<()> {
    Box::pin(every_behaviour(&server, true)).await
}

/// Runs each on a database of its own and names those that fail.
async fn every_behaviour(server: &Server, new: bool) -> Result<()> {
    let mut failed = Vec::new();
    macro_rules! run {
        ($behaviour:ident) => {
            let fresh = if new {
                let fresh = server.empty()?;
                trust::store::migrate(&connect(&fresh).await?).await?;
                fresh
            } else {
                server.notarys()?
            };
            let store = open(&fresh).await?;
            if tokio::spawn(behaviour::$behaviour(store)).await.is_err() {
                failed.push(stringify!($behaviour));
            }
        };
    }
    each_behaviour!(run);
    ensure!(failed.is_empty(), "these failed: {failed:?}");
    Ok(())
}

async fn a_plain_url_leads_to_the_same_database(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let plain = harness::Fresh {
        url: fresh.plain_url.clone(),
        ..fresh
    };
    open(&plain).await?.check().await?;
    Ok(())
}

async fn what_others_left_out_of_rows_is_made_up_for(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let data = server.pick("decode('7b7d', 'hex')", "x'7b7d'");
    server.run(
        &fresh,
        &format!(
            "INSERT INTO tuf_files (gun, role, version, data) VALUES ('a', 'timestamp', 1, {data});
             INSERT INTO changefeed (created_at, gun, version) VALUES (NULL, 'a', 1);"
        ),
    )?;
    let store = open(&fresh).await?;
    let gun = tuf::Gun::parse("a")?;
    let head = store.head(&gun).await?.expect("it is there");
    let sum = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(hex::encode(head.sha256), sum);
    let role = tuf::Role::Timestamp;
    for sha256 in ["NULL", "''"] {
        server.run(&fresh, &format!("UPDATE tuf_files SET sha256 = {sha256}"))?;
        assert_eq!(store.head(&gun).await?.as_ref(), Some(&head), "{sha256}");
        let found = store.by_checksum(&gun, &role, &head.sha256).await?;
        assert_eq!(&found.expect("it is there").bytes[..], b"{}", "{sha256}");
    }
    trust::store::migrate(&connect(&fresh).await?).await?;
    let written = server.run(&fresh, "SELECT sha256 FROM tuf_files")?;
    ensure!(written.contains(sum), "{written}");
    let page = trust::store::Page::After { id: 0, limit: 9 };
    assert_eq!(store.changes(None, page).await?[0].sha256, "");
    Ok(())
}
