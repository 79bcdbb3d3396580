//! The database that a set-up uses.

use std::{fs, path::Path};

use countersign::prepare::{Database, Permitted, Preparation, PrepareError};

use super::{made, make, preparation};
use crate::FIRST;

fn on(folder: &Path, database: Database) -> Preparation {
    Preparation {
        database: Some(database),
        ..preparation(folder)
    }
}

fn changing(folder: &Path, database: Option<Database>) -> Preparation {
    Preparation {
        database,
        permitted: Permitted {
            change_database: true,
            ..Permitted::default()
        },
        ..preparation(folder)
    }
}

fn note(folder: &Path) -> String {
    fs::read_to_string(folder.join("authority/database")).unwrap()
}

#[test]
fn it_is_noted_once_and_any_other_is_refused_with_the_way_back() {
    let folder = made(FIRST);
    assert!(!folder.path().join("authority/database").exists());
    let news = make(&on(folder.path(), Database::Postgres), FIRST).unwrap();
    assert_eq!(news, ["noted the database: the data is in PostgreSQL"]);
    assert_eq!(note(folder.path()), "postgres\n");
    assert_eq!(
        make(&on(folder.path(), Database::Postgres), FIRST)
            .unwrap()
            .len(),
        0
    );
    on(folder.path(), Database::Postgres).check(FIRST).unwrap();

    let other = on(folder.path(), Database::Mysql);
    for error in [
        make(&other, FIRST).unwrap_err(),
        other.check(FIRST).unwrap_err(),
    ] {
        assert!(
            matches!(error, PrepareError::DatabaseChanged { .. }),
            "{error}"
        );
        let text = error.to_string();
        for part in [
            "this set-up uses PostgreSQL (`postgres`)",
            "was started for MariaDB (`mysql`)",
            "The data is still there, in PostgreSQL",
            "put `COMPOSE_FILE=docker-compose.yml:compose/postgres.yml` into `.env`",
            "docs/compose.md, \"From one database to another\"",
            "--database=mysql --change-database`",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    assert_eq!(note(folder.path()), "postgres\n");
}

#[test]
fn who_does_not_say_which_is_not_compared() {
    let folder = made(FIRST);
    make(&on(folder.path(), Database::Sqlite), FIRST).unwrap();
    make(&preparation(folder.path()), FIRST).unwrap();
    preparation(folder.path()).check(FIRST).unwrap();
    assert_eq!(note(folder.path()), "sqlite\n");
}

#[test]
fn it_is_changed_on_purpose() {
    let folder = made(FIRST);
    make(&on(folder.path(), Database::Sqlite), FIRST).unwrap();
    let error = make(&changing(folder.path(), None), FIRST).unwrap_err();
    assert!(matches!(error, PrepareError::NoDatabase), "{error}");
    make(&changing(folder.path(), Some(Database::Postgres)), FIRST).unwrap();
    make(&on(folder.path(), Database::Postgres), FIRST).unwrap();
    assert!(make(&on(folder.path(), Database::Sqlite), FIRST).is_err());
}

#[test]
fn a_note_that_is_damaged_is_no_permission() {
    let folder = made(FIRST);
    fs::write(folder.path().join("authority/database"), "mongo\n").unwrap();
    let error = make(&on(folder.path(), Database::Mysql), FIRST).unwrap_err();
    assert!(matches!(error, PrepareError::DatabaseUnknown(_)), "{error}");
    assert_eq!(note(folder.path()), "mongo\n");
}
