//! Taking over tables that others made: what is missing is added, what is odd is refused.

use database::{
    Pool,
    adopt::{
        AdoptError, Blueprint, Column, Fill, Index, Kind, Spelled, Survey, Table, adopt, survey,
    },
    connect_sqlite,
};
use sqlx::Sqlite;

/// A program that keeps names, once each.
static NAMES: Blueprint = Blueprint {
    program: "name-keeper",
    tables: &[Table {
        name: "names",
        create: Spelled::alike("CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT UNIQUE)"),
        is_required: true,
        columns: &[
            Column::new("id", Kind::Integer),
            Column::new("name", Kind::Text),
            Column {
                name: "length",
                kind: Kind::Integer,
                add: Some(Spelled::alike(
                    "ALTER TABLE names ADD COLUMN length INTEGER",
                )),
            },
        ],
        unique: &[&["name"]],
        indexes: &[Index {
            columns: &["length"],
            create: Spelled::alike("CREATE INDEX by_length ON names (length)"),
        }],
    }],
    fills: &[Fill {
        what: "measure the names",
        table: "names",
        column: Some("length"),
        missing: Spelled::alike("SELECT COUNT(*) FROM names WHERE length IS NULL"),
        add: Spelled::alike("UPDATE names SET length = LENGTH(name) WHERE length IS NULL"),
    }],
    makers: &[("sqlite_autoindex_names_1", "as the first version made it")],
    of_others: &[("ledgers", "another-program")],
    leftovers: &["old_names"],
};

async fn with(statements: &[&'static str]) -> Pool<Sqlite> {
    let pool = connect_sqlite("memory").await.unwrap();
    for statement in statements {
        sqlx::query(*statement).execute(&pool).await.unwrap();
    }
    pool
}

fn steps(survey: &Survey) -> Vec<&str> {
    survey.steps.iter().map(|step| step.what.as_str()).collect()
}

#[tokio::test]
async fn an_empty_database_gets_everything() {
    let pool = with(&[]).await;
    let before = adopt(&pool, &NAMES).await.unwrap();
    assert!(before.is_new && !before.is_ready());
    let after = survey(&pool, &NAMES).await.unwrap();
    assert!(after.is_complete(), "{after}");
}

#[tokio::test]
async fn an_older_table_is_completed_and_its_rows_stay() {
    let pool = with(&[
        "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
        "CREATE TABLE old_names (x)",
        "CREATE TABLE schema_migrations (version BIGINT, dirty BOOLEAN)",
        "INSERT INTO schema_migrations VALUES (1, 1)",
        "INSERT INTO names (name) VALUES ('alpine')",
    ])
    .await;
    let plan = survey(&pool, &NAMES).await.unwrap();
    assert_eq!(
        steps(&plan),
        [
            "add the column length to names",
            "index names by length",
            "measure the names"
        ]
    );
    let text = plan.to_string();
    for words in [
        "as the first version made it",
        "old_names",
        "(dirty)",
        "to do: add",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    adopt(&pool, &NAMES).await.unwrap();
    let row: (String, i64) = sqlx::query_as("SELECT name, length FROM names")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(row, ("alpine".to_owned(), 6));
    assert!(survey(&pool, &NAMES).await.unwrap().is_complete());
}

#[tokio::test]
async fn what_is_only_slow_without_does_not_keep_a_program_from_running() {
    let pool =
        with(&["CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT UNIQUE, length INTEGER)"])
            .await;
    let plan = survey(&pool, &NAMES).await.unwrap();
    assert!(plan.is_ready() && !plan.is_complete(), "{plan}");
}

#[tokio::test]
async fn an_odd_table_is_refused_before_anything_is_changed() {
    for (table, sentence) in [
        (
            "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT)",
            "no unique key",
        ),
        (
            "CREATE TABLE names (id INTEGER PRIMARY KEY, name BLOB UNIQUE)",
            "of type blob",
        ),
        ("CREATE TABLE names (name TEXT UNIQUE)", "no column id"),
        (
            "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT UNIQUE, owner TEXT NOT NULL)",
            "names.owner must be given",
        ),
    ] {
        let pool = with(&[table]).await;
        let before = survey(&pool, &NAMES).await.unwrap();
        let error = adopt(&pool, &NAMES).await.unwrap_err();
        assert!(matches!(error, AdoptError::Odd(_)));
        assert!(error.to_string().contains(sentence), "{error}");
        assert_eq!(survey(&pool, &NAMES).await.unwrap(), before);
    }
}

#[tokio::test]
async fn a_step_that_fails_takes_the_others_back() {
    static BROKEN: Blueprint = Blueprint {
        fills: &[Fill {
            add: Spelled::alike("UPDATE nothing SET x = 1"),
            ..NAMES.fills[0]
        }],
        ..NAMES
    };
    let pool = with(&[
        "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
        "INSERT INTO names (name) VALUES ('alpine')",
    ])
    .await;
    let before = survey(&pool, &NAMES).await.unwrap();
    let error = adopt(&pool, &BROKEN).await.unwrap_err();
    assert!(
        error.to_string().starts_with("could not measure the names"),
        "{error}"
    );
    assert_eq!(survey(&pool, &NAMES).await.unwrap(), before);
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_unless_both_share_it() {
    let other = "CREATE TABLE ledgers (id INTEGER PRIMARY KEY)";
    let pool = with(&[other]).await;
    let refused = adopt(&pool, &NAMES).await.unwrap_err().to_string();
    assert!(
        refused.contains("this is a another-program database"),
        "{refused}"
    );
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(tables, 1, "nothing was added");

    let both = with(&[
        other,
        "CREATE TABLE names (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
    ])
    .await;
    adopt(&both, &NAMES).await.unwrap();
}
