//! The table that keys are in: what it needs to have, and making it so.
//!
//! Notary 0.7 can go on working on a table that is made or completed here. Its own tables are used
//! as they are: a signer needs no rights but those to read and change rows.

use anyhow::bail;
use daemon::logging::STARTUP;
use database::{
    DatabaseUrl, Dialect, Int, Pool, SchemaState,
    adopt::{self, Blueprint, Column, Index, Kind, Spelled, Survey, Table},
    schema_state,
};
use sqlx::{ColumnIndex, Decode, Executor, Type, migrate::Migrator};

/// The table as an embedded database has it, step by step.
pub static SQLITE: Migrator = sqlx::migrate!("../migrations/signer/sqlite");

/// The table as the signer needs it.
pub static BLUEPRINT: Blueprint = Blueprint {
    program: "notary-signer",
    tables: &[PRIVATE_KEYS],
    fills: &[],
    makers: &[
        ("idx_private_keys_alias", "with the indexes of this program"),
        ("key_id_2", "as Notary's migrations make it"),
        ("key_id_idx", "as gorm, Notary's library, makes it"),
    ],
    of_others: &[
        ("tuf_files", "notary-server"),
        ("changefeed", "notary-server"),
    ],
    leftovers: &[],
};

const PRIVATE_KEYS: Table = Table {
    name: "private_keys",
    create: Spelled {
        sqlite: include_str!("../../../migrations/signer/sqlite/0001_private_keys.sql"),
        postgres: include_str!("../../../migrations/signer/postgres/0001_private_keys.sql"),
        mysql: include_str!("../../../migrations/signer/mysql/0001_private_keys.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("id", Kind::Integer),
        Column::new("created_at", Kind::Time),
        Column::new("updated_at", Kind::Time),
        Column::new("deleted_at", Kind::Time),
        Column::new("key_id", Kind::Text),
        Column::new("encryption_alg", Kind::Text),
        Column::new("keywrap_alg", Kind::Text),
        Column::new("algorithm", Kind::Text),
        Column::new("passphrase_alias", Kind::Text),
        Column::new("public", Kind::Bytes),
        Column::new("private", Kind::Bytes),
        // Since Notary 0.4; the rows of before have it empty.
        added_column(
            "gun",
            Kind::Text,
            Spelled::alike(
                "ALTER TABLE private_keys ADD COLUMN gun VARCHAR(255) NOT NULL DEFAULT ''",
            ),
        ),
        added_column(
            "role",
            Kind::Text,
            Spelled::alike(
                "ALTER TABLE private_keys ADD COLUMN role VARCHAR(255) NOT NULL DEFAULT ''",
            ),
        ),
        added_column(
            "last_used",
            Kind::Time,
            Spelled {
                sqlite: "ALTER TABLE private_keys ADD COLUMN last_used DATETIME",
                postgres: "ALTER TABLE private_keys ADD COLUMN last_used TIMESTAMP NULL",
                mysql: "ALTER TABLE private_keys ADD COLUMN last_used DATETIME NULL DEFAULT NULL",
            },
        ),
    ],
    unique: &[&["key_id"]],
    // The embedded database's own are part of its migrations.
    indexes: &[
        Index {
            columns: &["gun", "role"],
            create: on_servers("CREATE INDEX idx_private_keys_pending ON private_keys (gun, role)"),
        },
        Index {
            columns: &["passphrase_alias"],
            create: Spelled {
                // With the second column the first is read without the rows.
                mysql: "CREATE INDEX idx_private_keys_alias \
                        ON private_keys (passphrase_alias, deleted_at)",
                ..on_servers(
                    "CREATE INDEX idx_private_keys_alias ON private_keys (passphrase_alias)",
                )
            },
        },
    ],
};

/// A column that older tables are without.
const fn added_column(name: &'static str, kind: Kind, add: Spelled) -> Column {
    Column {
        name,
        kind,
        add: Some(add),
    }
}

/// A statement for databases that are not embedded.
const fn on_servers(sql: &'static str) -> Spelled {
    Spelled {
        sqlite: "",
        ..Spelled::alike(sql)
    }
}

/// Makes sure that keys can be kept in the database behind `pool`. An embedded one is brought up to
/// date on the way; another one is only looked at.
pub async fn make_ready<DB>(pool: &Pool<DB>) -> anyhow::Result<()>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let survey = adopt::survey(pool, &BLUEPRINT).await?;
    if !survey.odd.is_empty() {
        return Err(adopt::AdoptError::Odd(survey).into());
    }
    if DB::EMBEDDED {
        return Ok(database::migrate(pool, &SQLITE).await?);
    }
    if !survey.is_ready() {
        let program = BLUEPRINT.program;
        bail!("keys cannot be kept there yet; run `{program} migrate` first:\n{survey}");
    }
    if survey.steps.is_empty() {
        return Ok(());
    }
    let keys: Int = sqlx::query_scalar("SELECT COUNT(*) FROM private_keys")
        .fetch_one(pool)
        .await?;
    for step in survey.steps {
        let (program, keys) = (BLUEPRINT.program, keys.0);
        tracing::warn!(
            target: STARTUP,
            keys,
            "the table private_keys has {keys} rows, and each new key reads all of them: \
             `{program} migrate` would {}, while signers go on working", step.what
        );
    }
    Ok(())
}

/// Whether the table has all that makes it fast; see [`make_ready`].
pub async fn is_complete<DB>(pool: &Pool<DB>) -> anyhow::Result<bool>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    Ok(DB::EMBEDDED || adopt::survey(pool, &BLUEPRINT).await?.is_complete())
}

/// Brings the database at `url`, behind `pool`, up to date, or says what that would mean if this is
/// to be a `plan`. Answers what was found and done.
pub async fn migrate<DB>(pool: &Pool<DB>, url: &DatabaseUrl, plan: bool) -> anyhow::Result<String>
where
    DB: Dialect,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'r> Int: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let survey = adopt::survey(pool, &BLUEPRINT).await?;
    if !survey.odd.is_empty() {
        return Err(adopt::AdoptError::Odd(survey).into());
    }
    let is_current = is_current(pool, &survey).await?;
    if !plan && !is_current {
        if DB::EMBEDDED {
            database::migrate(pool, &SQLITE).await?;
        } else {
            adopt::adopt(pool, &BLUEPRINT).await?;
        }
    }
    Ok(if is_current || plan {
        let outcome = if is_current {
            "is up to date"
        } else {
            "would be brought up to date; nothing was changed"
        };
        format!("{survey}the database {url} {outcome}")
    } else {
        format!(
            "{}the database {url} was brought up to date",
            describe_done(&survey)
        )
    })
}

/// `survey` when everything it says is to do was done.
fn describe_done(survey: &Survey) -> String {
    let found = survey.found.iter().map(|found| format!("found: {found}\n"));
    let done = survey
        .steps
        .iter()
        .map(|step| format!("done: {}\n", step.what));
    found.chain(done).collect()
}

async fn is_current<DB: Dialect>(pool: &Pool<DB>, survey: &Survey) -> anyhow::Result<bool> {
    if DB::EMBEDDED {
        return Ok(schema_state(pool, &SQLITE).await? == SchemaState::Current);
    }
    Ok(survey.is_complete())
}
