//! Which database a set-up uses: noted once, so that a start without the override that was used
//! before does not bring up another one that is empty.

use std::{fmt, path::PathBuf, str::FromStr};

use super::{Again, Preparation, PrepareError};
use crate::files::{self, Access};

/// Where trust data and keys are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// What `docker-compose.yml` has by itself.
    Mysql,
    /// By `compose/postgres.yml`.
    Postgres,
    /// By `compose/sqlite.yml`.
    Sqlite,
    /// By `compose/database.yml`: one that is looked after by others.
    Elsewhere,
}

impl Database {
    const ALL: [Self; 4] = [Self::Mysql, Self::Postgres, Self::Sqlite, Self::Elsewhere];

    /// The word for it in commands and in the note.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mysql => "mysql",
            Self::Postgres => "postgres",
            Self::Sqlite => "sqlite",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// The files that docker-compose has to be given for it.
    #[must_use]
    pub fn compose_files(self) -> &'static str {
        match self {
            Self::Mysql => "docker-compose.yml",
            Self::Postgres => "docker-compose.yml:compose/postgres.yml",
            Self::Sqlite => "docker-compose.yml:compose/sqlite.yml",
            Self::Elsewhere => "docker-compose.yml:compose/database.yml",
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mysql => "MariaDB",
            Self::Postgres => "PostgreSQL",
            Self::Sqlite => "SQLite",
            Self::Elsewhere => "a database of your own",
        })
    }
}

impl FromStr for Database {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.into_iter();
        all.find(|it| it.word() == text)
            .ok_or("write mysql, postgres, sqlite or elsewhere")
    }
}

/// Refuses another database than the one that was noted.
pub(super) fn compare(to: &Preparation) -> Result<(), PrepareError> {
    let Some(asked) = to.database else {
        return Ok(());
    };
    match read_note(to)? {
        Some(noted) if noted != asked => Err(PrepareError::DatabaseChanged {
            noted,
            note: note(to),
            asked,
            again: changing(to, asked),
        }),
        _ => Ok(()),
    }
}

/// Notes the database, if it is known and nothing, or with permission something else, was noted.
pub(super) fn make(to: &Preparation) -> Result<Vec<String>, PrepareError> {
    let asked = match to.database {
        Some(asked) => asked,
        None if to.permitted.change_database => return Err(PrepareError::NoDatabase),
        None => return Ok(Vec::new()),
    };
    if !to.permitted.change_database {
        compare(to)?;
        if read_note(to)?.is_some() {
            return Ok(Vec::new());
        }
    }
    let text = format!("{}\n", asked.word());
    files::write(&note(to), text.as_bytes(), Access::Owner)?;
    Ok(vec![format!("noted the database: the data is in {asked}")])
}

fn read_note(to: &Preparation) -> Result<Option<Database>, PrepareError> {
    let Some(bytes) = files::read_filled(&note(to))? else {
        return Ok(None);
    };
    let word = std::str::from_utf8(&bytes).ok().map(str::trim);
    word.and_then(|word| word.parse().ok())
        .map(Some)
        .ok_or_else(|| PrepareError::DatabaseUnknown(note(to)))
}

fn note(to: &Preparation) -> PathBuf {
    to.file("authority", "database")
}

fn changing(to: &Preparation, asked: Database) -> Again {
    to.again(&format!("--database={} --change-database", asked.word()))
}
