//! Everything that both programs have stored, for comparing before and after.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::storage::{Database, Owner};

/// The rows of all tables at one moment, by table and id.
#[derive(Debug)]
pub struct Rows {
    tables: [Table; 3],
}

type Table = BTreeMap<String, String>;

/// What is in the rows of [`Rows::tables`], in their order, for messages.
const NAMES: [&str; 3] = ["tuf_files", "changefeed", "private_keys"];

impl Rows {
    /// Reads all rows; of a key all but when it was last used, which every signature changes, and
    /// of a timestamp all but `updated_at`, which the publish that follows changes.
    ///
    /// # Errors
    ///
    /// If the database is down.
    pub fn read(database: &Database) -> Result<Self> {
        let (data, public, private) = (
            database.hex("data"),
            database.hex("public"),
            database.hex("private"),
        );
        // A publish touches the timestamp that it builds on.
        let updated = "CASE WHEN role = 'timestamp' THEN created_at ELSE updated_at END";
        let files =
            format!("created_at, {updated}, deleted_at, gun, role, version, sha256, {data}");
        let keys = format!(
            "created_at, deleted_at, key_id, encryption_alg, keywrap_alg, algorithm,
             passphrase_alias, gun, role, {public}, {private}"
        );
        let feed = "created_at, gun, version, sha256, category";
        Ok(Self {
            tables: [
                table(database, Owner::Server, NAMES[0], &files)?,
                table(database, Owner::Server, NAMES[1], feed)?,
                table(database, Owner::Signer, NAMES[2], &keys)?,
            ],
        })
    }

    /// How many metadata files, feed entries and keys there are.
    #[must_use]
    pub fn counts(&self) -> [usize; 3] {
        self.tables.each_ref().map(Table::len)
    }

    /// Checks that every one of these rows is among `later`, unchanged to the last byte.
    ///
    /// # Errors
    ///
    /// The first row that is gone or another.
    pub fn are_kept_in(&self, later: &Self) -> Result<()> {
        for ((name, before), after) in NAMES.iter().zip(&self.tables).zip(&later.tables) {
            for (id, row) in before {
                let now = after.get(id);
                ensure!(now == Some(row), "{name} {id} was\n{row}\nand is\n{now:?}");
            }
        }
        Ok(())
    }
}

fn table(database: &Database, owner: Owner, name: &str, columns: &str) -> Result<Table> {
    let said = database.administer(owner, &format!("SELECT id, {columns} FROM {name};"))?;
    let rows = said.lines().filter_map(|line| line.split_once('\t'));
    Ok(rows
        .map(|(id, row)| (id.to_owned(), row.to_owned()))
        .collect())
}

/// What a changefeed says too little or too much.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FeedFaults {
    /// Timestamps that were stored and are not in the feed.
    pub lost: Vec<String>,
    /// Timestamps that are in the feed more than once.
    pub doubled: Vec<String>,
    /// Entries for timestamps that were never stored.
    pub invented: Vec<String>,
}

impl FeedFaults {
    /// Compares the feed with the timestamps that are stored.
    ///
    /// # Errors
    ///
    /// If the database is down.
    pub fn find(database: &Database) -> Result<Self> {
        const SAME: &str = "f.gun = t.gun AND f.version = t.version AND f.sha256 = t.sha256";
        let ask = |statement: &str| -> Result<Vec<String>> {
            let said = database.administer(Owner::Server, statement)?;
            let lines = said.lines().filter(|line| !line.is_empty());
            Ok(lines.map(str::to_owned).collect())
        };
        Ok(Self {
            lost: ask(&format!(
                "SELECT t.gun, t.version FROM tuf_files t WHERE t.role = 'timestamp'
                 AND NOT EXISTS (SELECT 1 FROM changefeed f WHERE {SAME});"
            ))?,
            doubled: ask(
                "SELECT gun, version, COUNT(*) FROM changefeed WHERE category = 'update'
                 GROUP BY gun, version, sha256 HAVING COUNT(*) > 1;",
            )?,
            invented: ask(&format!(
                "SELECT f.gun, f.version FROM changefeed f WHERE f.category = 'update'
                 AND NOT EXISTS (SELECT 1 FROM tuf_files t WHERE t.role = 'timestamp' AND {SAME});"
            ))?,
        })
    }
}
