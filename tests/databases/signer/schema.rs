//! Taking over the tables that there are, whichever program made them.

use anyhow::Result;
use harness::Fresh;
use signer::open;

use crate::support::{PASSPHRASE, Server, keys, on_both, storage, store};

on_both![
    an_empty_database_is_not_served_until_it_was_migrated,
    a_plan_changes_nothing,
    notarys_tables_are_served_as_they_are_to_a_user_who_may_not_change_them,
    tables_are_known_by_what_they_are_and_not_by_a_recorded_version,
    columns_of_later_versions_are_added_without_touching_rows,
    what_is_not_understood_is_refused_in_a_sentence_and_left_alone,
    several_migrations_at_once_all_succeed,
    an_index_that_was_left_half_built_is_built_again,
    indexes_are_built_while_keys_are_made,
];

async fn migrate(fresh: &Fresh) -> Result<String> {
    open::migrate_store(&storage(fresh), false).await
}

async fn plan(fresh: &Fresh) -> Result<String> {
    open::migrate_store(&storage(fresh), true).await
}

/// The message of a failure that has to be one.
fn failure<T>(outcome: Result<T>) -> String {
    match outcome {
        Ok(_) => panic!("this should have failed"),
        Err(error) => format!("{error:#}"),
    }
}

async fn an_empty_database_is_not_served_until_it_was_migrated(server: Server) -> Result<()> {
    let fresh = server.empty()?;
    let refused = failure(store(&fresh).await);
    assert!(refused.contains("notary-signer migrate"), "{refused}");
    assert!(refused.contains(&fresh.name), "{refused}");
    let said = migrate(&fresh).await?;
    assert!(
        said.contains("done: create the table private_keys"),
        "{said}"
    );
    assert!(said.ends_with("was brought up to date"), "{said}");
    let said = migrate(&fresh).await?;
    assert!(said.ends_with("is up to date"), "{said}");
    store(&fresh).await?;
    Ok(())
}

async fn a_plan_changes_nothing(server: Server) -> Result<()> {
    let fresh = server.empty()?;
    for _ in 0..2 {
        let said = plan(&fresh).await?;
        assert!(
            said.contains("to do: create the table private_keys"),
            "{said}"
        );
        assert!(said.ends_with("nothing was changed"), "{said}");
    }
    failure(store(&fresh).await);
    Ok(())
}

async fn notarys_tables_are_served_as_they_are_to_a_user_who_may_not_change_them(
    server: Server,
) -> Result<()> {
    let fresh = server.notarys()?;
    let restricted = server.restricted(&fresh)?;
    let said = plan(&restricted).await?;
    assert!(said.contains("as Notary's migrations make it"), "{said}");
    assert!(said.contains("schema_migrations at version"), "{said}");
    assert!(
        said.contains("to do, not urgent: index private_keys by gun, role"),
        "{said}"
    );
    let keys = keys(&restricted, &[PASSPHRASE]).await?;
    let purpose = signer::keystore::Purpose {
        algorithm: tuf::KeyAlgorithm::Ecdsa,
        gun: "a".to_owned(),
        role: "snapshot".to_owned(),
    };
    let id = signer::keystore::KeyId::from(keys.create(purpose).await?.id());
    keys.sign(&id, "x".into()).await?;
    keys.delete(&id).await?;
    // Adding indexes needs more rights; then nothing is to do, and no rights are needed.
    let refused = failure(migrate(&restricted).await);
    assert!(
        refused.contains("could not index private_keys")
            && refused.contains("run `migrate` as a user who may create and alter tables"),
        "{refused}"
    );
    migrate(&fresh).await?;
    let said = migrate(&restricted).await?;
    assert!(said.ends_with("is up to date"), "{said}");
    Ok(())
}

async fn tables_are_known_by_what_they_are_and_not_by_a_recorded_version(
    server: Server,
) -> Result<()> {
    for (change, expected) in [
        (
            "DROP TABLE schema_migrations",
            "found: the table private_keys",
        ),
        (
            "UPDATE schema_migrations SET dirty = TRUE",
            "half done (dirty)",
        ),
        (
            "DELETE FROM schema_migrations",
            "schema_migrations, which is empty",
        ),
        ("UPDATE schema_migrations SET version = 7", "at version 7"),
    ] {
        let fresh = server.notarys()?;
        server.sql(&fresh, change)?;
        let said = plan(&fresh).await?;
        assert!(said.contains(expected), "{change}: {said}");
        store(&fresh).await?;
        migrate(&fresh).await?;
        let said = plan(&fresh).await?;
        assert!(said.ends_with("is up to date"), "{change}: {said}");
    }
    // As gorm makes it, where it can.
    if let Server::MariaDb(_) = server {
        let fresh = server.empty()?;
        server.sql(
            &fresh,
            "CREATE TABLE private_keys (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, \
             created_at DATETIME NULL, updated_at DATETIME NULL, deleted_at DATETIME NULL, \
             key_id VARCHAR(255) NOT NULL UNIQUE, encryption_alg VARCHAR(255) NOT NULL, \
             keywrap_alg VARCHAR(255) NOT NULL, algorithm VARCHAR(50) NOT NULL, \
             passphrase_alias VARCHAR(50) NOT NULL, gun VARCHAR(255) NOT NULL, \
             role VARCHAR(255) NOT NULL, public BLOB NOT NULL, private BLOB NOT NULL, \
             last_used DATETIME NULL, KEY idx_private_keys_deleted_at (deleted_at), \
             KEY key_id_idx (key_id))",
        )?;
        let said = plan(&fresh).await?;
        assert!(
            said.contains("as gorm, Notary's library, makes it"),
            "{said}"
        );
        let store = store(&fresh).await?;
        assert_eq!(store.list(0, 1).await?, []);
    }
    Ok(())
}

async fn columns_of_later_versions_are_added_without_touching_rows(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let (public, private) = (server.literal(b"public"), server.literal(b"private"));
    server.sql(
        &fresh,
        &format!(
            "ALTER TABLE private_keys DROP COLUMN gun, DROP COLUMN role, DROP COLUMN last_used;
             UPDATE schema_migrations SET version = 1;
             INSERT INTO private_keys (key_id, encryption_alg, keywrap_alg, algorithm, \
             passphrase_alias, public, private) VALUES ('{}', '', '', 'ecdsa', 'old', {public}, \
             {private});",
            "a".repeat(64)
        ),
    )?;
    failure(store(&fresh).await);
    let said = migrate(&fresh).await?;
    for column in ["gun", "role", "last_used"] {
        assert!(
            said.contains(&format!("done: add the column {column}")),
            "{said}"
        );
    }
    let listed = store(&fresh).await?.list(0, 10).await?;
    assert_eq!(listed.len(), 1);
    let key = &listed[0];
    assert_eq!(
        (key.gun.as_str(), key.role.as_str(), key.last_used),
        ("", "", None)
    );
    assert_eq!((key.alias.as_str(), key.created), ("old", None));
    Ok(())
}

async fn what_is_not_understood_is_refused_in_a_sentence_and_left_alone(
    server: Server,
) -> Result<()> {
    for (change, expected) in [
        (
            "ALTER TABLE private_keys ADD COLUMN tenant INT NOT NULL",
            "private_keys.tenant must be given a value",
        ),
        (
            "ALTER TABLE private_keys DROP COLUMN passphrase_alias",
            "private_keys has no column passphrase_alias",
        ),
        (
            "ALTER TABLE private_keys DROP COLUMN private; \
             ALTER TABLE private_keys ADD COLUMN private INT",
            "private_keys.private is of type int",
        ),
    ] {
        let fresh = server.notarys()?;
        server.sql(&fresh, change)?;
        for refused in [failure(migrate(&fresh).await), failure(store(&fresh).await)] {
            assert!(refused.contains(expected), "{refused}");
            assert!(refused.contains("nothing was changed"), "{refused}");
        }
    }
    Ok(())
}

async fn several_migrations_at_once_all_succeed(server: Server) -> Result<()> {
    for fresh in [server.empty()?, server.notarys()?] {
        let (one, two, three) = tokio::join!(migrate(&fresh), migrate(&fresh), migrate(&fresh));
        for said in [one?, two?, three?] {
            assert!(said.ends_with("up to date"), "{said}");
        }
        assert!(plan(&fresh).await?.ends_with("is up to date"));
    }
    Ok(())
}

async fn an_index_that_was_left_half_built_is_built_again(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    migrate(&fresh).await?;
    let Server::Postgres(_) = server else {
        // MariaDB leaves none.
        return Ok(());
    };
    let left = "'idx_private_keys_pending'::regclass";
    server.sql(
        &fresh,
        &format!("UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = {left}"),
    )?;
    let said = migrate(&fresh).await?;
    assert!(
        said.contains("done: index private_keys by gun, role"),
        "{said}"
    );
    let valid = format!("SELECT indisvalid FROM pg_index WHERE indexrelid = {left}");
    assert_eq!(server.sql(&fresh, &valid)?.trim(), "t");
    Ok(())
}

/// The statements that would keep others from writing are refused by the database, if it cannot do
/// without.
async fn indexes_are_built_while_keys_are_made(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    let keys = keys(&fresh, &[PASSPHRASE]).await?;
    let purpose = |number: u32| signer::keystore::Purpose {
        algorithm: tuf::KeyAlgorithm::Ecdsa,
        gun: format!("gun{number}"),
        role: "timestamp".to_owned(),
    };
    keys.create(purpose(0)).await?;
    let making = async {
        for number in 1..20 {
            let id = signer::keystore::KeyId::from(keys.create(purpose(number)).await?.id());
            keys.sign(&id, "x".into()).await?;
        }
        anyhow::Ok(())
    };
    let (made, migrated) = tokio::join!(making, migrate(&fresh));
    made?;
    migrated?;
    let said = migrate(&fresh).await?;
    assert!(said.ends_with("is up to date"), "{said}");
    Ok(())
}
