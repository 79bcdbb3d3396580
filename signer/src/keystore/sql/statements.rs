//! Every statement, named by its purpose. Tests check the plan of each.

/// Keys of one purpose that never signed.
pub const PENDING: &str = "SELECT key_id, algorithm, public, gun, role FROM private_keys \
     WHERE gun = ? AND role = ? AND algorithm = ? AND last_used IS NULL AND deleted_at IS NULL";
/// One key, if it never signed.
pub const STILL_PENDING: &str = "SELECT key_id, algorithm, public, gun, role FROM private_keys \
     WHERE key_id = ? AND EXACT(key_id) = ? AND last_used IS NULL AND deleted_at IS NULL";
/// A new key; `last_used` stays NULL.
pub const INSERT: &str = "INSERT INTO private_keys (created_at, updated_at, key_id, \
     encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, role) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
/// Everything that [`INSERT`] wrote of one key; nothing if that has signed already.
pub const WRITTEN: &str = "SELECT key_id, encryption_alg, keywrap_alg, algorithm, \
     passphrase_alias, public, private, gun, role FROM private_keys \
     WHERE key_id = ? AND EXACT(key_id) = ? AND last_used IS NULL AND deleted_at IS NULL";
/// One key.
pub const FIND: &str = "SELECT key_id, algorithm, passphrase_alias, public, private, gun, \
     role, last_used FROM private_keys \
     WHERE key_id = ? AND EXACT(key_id) = ? AND deleted_at IS NULL";
/// What one key was made for.
pub const ORIGIN: &str = "SELECT gun, role FROM private_keys \
     WHERE key_id = ? AND EXACT(key_id) = ? AND deleted_at IS NULL";
/// A key has signed.
pub const MARK_USED: &str = "UPDATE private_keys SET last_used = ?, updated_at = ? \
     WHERE key_id = ? AND EXACT(key_id) = ? AND deleted_at IS NULL";
/// Two keys have signed.
pub const MARK_BOTH_USED: &str = "UPDATE private_keys SET last_used = ?, updated_at = ? \
     WHERE key_id IN (?, ?) AND EXACT(key_id) IN (?, ?) AND deleted_at IS NULL";
/// A key goes; its row stays and keeps the id taken.
pub const DELETE: &str = "UPDATE private_keys SET deleted_at = ? \
     WHERE key_id = ? AND EXACT(key_id) = ? AND deleted_at IS NULL";
/// Another passphrase for one key.
pub const RESEAL: &str = "UPDATE private_keys SET passphrase_alias = ?, private = ?, \
     updated_at = ? WHERE key_id = ? AND EXACT(key_id) = ? \
     AND EXACT(passphrase_alias) = ? AND deleted_at IS NULL";
/// A page of all keys.
pub const LIST: &str = "SELECT id, key_id, gun, role, algorithm, passphrase_alias, \
     created_at, last_used FROM private_keys WHERE id > ? AND deleted_at IS NULL \
     ORDER BY id LIMIT ?";
/// The alias that follows one: run for each alias, it takes a step for each, where `DISTINCT` would
/// read each key.
pub const NEXT_ALIAS: &str = "SELECT passphrase_alias FROM private_keys \
     WHERE EXACT(passphrase_alias) > ? AND deleted_at IS NULL \
     ORDER BY EXACT(passphrase_alias) LIMIT 1";
/// Some keys of one alias, the oldest first.
pub const OLDEST_UNDER_ALIAS: &str = "SELECT key_id, algorithm, passphrase_alias, public, \
     private, gun, role, last_used FROM private_keys \
     WHERE passphrase_alias = ? AND EXACT(passphrase_alias) = ? AND deleted_at IS NULL \
     ORDER BY id LIMIT ?";
/// Some keys of one alias, the newest first.
pub const NEWEST_UNDER_ALIAS: &str = "SELECT key_id, algorithm, passphrase_alias, public, \
     private, gun, role, last_used FROM private_keys \
     WHERE passphrase_alias = ? AND EXACT(passphrase_alias) = ? AND deleted_at IS NULL \
     ORDER BY id DESC LIMIT ?";
/// The alias of one key.
pub const ALIAS: &str = "SELECT passphrase_alias FROM private_keys \
     WHERE key_id = ? AND EXACT(key_id) = ? AND deleted_at IS NULL";
/// Which keys are under an alias.
pub const IDS_UNDER_ALIAS: &str = "SELECT key_id FROM private_keys \
     WHERE passphrase_alias = ? AND EXACT(passphrase_alias) = ? AND deleted_at IS NULL LIMIT ?";
/// How many keys there are: for commands, not for requests, since it reads each.
pub const COUNT: &str = "SELECT COUNT(*) FROM private_keys WHERE deleted_at IS NULL";
/// How many keys never signed, up to some number. It reads each key, so it is run now and then.
/// Keys made before Notary 0.4, which have no GUN, may have signed.
pub const COUNT_PENDING: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM private_keys \
     WHERE last_used IS NULL AND deleted_at IS NULL AND gun <> '' LIMIT ?) pending";
/// Answers nothing, and fails when keys cannot be read.
pub const PROBE: &str = "SELECT id FROM private_keys WHERE key_id = ''";

/// The id of the last row; ids begin at 1 in every database.
pub const LAST: &str = "SELECT id FROM private_keys WHERE id > 0 ORDER BY id DESC LIMIT 1";
/// Every row, those of deleted keys included, for a backup.
pub const EVERYTHING: &str = "SELECT id, created_at, updated_at, deleted_at, key_id, \
     encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, role, \
     last_used FROM private_keys WHERE id > 0 ORDER BY id";
/// Puts a row back from a backup.
pub const PUT: &str = "INSERT INTO private_keys (id, created_at, updated_at, deleted_at, key_id, \
     encryption_alg, keywrap_alg, algorithm, passphrase_alias, public, private, gun, role, \
     last_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// All of them.
pub const ALL: [&str; 20] = [
    PENDING,
    STILL_PENDING,
    INSERT,
    WRITTEN,
    FIND,
    ORIGIN,
    MARK_USED,
    MARK_BOTH_USED,
    DELETE,
    RESEAL,
    LIST,
    NEXT_ALIAS,
    OLDEST_UNDER_ALIAS,
    NEWEST_UNDER_ALIAS,
    ALIAS,
    IDS_UNDER_ALIAS,
    PROBE,
    LAST,
    EVERYTHING,
    PUT,
];
