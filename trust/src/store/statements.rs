//! Every statement of the store, in the SQL that all databases share.
//!
//! A GUN is compared twice: once as the index does, once byte by byte (`EXACT`), for databases
//! whose collation merges names. Names of roles have nothing to merge: they are of lower case.
//! Reads leave out rows that other software has marked as deleted; such a row still blocks its
//! version, as it does for Notary.

/// For how many files at once there are statements: one for each number, so that each is prepared
/// once for a connection.
pub const MOST_FILES: usize = 8;

/// A statement for each number of files: its beginning, what is there for each file, what is
/// between two of those, and its end.
macro_rules! by_count {
    ($begin:literal, $each:literal, $between:literal, $end:literal) => {
        by_count!(@ $begin $each $end ($between $each); []; []; 1 2 3 4 5 6 7 8)
    };
    (@ $begin:literal $each:literal $end:literal ($($next:literal)*);
        [$($done:expr,)*]; [$($more:literal)*]; $number:literal $($rest:literal)*) => {
        by_count!(@ $begin $each $end ($($next)*);
            [$($done,)* concat!($begin, $each, $($more,)* $end),];
            [$($more)* $($next)*]; $($rest)*)
    };
    (@ $begin:literal $each:literal $end:literal $next:tt;
        [$($done:expr,)*]; [$($more:literal)*];) => {
        [$($done),*]
    };
}

/// The newest timestamp of a GUN, by name.
pub const HEAD: &str = "SELECT version, sha256 FROM tuf_files WHERE gun = ? AND EXACT(gun) = ? \
     AND role = 'timestamp' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";
/// A file by its checksum.
pub const BY_CHECKSUM: &str = "SELECT data, created_at FROM tuf_files \
     WHERE gun = ? AND EXACT(gun) = ? AND role = ? AND sha256 = ? \
     AND deleted_at IS NULL LIMIT 1";
/// Whether a file with this checksum is there.
pub const HOLDS: &str = "SELECT version FROM tuf_files \
     WHERE gun = ? AND EXACT(gun) = ? AND role = ? AND sha256 = ? \
     AND deleted_at IS NULL LIMIT 1";
/// The files of a role whose checksum was never written down.
pub const WITHOUT_CHECKSUM: &str = "SELECT data, created_at FROM tuf_files \
     WHERE gun = ? AND EXACT(gun) = ? AND role = ? \
     AND (sha256 IS NULL OR sha256 = '') AND deleted_at IS NULL";
/// The checksum of a version.
pub const NAME_OF_VERSION: &str = "SELECT version, sha256 FROM tuf_files \
     WHERE gun = ? AND EXACT(gun) = ? AND role = ? AND version = ? \
     AND deleted_at IS NULL LIMIT 1";
/// A file by its version.
pub const BY_VERSION: &str = "SELECT data, created_at FROM tuf_files \
     WHERE gun = ? AND EXACT(gun) = ? AND role = ? AND version = ? \
     AND deleted_at IS NULL LIMIT 1";
/// Which of so many versions have one as high stored, marked as deleted or not, under whatever
/// spelling the unique key takes for the same.
pub const OVERTAKEN: [&str; MOST_FILES] = by_count!(
    "",
    "SELECT gun, role FROM tuf_files WHERE gun = ? AND role = ? AND version >= ?",
    " UNION ALL ",
    ""
);
/// The newest file of a role below a version.
pub const BEFORE_VERSION: &str = "SELECT data, created_at FROM tuf_files \
     WHERE gun = ? AND EXACT(gun) = ? AND role = ? AND version < ? \
     AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";
/// The first role behind another one, by name.
pub const ROLE_AFTER: &str = "SELECT gun, role FROM tuf_files \
     WHERE gun = ? AND EXACT(gun) = ? AND role > ? \
     AND deleted_at IS NULL ORDER BY role, version LIMIT 1";
/// Claims the timestamp that a publish builds on. The row must change, or Galera does not certify
/// it: MySQL keeps whole seconds, so a time that is stored already is moved on by one. Notary shows
/// `updated_at` of the newest version only, which this row no longer is once the publish is stored.
pub const CLAIM_BASE: &str = "UPDATE tuf_files \
     SET updated_at = CASE WHEN updated_at = ? THEN ? ELSE ? END \
     WHERE gun = ? AND EXACT(gun) = ? AND role = 'timestamp' AND version = ? \
     AND deleted_at IS NULL";
/// The same, only if the timestamp has this checksum and none of so many versions is overtaken. The
/// look is a table of its own: MySQL does not let a statement read the table that it changes.
pub const CLAIM_NEWEST: [&str; MOST_FILES] = by_count!(
    "UPDATE tuf_files SET updated_at = CASE WHEN updated_at = ? THEN ? ELSE ? END \
     WHERE gun = ? AND EXACT(gun) = ? AND role = 'timestamp' AND version = ? AND sha256 = ? \
     AND deleted_at IS NULL AND NOT EXISTS (SELECT id FROM (",
    "SELECT id FROM tuf_files WHERE gun = ? AND role = ? AND version >= ?",
    " UNION ALL ",
    ") overtaken)"
);
/// Adds so many versions. Not by `INSERT … SELECT`, which fails on MariaDB when several new
/// repositories are made at once.
pub const ADD_FILES: [&str; MOST_FILES] = by_count!(
    "INSERT INTO tuf_files (created_at, updated_at, gun, role, version, sha256, data) VALUES ",
    "(?, ?, ?, ?, ?, ?, ?)",
    ", ",
    ""
);
/// Adds a line to the changefeed.
pub const ADD_CHANGE: &str = "INSERT INTO changefeed \
     (created_at, gun, version, sha256, category) VALUES (?, ?, ?, ?, ?)";
/// Removes all versions of all roles of a GUN.
pub const DELETE: &str = "DELETE FROM tuf_files WHERE gun = ? AND EXACT(gun) = ?";
/// A page of GUNs in name order, each with the time of its newest timestamp. Looking that up one by
/// one is slower than a join on paper only: planners that join read the whole table.
pub const TIMESTAMPS: &str = "SELECT gun, \
     (SELECT created_at FROM tuf_files WHERE tuf_files.gun = newest.gun \
          AND tuf_files.role = 'timestamp' AND tuf_files.version = newest.version) AS created_at \
     FROM (SELECT gun, MAX(version) AS version FROM tuf_files \
           WHERE gun > ? AND role = 'timestamp' AND deleted_at IS NULL \
           GROUP BY gun ORDER BY gun LIMIT ?) newest ORDER BY gun";
/// Adds nothing to the changefeed, but only with the right to: a line that is taken back would
/// leave a gap.
pub const ADD_NO_CHANGE: &str = "INSERT INTO changefeed (created_at, gun, version, sha256, category) \
     SELECT created_at, gun, version, sha256, category FROM changefeed WHERE id = 0";
/// Reads nothing, but only if the table is there.
pub const CHECK: &str = "SELECT id FROM tuf_files WHERE id = 0";
/// The ids of the changefeed behind one of them.
pub const CHANGE_IDS: &str = "SELECT id FROM changefeed WHERE id > ? ORDER BY id LIMIT ?";
/// The id and the time of the newest change up to an id.
pub const CHANGE_TIME: &str = "SELECT id, created_at FROM changefeed WHERE id > 0 AND id <= ? \
     ORDER BY id DESC LIMIT 1";
/// The feed of all GUNs, forwards.
pub const CHANGES_AFTER: &str = "SELECT id, created_at, gun, version, sha256, category \
     FROM changefeed WHERE id > ? ORDER BY id LIMIT ?";
/// The feed of all GUNs, backwards.
pub const CHANGES_BEFORE: &str = "SELECT id, created_at, gun, version, sha256, category \
     FROM changefeed WHERE id < ? ORDER BY id DESC LIMIT ?";
/// The feed of one GUN, forwards.
pub const GUN_CHANGES_AFTER: &str = "SELECT id, created_at, gun, version, sha256, category \
     FROM changefeed WHERE gun = ? AND EXACT(gun) = ? AND id > ? ORDER BY id LIMIT ?";
/// The feed of one GUN, backwards.
pub const GUN_CHANGES_BEFORE: &str = "SELECT id, created_at, gun, version, sha256, category \
     FROM changefeed WHERE gun = ? AND EXACT(gun) = ? AND id < ? ORDER BY id DESC LIMIT ?";

/// The id of the last file; ids begin at 1 in every database.
pub const LAST_FILE: &str = "SELECT id FROM tuf_files WHERE id > 0 ORDER BY id DESC LIMIT 1";
/// The id of the last line of the changefeed.
pub const LAST_CHANGE: &str = "SELECT id FROM changefeed WHERE id > 0 ORDER BY id DESC LIMIT 1";
/// Every file, those marked as deleted included, for a backup.
pub const ALL_FILES: &str = "SELECT id, created_at, updated_at, deleted_at, gun, role, version, \
     sha256, data FROM tuf_files WHERE id > 0 ORDER BY id";
/// The whole changefeed, for a backup.
pub const ALL_CHANGES: &str = "SELECT id, created_at, gun, version, sha256, category \
     FROM changefeed WHERE id > 0 ORDER BY id";
/// Puts a file back from a backup.
pub const PUT_FILE: &str = "INSERT INTO tuf_files (id, created_at, updated_at, deleted_at, gun, role, \
     version, sha256, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)";
/// Puts a line of the changefeed back from a backup.
pub const PUT_CHANGE: &str = "INSERT INTO changefeed (id, created_at, gun, version, sha256, category) \
     VALUES (?, ?, ?, ?, ?, ?)";

/// Every chain of audit lines.
pub const ALL_CHAINS: &str = "SELECT chain_id, log_name, line_count, sha256, updated_at \
     FROM countersign_audit_chains ORDER BY chain_id";
/// One chain of audit lines.
pub const CHAIN: &str = "SELECT chain_id, log_name, line_count, sha256, updated_at \
     FROM countersign_audit_chains WHERE chain_id = ?";
/// Begins a chain of audit lines.
pub const ADD_CHAIN: &str = "INSERT INTO countersign_audit_chains \
     (chain_id, log_name, line_count, sha256, updated_at) VALUES (?, ?, ?, ?, ?)";
/// Moves a chain of audit lines on, if the line stored last is the one that the server knows.
pub const MOVE_CHAIN: &str = "UPDATE countersign_audit_chains \
     SET log_name = ?, line_count = ?, sha256 = ?, updated_at = ? \
     WHERE chain_id = ? AND line_count = ? AND sha256 = ?";

/// All that requests wait for, for the test that looks at their plans.
pub const ALL: [&str; 29] = [
    HEAD,
    BY_CHECKSUM,
    HOLDS,
    WITHOUT_CHECKSUM,
    NAME_OF_VERSION,
    BY_VERSION,
    OVERTAKEN[0],
    OVERTAKEN[MOST_FILES - 1],
    BEFORE_VERSION,
    ROLE_AFTER,
    CLAIM_BASE,
    CLAIM_NEWEST[MOST_FILES - 1],
    ADD_FILES[MOST_FILES - 1],
    ADD_CHANGE,
    DELETE,
    TIMESTAMPS,
    CHECK,
    CHANGE_IDS,
    CHANGE_TIME,
    CHANGES_AFTER,
    CHANGES_BEFORE,
    GUN_CHANGES_AFTER,
    GUN_CHANGES_BEFORE,
    LAST_FILE,
    LAST_CHANGE,
    ALL_FILES,
    ALL_CHANGES,
    PUT_FILE,
    PUT_CHANGE,
];
