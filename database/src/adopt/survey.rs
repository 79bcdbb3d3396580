//! What was found, what is to do, and what is odd.

use std::fmt;

use super::{Blueprint, Catalog, Column, Fill, FoundTable, Table};
use crate::Backend;

/// A database compared with what a program needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// What there is, a sentence each.
    pub found: Vec<String>,
    /// What is to do, in this order.
    pub steps: Vec<Step>,
    /// What is not understood, a sentence each: as long as there is any, nothing is done.
    pub odd: Vec<String>,
    /// Whether none of the program's tables is there.
    pub is_new: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What it does: "create the table changefeed".
    pub what: String,
    /// How.
    pub statement: String,
    /// Whether the program cannot run before.
    pub is_required: bool,
    /// The index that it makes, if that is what it does: then rows can be read and written
    /// meanwhile.
    pub index: Option<&'static str>,
}

impl Survey {
    /// Compares `catalog` with `blueprint`.
    pub(super) fn of(backend: Backend, blueprint: &Blueprint, catalog: &Catalog) -> Self {
        let mut survey = Self::default();
        let Some(anchor) = blueprint.tables.first() else {
            return survey;
        };
        survey.recognise(blueprint, catalog, anchor.name);
        for table in blueprint.tables {
            match catalog.tables.get(table.name) {
                None => survey.will_create(backend, table),
                Some(found) => survey.compare(backend, table, found),
            }
        }
        survey
    }

    /// Whether the program can run on the database as it is.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.odd.is_empty() && !self.steps.iter().any(|step| step.is_required)
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.odd.is_empty() && self.steps.is_empty()
    }

    /// Says whose tables these are.
    fn recognise(&mut self, blueprint: &Blueprint, catalog: &Catalog, anchor: &str) {
        let Some(table) = catalog.tables.get(anchor) else {
            self.is_new = true;
            let owner = blueprint
                .of_others
                .iter()
                .find(|(table, _)| catalog.has(table, None));
            if let Some((table, owner)) = owner {
                self.odd.push(format!(
                    "this is a {owner} database: it has the table {table}, and no table {anchor}; \
                     give {} a database of its own, and correct storage.db_url",
                    blueprint.program
                ));
            }
            let others: Vec<&str> = catalog.tables.keys().map(String::as_str).collect();
            for table in &blueprint.tables[1..] {
                if catalog.has(table.name, None) {
                    self.odd.push(format!(
                        "there is a table {}, but no table {anchor}: part of the database is missing",
                        table.name
                    ));
                }
            }
            self.found.push(if others.is_empty() {
                "an empty database".to_owned()
            } else {
                format!(
                    "a database without the tables of {}; it has others: {}",
                    blueprint.program,
                    others.join(", ")
                )
            });
            return;
        };
        let maker = blueprint
            .makers
            .iter()
            .find(|(index, _)| table.indexes.contains_key(*index))
            .map_or("made by hand", |(_, maker)| maker);
        self.found.push(format!("the table {anchor}, {maker}"));
        for leftover in blueprint.leftovers {
            if catalog.has(leftover, None) {
                self.found.push(format!(
                    "the table {leftover}, which nothing reads any more; it is left alone"
                ));
            }
        }
    }

    /// Says what golang-migrate noted down.
    pub(super) fn note_version(&mut self, version: Option<(i64, bool)>) {
        self.found.push(match version {
            None => "the table schema_migrations, which is empty".to_owned(),
            Some((version, false)) => format!("schema_migrations at version {version}"),
            Some((version, true)) => format!(
                "schema_migrations says that version {version} was left half done (dirty); \
                 what counts here is what there is"
            ),
        });
    }

    /// Plans a fill.
    pub(super) fn will_fill(&mut self, fill: &Fill, add: &str) {
        self.steps.push(Step {
            what: fill.what.to_owned(),
            statement: add.to_owned(),
            is_required: false,
            index: None,
        });
    }

    fn will_create(&mut self, backend: Backend, table: &Table) {
        self.steps.push(Step {
            what: format!("create the table {}", table.name),
            statement: table.create.on(backend).to_owned(),
            is_required: table.is_required,
            index: None,
        });
        self.will_index(backend, table, &FoundTable::default());
    }

    fn compare(&mut self, backend: Backend, table: &Table, found: &FoundTable) {
        for column in table.columns {
            self.compare_column(backend, table, column, found);
        }
        self.refuse_unknown_columns(table, found);
        for columns in table.unique {
            if !found.is_unique(columns) {
                self.odd.push(format!(
                    "{} has no unique key over exactly ({}), on which it depends who wins a race",
                    table.name,
                    columns.join(", ")
                ));
            }
        }
        self.will_index(backend, table, found);
    }

    fn compare_column(
        &mut self,
        backend: Backend,
        table: &Table,
        column: &Column,
        found: &FoundTable,
    ) {
        let (table, name) = (table.name, column.name);
        match (found.column(name), column.add) {
            (None, Some(add)) => self.steps.push(Step {
                what: format!("add the column {name} to {table}"),
                statement: add.on(backend).to_owned(),
                is_required: true,
                index: None,
            }),
            (None, None) => self.odd.push(format!("{table} has no column {name}")),
            (Some(there), _) if !column.kind.is(backend, &there.kind) => self.odd.push(format!(
                "{table}.{name} is of type {}, which no version of Notary gave it",
                there.kind
            )),
            (Some(_), _) => {}
        }
    }

    /// A column that wants a value in every row would keep every insert from succeeding.
    fn refuse_unknown_columns(&mut self, table: &Table, found: &FoundTable) {
        let is_known = |name: &str| table.columns.iter().any(|known| known.name == name);
        let demanding = found
            .columns
            .iter()
            .filter(|column| column.is_required && !column.has_default && !is_known(&column.name));
        for column in demanding {
            self.odd.push(format!(
                "{}.{} must be given a value in every row, but it is not known what for",
                table.name, column.name
            ));
        }
    }

    fn will_index(&mut self, backend: Backend, table: &Table, found: &FoundTable) {
        for index in table.indexes {
            let create = index.create.on(backend);
            if !create.is_empty() && !found.has_index(index.columns) {
                self.steps.push(Step {
                    what: format!("index {} by {}", table.name, index.columns.join(", ")),
                    statement: online(backend, create),
                    is_required: false,
                    index: create.split(' ').nth(2),
                });
            }
        }
    }
}

/// `create`, which makes an index, in the form that lets others read and write rows meanwhile.
fn online(backend: Backend, create: &str) -> String {
    match backend {
        Backend::Sqlite | Backend::Memory => create.to_owned(),
        Backend::Postgres => create.replacen("CREATE INDEX", "CREATE INDEX CONCURRENTLY", 1),
        Backend::MySql => format!("{create} ALGORITHM=INPLACE LOCK=NONE"),
    }
}

impl fmt::Display for Survey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for found in &self.found {
            writeln!(formatter, "found: {found}")?;
        }
        for odd in &self.odd {
            writeln!(formatter, "not understood: {odd}")?;
        }
        for step in &self.steps {
            let urgency = if step.is_required {
                "to do"
            } else {
                "to do, not urgent"
            };
            writeln!(formatter, "{urgency}: {}", step.what)?;
        }
        if self.is_complete() {
            writeln!(formatter, "the tables are up to date")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_built_while_others_go_on_writing() {
        let create = "CREATE INDEX by_gun ON keys (gun)";
        assert_eq!(online(Backend::Sqlite, create), create);
        assert_eq!(
            online(Backend::Postgres, create),
            "CREATE INDEX CONCURRENTLY by_gun ON keys (gun)"
        );
        assert_eq!(
            online(Backend::MySql, create),
            "CREATE INDEX by_gun ON keys (gun) ALGORITHM=INPLACE LOCK=NONE"
        );
    }
}
