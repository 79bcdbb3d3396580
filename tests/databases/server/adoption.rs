//! Every schema there is: recognised, completed by additions alone, or refused with a sentence.

use anyhow::Result;
use database::adopt::Survey;
use harness::{Fresh, database::USER};
use trust::store::{self, OpenError};

use crate::support::{Server, connect, on_both, open};

on_both!(
    what_notary_made_is_used_as_it_is_even_without_rights_to_change_it,
    older_schemas_are_completed_without_losing_anything,
    an_empty_database_gets_the_tables_once_however_many_begin,
    what_is_not_understood_is_refused_with_a_sentence,
    a_dirty_flag_and_a_missing_version_table_are_no_hindrance,
);

async fn plan(fresh: &Fresh) -> Result<Survey> {
    Ok(store::plan(&connect(fresh).await?).await?)
}

async fn migrate(fresh: &Fresh) -> Result<Survey> {
    Ok(store::migrate(&connect(fresh).await?).await?)
}

fn has(lines: &[String], words: &str) -> bool {
    lines.iter().any(|line| line.contains(words))
}

fn steps(survey: &Survey) -> Vec<&str> {
    survey.steps.iter().map(|step| step.what.as_str()).collect()
}

/// Everything that is stored, in the words of the database's own client.
fn contents(server: &Server, fresh: &Fresh) -> Result<String> {
    let data = server.pick("encode(data, 'hex')", "HEX(data)");
    server.rule(
        fresh,
        &format!("SELECT id, created_at, gun, role, version, {data} FROM tuf_files ORDER BY id"),
    )
}

async fn what_notary_made_is_used_as_it_is_even_without_rights_to_change_it(
    server: Server,
) -> Result<()> {
    let fresh = server.empty()?;
    let schema = server.pick(
        include_str!("../../harness/schema/postgres/server.sql"),
        include_str!("../../harness/schema/mysql/server.sql"),
    );
    // Made by another user; the program may read and write, and nothing more.
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
    let survey = plan(&fresh).await?;
    assert!(survey.is_complete(), "{survey}");
    let version = server.pick("at version 2", "at version 5");
    assert!(has(&survey.found, version), "{survey}");
    assert!(has(&survey.found, "Notary's"), "{survey}");
    migrate(&fresh).await?;
    let store = open(&fresh).await?;
    let gun = tuf::Gun::parse("a")?;
    let file = tuf::File::parse(
        tuf::MetadataFormat::NOTARY,
        tuf::Role::Timestamp,
        br#"{"signed":{"version":1}}"#.to_vec().into(),
    );
    let files = [file.expect("a file")];
    store.publish(&gun, None, &files, fixtures::clock()).await?;
    assert!(store.delete(&gun, fixtures::clock()).await?);
    Ok(())
}

async fn older_schemas_are_completed_without_losing_anything(server: Server) -> Result<()> {
    let schemas: &[(&str, &str, &[&str])] = server.pick(POSTGRES, MYSQL);
    for (name, schema, expected) in schemas {
        let fresh = server.empty()?;
        server.run(&fresh, schema)?;
        let data = server.pick("decode('7b7d', 'hex')", "x'7b7d'");
        server.run(
            &fresh,
            &format!(
                "INSERT INTO tuf_files (created_at, gun, role, version, data) VALUES
                 ('2020-01-02 03:04:05', 'a', 'timestamp', 1, {data}),
                 ('2020-01-03 03:04:05', 'a', 'timestamp', 2, {data}),
                 ('2020-01-03 03:04:05', 'a', 'root', 1, {data})"
            ),
        )?;
        let before = contents(&server, &fresh)?;
        let survey = plan(&fresh).await?;
        assert_eq!(steps(&survey), *expected, "{name}: {survey}");
        let must_wait = expected
            .iter()
            .any(|step| step.contains("create the table changefeed"));
        match open(&fresh).await {
            Ok(_) => assert!(!must_wait, "{name}"),
            Err(error) => assert!(
                must_wait && error.to_string().contains("notary-server migrate"),
                "{name}: {error}"
            ),
        }
        migrate(&fresh).await?;
        let after = plan(&fresh).await?;
        assert!(after.is_complete(), "{name}: {after}");
        assert_eq!(contents(&server, &fresh)?, before, "{name}");
        let store = open(&fresh).await?;
        let page = store::Page::After { id: 0, limit: 9 };
        let fed = store.changes(None, page).await?;
        let versions: Vec<i64> = fed.iter().map(|change| change.version).collect();
        assert_eq!(versions, [1, 2], "{name}");
        assert!(
            fed.iter()
                .all(|change| change.sha256.starts_with("44136fa355b3"))
        );
    }
    Ok(())
}

/// The parts of a completion that most schemas need.
const CHECKSUMS: &str = "write down the checksums of files that lack one";
const CATEGORIES: &str = "write down the two categories of changes";
const HISTORY: &str = "tell in the changefeed, which is empty, of every timestamp there is";

const MYSQL: &[(&str, &str, &[&str])] = &[
    (
        "Notary's first two steps",
        "CREATE TABLE tuf_files (id INT(11) NOT NULL AUTO_INCREMENT, created_at TIMESTAMP NULL,
            updated_at TIMESTAMP NULL, deleted_at TIMESTAMP NULL, gun VARCHAR(255) NOT NULL,
            role VARCHAR(255) NOT NULL, version INT(11) NOT NULL, data LONGBLOB NOT NULL,
            PRIMARY KEY (id), UNIQUE KEY gun (gun, role, version)) DEFAULT CHARSET=utf8;
         CREATE TABLE timestamp_keys (gun VARCHAR(255) NOT NULL, cipher VARCHAR(50) NOT NULL,
            public BLOB NOT NULL, private BLOB NOT NULL, PRIMARY KEY (gun)) DEFAULT CHARSET=utf8;
         CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, dirty BOOLEAN NOT NULL);
         INSERT INTO schema_migrations VALUES (2, 0);",
        &[
            "add the column sha256 to tuf_files",
            "index tuf_files by sha256",
            "create the table change_category",
            "create the table changefeed",
            "index changefeed by gun",
            CHECKSUMS,
            CATEGORIES,
            HISTORY,
        ],
    ),
    (
        "Notary's third and fourth step",
        "CREATE TABLE tuf_files (id INT(11) NOT NULL AUTO_INCREMENT, created_at TIMESTAMP NULL,
            updated_at TIMESTAMP NULL, deleted_at TIMESTAMP NULL, gun VARCHAR(255) NOT NULL,
            role VARCHAR(255) NOT NULL, version INT(11) NOT NULL, data LONGBLOB NOT NULL,
            sha256 CHAR(64) DEFAULT NULL, PRIMARY KEY (id), UNIQUE KEY gun (gun, role, version),
            KEY sha256 (sha256)) DEFAULT CHARSET=utf8;",
        &[
            "create the table change_category",
            "create the table changefeed",
            "index changefeed by gun",
            CHECKSUMS,
            CATEGORIES,
            HISTORY,
        ],
    ),
    (
        "gorm's",
        "CREATE TABLE tuf_files (id INT(10) UNSIGNED NOT NULL AUTO_INCREMENT, created_at DATETIME,
            updated_at DATETIME, deleted_at DATETIME, gun VARCHAR(255) NOT NULL,
            role VARCHAR(255) NOT NULL, version INT(11) NOT NULL, sha256 VARCHAR(64),
            data LONGBLOB NOT NULL, PRIMARY KEY (id), UNIQUE KEY idx_gun (gun, role, version),
            KEY idx_tuf_files_deleted_at (deleted_at)) DEFAULT CHARSET=utf8;
         CREATE TABLE changefeed (id INT(10) UNSIGNED NOT NULL AUTO_INCREMENT, created_at DATETIME,
            gun VARCHAR(255) NOT NULL, version INT(11) NOT NULL, sha256 VARCHAR(64),
            category VARCHAR(20) NOT NULL, PRIMARY KEY (id)) DEFAULT CHARSET=utf8;",
        &[
            "index tuf_files by sha256",
            "create the table change_category",
            "index changefeed by gun",
            CHECKSUMS,
            CATEGORIES,
            HISTORY,
        ],
    ),
];

const POSTGRES: &[(&str, &str, &[&str])] = &[
    (
        "Notary's first step",
        "CREATE TABLE tuf_files (id SERIAL PRIMARY KEY, created_at TIMESTAMP NULL,
            updated_at TIMESTAMP NULL, deleted_at TIMESTAMP NULL, gun VARCHAR(255) NOT NULL,
            role VARCHAR(255) NOT NULL, version INTEGER NOT NULL, data BYTEA NOT NULL,
            sha256 CHAR(64) DEFAULT NULL, UNIQUE (gun, role, version));
         CREATE INDEX tuf_files_sha256_idx ON tuf_files (sha256);
         CREATE TABLE schema_migrations (version BIGINT PRIMARY KEY, dirty BOOLEAN NOT NULL);
         INSERT INTO schema_migrations VALUES (1, FALSE);",
        &[
            "create the table change_category",
            "create the table changefeed",
            "index changefeed by gun",
            CHECKSUMS,
            CATEGORIES,
            HISTORY,
        ],
    ),
    (
        "an interrupted completion",
        "CREATE TABLE tuf_files (id SERIAL PRIMARY KEY, created_at TIMESTAMP NULL,
            updated_at TIMESTAMP NULL, deleted_at TIMESTAMP NULL, gun VARCHAR(255) NOT NULL,
            role VARCHAR(255) NOT NULL, version INTEGER NOT NULL, data BYTEA NOT NULL,
            sha256 CHAR(64) DEFAULT NULL, UNIQUE (gun, role, version));
         CREATE TABLE change_category (category VARCHAR(20) PRIMARY KEY);
         CREATE TABLE changefeed (id SERIAL PRIMARY KEY, created_at TIMESTAMP,
            gun VARCHAR(255) NOT NULL, version INTEGER NOT NULL, sha256 CHAR(64),
            category VARCHAR(20) NOT NULL DEFAULT 'update' REFERENCES change_category);",
        &[
            "index tuf_files by sha256",
            "index changefeed by gun",
            CHECKSUMS,
            CATEGORIES,
            HISTORY,
        ],
    ),
];

async fn an_empty_database_gets_the_tables_once_however_many_begin(server: Server) -> Result<()> {
    let fresh = server.empty()?;
    let Err(error) = open(&fresh).await else {
        anyhow::bail!("there are no tables")
    };
    assert!(
        error.to_string().contains("notary-server migrate"),
        "{error}"
    );
    let mut begun = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let fresh = fresh.clone();
        begun.spawn(async move { migrate(&fresh).await });
    }
    for outcome in begun.join_all().await {
        outcome?;
    }
    assert!(plan(&fresh).await?.is_complete());
    open(&fresh).await?.check().await?;
    Ok(())
}

async fn what_is_not_understood_is_refused_with_a_sentence(server: Server) -> Result<()> {
    for (oddity, sentence) in [
        (
            server.pick(
                "ALTER TABLE tuf_files DROP CONSTRAINT tuf_files_gun_role_version_key",
                "ALTER TABLE tuf_files DROP KEY gun",
            ),
            "no unique key over exactly (gun, role, version)",
        ),
        (
            server.pick(
                "ALTER TABLE tuf_files ALTER data TYPE TEXT USING 'x'",
                "ALTER TABLE tuf_files MODIFY data LONGTEXT NOT NULL",
            ),
            "tuf_files.data is of type",
        ),
        (
            "ALTER TABLE tuf_files ADD COLUMN tenant INTEGER NOT NULL",
            "tuf_files.tenant must be given a value",
        ),
        ("DROP TABLE tuf_files", "no table tuf_files"),
        (
            "ALTER TABLE changefeed DROP COLUMN gun",
            "changefeed has no column gun",
        ),
    ] {
        let fresh = server.notarys()?;
        server.run(&fresh, oddity)?;
        let connected = connect(&fresh).await?;
        let before = server.rule(&fresh, server.pick(COLUMNS_POSTGRES, COLUMNS_MYSQL))?;
        let refused = store::migrate(&connected).await.expect_err("it is odd");
        assert!(refused.to_string().contains(sentence), "{refused}");
        assert_eq!(
            server.rule(&fresh, server.pick(COLUMNS_POSTGRES, COLUMNS_MYSQL))?,
            before
        );
        let refused = store::readiness(&connected).await.expect_err("it is odd");
        assert!(matches!(refused, OpenError::NotReady(_)), "{refused}");
        assert!(plan(&fresh).await?.to_string().contains(sentence));
    }
    Ok(())
}

const COLUMNS_POSTGRES: &str = "SELECT table_name, column_name, data_type \
     FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2";
const COLUMNS_MYSQL: &str = "SELECT table_name, column_name, data_type \
     FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY 1, 2";

async fn a_dirty_flag_and_a_missing_version_table_are_no_hindrance(server: Server) -> Result<()> {
    let fresh = server.notarys()?;
    server.run(&fresh, "UPDATE schema_migrations SET dirty = TRUE")?;
    let survey = plan(&fresh).await?;
    assert!(
        survey.is_complete() && has(&survey.found, "(dirty)"),
        "{survey}"
    );
    server.run(&fresh, "DROP TABLE schema_migrations")?;
    let survey = plan(&fresh).await?;
    assert!(survey.is_complete(), "{survey}");
    open(&fresh).await?;
    Ok(())
}
