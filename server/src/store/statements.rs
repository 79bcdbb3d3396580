//! Every statement of the store, in the SQL that all databases share.
//!
//! Reads leave out rows that other software has marked as deleted; such a row still blocks its
//! version, as it does for Notary.

/// The newest timestamp of a GUN, by name.
pub const HEAD: &str = "SELECT version, sha256 FROM tuf_files \
     WHERE gun = ? AND role = 'timestamp' AND deleted_at IS NULL ORDER BY version DESC LIMIT 1";
/// A file by its checksum.
pub const BY_CHECKSUM: &str = "SELECT data, created_at FROM tuf_files \
     WHERE gun = ? AND role = ? AND sha256 = ? AND deleted_at IS NULL LIMIT 1";
/// A file by its version.
pub const BY_VERSION: &str = "SELECT data, created_at FROM tuf_files \
     WHERE gun = ? AND role = ? AND version = ? AND deleted_at IS NULL LIMIT 1";
/// Whether a version as high as this one is stored, marked as deleted or not.
pub const IS_OVERTAKEN: &str = "SELECT version FROM tuf_files \
     WHERE gun = ? AND role = ? AND version >= ? LIMIT 1";
/// Adds a version.
pub const ADD_FILE: &str = "INSERT INTO tuf_files \
     (created_at, updated_at, gun, role, version, sha256, data) VALUES (?, ?, ?, ?, ?, ?, ?)";
/// Adds a line to the changefeed.
pub const ADD_CHANGE: &str = "INSERT INTO changefeed \
     (created_at, gun, version, sha256, category) VALUES (?, ?, ?, ?, ?)";
/// Removes all versions of all roles of a GUN.
pub const DELETE: &str = "DELETE FROM tuf_files WHERE gun = ?";
/// A page of GUNs in name order, each with the time of its newest timestamp.
pub const TIMESTAMPS: &str = "SELECT newest.gun AS gun, tuf_files.created_at AS created_at \
     FROM (SELECT gun, MAX(version) AS version FROM tuf_files \
           WHERE gun > ? AND role = 'timestamp' AND deleted_at IS NULL \
           GROUP BY gun ORDER BY gun LIMIT ?) newest \
     JOIN tuf_files ON tuf_files.gun = newest.gun AND tuf_files.role = 'timestamp' \
          AND tuf_files.version = newest.version \
     ORDER BY newest.gun";
/// Reads nothing, but only if the table is there.
pub const CHECK: &str = "SELECT id FROM tuf_files WHERE id = 0";
/// The feed of all GUNs, forwards.
pub const CHANGES_AFTER: &str = "SELECT id, created_at, gun, version, sha256, category \
     FROM changefeed WHERE id > ? ORDER BY id LIMIT ?";
/// The feed of all GUNs, backwards.
pub const CHANGES_BEFORE: &str = "SELECT id, created_at, gun, version, sha256, category \
     FROM changefeed WHERE id < ? ORDER BY id DESC LIMIT ?";
/// The feed of one GUN, forwards.
pub const GUN_CHANGES_AFTER: &str = "SELECT id, created_at, gun, version, sha256, category \
     FROM changefeed WHERE gun = ? AND id > ? ORDER BY id LIMIT ?";
/// The feed of one GUN, backwards.
pub const GUN_CHANGES_BEFORE: &str = "SELECT id, created_at, gun, version, sha256, category \
     FROM changefeed WHERE gun = ? AND id < ? ORDER BY id DESC LIMIT ?";

/// All of them, for the test that looks at their plans.
pub const ALL: [&str; 13] = [
    HEAD,
    BY_CHECKSUM,
    BY_VERSION,
    IS_OVERTAKEN,
    ADD_FILE,
    ADD_CHANGE,
    DELETE,
    TIMESTAMPS,
    CHECK,
    CHANGES_AFTER,
    CHANGES_BEFORE,
    GUN_CHANGES_AFTER,
    GUN_CHANGES_BEFORE,
];
