//! The tables of Notary 0.7, as every one of its versions may have left them.

use database::adopt::{Blueprint, Column, Fill, Index, Kind, Spelled, Table};

/// What this program needs of its database.
///
/// Notary's `MySQL` migrations 1 and 2 know neither checksums nor the changefeed; gorm, in Notary's
/// own tests, made tables without categories and with fewer indexes.
pub static BLUEPRINT: Blueprint = Blueprint {
    program: "notary-server",
    tables: &[TUF_FILES, CHANGE_CATEGORY, CHANGEFEED],
    fills: &[CHECKSUMS, CATEGORIES, HISTORY],
    makers: &[
        ("gun", "in the form of Notary's MySQL migrations"),
        (
            "tuf_files_gun_role_version_key",
            "in the form of Notary's PostgreSQL migrations",
        ),
        (
            "idx_gun",
            "in the form that gorm, and this program on SQLite, gives it",
        ),
    ],
    of_others: &[("private_keys", "notary-signer")],
    leftovers: &["timestamp_keys"],
};

const TUF_FILES: Table = Table {
    name: "tuf_files",
    create: Spelled {
        sqlite: "",
        postgres: include_str!("../../../migrations/server/postgres/tuf_files.sql"),
        mysql: include_str!("../../../migrations/server/mysql/tuf_files.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("id", Kind::Integer),
        Column::new("created_at", Kind::Time),
        Column::new("updated_at", Kind::Time),
        Column::new("deleted_at", Kind::Time),
        Column::new("gun", Kind::Text),
        Column::new("role", Kind::Text),
        Column::new("version", Kind::Integer),
        Column::new("data", Kind::Bytes),
        Column {
            name: "sha256",
            kind: Kind::Text,
            add: Some(Spelled::alike(
                "ALTER TABLE tuf_files ADD COLUMN sha256 CHAR(64) DEFAULT NULL",
            )),
        },
    ],
    unique: &[&["gun", "role", "version"]],
    indexes: &[Index {
        columns: &["sha256"],
        create: Spelled::alike("CREATE INDEX tuf_files_sha256_idx ON tuf_files (sha256)"),
    }],
};

const CHANGE_CATEGORY: Table = Table {
    name: "change_category",
    create: Spelled {
        sqlite: "CREATE TABLE change_category (category VARCHAR(20) NOT NULL PRIMARY KEY)",
        postgres: include_str!("../../../migrations/server/postgres/change_category.sql"),
        mysql: include_str!("../../../migrations/server/mysql/change_category.sql"),
    },
    is_required: false,
    columns: &[Column::new("category", Kind::Text)],
    unique: &[],
    indexes: &[],
};

const CHANGEFEED: Table = Table {
    name: "changefeed",
    create: Spelled {
        sqlite: "CREATE TABLE changefeed (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, \
             created_at DATETIME DEFAULT CURRENT_TIMESTAMP, gun VARCHAR(255) NOT NULL, \
             version INTEGER NOT NULL, sha256 VARCHAR(64), \
             category VARCHAR(20) NOT NULL DEFAULT 'update' REFERENCES change_category (category))",
        postgres: include_str!("../../../migrations/server/postgres/changefeed.sql"),
        mysql: include_str!("../../../migrations/server/mysql/changefeed.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("id", Kind::Integer),
        Column::new("created_at", Kind::Time),
        Column::new("gun", Kind::Text),
        Column::new("version", Kind::Integer),
        Column::new("sha256", Kind::Text),
        Column::new("category", Kind::Text),
    ],
    unique: &[],
    indexes: &[Index {
        columns: &["gun"],
        create: Spelled::alike("CREATE INDEX idx_changefeed_gun ON changefeed (gun)"),
    }],
};

/// As Notary's third `MySQL` migration did. `SQLite` has no SHA-256; there the store computes what
/// is missing whenever it is asked for.
const CHECKSUMS: Fill = Fill {
    what: "write down the checksums of files that lack one",
    table: "tuf_files",
    column: Some("sha256"),
    missing: Spelled::alike("SELECT COUNT(*) FROM tuf_files WHERE sha256 IS NULL OR sha256 = ''"),
    add: Spelled {
        sqlite: "",
        postgres: "UPDATE tuf_files SET sha256 = encode(sha256(data), 'hex') \
                   WHERE sha256 IS NULL OR sha256 = ''",
        mysql: "UPDATE tuf_files SET sha256 = SHA2(data, 256) WHERE sha256 IS NULL OR sha256 = ''",
    },
};

/// What the feed refers to.
const CATEGORIES: Fill = Fill {
    what: "write down the two categories of changes",
    table: "change_category",
    column: None,
    missing: Spelled::alike(
        "SELECT 2 - COUNT(*) FROM change_category WHERE category IN ('update', 'deletion')",
    ),
    add: Spelled::alike(
        "INSERT INTO change_category (category) \
         SELECT wanted.category FROM (SELECT 'update' AS category UNION SELECT 'deletion') wanted \
         WHERE wanted.category NOT IN (SELECT category FROM change_category)",
    ),
};

/// As Notary's fifth `MySQL` migration did; a feed that has anything in it is not touched.
const HISTORY: Fill = Fill {
    what: "tell in the changefeed, which is empty, of every timestamp there is",
    table: "changefeed",
    column: None,
    missing: Spelled::alike(
        "SELECT COUNT(*) FROM tuf_files WHERE role = 'timestamp' \
         AND NOT EXISTS (SELECT id FROM changefeed)",
    ),
    add: Spelled::alike(
        "INSERT INTO changefeed (created_at, gun, version, sha256, category) \
         SELECT created_at, gun, version, sha256, 'update' FROM tuf_files \
         WHERE role = 'timestamp' ORDER BY created_at, id",
    ),
};
