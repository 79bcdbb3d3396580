//! The tables of the inventory, beside those of Notary, which stay as they are.
//!
//! Names are bytes, in columns that compare them as bytes: no collation takes one for another, and
//! all databases sort alike. Points in time are seconds since 1970, because the columns of `MySQL`
//! end in 2038 and roots live longer. No column may be NULL.

use database::adopt::{Blueprint, Column, Index, Kind, Spelled, Table};

/// What the inventory needs of the database. Everything in it can be computed again from the files,
/// so backups leave it out.
pub static BLUEPRINT: Blueprint = Blueprint {
    program: "notary-server",
    tables: &[OVERVIEW, ROLES, TAGS, SIGNERS, POSITION],
    fills: &[],
    makers: &[],
    of_others: &[("private_keys", "notary-signer")],
    leftovers: &[],
};

const OVERVIEW: Table = Table {
    name: "countersign_overview",
    create: Spelled {
        sqlite: include_str!("../../migrations/inventory/sqlite/overview.sql"),
        postgres: include_str!("../../migrations/inventory/postgres/overview.sql"),
        mysql: include_str!("../../migrations/inventory/mysql/overview.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("gun", Kind::Bytes),
        Column::new("revision", Kind::Integer),
        Column::new("edition", Kind::Integer),
        Column::new("head_version", Kind::Integer),
        Column::new("head_sum", Kind::Bytes),
        Column::new("format", Kind::Bytes),
        Column::new("published_at", Kind::Integer),
        Column::new("computed_at", Kind::Integer),
        Column::new("stale_at", Kind::Integer),
        Column::new("next_expiry", Kind::Integer),
        Column::new("next_role", Kind::Bytes),
        Column::new("health", Kind::Integer),
        Column::new("tags", Kind::Integer),
        Column::new("signers", Kind::Integer),
        Column::new("size", Kind::Integer),
        Column::new("detail", Kind::Bytes),
    ],
    unique: &[],
    indexes: &[
        Index {
            columns: &["health", "gun"],
            create: Spelled::alike(
                "CREATE INDEX countersign_overview_health ON countersign_overview (health, gun)",
            ),
        },
        Index {
            columns: &["next_expiry", "gun"],
            create: Spelled::alike(
                "CREATE INDEX countersign_overview_expiry ON countersign_overview \
                 (next_expiry, gun)",
            ),
        },
        Index {
            columns: &["published_at", "gun"],
            create: Spelled::alike(
                "CREATE INDEX countersign_overview_published ON countersign_overview \
                 (published_at, gun)",
            ),
        },
    ],
};

const ROLES: Table = Table {
    name: "countersign_roles",
    create: Spelled {
        sqlite: include_str!("../../migrations/inventory/sqlite/roles.sql"),
        postgres: include_str!("../../migrations/inventory/postgres/roles.sql"),
        mysql: include_str!("../../migrations/inventory/mysql/roles.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("gun", Kind::Bytes),
        Column::new("role", Kind::Bytes),
        Column::new("version", Kind::Integer),
        Column::new("expires", Kind::Integer),
        Column::new("owner", Kind::Integer),
    ],
    unique: &[],
    indexes: &[Index {
        columns: &["owner", "expires", "gun", "role"],
        create: Spelled::alike(
            "CREATE INDEX countersign_roles_expires ON countersign_roles \
             (owner, expires, gun, role)",
        ),
    }],
};

const TAGS: Table = Table {
    name: "countersign_tags",
    create: Spelled {
        sqlite: include_str!("../../migrations/inventory/sqlite/tags.sql"),
        postgres: include_str!("../../migrations/inventory/postgres/tags.sql"),
        mysql: include_str!("../../migrations/inventory/mysql/tags.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("gun", Kind::Bytes),
        Column::new("role", Kind::Bytes),
        Column::new("name_start", Kind::Bytes),
        Column::new("name_sum", Kind::Bytes),
        Column::new("name", Kind::Bytes),
        Column::new("digest", Kind::Bytes),
        Column::new("length", Kind::Integer),
    ],
    unique: &[],
    indexes: &[
        Index {
            columns: &["name_sum", "gun"],
            create: Spelled::alike(
                "CREATE INDEX countersign_tags_name ON countersign_tags (name_sum, gun)",
            ),
        },
        Index {
            columns: &["digest", "gun"],
            create: Spelled::alike(
                "CREATE INDEX countersign_tags_digest ON countersign_tags (digest, gun)",
            ),
        },
    ],
};

const SIGNERS: Table = Table {
    name: "countersign_signers",
    create: Spelled {
        sqlite: include_str!("../../migrations/inventory/sqlite/signers.sql"),
        postgres: include_str!("../../migrations/inventory/postgres/signers.sql"),
        mysql: include_str!("../../migrations/inventory/mysql/signers.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("gun", Kind::Bytes),
        Column::new("role", Kind::Bytes),
        Column::new("key_id", Kind::Bytes),
        Column::new("algorithm", Kind::Bytes),
        Column::new("name", Kind::Bytes),
        Column::new("expires", Kind::Integer),
    ],
    unique: &[],
    indexes: &[Index {
        columns: &["key_id", "gun"],
        create: Spelled::alike(
            "CREATE INDEX countersign_signers_key ON countersign_signers (key_id, gun)",
        ),
    }],
};

const POSITION: Table = Table {
    name: "countersign_position",
    create: Spelled {
        sqlite: include_str!("../../migrations/inventory/sqlite/position.sql"),
        postgres: include_str!("../../migrations/inventory/postgres/position.sql"),
        mysql: include_str!("../../migrations/inventory/mysql/position.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("name", Kind::Bytes),
        Column::new("line", Kind::Integer),
        Column::new("line_sum", Kind::Bytes),
        Column::new("settled_at", Kind::Integer),
        Column::new("walked_at", Kind::Integer),
    ],
    unique: &[],
    indexes: &[],
};
