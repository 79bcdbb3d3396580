//! The tables of webhooks, beside those of Notary, which stay as they are. As in the inventory,
//! names are bytes, points in time are numbers, and no column may be NULL.

use database::adopt::{Blueprint, Column, Kind, Spelled, Table};

/// What webhooks need of the database. Backups leave it out: a restored server tells receivers of
/// what happens from then on.
pub static BLUEPRINT: Blueprint = Blueprint {
    program: "notary-server",
    tables: &[WEBHOOKS, DELAYS],
    fills: &[],
    makers: &[],
    of_others: &[("private_keys", "notary-signer")],
    leftovers: &[],
};

const WEBHOOKS: Table = Table {
    name: "countersign_webhooks",
    create: Spelled {
        sqlite: include_str!("../../migrations/webhooks/sqlite/webhooks.sql"),
        postgres: include_str!("../../migrations/webhooks/postgres/webhooks.sql"),
        mysql: include_str!("../../migrations/webhooks/mysql/webhooks.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("name", Kind::Bytes),
        Column::new("fence", Kind::Integer),
        Column::new("beat", Kind::Integer),
        Column::new("holder", Kind::Bytes),
        Column::new("line", Kind::Integer),
        Column::new("line_sum", Kind::Bytes),
        Column::new("line_at", Kind::Integer),
        Column::new("publishers_at", Kind::Integer),
        Column::new("server_at", Kind::Integer),
        Column::new("wake", Kind::Integer),
        Column::new("delivered_at", Kind::Integer),
    ],
    unique: &[],
    indexes: &[],
};

const DELAYS: Table = Table {
    name: "countersign_webhook_delays",
    create: Spelled {
        sqlite: include_str!("../../migrations/webhooks/sqlite/delays.sql"),
        postgres: include_str!("../../migrations/webhooks/postgres/delays.sql"),
        mysql: include_str!("../../migrations/webhooks/mysql/delays.sql"),
    },
    is_required: true,
    columns: &[
        Column::new("name", Kind::Bytes),
        Column::new("gun", Kind::Bytes),
        Column::new("role", Kind::Bytes),
        Column::new("line", Kind::Integer),
        Column::new("part", Kind::Integer),
        Column::new("version", Kind::Integer),
        Column::new("days", Kind::Integer),
        Column::new("expires", Kind::Integer),
        Column::new("happened", Kind::Integer),
        Column::new("tries", Kind::Integer),
        Column::new("failing", Kind::Integer),
        Column::new("due", Kind::Integer),
        Column::new("parked", Kind::Integer),
        Column::new("error", Kind::Bytes),
    ],
    unique: &[],
    indexes: &[],
};
