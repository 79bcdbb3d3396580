//! Every statement of the inventory, in the SQL that all databases share. Each finds its rows by an
//! index, and reads pages by what the last row of the page before was called.

use std::sync::LazyLock;

/// How many rows are added with one statement, where there are so many.
pub const MANY: usize = 50;

/// The columns of a row of the overview, for [`rows`](crate::Row).
macro_rules! columns {
    ($before:literal, $after:literal) => {
        concat!(
            "SELECT o.gun, o.head_version, o.head_sum, o.format, o.published_at, o.computed_at, \
             o.next_expiry, o.next_role, o.health, o.tags, o.signers, o.size, o.detail ",
            $before,
            " ",
            $after
        )
    };
}

/// What a row was computed from.
pub const MARK: &str = "SELECT gun, revision, edition, head_version, head_sum, stale_at \
     FROM countersign_overview WHERE gun = ?";
/// The same of many rows, in the order of names.
pub const MARKS: &str = "SELECT gun, revision, edition, head_version, head_sum, stale_at \
     FROM countersign_overview WHERE gun > ? ORDER BY gun LIMIT ?";
/// Replaces a row, if it is still the one that was read.
pub const UPDATE: &str = "UPDATE countersign_overview SET revision = ?, edition = ?, \
     head_version = ?, head_sum = ?, format = ?, published_at = ?, computed_at = ?, stale_at = ?, \
     next_expiry = ?, next_role = ?, health = ?, tags = ?, signers = ?, size = ?, detail = ? \
     WHERE gun = ? AND revision = ?";
/// Adds a row.
pub const INSERT: &str = "INSERT INTO countersign_overview (revision, edition, head_version, \
     head_sum, format, published_at, computed_at, stale_at, next_expiry, next_role, health, tags, \
     signers, size, detail, gun) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
/// Removes a row, if it is still the one that was read.
pub const DELETE: &str = "DELETE FROM countersign_overview WHERE gun = ? AND revision = ?";

/// Removes all roles of a repository.
pub const DELETE_ROLES: &str = "DELETE FROM countersign_roles WHERE gun = ?";

/// What the tags of a repository are compared by.
pub const TAG_MARKS: &str = "SELECT role, name_start, name_sum, digest, length \
     FROM countersign_tags WHERE gun = ?";
/// Removes a tag.
pub const DELETE_TAG: &str = "DELETE FROM countersign_tags \
     WHERE gun = ? AND role = ? AND name_start = ? AND name_sum = ?";
/// Removes all tags of a repository.
pub const DELETE_TAGS: &str = "DELETE FROM countersign_tags WHERE gun = ?";
/// A page of the tags of a repository: by role, then by name.
pub const TAGS: &str = "SELECT role, name_start, name_sum, name, digest, length \
     FROM countersign_tags WHERE gun = ? AND (role > ? OR (role = ? AND (name_start > ? \
     OR (name_start = ? AND name_sum > ?)))) ORDER BY role, name_start, name_sum LIMIT ?";

/// The signers of a repository.
pub const SIGNERS: &str = "SELECT role, key_id, algorithm, name, expires \
     FROM countersign_signers WHERE gun = ? ORDER BY role, key_id";
/// Removes all signers of a repository.
pub const DELETE_SIGNERS: &str = "DELETE FROM countersign_signers WHERE gun = ?";

/// Repositories in the order of names.
pub const BY_NAME: &str = columns!(
    "FROM countersign_overview o",
    "WHERE o.gun > ? AND o.gun < ? ORDER BY o.gun LIMIT ?"
);
/// One repository.
pub const ONE: &str = columns!("FROM countersign_overview o", "WHERE o.gun = ?");
/// Those with a tag of one name.
pub const BY_TAG: &str = columns!(
    "FROM (SELECT DISTINCT gun FROM countersign_tags \
     WHERE name_sum = ? AND gun > ? AND gun < ? ORDER BY gun LIMIT ?) found",
    "JOIN countersign_overview o ON o.gun = found.gun ORDER BY o.gun"
);
/// Those with a tag of one digest.
pub const BY_DIGEST: &str = columns!(
    "FROM (SELECT DISTINCT gun FROM countersign_tags \
     WHERE digest = ? AND gun > ? AND gun < ? ORDER BY gun LIMIT ?) found",
    "JOIN countersign_overview o ON o.gun = found.gun ORDER BY o.gun"
);
/// Those that a key may sign for.
pub const BY_KEY: &str = columns!(
    "FROM (SELECT DISTINCT gun FROM countersign_signers \
     WHERE key_id = ? AND gun > ? AND gun < ? ORDER BY gun LIMIT ?) found",
    "JOIN countersign_overview o ON o.gun = found.gun ORDER BY o.gun"
);
/// The columns of a [`Summary`](crate::Summary).
macro_rules! summary {
    ($rest:literal) => {
        concat!(
            "SELECT o.gun, o.head_version, o.head_sum, o.format, o.published_at, o.computed_at, \
             o.next_expiry, o.next_role, o.health, o.tags, o.signers, o.size ",
            $rest
        )
    };
}

/// Repositories in the order of names, without details.
pub const SUMMARIES: &str =
    summary!("FROM countersign_overview o WHERE o.gun > ? AND o.gun < ? ORDER BY o.gun LIMIT ?");
/// Those of one health.
pub const SUMMARIES_BY_HEALTH: &str = summary!(
    "FROM countersign_overview o WHERE o.health = ? AND o.gun > ? AND o.gun < ? \
     ORDER BY o.gun LIMIT ?"
);
/// Those with a tag of one name.
pub const SUMMARIES_BY_TAG: &str = summary!(
    "FROM (SELECT DISTINCT gun FROM countersign_tags \
     WHERE name_sum = ? AND gun > ? AND gun < ? ORDER BY gun LIMIT ?) found \
     JOIN countersign_overview o ON o.gun = found.gun ORDER BY o.gun"
);
/// Those with a tag of one digest.
pub const SUMMARIES_BY_DIGEST: &str = summary!(
    "FROM (SELECT DISTINCT gun FROM countersign_tags \
     WHERE digest = ? AND gun > ? AND gun < ? ORDER BY gun LIMIT ?) found \
     JOIN countersign_overview o ON o.gun = found.gun ORDER BY o.gun"
);
/// Those that a key may sign for.
pub const SUMMARIES_BY_KEY: &str = summary!(
    "FROM (SELECT DISTINCT gun FROM countersign_signers \
     WHERE key_id = ? AND gun > ? AND gun < ? ORDER BY gun LIMIT ?) found \
     JOIN countersign_overview o ON o.gun = found.gun ORDER BY o.gun"
);
/// Those of which something expires first, of what expires up to a time.
pub const SUMMARIES_BY_EXPIRY: &str = summary!(
    "FROM countersign_overview o WHERE o.next_expiry <= ? AND (o.next_expiry > ? \
     OR (o.next_expiry = ? AND o.gun > ?)) AND o.next_expiry >= ? \
     ORDER BY o.next_expiry, o.gun LIMIT ?"
);
/// Those with the newest timestamps; the last name of one second comes first.
pub const SUMMARIES_BY_PUBLISHED: &str = summary!(
    "FROM countersign_overview o WHERE (o.published_at < ? OR (o.published_at = ? \
     AND o.gun < ?)) AND o.published_at <= ? ORDER BY o.published_at DESC, o.gun DESC LIMIT ?"
);
/// How many there are of one health, up to a bound. The order has every planner count an index and
/// not the rows, which are large.
pub const COUNT_BY_HEALTH: &str = "SELECT COUNT(*) FROM (SELECT health FROM countersign_overview \
     WHERE health = ? ORDER BY gun LIMIT ?) counted";

/// Which key may sign for what.
pub const SIGNATURES: &str = "SELECT key_id, gun, role, algorithm, name, expires \
     FROM countersign_signers WHERE (key_id > ? OR (key_id = ? AND (gun > ? \
     OR (gun = ? AND role > ?)))) AND key_id >= ? ORDER BY key_id, gun, role LIMIT ?";
/// The same of one key.
pub const SIGNATURES_OF: &str = "SELECT key_id, gun, role, algorithm, name, expires \
     FROM countersign_signers WHERE key_id = ? AND (gun > ? OR (gun = ? AND role > ?)) \
     AND gun >= ? AND gun < ? ORDER BY gun, role LIMIT ?";

/// Whether a repository has a tag of one name.
pub const HAS_TAG: &str =
    "SELECT length FROM countersign_tags WHERE name_sum = ? AND gun = ? LIMIT 1";
/// Whether a key may sign in a repository.
pub const HAS_KEY: &str =
    "SELECT expires FROM countersign_signers WHERE key_id = ? AND gun = ? LIMIT 1";

/// The roles of one kind of owner that expire before a time, the first ones first.
pub const EXPIRING: &str = "SELECT gun, role, version, expires, owner FROM countersign_roles \
     WHERE owner = ? AND expires < ? AND (expires > ? OR (expires = ? AND (gun > ? \
     OR (gun = ? AND role > ?)))) AND expires >= ? ORDER BY expires, gun, role LIMIT ?";

/// How many roles of one kind of owner expire before each of four times, the last one last.
pub const COUNT_EXPIRING: &str = "SELECT COUNT(CASE WHEN expires < ? THEN 1 END), \
     COUNT(CASE WHEN expires < ? THEN 1 END), COUNT(CASE WHEN expires < ? THEN 1 END), COUNT(*) \
     FROM countersign_roles WHERE owner = ? AND expires < ?";
/// What expires first of the roles of one kind of owner.
pub const FIRST_EXPIRY: &str =
    "SELECT expires FROM countersign_roles WHERE owner = ? ORDER BY expires LIMIT 1";

/// How far the changefeed is followed.
pub const POSITION: &str = "SELECT line, line_sum, settled_at, walked_at \
     FROM countersign_position WHERE name = ?";
/// Moves on.
pub const MOVE: &str = "UPDATE countersign_position SET line = ?, line_sum = ?, settled_at = ?, \
     walked_at = ? WHERE name = ?";
/// Begins.
pub const BEGIN: &str = "INSERT INTO countersign_position (line, line_sum, settled_at, walked_at, \
     name) VALUES (?, ?, ?, ?, ?)";
/// Forgets how far it was followed.
pub const FORGET: &str = "DELETE FROM countersign_position WHERE name = ?";

/// A statement that adds rows: the one for a single row, and the one for [`MANY`].
pub struct Addition {
    /// For one row.
    pub one: &'static str,
    /// For [`MANY`] rows.
    pub many: LazyLock<String>,
}

macro_rules! addition {
    ($into:literal, $row:literal) => {
        Addition {
            one: concat!("INSERT INTO ", $into, " VALUES ", $row),
            many: LazyLock::new(|| {
                format!(
                    concat!("INSERT INTO ", $into, " VALUES {}"),
                    vec![$row; MANY].join(", ")
                )
            }),
        }
    };
}

/// Adds roles.
pub static ADD_ROLES: Addition = addition!(
    "countersign_roles (gun, role, version, expires, owner)",
    "(?, ?, ?, ?, ?)"
);
/// Adds tags.
pub static ADD_TAGS: Addition = addition!(
    "countersign_tags (gun, role, name_start, name_sum, name, digest, length)",
    "(?, ?, ?, ?, ?, ?, ?)"
);
/// Adds signers.
pub static ADD_SIGNERS: Addition = addition!(
    "countersign_signers (gun, role, key_id, algorithm, name, expires)",
    "(?, ?, ?, ?, ?, ?)"
);

/// All that read, for the test that looks at their plans.
pub const READS: [&str; 26] = [
    MARK,
    MARKS,
    TAG_MARKS,
    TAGS,
    SIGNERS,
    BY_NAME,
    ONE,
    BY_TAG,
    BY_DIGEST,
    BY_KEY,
    HAS_TAG,
    HAS_KEY,
    EXPIRING,
    POSITION,
    SUMMARIES,
    SUMMARIES_BY_HEALTH,
    SUMMARIES_BY_TAG,
    SUMMARIES_BY_DIGEST,
    SUMMARIES_BY_KEY,
    SUMMARIES_BY_EXPIRY,
    SUMMARIES_BY_PUBLISHED,
    SIGNATURES,
    SIGNATURES_OF,
    COUNT_BY_HEALTH,
    COUNT_EXPIRING,
    FIRST_EXPIRY,
];
