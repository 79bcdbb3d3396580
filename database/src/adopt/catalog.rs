//! What a database says of its own tables.

use std::collections::BTreeMap;

use super::Kind;
use crate::Backend;

/// The tables of a database by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    /// The tables.
    pub tables: BTreeMap<String, FoundTable>,
}

/// A table there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundTable {
    /// Its columns in their order.
    pub columns: Vec<FoundColumn>,
    /// Its indexes by name, those behind keys included; partial ones are left out.
    pub indexes: BTreeMap<String, FoundIndex>,
}

/// A column there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundColumn {
    /// Its name.
    pub name: String,
    /// Its type in the database's own words, in lower case.
    pub kind: String,
    /// Whether it may not be NULL.
    pub is_required: bool,
    /// Whether it gets a value by itself.
    pub has_default: bool,
}

/// An index there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundIndex {
    /// Whether it keeps out what is there already.
    pub is_unique: bool,
    /// Its columns in their order.
    pub columns: Vec<String>,
}

impl Catalog {
    /// Adds a column to a table, which is there from its first column on.
    pub fn add_column(&mut self, table: String, column: FoundColumn) {
        self.tables.entry(table).or_default().columns.push(column);
    }

    /// Adds a column to an index.
    pub fn add_index_part(
        &mut self,
        table: String,
        index: String,
        is_unique: bool,
        column: String,
    ) {
        let table = self.tables.entry(table).or_default();
        let index = table.indexes.entry(index).or_default();
        index.is_unique = is_unique;
        index.columns.push(column);
    }

    /// Whether there is the table and, if one is named, its column.
    #[must_use]
    pub fn has(&self, table: &str, column: Option<&str>) -> bool {
        self.tables
            .get(table)
            .is_some_and(|found| column.is_none_or(|column| found.column(column).is_some()))
    }

    /// Whether `name` is the table in which golang-migrate, which Notary's migrations ran with,
    /// keeps its version.
    #[must_use]
    pub(super) fn is_version_table(&self, name: &str) -> bool {
        self.tables.get(name).is_some_and(|table| {
            let holds_number = |column: &FoundColumn| column.kind.contains("int");
            table.column("version").is_some_and(holds_number) && table.column("dirty").is_some()
        })
    }
}

impl FoundTable {
    /// The column called `name`.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether exactly these columns, in whatever order, are kept unique.
    #[must_use]
    pub fn is_unique(&self, columns: &[&str]) -> bool {
        self.indexes.values().any(|index| {
            index.is_unique
                && index.columns.len() == columns.len()
                && columns
                    .iter()
                    .all(|column| index.columns.iter().any(|found| found == column))
        })
    }

    /// Whether rows are found by `columns` without looking at all of them.
    #[must_use]
    pub fn has_index(&self, columns: &[&str]) -> bool {
        self.indexes.values().any(|index| {
            index
                .columns
                .iter()
                .map(String::as_str)
                .take(columns.len())
                .eq(columns.iter().copied())
        })
    }
}

impl Kind {
    /// Whether a column of the type `name` holds this.
    pub(super) fn is(self, backend: Backend, name: &str) -> bool {
        match (backend, self) {
            // SQLite keeps what it is given; the declared type is a hint, after which it is judged.
            (Backend::Sqlite | Backend::Memory, Self::Integer) => name.contains("int"),
            (Backend::Sqlite | Backend::Memory, Self::Text) => {
                name.contains("char") || name.contains("text")
            }
            (Backend::Sqlite | Backend::Memory, Self::Time) => {
                name.contains("date") || name.contains("time") || name.contains("text")
            }
            (Backend::Sqlite | Backend::Memory, Self::Bytes) => name.contains("blob"),
            (Backend::Postgres, Self::Integer) => matches!(name, "integer" | "bigint"),
            (Backend::Postgres, Self::Text) => {
                matches!(name, "character varying" | "character" | "text")
            }
            (Backend::Postgres, Self::Time) => matches!(
                name,
                "timestamp without time zone" | "timestamp with time zone"
            ),
            (Backend::Postgres, Self::Bytes) => name == "bytea",
            (Backend::MySql, Self::Integer) => {
                matches!(name, "int" | "bigint" | "mediumint")
            }
            (Backend::MySql, Self::Text) => matches!(
                name,
                "varchar" | "char" | "text" | "tinytext" | "mediumtext" | "longtext"
            ),
            (Backend::MySql, Self::Time) => matches!(name, "timestamp" | "datetime"),
            (Backend::MySql, Self::Bytes) => matches!(
                name,
                "blob" | "mediumblob" | "longblob" | "tinyblob" | "varbinary"
            ),
        }
    }
}
