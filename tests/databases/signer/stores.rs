//! The key store itself, and the rows that Notary wrote.

use anyhow::{Context, Result, ensure};
use database::Dialect;
use harness::Fresh;
use serde_json::Value;
use signer::{
    keystore::{KeyId, Purpose, sql::statements},
    open,
    rotation::rotate_all,
    trial::{Checked, check_all},
};
use sqlx::{MySql, Postgres, SqlSafeStr};
use tuf::{KeyAlgorithm, KeyType, PublicKey};

use crate::{
    behaviour::{self, Stores, each_behaviour},
    support::{ALIAS, PASSPHRASE, Server, keys, noon, on_both, storage, store},
};

on_both![
    every_behaviour_holds_on_notarys_tables,
    every_behaviour_holds_on_new_tables,
    no_statement_looks_at_every_key,
    without_indexes_a_new_key_is_one_look_at_every_key_and_with_them_none,
    recorded_keys_of_every_form_open_and_sign,
    a_passphrase_is_rotated_while_a_signer_goes_on_signing,
    after_an_outage_everything_works_again_without_a_restart,
];

/// Two signers on `fresh`.
async fn stores(fresh: &Fresh) -> Result<Stores> {
    Ok(Stores {
        one: store(fresh).await?,
        other: store(fresh).await?,
    })
}

async fn every_behaviour_holds_on_notarys_tables(server: Server) -> Result<()> {
    macro_rules! run {
        ($behaviour:ident) => {
            println!("{}", stringify!($behaviour));
            let fresh = server.notarys()?;
            behaviour::$behaviour(stores(&fresh).await?).await;
        };
    }
    each_behaviour!(run);
    Ok(())
}

async fn every_behaviour_holds_on_new_tables(server: Server) -> Result<()> {
    macro_rules! run {
        ($behaviour:ident) => {
            println!("{}", stringify!($behaviour));
            let fresh = server.empty()?;
            open::migrate_store(&storage(&fresh), false).await?;
            behaviour::$behaviour(stores(&fresh).await?).await;
        };
    }
    each_behaviour!(run);
    Ok(())
}

/// How the database would go about `statement`.
fn plan(server: &Server, fresh: &Fresh, statement: &'static str) -> Result<String> {
    let parameters = statement.matches('?').count();
    let explain = match server {
        Server::Postgres(_) => {
            let spelled = Postgres::sql(statement).into_sql_str();
            let values = match parameters {
                0 => String::new(),
                _ => format!("({})", vec!["NULL"; parameters].join(", ")),
            };
            // The table is small: without being told, it would be read as a whole.
            format!(
                "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; \
                 PREPARE it AS {}; EXPLAIN EXECUTE it {values};",
                spelled.as_str()
            )
        }
        Server::MariaDb(_) => {
            let spelled = MySql::sql(statement).into_sql_str();
            let filled = spelled.as_str().replace("LIMIT ?", "LIMIT 1");
            format!("EXPLAIN {}", filled.replace('?', "'1'"))
        }
    };
    server.sql(fresh, &explain)
}

async fn no_statement_looks_at_every_key(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    open::migrate_store(&storage(&fresh), false).await?;
    let numbers: Vec<String> = (0..2000).map(|number| format!("({number})")).collect();
    let [bytes, id] = match server {
        Server::Postgres(_) => ["'x'", "lpad(n::text, 64, '0')"],
        Server::MariaDb(_) => ["'x'", "LPAD(n, 64, '0')"],
    };
    let values = match server {
        Server::Postgres(_) => format!("(VALUES {}) numbers (n)", numbers.join(",")),
        Server::MariaDb(_) => "(SELECT seq AS n FROM seq_0_to_1999) numbers".to_owned(),
    };
    let analyze = match server {
        Server::Postgres(_) => "ANALYZE private_keys",
        Server::MariaDb(_) => "ANALYZE TABLE private_keys",
    };
    server.sql(
        &fresh,
        &format!(
            "INSERT INTO private_keys (key_id, encryption_alg, keywrap_alg, algorithm, \
             passphrase_alias, public, private, gun, role) SELECT {id}, '', '', 'ecdsa', \
             CONCAT('alias', n % 5), {bytes}, {bytes}, CONCAT('gun', n), 'timestamp' \
             FROM {values}; {analyze};"
        ),
    )?;
    let all = statements::ALL.into_iter();
    // A backup is to read every row.
    for statement in all.filter(|&statement| statement != statements::EVERYTHING) {
        let plan = plan(&server, &fresh, statement)?;
        ensure!(!plan.contains("Seq Scan"), "{statement}: {plan}");
        let reads_all = plan.contains("\tALL\t") && !statement.starts_with("INSERT");
        ensure!(!reads_all, "{statement}: {plan}");
    }
    for (statement, index) in [
        (statements::PENDING, "idx_private_keys_pending"),
        (statements::NEXT_ALIAS, "idx_private_keys_alias"),
    ] {
        let plan = plan(&server, &fresh, statement)?;
        ensure!(plan.contains(index), "{statement}: {plan}");
    }
    Ok(())
}

/// How many rows were read one after the other by now, in the whole server.
fn rows_scanned(server: &Server, fresh: &Fresh) -> Result<u64> {
    let statement = match server {
        // What a connection did is counted when it has been idle for 10 seconds, or ends.
        Server::Postgres(_) => {
            "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'private_keys'"
        }
        Server::MariaDb(_) => "SHOW GLOBAL STATUS LIKE 'Handler_read_rnd_next'",
    };
    let told = server.sql(fresh, statement)?;
    let number = told.split_whitespace().last().context("a number")?;
    Ok(number.parse()?)
}

/// Notary looks at every key once for each key that it makes.
async fn without_indexes_a_new_key_is_one_look_at_every_key_and_with_them_none(
    server: Server,
) -> Result<()> {
    const ROWS: u64 = 20_000;
    let fresh = server.notarys()?;
    keys(&fresh, &[PASSPHRASE])
        .await?
        .create(purpose("first"))
        .await?;
    let numbers = match server {
        Server::Postgres(_) => format!("generate_series(1, {ROWS}) numbers (n)"),
        Server::MariaDb(_) => format!("(SELECT seq AS n FROM seq_1_to_{ROWS}) numbers"),
    };
    let (id, analyze) = match server {
        Server::Postgres(_) => ("lpad(n::text, 64, '0')", "ANALYZE private_keys"),
        Server::MariaDb(_) => ("LPAD(n, 64, '0')", "ANALYZE TABLE private_keys"),
    };
    server.sql(
        &fresh,
        &format!(
            "INSERT INTO private_keys (key_id, encryption_alg, keywrap_alg, algorithm, \
             passphrase_alias, public, private, gun, role, last_used) SELECT {id}, encryption_alg, \
             keywrap_alg, algorithm, passphrase_alias, public, private, CONCAT('gun', n), \
             'timestamp', CURRENT_TIMESTAMP FROM private_keys, {numbers}; {analyze};"
        ),
    )?;
    for (is_migrated, most) in [(false, 2 * ROWS + ROWS / 2), (true, 1000)] {
        if is_migrated {
            open::migrate_store(&storage(&fresh), false).await?;
        }
        let signer = keys(&fresh, &[PASSPHRASE]).await?;
        // What is found out once for the process: the passphrase, and how many keys are pending.
        signer
            .create(purpose(&format!("warm {is_migrated}")))
            .await?;
        let settled = match server {
            Server::Postgres(_) => std::time::Duration::from_secs(11),
            Server::MariaDb(_) => std::time::Duration::ZERO,
        };
        tokio::time::sleep(settled).await;
        let before = rows_scanned(&server, &fresh)?;
        let started = std::time::Instant::now();
        for role in ["timestamp", "snapshot"] {
            let mut purpose = purpose(&format!("new {is_migrated}"));
            role.clone_into(&mut purpose.role);
            let key = signer.create(purpose.clone()).await?;
            ensure!(signer.create(purpose).await? == key, "asked for again");
        }
        println!("two keys, indexes {is_migrated}: {:?}", started.elapsed());
        // Until the counters are there.
        drop(signer);
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let scanned = rows_scanned(&server, &fresh)? - before;
        println!("rows looked at: {scanned}");
        ensure!(scanned <= most, "{scanned} rows, indexes {is_migrated}");
        ensure!(
            is_migrated || scanned >= ROWS,
            "the counter counts: {scanned}"
        );
    }
    Ok(())
}

/// The recorded rows, and the variables of their passphrases.
fn recorded() -> Result<Value> {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../fixtures/vectors/signer-db-rows.json"
    );
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// Puts the recorded rows into `fresh`.
fn insert_recorded(server: &Server, fresh: &Fresh, recorded: &Value) -> Result<()> {
    for row in recorded["rows"].as_array().context("there are rows")? {
        let text = |name: &str| match row[name].as_str() {
            Some(text) => format!("'{text}'"),
            None => "NULL".to_owned(),
        };
        let public = hex::decode(row["public"].as_str().context("hex")?)?;
        let private = row["private"].as_str().context("a JWE")?;
        let columns = [
            "created_at",
            "updated_at",
            "deleted_at",
            "key_id",
            "encryption_alg",
            "keywrap_alg",
            "algorithm",
            "passphrase_alias",
            "gun",
            "role",
            "last_used",
        ];
        server.sql(
            fresh,
            &format!(
                "INSERT INTO private_keys (public, private, {}) VALUES ({}, {}, {});",
                columns.join(", "),
                server.literal(&public),
                server.literal(private.as_bytes()),
                columns.map(text).join(", ")
            ),
        )?;
    }
    Ok(())
}

async fn recorded_keys_of_every_form_open_and_sign(server: Server) -> Result<()> {
    let (fresh, recorded) = (server.notarys()?, recorded()?);
    insert_recorded(&server, &fresh, &recorded)?;
    let passphrases: Vec<(&str, &str)> = recorded["passphrases"]
        .as_object()
        .context("aliases")?
        .values()
        .filter_map(|entry| Some((entry["env_var"].as_str()?, entry["passphrase"].as_str()?)))
        .collect();
    let keys = keys(&fresh, &passphrases).await?;
    let rows = recorded["rows"].as_array().context("there are rows")?;
    for row in rows {
        let id = KeyId::parse(row["key_id"].as_str().context("an id")?).context("64 digits")?;
        let signed = keys.sign(&id, "content".into()).await?;
        let key_type = KeyType::from(row["algorithm"].as_str().context("an algorithm")?);
        let key = PublicKey::new(
            key_type,
            hex::decode(row["public"].as_str().context("hex")?)?,
        );
        let verified = key.verifies(&key.signature_method(), b"content", &signed.signature);
        ensure!(verified, "{id}");
    }
    let checked = check_all(&keys, |_, _| ()).await?;
    assert_eq!((checked.usable, checked.unusable), (rows.len(), 0));
    Ok(())
}

fn purpose(gun: &str) -> Purpose {
    Purpose {
        algorithm: KeyAlgorithm::Ecdsa,
        gun: gun.to_owned(),
        role: "timestamp".to_owned(),
    }
}

async fn a_passphrase_is_rotated_while_a_signer_goes_on_signing(server: Server) -> Result<()> {
    const NEXT: (&str, &str) = ("NOTARY_SIGNER_NEXT", "another");
    let fresh = server.notarys()?;
    let running = keys(&fresh, &[PASSPHRASE, NEXT]).await?;
    let mut ids = Vec::new();
    for gun in ["a", "b", "c"] {
        ids.push(KeyId::from(running.create(purpose(gun)).await?.id()));
    }
    running.sign(&ids[0], "before".into()).await?;
    let command = keys(&fresh, &[PASSPHRASE, NEXT]).await?;
    let mut done = 0;
    let rotated = rotate_all(&command, "next", |_, problem| {
        assert!(problem.is_none());
        done += 1;
    })
    .await?;
    assert_eq!((rotated.moved, done), (3, 3));
    assert_eq!(command.store().aliases().await?, ["next"]);
    for id in &ids {
        running.sign(id, "after".into()).await?;
    }
    let later = keys(&fresh, &[NEXT]).await?;
    assert_eq!(
        check_all(&later, |_, _| ()).await?,
        Checked {
            usable: 3,
            unusable: 0
        }
    );
    // Who has the old passphrase alone is told which one is missing.
    let behind = keys(&fresh, &[PASSPHRASE]).await?;
    let mut problems = Vec::new();
    let checked = check_all(&behind, |_, problem| problems.extend(problem)).await?;
    assert_eq!(checked.unusable, 3);
    assert!(
        problems[0].to_string().contains("NOTARY_SIGNER_NEXT"),
        "{}",
        problems[0]
    );
    assert_ne!(ALIAS, "next");
    Ok(())
}

async fn after_an_outage_everything_works_again_without_a_restart(
    mut server: Server,
) -> Result<()> {
    let fresh = server.notarys()?;
    let keys = keys(&fresh, &[PASSPHRASE]).await?;
    let id = KeyId::from(keys.create(purpose("a")).await?.id());
    keys.sign(&id, "x".into()).await?;
    server.kill()?;
    keys.sign(&id, "a key in memory that signed before".into())
        .await?;
    ensure!(
        keys.create(purpose("b")).await.is_err(),
        "there is nowhere to keep it"
    );
    ensure!(keys.store().probe().await.is_err(), "health tells");
    ensure!(
        keys.write_uses().await.is_err(),
        "the use is to be written later"
    );
    server.resume()?;
    keys.write_uses().await?;
    keys.store().probe().await?;
    keys.create(purpose("b")).await?;
    let found = keys.store().find(&id).await?.context("it is still there")?;
    ensure!(found.used, "what was acknowledged before the outage holds");
    let listed = keys.store().list(0, 10).await?;
    assert_eq!(listed[0].last_used, Some(noon()));
    Ok(())
}
