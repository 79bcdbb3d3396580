//! Every statement of webhooks, in the SQL that all databases share. Each finds its rows by the
//! primary key.

/// All that is kept of one webhook.
pub const FIND: &str = "SELECT name, fence, beat, holder, line, line_sum, line_at, \
     publishers_at, server_at, wake, delivered_at FROM countersign_webhooks WHERE name = ?";
/// Begins.
pub const BEGIN: &str = "INSERT INTO countersign_webhooks (name, fence, beat, holder, line, \
     line_sum, line_at, publishers_at, server_at, wake, delivered_at) \
     VALUES (?, 1, 0, ?, ?, ?, ?, 0, 0, 0, 0)";
/// Takes the lease, if the row is still as it was seen.
pub const TAKE: &str = "UPDATE countersign_webhooks SET fence = fence + 1, beat = 0, holder = ? \
     WHERE name = ? AND fence = ? AND beat = ?";
/// Shows that the holder lives.
pub const BEAT: &str = "UPDATE countersign_webhooks SET beat = beat + 1 \
     WHERE name = ? AND fence = ?";
/// Gives the lease back.
pub const RELEASE: &str = "UPDATE countersign_webhooks SET holder = ?, beat = beat + 1 \
     WHERE name = ? AND fence = ?";
/// Moves on, if the lease is still held.
pub const MOVE: &str = "UPDATE countersign_webhooks SET line = ?, line_sum = ?, line_at = ?, \
     publishers_at = ?, server_at = ?, delivered_at = ?, beat = beat + 1 \
     WHERE name = ? AND fence = ?";
/// Asks the holder to try everything again.
pub const WAKE: &str = "UPDATE countersign_webhooks SET wake = wake + 1 WHERE name = ?";
/// Lets everything be due at once.
pub const UNPARK: &str = "UPDATE countersign_webhook_delays SET parked = 0, tries = 0, \
     failing = 0, due = 0 WHERE name = ?";

/// A page of what one webhook has to deliver later.
pub const DELAYS: &str = "SELECT gun, role, line, part, version, days, expires, happened, tries, \
     failing, due, parked, error FROM countersign_webhook_delays \
     WHERE name = ? AND (gun > ? OR (gun = ? AND role > ?)) ORDER BY gun, role LIMIT ?";
/// Removes one of them.
pub const REMOVE: &str = "DELETE FROM countersign_webhook_delays \
     WHERE name = ? AND gun = ? AND role = ?";
/// Adds one.
pub const ADD: &str = "INSERT INTO countersign_webhook_delays (name, gun, role, line, part, \
     version, days, expires, happened, tries, failing, due, parked, error) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
